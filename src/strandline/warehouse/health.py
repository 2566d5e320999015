"""Whether the warehouse's server is well: what it is, what we may do there, its clock, its connections, and
who is in the way.

Everything is only looked at. Each finding says how bad it is, and what to type next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, select, text

from strandline.model.base import RAW, STAGING
from strandline.warehouse import ledger, lock, managed, raw, state
from strandline.warehouse.database import Database
from strandline.warehouse.lock import Holder

Severity = Literal["ok", "info", "warning", "error"]

OLDEST: Final = 14
NEWEST: Final = 18
"""The versions of PostgreSQL that are tried."""
CLOCK_WARNING: Final = timedelta(seconds=2)
CLOCK_ERROR: Final = timedelta(minutes=1)
FULL_WARNING: Final = 0.8
FULL_ERROR: Final = 0.95
SHOWN: Final = 5
"""So many tables are named."""
STILL: Final = timedelta(hours=1)
"""A session that has done nothing for so long while it holds a lock may have lost its process."""
FORGOTTEN: Final = timedelta(minutes=10)
"""The same, in the middle of a transaction."""

SERVER: Final = text("""
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
           current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_replica,
           current_setting('transaction_read_only')::bool AS is_read_only,
           pg_size_pretty(pg_database_size(current_database())) AS size, current_user AS "user"
""")

SLOWING: Final = text("""
    SELECT current_setting('wal_compression') IN ('on', 'pglz') AS is_compressing,
           current_setting('random_page_cost')::float >= 4 AS is_for_disks
""")

# A run adds to raw logs, and takes nothing from them; it only looks at what migrations have noted.
RIGHTS: Final = text("""
    SELECT name, n.oid IS NOT NULL AS is_there,
           coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
           coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_create,
           ARRAY(SELECT c.relname::text FROM pg_class c
            WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
              AND c.relname <> ALL(:of_migrations)
              AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                       AND (name = :raw OR has_table_privilege(c.oid, 'UPDATE')
                                           AND has_table_privilege(c.oid, 'DELETE')))
            ORDER BY 1
           ) AS closed,
           ARRAY(SELECT c.relname::text FROM pg_class c
            WHERE name = :raw AND c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND EXISTS (
                SELECT FROM pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname = ANY(:corrected)
                  AND NOT has_column_privilege(c.oid, a.attnum, 'UPDATE'))
            ORDER BY 1
           ) AS uncorrected
    FROM unnest(CAST(:names AS text[])) AS name LEFT JOIN pg_namespace n ON n.nspname = name
""")

DATABASE_RIGHTS: Final = text("""
    SELECT has_database_privilege(current_database(), 'CREATE') AS may_create,
           has_database_privilege(current_database(), 'TEMPORARY') AS may_have_temporary,
           quote_ident(current_database()) AS database, quote_ident(current_user) AS "user"
""")

CONNECTIONS: Final = text("""
    SELECT count(*) FILTER (WHERE backend_type = 'client backend') AS taken,
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS most
    FROM pg_stat_activity
""")

WAITING: Final = text("""
    SELECT pid, state, clock_timestamp() - state_change AS so_for, pg_blocking_pids(pid) AS blockers
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND (cardinality(pg_blocking_pids(pid)) > 0 OR state LIKE 'idle in transaction%')
    ORDER BY state_change
""")


END: Final = "SELECT pg_terminate_backend({});"


@dataclass(frozen=True)
class Finding:
    """What was looked at, and how it is."""

    check: str
    severity: Severity
    message: str
    remedy: str | None = None
    """What to do, or to type."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def server(connection: Connection) -> Iterator[Finding]:
    """Which PostgreSQL it is, and whether it can be written."""
    it = connection.execute(SERVER).one()
    major = it.number // 10_000
    yield Finding("server", "ok", f"PostgreSQL {it.version}, as {it.user}, {it.size}")
    if major < OLDEST:
        yield Finding(
            "server", "error", f"PostgreSQL {major} is too old", f"Upgrade it to {OLDEST} or newer."
        )
    elif major > NEWEST:
        told = f"PostgreSQL {major} is newer than those that were tried, {OLDEST} to {NEWEST}"
        yield Finding("server", "info", told, "Look for a newer strandline.")
    if it.is_replica or it.is_read_only:
        kind = "a replica" if it.is_replica else "set to read only"
        remedy = "Give the server that writes in STRANDLINE_DATABASE_URL."
        yield Finding("server", "error", f"it is {kind}, and cannot be written", remedy)
    if it.encoding != "UTF8":
        remedy = "Make the database anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0;"
        yield Finding("server", "error", f"its encoding is {it.encoding}, which has not all letters", remedy)


def speed(connection: Connection) -> Iterator[Finding]:
    """Which of the server's settings make merges slower than they need be."""
    it = connection.execute(SLOWING).one()
    if it.is_compressing:
        told = "it compresses its log with pglz, so a merge after a checkpoint takes twice as long"
        yield Finding("server", "info", told, _set("wal_compression = off"))
    if it.is_for_disks:
        told = "it expects a disk that turns; few changes of a large dimension are found faster without"
        yield Finding("server", "info", told, f"On an SSD: {_set('random_page_cost = 1.1')}")


def _set(setting: str) -> str:
    return f"Type as a superuser: ALTER SYSTEM SET {setting}; SELECT pg_reload_conf();"


def rights(database: Database, connection: Connection, *, is_migrated: bool) -> Iterator[Finding]:
    """What our user may do in the database and in each schema. Where migrations make the tables, a run makes
    none but its stages.
    """
    here = connection.execute(DATABASE_RIGHTS).one()
    schemas = database.schemas.model_dump()
    staging = schemas[STAGING]
    asked = {
        "names": list(dict.fromkeys(schemas.values())),
        "raw": schemas[RAW],
        "corrected": list(raw.CORRECTED),
        "of_migrations": list(managed.OF_MIGRATIONS),
    }
    for it in connection.execute(RIGHTS, asked):
        if is_migrated and not it.is_there:
            told = f"schema {it.name} is not there yet; the first migration makes it"
            yield Finding("permissions", "info", told)
            continue
        yield _rights_in(it, here, makes=it.name == staging or not is_migrated)
    if not here.may_have_temporary:
        told = "no temporary tables may be made, which every merge does"
        remedy = f"Type in psql as its owner: GRANT TEMPORARY ON DATABASE {here.database} TO {here.user};"
        yield Finding("permissions", "error", told, remedy)


def _rights_in(it: Row[Any], here: Row[Any], *, makes: bool) -> Finding:
    def refused(told: str, grant: str) -> Finding:
        return Finding("permissions", "error", told, f"Type in psql as its owner: {grant}")

    if not it.is_there:
        if here.may_create:
            return Finding(
                "permissions", "info", f"schema {it.name} is not there yet; the first run makes it"
            )
        return refused(
            f"schema {it.name} is not there, and may not be made",
            f"GRANT CREATE ON DATABASE {here.database} TO {here.user};",
        )
    lacking = [
        name for name, may in (("USAGE", it.may_use), ("CREATE", it.may_create or not makes)) if not may
    ]
    if lacking:
        granted = ", ".join(lacking)
        return refused(
            f"schema {it.name}: {granted} is missing", f"GRANT {granted} ON SCHEMA {it.name} TO {here.user};"
        )
    if it.closed:
        return refused(
            f"schema {it.name}: {_listed(it.closed)} may not be read and written",
            f"GRANT ALL ON ALL TABLES IN SCHEMA {it.name} TO {here.user};",
        )
    if it.uncorrected:
        return Finding(
            "permissions",
            "warning",
            f"schema {it.name}: a replay may not correct keys and times of {_listed(it.uncorrected)}",
            "Type as their owner: strandline grants --apply, with the --prefix that the roles have.",
        )
    return Finding("permissions", "ok", f"schema {it.name} may be used")


def _listed(names: Sequence[str]) -> str:
    others = f" and {len(names) - SHOWN} others" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{others}"


def clock(connection: Connection) -> Finding:
    """How far the server's clock and ours are apart: marks are taken by one, and runs by the other."""
    before = datetime.now(UTC)
    theirs: datetime = connection.scalar(text("SELECT clock_timestamp()")) or before
    after = datetime.now(UTC)
    apart = theirs - (before + (after - before) / 2)
    seconds = f"{abs(apart.total_seconds()):.1f} s"
    if abs(apart) < CLOCK_WARNING:
        return Finding("clock", "ok", f"the server's clock and this machine's are {seconds} apart")
    severity: Severity = "warning" if abs(apart) < CLOCK_ERROR else "error"
    direction = "ahead of" if apart > timedelta() else "behind"
    return Finding(
        "clock",
        severity,
        f"the server's clock is {seconds} {direction} this machine's, so marks may leave out what is new",
        "Let both take their time from one place: timedatectl status, chronyc tracking.",
    )


def connections(connection: Connection) -> Finding:
    """How many of the server's connections are taken."""
    it = connection.execute(CONNECTIONS).one()
    share = it.taken / max(it.most, 1)
    told = f"{it.taken} of {it.most} connections are taken"
    if share < FULL_WARNING:
        return Finding("connections", "ok", told)
    remedy = (
        "See who has them: SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2;"
        " then raise max_connections, or read with a smaller --width."
    )
    return Finding("connections", "error" if share >= FULL_ERROR else "warning", told, remedy)


def locks(database: Database, connection: Connection, streams: Iterable[str]) -> Iterator[Finding]:
    """Who holds what, and who waits for whom."""
    found = [*runs(database, connection, streams), *waiting(connection)]
    yield from found or [Finding("locks", "ok", "nobody holds a stream, and nobody waits")]


def runs(database: Database, connection: Connection, streams: Iterable[str]) -> Iterator[Finding]:
    """Which runs go on, which have ended without a word, and who holds which streams, and since when."""
    if not ledger.exists(database, connection):
        return
    names = sorted({*streams, *ledger.streams(connection)})
    held = lock.holders(connection, [f"stream:{it}" for it in names])
    query = select(state.run.c.run_id, state.run.c.pipeline, state.run.c.started_at)
    going = connection.execute(query.where(state.run.c.status == "running")).all()
    alive = lock.holders(connection, [f"run:{it.run_id}" for it in going])
    now = connection.scalar(text("SELECT clock_timestamp()")) or datetime.now(UTC)
    for it in going:
        holder = alive.get(f"run:{it.run_id}")
        told = f"run {it.run_id} of {it.pipeline}, begun {it.started_at:%Y-%m-%d %H:%M:%S} UTC,"
        if holder is None:
            yield Finding("locks", "info", f"{told} has ended without a word", "The next run notes that.")
        else:
            yield _holding(f"{told} is going on", holder, now)
    known = {it.pid for it in alive.values()}
    for name, holder in held.items():
        if holder.pid not in known:  # a lane of a run has a session of its own
            yield _holding(f"{name.removeprefix('stream:')} is being read", holder, now)


def _holding(told: str, holder: Holder, now: datetime) -> Finding:
    """Whether whoever holds it is at work, or may have been forgotten."""
    since = f", connected since {holder.since:%Y-%m-%d %H:%M:%S} UTC" if holder.since else ""
    who = f"session {holder.pid}, {holder.application or 'unnamed'}, at {holder.host or 'its own machine'}"
    still = now - holder.state_since if holder.state_since and holder.state != "active" else timedelta()
    limit = FORGOTTEN if (holder.state or "").startswith("idle in transaction") else STILL
    told = f"{told} ({who}{since})"
    if still < limit:
        return Finding("locks", "ok", told)
    return Finding(
        "locks",
        "warning",
        f"{told}, and has done nothing for {span(still)}",
        f"If its process is gone, type in psql: {_end(holder.pid)}",
    )


def waiting(connection: Connection) -> Iterator[Finding]:
    """Who waits for whom, and who has forgotten a transaction."""
    for it in connection.execute(WAITING):
        if it.blockers:
            others = ", ".join(map(str, it.blockers))
            told = f"session {it.pid} has been waiting for a lock of session {others} for {span(it.so_for)}"
            yield Finding("locks", "warning", told, f"Wait for it, or type in psql: {_end(it.blockers[0])}")
        elif it.so_for >= FORGOTTEN:
            idle = f"session {it.pid} has been {it.state} for {span(it.so_for)}"
            told = f"{idle}, and keeps tables from being cleaned"
            yield Finding("locks", "warning", told, f"If nobody needs it, type in psql: {_end(it.pid)}")


def _end(pid: int) -> str:
    return END.format(pid)


def span(time: timedelta) -> str:
    """About how long it is."""
    seconds = max(round(time.total_seconds()), 0)
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
