"""Growth: the same changes, 1% of them late, into a small dimension and into one of ten times its size.

Every member has two versions. The changed ones are spread evenly, so that hardly two of them share a page. A
late record takes effect between its member's two versions, so that its history is rebuilt from the raw log.

Beside it two statements by hand write the same rows of the same table: one UPDATE of the changed members'
versions, and one INSERT of the new ones. They know nothing of late records, and tell how much of the growth
is the table's: in a small one changes share pages, and its indexes are nearer.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from benchmarks import history
from benchmarks.case import Case, Work, columns, database, prepare, statements, timed
from benchmarks.star import members
from benchmarks.timing import Outcome, Timing, at_most, note, ratio

LIMIT: Final = 1.3
LATE: Final = 100
"""One in so many of the batch is late."""


def measure(server: str, *, sizes: tuple[int, int], changes: int, rounds: int) -> Outcome:
    """Time the merge in dimensions of these many versions, in turns."""
    timings = []
    with database(server, "growth_small") as small, database(server, "growth_large") as large:
        cases = [
            _grown(prepare(it, members), size, changes)
            for it, size in zip((small, large), sizes, strict=True)
        ]
        for round_ in range(rounds + 1):
            pairs = list(zip(cases, sizes, strict=True))
            done = [_merge(case, size, changes) for case, size in pairs]
            done += [_write(case, size, changes) for case, size in pairs]
            timings += done if round_ else []  # the first fills caches and compiles statements
    found, floor = (ratio(timings, (who, sizes[1]), (who, sizes[0])) for who in ("strandline", "handwritten"))
    what = f"{changes:,} changes, {sizes[1]:,} versions beside {sizes[0]:,}"
    beside = f"the same beside that of an UPDATE and an INSERT, which is {floor:.2f}"
    return Outcome(
        "growth", "versions", timings, [at_most(what, LIMIT, found), at_most(beside, LIMIT, found / floor)]
    )


def _grown(case: Case, versions: int, changes: int) -> Case:
    """The dimension, and the batch in the raw log and on the stage."""
    population = versions // 2
    last = history.build(case, members=population, versions=2)
    is_late = f"i % {LATE} = 0"
    # The late ones are changes of their own too: no attribute of type 2 is equal to a neighbour's.
    said = f"""(
        SELECT i, i * {population // changes} + 1 AS n, CASE WHEN {is_late} THEN 4 ELSE 2 END AS k
        FROM generate_series(0::bigint, {changes} - 1) AS i
    ) AS said"""
    at = f"CASE WHEN {is_late} THEN {history.effective('0.5')} ELSE {history.effective()} END"
    raw_id = f"{last} + i + 1"
    case.execute(
        history.log(case, said, raw_id=raw_id, at=at), history.stage(case, said, raw_id=raw_id, at=at)
    )
    case.vacuum()
    return case


def _merge(case: Case, versions: int, changes: int) -> Timing:
    def work(connection: Connection) -> dict[str, int]:
        return case.merge(connection, last_raw_id=versions + changes)

    return _timed(case, "strandline", work, versions=versions, changes=changes)


def _write(case: Case, versions: int, changes: int) -> Timing:
    """The rows that such a merge has to write, by hand."""
    table, staged = case.qualified(case.table), case.qualified(case.target.staged)
    own = "d.source_system = 'erp' AND d.source_id = s.source_id"
    given = list(history.ATTRIBUTES)
    update = f"""
        UPDATE {table} AS d SET name = s.name, email = s.email, phone = s.phone, balance = s.balance,
            previous_credit_limit = d.credit_limit, credit_limit = s.credit_limit, is_active = s.is_active,
            valid_to = CASE WHEN d.is_current THEN d.valid_from + interval '1 day' ELSE d.valid_to END,
            is_current = false, updated_at = now(), run_id = 2
        FROM {staged} AS s WHERE {own}
    """
    opening = f"""
        INSERT INTO {table} (member_durable_key, version, valid_from, is_current, is_inferred, is_deleted,
            {columns(given)},
            created_at, updated_at, synced_at, source_system, source_id, schema_version, run_id)
        SELECT d.member_durable_key, d.version + 1, d.valid_to, true, false, false,
            {columns(given, of="s")}, now(), now(), s.synced_at, 'erp', s.source_id, 1, 2
        FROM {staged} AS s JOIN {table} AS d ON {own} AND d.version = 2
    """
    work = statements(update, opening)
    return _timed(case, "handwritten", work, versions=versions, changes=changes)


def _timed(case: Case, contestant: str, work: Work, *, versions: int, changes: int) -> Timing:
    def check(connection: Connection) -> int | None:
        return connection.scalar(text(f"SELECT count(*) FROM {case.qualified(case.table)}"))

    seconds, found = timed(case.database, work, check=check)
    case.vacuum()
    if found != versions + changes + 2:  # and the two members that are always there
        raise RuntimeError(f"{found} versions, and not one more for each of {changes} changes")
    return note(Timing(contestant, versions, seconds))
