"""Runs that are killed anywhere, and run again: they must leave what an undisturbed run leaves.

    crash_anywhere("pipeline:sales", warehouse, environment={"STRANDLINE_CRM__BASE_URL": api.url})

The user's pipeline runs in a process of its own, which is killed with the signal that nobody can catch: when
a page has come, before a statement, before a commit. An undisturbed run tells which points there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

from strandline.errors import EXIT_DONE, EXIT_PARTIAL, DeclarationError
from strandline.testing.copied import copied, refuse_memory
from strandline.testing.difference import cut, differences, listed
from strandline.testing.runner import Ending, Remains, Runner
from strandline.warehouse.database import Database

Day = Callable[[], Mapping[str, str] | None]
"""Lets the sources be what they are on that day; gives what its runs find in their environment."""

ENDED: Final = (EXIT_DONE, EXIT_PARTIAL)
AGAIN: Final = 3
"""So often a run is begun again until it ends."""

ATTEMPTS: Final = 3
"""So many points are tried for one at which a run is killed."""

STATEMENT, COMMIT = "statement", "commit"
READING: Final = ("SELECT", "SHOW", "PRAGMA")
SPOT: Final = re.compile(r"day (\d+), (page|statement|commit) (\d+)")
ONLY: Final = ("is missing", "should not be there")
BOTH: Final = "should be {} and is {}"


@dataclass(frozen=True)
class Spot:
    """Where a run is killed: on which day, and at which of its points."""

    day: int
    kind: str
    number: int
    words: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Spot:
        """Read what a failure has told. Raises DeclarationError."""
        found = SPOT.fullmatch(text)
        if found is None:
            raise DeclarationError(
                f"crash_anywhere: at={text!r} is no point of a run",
                hint='Give it as a failure tells it: at="day 1, statement 57".',
            )
        return cls(int(found[1]), found[2], int(found[3]))

    def __str__(self) -> str:
        return f"day {self.day}, {self.kind} {self.number}"


def crash_anywhere(
    what: str,
    warehouse: Database,
    *,
    environment: Mapping[str, str] | None = None,
    days: Sequence[Day] = (),
    kills: int = 20,
    seed: int = 0,
    at: str | None = None,
    queries: Mapping[str, str] | None = None,
    chunk_records: int = 1,
) -> list[str]:
    """Run a pipeline, "module:name", in copies of the warehouse, kill it at so many points, run it again each
    time, and fail where something else is left than by undisturbed runs: members, versions, facts and whom
    they point at, raw logs, rejects, marks, and what the `queries` give. Returns at which points.

    `days` are called one after the other, each before a run, to change what the sources have; what they give
    is in the environment of that day's runs, beside `environment`. The run of each day is killed in turn, and
    those of the days that follow are undisturbed. Instead of a pipeline `what` may name a function, which is
    given the Database and returns a report or an exit code. Chunks are small, so that a short run has many.

    The points are chosen by the seed, all if there are no more; a failure tells its own, to be tried again
    by `at`.
    """
    wanted = None if at is None else Spot.parse(at)
    refuse_memory(warehouse)
    with Runner(what) as runner:
        play = Play(runner, list(days) or [dict], environment or {}, queries or {}, chunk_records)
        shares = [kills // len(play.days) + (it < kills % len(play.days)) for it in range(len(play.days))]
        tried: list[Spot] = []
        warehouse.close()  # what somebody is connected to cannot be copied
        play.perform(warehouse, 1, lambda spots: _chosen(spots, shares, Random(seed), wanted), tried)
    if wanted is not None and wanted not in tried:
        raise DeclarationError(f"crash_anywhere: no run comes to {wanted}")
    return [str(it) for it in tried]


@dataclass(frozen=True)
class Choice:
    """The points of a day at which its runs are killed: so many of them, the first that a run comes to."""

    spots: Sequence[Spot]
    share: int


@dataclass
class Play:
    """A pipeline's days."""

    runner: Runner
    days: list[Day]
    environment: Mapping[str, str]
    queries: Mapping[str, str]
    chunk_records: int
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def perform(
        self,
        start: Database,
        day: int,
        choose: Callable[[Sequence[Spot]], Choice],
        tried: list[Spot],
    ) -> None:
        """Kill the runs of this day and those that follow; the warehouse is as the day before has left it."""
        expected, spots = self._undisturbed(start, day)
        again, _ = self._undisturbed(start, day)
        if again != expected:
            found = differences(expected, again, only=ONLY, both="was {} and is {}", tell=cut)
            raise AssertionError(f"{self.runner.what}: two undisturbed runs differ\n{listed(found)}")
        choice = choose(spots)
        hit = 0
        for spot in choice.spots[: ATTEMPTS * choice.share]:
            if hit < choice.share and self._disturbed(start, spot, expected):
                tried.append(spot)
                hit += 1
        if day < len(self.days):
            with copied(start) as following:
                self._run(following, self._environment(day), what=f"day {day}")
                self.perform(following, day + 1, choose, tried)

    def _undisturbed(self, start: Database, day: int) -> tuple[Remains, list[Spot]]:
        with copied(start) as warehouse:
            environment = self._environment(day)
            ending = self._run(warehouse, environment, what=f"day {day}")
            return self._rest(warehouse, day, environment), _spots(day, ending)

    def _disturbed(self, start: Database, spot: Spot, expected: Remains) -> bool:
        """Kill a run there, run again until it ends, let the other days go by, and compare. False: no run has
        come there, for what several threads do has other numbers each time.
        """
        with copied(start) as warehouse:
            environment = self._environment(spot.day)
            burns_at = (spot.kind, spot.number)
            ending = self.runner.run(
                warehouse, environment, chunk_records=self.chunk_records, burns_at=burns_at
            )
            if not ending.is_killed:
                return False
            self.runner.wait_until_gone(warehouse)
            self._run(warehouse, environment, what=f"killed at {spot} ({spot.words}), the run", times=AGAIN)
            found = differences(
                expected, self._rest(warehouse, spot.day, environment), only=ONLY, both=BOTH, tell=cut
            )
        if found:
            raise AssertionError(
                f"{self.runner.what}: killed at {spot} ({spot.words}) and run again, it leaves something"
                f" else than undisturbed; to try it again: at={str(spot)!r}\n{listed(found)}"
            )
        return True

    def _rest(self, warehouse: Database, day: int, environment: Mapping[str, str]) -> Remains:
        """Let the days that follow go by, and see what there is."""
        for later in range(day + 1, len(self.days) + 1):
            environment = self._environment(later)
            self._run(warehouse, environment, what=f"day {later}")
        return self.runner.look(warehouse, environment, began=self.began, queries=self.queries)

    def _environment(self, day: int) -> Mapping[str, str]:
        return {**self.environment, **(self.days[day - 1]() or {})}

    def _run(
        self, warehouse: Database, environment: Mapping[str, str], *, what: str, times: int = 1
    ) -> Ending:
        """Run until it ends; fail where it does not."""
        ending = self.runner.run(warehouse, environment, chunk_records=self.chunk_records)
        if ending.code in ENDED:
            return ending
        if times > 1:
            return self._run(warehouse, environment, what=what, times=times - 1)
        raise AssertionError(f"{self.runner.what}: {what} does not end well: {ending.error}")


def _spots(day: int, ending: Ending) -> list[Spot]:
    """The points that a run has told of."""
    counts = Counter[str]()
    found = []
    for kind, words in ending.points:
        counts[kind] += 1
        found.append(Spot(day, kind, counts[kind], words))
    return found


def _chosen(spots: Sequence[Spot], shares: Sequence[int], dice: Random, wanted: Spot | None) -> Choice:
    """Some of them, one between every two commits that write before there are two anywhere: between those the
    database forgets the same.
    """
    if wanted is not None:
        return Choice([it for it in spots if it == wanted], 1)
    share = shares[spots[0].day - 1] if spots else 0
    between = _between_commits(spots)
    picked = {dice.choice(it) for it in dice.sample(between, min(share, len(between)))}
    left = [it for it in range(len(spots)) if it not in picked]
    others = dice.sample(left, len(left))
    missing = max(share - len(picked), 0)
    picked |= set(others[:missing])
    return Choice([spots[it] for it in [*sorted(picked), *others[missing:]]], share)


def _between_commits(spots: Sequence[Spot]) -> list[list[int]]:
    """The places between commits that write, each run of them up to its commit."""
    found: list[list[int]] = [[]]
    has_written = False
    for place, spot in enumerate(spots):
        found[-1].append(place)
        has_written = has_written or (spot.kind == STATEMENT and not spot.words.startswith(READING))
        if spot.kind == COMMIT and has_written:
            found.append([])
            has_written = False
    return [it for it in found if it]
