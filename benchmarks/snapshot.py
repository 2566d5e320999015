"""Snapshot and increment: every member comes again and one in a hundred has changed, or only some that have
changed come; strandline beside three statements.

Everything is staged already, for both from the same table. The hand-written SQL finds what differs into a
temporary table, closes with one UPDATE and opens with one INSERT, in a dimension of the same columns with its
primary key and the unique index on current members. It takes for granted that each member comes once, that
nothing comes late, and that nobody was deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from benchmarks import history
from benchmarks.case import Case, Work, columns, database, prepare, statements, timed
from benchmarks.star import accounts
from benchmarks.timing import Outcome, Timing, at_most, note, ratio

SHARE: Final = 100
"""One in so many of a snapshot has changed."""
CHANGES: Final = 15_000
"""So many changes are an increment of 1,000,000 members, and as large a share of fewer."""

OWN: Final = "handwritten.dim_account"


@dataclass(frozen=True)
class Batch:
    """What comes: so many records of so many members, of which some say something else."""

    suite: str
    members: int
    records: int
    every: int
    """One record in so many has changed."""
    limit: float

    @property
    def changed(self) -> int:
        """How many members have changed."""
        return -(-self.records // self.every)

    @property
    def said(self) -> str:
        """The records, spread evenly over the members: for `history`."""
        return f"""(
            SELECT i, i * {self.members // self.records} + 1 AS n,
                CASE WHEN i % {self.every} = 0 THEN 1 ELSE 0 END AS k
            FROM generate_series(0::bigint, {self.records} - 1) AS i
        ) AS said"""


def snapshot(members: int) -> Batch:
    """All members, of whom few have changed."""
    return Batch("snapshot", members, records=members, every=SHARE, limit=1.2)


def increment(members: int) -> Batch:
    """Only those that have changed."""
    return Batch("increment", members, records=members * CHANGES // 1_000_000, every=1, limit=1.3)


def measure(server: str, batch: Batch, *, rounds: int) -> Outcome:
    """Time both, in turns."""
    timings = []
    with database(server, "snapshot") as made:
        case = staged(prepare(made, accounts), batch)
        for round_ in range(rounds + 1):
            done = [by_hand(case, batch), by_strandline(case, batch)]
            timings += done if round_ else []  # the first fills caches and compiles statements
    found = ratio(timings, ("strandline", batch.members), ("handwritten", batch.members))
    name = f"{batch.records:,} records of {batch.members:,} members, {batch.changed:,} changed, beside SQL"
    return Outcome(batch.suite, "members", timings, [at_most(name, batch.limit, found)])


def staged(case: Case, batch: Batch) -> Case:
    """The dimension, twice, and the batch in the raw log and on the stage."""
    last = history.build(case, members=batch.members, versions=1)
    at, raw_id = history.effective("9"), f"{last} + i + 1"
    table = case.qualified(case.table)
    case.execute(
        history.log(case, batch.said, raw_id=raw_id, at=at),
        history.stage(case, batch.said, raw_id=raw_id, at=at),
        "CREATE SCHEMA handwritten",
        f"CREATE TABLE {OWN} (LIKE {table} INCLUDING DEFAULTS INCLUDING IDENTITY)",
        f"INSERT INTO {OWN} OVERRIDING SYSTEM VALUE SELECT * FROM {table}",
        f"ALTER TABLE {OWN} ADD PRIMARY KEY (account_key)",
        f"CREATE UNIQUE INDEX ON {OWN} (source_id, source_system) WHERE is_current",
        f"SELECT setval(pg_get_serial_sequence('{OWN}', 'account_key'), {last})",
    )
    case.vacuum(OWN)
    return case


def by_hand(case: Case, batch: Batch) -> Timing:
    """A delta, what it closes, and what it opens."""
    names = list(history.ATTRIBUTES)
    delta = f"""
        CREATE TEMPORARY TABLE delta ON COMMIT DROP AS
        SELECT s.*, d.account_key, d.account_durable_key, d.version
        FROM {case.qualified(case.target.staged)} AS s
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
    return _timing(case, "handwritten", statements(delta, close, opening), batch, table=OWN)


def by_strandline(case: Case, batch: Batch) -> Timing:
    """What a run does with what is staged."""

    def work(connection: Connection) -> object:
        return case.merge(connection, last_raw_id=batch.members + batch.records)

    return _timing(case, "strandline", work, batch, table=case.qualified(case.table))


def _timing(case: Case, contestant: str, work: Work, batch: Batch, *, table: str) -> Timing:
    def check(connection: Connection) -> object:
        counted = f"SELECT count(*), count(*) FILTER (WHERE is_current) FROM {table}"
        return tuple(connection.execute(text(counted)).one())

    seconds, found = timed(case.database, work, check=check)
    case.vacuum(OWN)
    wanted = (batch.members + batch.changed + 2, batch.members + 2)  # two members are always there
    if found != wanted:
        raise RuntimeError(f"{contestant} left {found} versions and current ones, and not {wanted}")
    return note(Timing(contestant, batch.members, seconds))
