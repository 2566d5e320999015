"""Growth: the same changes, 1% of them late, into a small dimension and into one of ten times its size.

Every member has two versions. The changed ones are spread evenly, so that hardly two of them share a page. A
late record takes effect between its member's two versions, so that its history is rebuilt from the raw log.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from benchmarks import history
from benchmarks.case import Case, database, prepare, timed
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
            done = [_merge(case, size, changes) for case, size in zip(cases, sizes, strict=True)]
            timings += done if round_ else []  # the first fills caches and compiles statements
    found = ratio(timings, ("strandline", sizes[1]), ("strandline", sizes[0]))
    target = at_most(f"{changes:,} changes, {sizes[1]:,} versions beside {sizes[0]:,}", LIMIT, found)
    return Outcome("growth", "versions", timings, [target])


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

    def check(connection: Connection) -> int | None:
        return connection.scalar(text(f"SELECT count(*) FROM {case.qualified(case.table)}"))

    seconds, found = timed(case.database, work, check=check)
    case.vacuum()
    if found != versions + changes + 2:  # and the two members that are always there
        raise RuntimeError(f"{found} versions, and not one more for each of {changes} changes")
    return note(Timing("strandline", versions, seconds))
