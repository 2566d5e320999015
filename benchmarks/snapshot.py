"""Snapshot: every member comes again and one in a hundred has changed; strandline beside two statements.

Everything is staged already, for both from the same table. The hand-written SQL finds what differs into a
temporary table, closes with one UPDATE and opens with one INSERT, in a dimension of the same columns with its
primary key and the unique index on current members. It takes for granted that each member comes once, that
nothing comes late, and that nobody was deleted.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from benchmarks import history
from benchmarks.case import Case, Work, columns, database, prepare, statements, timed
from benchmarks.star import accounts
from benchmarks.timing import Outcome, Timing, at_most, note, ratio

LIMIT: Final = 1.5
SHARE: Final = 100
"""One in so many has changed."""

OWN: Final = "handwritten.dim_account"


def measure(server: str, *, members: int, rounds: int) -> Outcome:
    """Time both, in turns."""
    timings = []
    with database(server, "snapshot") as made:
        case = _staged(prepare(made, accounts), members)
        for round_ in range(rounds + 1):
            done = [_by_hand(case, members), _by_strandline(case, members)]
            timings += done if round_ else []  # the first fills caches and compiles statements
    found = ratio(timings, ("strandline", members), ("handwritten", members))
    name = f"{members:,} members, one in {SHARE} changed, beside two statements by hand"
    return Outcome("snapshot", "members", timings, [at_most(name, LIMIT, found)])


def _staged(case: Case, members: int) -> Case:
    last = history.build(case, members=members, versions=1)
    said = f"""(
        SELECT i, i + 1 AS n, CASE WHEN i % {SHARE} = 0 THEN 1 ELSE 0 END AS k
        FROM generate_series(0::bigint, {members} - 1) AS i
    ) AS said"""
    at, raw_id = history.effective("9"), f"{last} + i + 1"
    table = case.qualified(case.table)
    case.execute(
        history.log(case, said, raw_id=raw_id, at=at),
        history.stage(case, said, raw_id=raw_id, at=at),
        "CREATE SCHEMA handwritten",
        f"CREATE TABLE {OWN} (LIKE {table} INCLUDING DEFAULTS INCLUDING IDENTITY)",
        f"INSERT INTO {OWN} OVERRIDING SYSTEM VALUE SELECT * FROM {table}",
        f"ALTER TABLE {OWN} ADD PRIMARY KEY (account_key)",
        f"CREATE UNIQUE INDEX ON {OWN} (source_id, source_system) WHERE is_current",
        f"SELECT setval(pg_get_serial_sequence('{OWN}', 'account_key'), {last})",
    )
    case.vacuum(OWN)
    return case


def _by_hand(case: Case, members: int) -> Timing:
    names = list(history.ATTRIBUTES)
    staged = case.qualified(case.target.staged)
    delta = f"""
        CREATE TEMPORARY TABLE delta ON COMMIT DROP AS
        SELECT s.*, d.account_key, d.account_durable_key, d.version
        FROM {staged} AS s
        LEFT JOIN {OWN} AS d
            ON d.source_system = 'erp' AND d.source_id = s.source_id AND d.is_current
        WHERE d.account_key IS NULL
            OR ({columns(names, of="s")}) IS DISTINCT FROM ({columns(names, of="d")})
    """
    close = f"""
        UPDATE {OWN} AS d SET valid_to = s.effective_at, is_current = false, updated_at = now(), run_id = 2
        FROM delta AS s WHERE d.account_key = s.account_key
    """
    given = columns(names)
    opening = f"""
        INSERT INTO {OWN} (account_durable_key, version, valid_from, is_current, is_inferred, is_deleted,
            {given}, created_at, updated_at, synced_at, source_system, source_id, schema_version, run_id)
        SELECT account_durable_key, version + 1, effective_at, true, false, false,
            {given}, now(), now(), synced_at, 'erp', source_id, 1, 2
        FROM delta
    """
    return _timing(case, "handwritten", statements(delta, close, opening), members, table=OWN)


def _by_strandline(case: Case, members: int) -> Timing:
    def work(connection: Connection) -> object:
        return case.merge(connection, last_raw_id=2 * members)

    return _timing(case, "strandline", work, members, table=case.qualified(case.table))


def _timing(case: Case, contestant: str, work: Work, members: int, *, table: str) -> Timing:
    def check(connection: Connection) -> object:
        counted = f"SELECT count(*), count(*) FILTER (WHERE is_current) FROM {table}"
        return tuple(connection.execute(text(counted)).one())

    seconds, found = timed(case.database, work, check=check)
    case.vacuum(OWN)
    wanted = (members + -(-members // SHARE) + 2, members + 2)  # two members are always there
    if found != wanted:
        raise RuntimeError(f"{contestant} left {found} versions and current ones, and not {wanted}")
    return note(Timing(contestant, members, seconds))
