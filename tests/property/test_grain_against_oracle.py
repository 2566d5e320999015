"""Of several records at one grain the latest stands and the others are rejects, in whatever order they come.

Parcels are scanned by several gates; a fact has one row a parcel and day, so two gates may say the same row.
Which record stands and which are set aside, naming whom, is told by a plain loop over all that was sent.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import Date, Integer, String, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import Fact, Mapper, field, grain, measure
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = date(2026, 1, 2)


class Scan(Record):
    """A scan; the edition settles what is said of one moment."""

    id: str
    at: AwareDatetime
    edition: int | None = None
    parcel: str
    day: date
    weight: int


class Gates(Source):
    """Scans."""

    name = "gates"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Scan, key="id", effective_at="at", tie_break="edition")
    def scans(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class FactScan(Fact):
    """One row a parcel and day; the name of a column is no trap."""

    place: Mapped[str] = grain(String(40))
    reason: Mapped[date] = grain(Date)
    weight: Mapped[int] = measure(Integer)


class GateScan(Mapper[Scan, FactScan]):
    """Scans."""

    place = field("parcel")
    reason = field("day")
    weight = field("weight")


scanning = Pipeline("scanning")
scanning.sync(Gates.scans, GateScan)


@dataclass(frozen=True)
class Sent:
    """What a gate sent; it may come to say that it was another parcel."""

    gate: int
    minute: int
    edition: int | None
    weight: int
    parcel: str = "big"


sent = st.builds(
    Sent,
    st.sampled_from([0, 0, 1, 1, 2]),
    st.integers(1, 5),
    st.sampled_from([None, 1, 2]),
    st.integers(0, 2),
    st.sampled_from(["big", "big", "small"]),
)
loads = st.lists(st.lists(sent, min_size=1, max_size=6), min_size=1, max_size=4)


class Oracle:
    """Knows everything that was sent, in the order of its arrival."""

    def __init__(self) -> None:
        self.heard: list[Sent] = []

    def _latest(self, numbers: list[int]) -> int:
        best = numbers[0]
        for number in numbers[1:]:
            one, other = self.heard[number], self.heard[best]
            if (one.minute, one.edition or 0) >= (other.minute, other.edition or 0):
                best = number
        return best

    def standing(self) -> tuple[dict[str, tuple[int, int]], dict[int, tuple[int, int]]]:
        """By parcel the gate and weight, and by gate that lost its last word's number and the winner."""
        last: dict[int, int] = {}
        for gate in {it.gate for it in self.heard}:
            last[gate] = self._latest([n for n, it in enumerate(self.heard) if it.gate == gate])
        rows, lost = {}, {}
        for parcel in {it.parcel for it in self.heard}:
            rivals = sorted(number for number in last.values() if self.heard[number].parcel == parcel)
            if not rivals:
                continue
            winner = self._latest(rivals)
            rows[parcel] = (self.heard[winner].gate, self.heard[winner].weight)
            for number in rivals:
                if number != winner:
                    lost[self.heard[number].gate] = (number, self.heard[winner].gate)
        return rows, lost


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.gates = Gates()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent], *, first: int) -> RunReport:
        """Let the gates send the batch; its records are numbered from `first` on."""
        self.gates.records = [
            json.dumps(
                {
                    "id": f"{prefix}{it.gate}",
                    "at": (START + timedelta(minutes=it.minute)).isoformat(),
                    "edition": it.edition,
                    "parcel": prefix + it.parcel,
                    "day": DAY.isoformat(),
                    "weight": it.weight,
                    "number": number,
                }
            ).encode()
            for number, it in enumerate(batch, first)
        ]
        report = run(scanning, self.database, sources={"gates": self.gates})
        assert report.streams[0].error is None
        return report

    def rows(self, prefix: str) -> dict[str, tuple[int, int]]:
        """By parcel, whose row it is and the weight."""
        fact = FactScan.table()
        with self.database.connect() as connection:
            found = connection.execute(select(fact).where(fact.c.place.startswith(prefix))).all()
        return {
            it.place.removeprefix(prefix): (int(it.source_id.removeprefix(prefix)), it.weight) for it in found
        }

    def rejects(self, prefix: str) -> dict[int, tuple[int, str]]:
        """By gate, the number of the record that was set aside, and why."""
        query = text("""
            SELECT source_id, payload, reason
            FROM strandline.reject JOIN raw.gates_scans USING (raw_id, source_id)
            WHERE stream = 'gates.scans' AND target = 'FactScan' AND rule = 'grain'
                AND field = 'place, reason' AND source_id LIKE :mine
        """)
        with self.database.connect() as connection:
            found = connection.execute(query, {"mine": f"{prefix}%"}).all()
        gates = {int(it.source_id.removeprefix(prefix)): it for it in found}
        assert len(gates) == len(found)
        return {gate: (json.loads(it.payload)["number"], it.reason) for gate, it in gates.items()}


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


def _why(prefix: str, parcel: str, winner: int) -> str:
    return (
        f"FactScan: place {prefix}{parcel}, reason {DAY} is the grain of {prefix}{winner} too, which is later"
    )


def _check(bed: Bed, prefix: str, oracle: Oracle) -> None:
    rows, lost = oracle.standing()
    rejects = {
        gate: (number, _why(prefix, oracle.heard[number].parcel, winner))
        for gate, (number, winner) in lost.items()
    }
    assert bed.rows(prefix) == rows
    assert bed.rejects(prefix) == rejects


@given(loads)
@example([[Sent(0, 1, None, 0)], [Sent(2, 2, None, 0)]])
@example([[Sent(0, 2, None, 0)], [Sent(2, 1, None, 0)], [Sent(2, 3, None, 1)], [Sent(0, 1, None, 1)]])
@example([[Sent(0, 1, None, 0)], [Sent(2, 3, None, 0), Sent(0, 2, None, 0)], [Sent(4, 4, None, 0)]])
@example([[Sent(0, 2, None, 0), Sent(2, 1, None, 0)], [Sent(0, 3, None, 0, "small")]])
@example([[Sent(0, 2, None, 0), Sent(2, 1, None, 0), Sent(4, 1, 2, 0)], [Sent(0, 3, None, 0, "small")]])
@example([[Sent(0, 2, None, 0)], [Sent(2, 9, None, 0, "small")], [Sent(0, 3, None, 0, "small")]])
@cases(5)
def test_the_latest_record_at_a_grain_stands_and_the_others_are_set_aside(
    bed: Bed, batches: list[list[Sent]]
) -> None:
    """Each reject is its record's last word, and names the record that stands, also when that changes."""
    prefix, oracle = bed.begin(), Oracle()
    for batch in batches:
        first = len(oracle.heard)
        oracle.heard += batch
        bed.load(prefix, batch, first=first)
        _check(bed, prefix, oracle)


def test_a_record_that_lost_its_row_is_counted_once_and_a_restatement_never(bed: Bed) -> None:
    prefix = bed.begin()
    alone = bed.load(prefix, [Sent(0, 1, None, 1), Sent(0, 2, None, 2)], first=0)
    beaten = bed.load(prefix, [Sent(2, 3, None, 1)], first=2)
    again = bed.load(prefix, [Sent(2, 4, None, 5)], first=3)

    assert (alone.status, alone.streams[0].rejected) == ("done", 0)
    assert (beaten.status, beaten.exit_code, beaten.streams[0].rejected) == ("partial", 3, 1)
    assert (again.status, again.targets[0].counts["updated"]) == ("done", 1)


def test_a_fact_that_is_built_again_has_the_same_rejects_and_changes_no_row(bed: Bed) -> None:
    """The losers are known anew from the log, and no row is written."""
    prefix = bed.begin()
    for number, gate in enumerate([0, 2, 4]):
        bed.load(prefix, [Sent(gate, gate + 1, None, 1)], first=number)
    before = bed.rows(prefix), bed.rejects(prefix)
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark"))
    report = bed.load(prefix, [], first=3)

    assert [report.targets[0].counts[it] for it in ("inserted", "updated", "deleted")] == [0, 0, 0]
    assert (bed.rows(prefix), bed.rejects(prefix)) == before
