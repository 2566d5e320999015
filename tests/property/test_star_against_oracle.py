"""Stars as they were, as they are and as they were at a moment: what plain loops over the same rows find."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import String, delete, insert, select
from sqlalchemy.orm import Mapped
from tests.effort import cases

from strandline.model import (
    Dimension,
    Fact,
    as_of,
    attribute,
    current,
    event_time,
    grain,
    modified_since,
    references,
    star,
    version_at,
)
from strandline.warehouse import schema
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class DimSkipper(Dimension):
    """Somebody who steers."""

    rank: Mapped[str | None] = attribute(String(10), scd=2)


class FactCrossing(Fact):
    """One row a crossing; the second role has the durable key as well."""

    crossing_id: Mapped[str] = grain(String(10))
    sailed_at: Mapped[datetime | None] = event_time()
    skipper_key: Mapped[int] = references(DimSkipper)
    mate_key: Mapped[int] = references(DimSkipper, durable=True)


@dataclass(frozen=True)
class Version:
    """A version of a member."""

    key: int
    member: int
    number: int
    rank: str | None
    start: datetime
    end: datetime | None
    is_deleted: bool

    def row(self) -> dict[str, Any]:
        """As the table keeps it."""
        return {
            "skipper_key": self.key,
            "skipper_durable_key": self.member,
            "version": self.number,
            "valid_from": self.start,
            "valid_to": self.end,
            "is_current": self.end is None,
            "is_inferred": False,
            "is_deleted": self.is_deleted,
            "rank": self.rank,
            **written("feed", f"S-{self.member}"),
        }

    def answers(self, moment: datetime) -> bool:
        """Whether it stands for its member at this moment."""
        return (self.number == 1 or self.start <= moment) and (self.end is None or moment < self.end)


def written(source: str, source_id: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(("created_at", "updated_at", "synced_at"), START),
        "source_system": source,
        "source_id": source_id,
        "schema_version": 1,
        "run_id": 1,
    }


@st.composite
def histories(draw: st.DrawFn) -> list[Version]:
    """The versions of some members: changes in a row, gaps between some, a deletion behind some."""
    found: list[Version] = []
    for member in range(1, draw(st.integers(1, 4)) + 1):
        days = sorted(draw(st.sets(st.integers(0, 20), min_size=1, max_size=4)))
        for number, day in enumerate(days, 1):
            is_last = number == len(days)
            is_deleted = is_last and draw(st.booleans())
            until = day + 1 if is_deleted else None if is_last else draw(st.integers(day + 1, days[number]))
            found.append(
                Version(
                    key=len(found) + 1,
                    member=member,
                    number=number,
                    rank=draw(st.sampled_from(["mate", "master", None])),
                    start=START + timedelta(days=day),
                    end=None if until is None else START + timedelta(days=until),
                    is_deleted=is_deleted,
                )
            )
    return found


def store(database: Database, versions: list[Version], facts: list[tuple[int, int, int | None]]) -> None:
    """Have these rows and no others; a fact is the keys that it points at, and its day."""
    members = {it.key: it.member for it in versions}
    with database.begin() as connection:
        schema.prepare(database, connection, models=[DimSkipper, FactCrossing], others=[])
        connection.execute(delete(DimSkipper).where(DimSkipper.key > 0))
        connection.execute(delete(FactCrossing))
        connection.execute(insert(DimSkipper.table()), [it.row() for it in versions])
        rows = [
            {
                "crossing_id": str(number),
                "sailed_at": None if day is None else START + timedelta(days=day),
                "skipper_key": one,
                "mate_key": other,
                "mate_durable_key": members[other],
                **written("feed", str(number)),
            }
            for number, (one, other, day) in enumerate(facts)
        ]
        connection.execute(insert(FactCrossing.table()), rows)


@cases(20)
@given(versions=histories(), data=st.data())
def test_a_star_is_what_plain_loops_find(
    both: Database, versions: list[Version], data: st.DataObject
) -> None:
    key = st.sampled_from([it.key for it in versions])
    facts = data.draw(st.lists(st.tuples(key, key, st.none() | st.integers(0, 25)), min_size=1, max_size=5))
    when = START + timedelta(days=data.draw(st.integers(-1, 22)), hours=data.draw(st.integers(0, 1)))
    store(both, versions, facts)
    by_key = {it.key: it for it in versions}

    def told(wanted: Any) -> set[tuple[str, str | None, str | None]]:
        def rank(had: Version) -> str | None:
            same = [it for it in versions if it.member == had.member and wanted(it, had)]
            return same[0].rank if same else None

        return {(str(number), rank(by_key[it[0]]), rank(by_key[it[1]])) for number, it in enumerate(facts)}

    crossings = star(FactCrossing)
    columns = (FactCrossing.crossing_id, crossings.skipper.rank, crossings.mate.rank)
    latest = {it.member: it.key for it in versions}  # the last of each
    with both.begin() as connection:
        was = connection.execute(crossings.as_was(*columns)).all()
        now = connection.execute(crossings.as_is(*columns)).all()
        then = connection.execute(crossings.as_of(when, *columns)).all()
        there = set(connection.scalars(as_of(DimSkipper, when).with_only_columns(DimSkipper.key)))
        present = set(connection.scalars(current(DimSkipper).with_only_columns(DimSkipper.key)))
    assert len(was) == len(now) == len(then) == len(facts)
    assert set(map(tuple, was)) == told(lambda it, had: it is had)
    assert set(map(tuple, now)) == told(lambda it, had: it.key == latest[it.member])
    assert set(map(tuple, then)) == told(lambda it, had: it.answers(when))
    assert there == {it.key for it in versions if it.start <= when and (it.end is None or when < it.end)}
    assert present == {it.key for it in versions if it.end is None}


@cases(15)
@given(versions=histories(), data=st.data())
def test_what_is_asked_of_a_row_and_of_the_table_is_one_answer(
    both: Database, versions: list[Version], data: st.DataObject
) -> None:
    days = data.draw(st.lists(st.none() | st.integers(0, 25), min_size=1, max_size=4))
    store(both, versions, [(1, 1, day) for day in days])
    when = START + timedelta(
        days=data.draw(st.integers(-2, 25)), microseconds=data.draw(st.integers(-1, 1)), hours=12
    )

    columns = (DimSkipper.valid_at(when), DimSkipper.days_valid(when), DimSkipper.is_latest)
    with both.begin() as connection:
        told = {row[0]: tuple(row[1:]) for row in connection.execute(select(DimSkipper.key, *columns))}
        ages = connection.execute(select(FactCrossing.crossing_id, FactCrossing.age_in_days(when))).all()
    rows = [DimSkipper(**it.row()) for it in versions]
    assert {row.key: (row.valid_at(when), row.days_valid(when), row.is_latest) for row in rows} == {
        key: (bool(valid), number, bool(latest)) for key, (valid, number, latest) in told.items() if key > 0
    }
    crossings = [FactCrossing(sailed_at=None if it is None else START + timedelta(days=it)) for it in days]
    assert [row.age_in_days(when) for row in crossings] == [age for _, age in sorted(map(tuple, ages))]


@cases(15)
@given(versions=histories(), day=st.integers(-1, 22))
def test_a_version_is_found_for_any_moment(both: Database, versions: list[Version], day: int) -> None:
    when = START + timedelta(days=day)
    store(both, versions, [(1, 1, day)])

    query = select(DimSkipper.key).join_from(
        FactCrossing,
        DimSkipper,
        version_at(DimSkipper, source="feed", source_id="S-1", at=FactCrossing.sailed_at),
    )
    with both.begin() as connection:
        found = list(connection.scalars(query))
        newer = list(connection.scalars(modified_since(FactCrossing, START + timedelta(days=1))))
    assert found == [it.key for it in versions if it.member == 1 and it.answers(when)]
    assert newer == []


@cases(100)
@given(
    one=st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001  # Hypothesis wants it so
    other=st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001  # the same
)
def test_whole_days_are_counted_alike(both: Database, one: datetime, other: datetime) -> None:
    start, end = one.replace(tzinfo=UTC), other.replace(tzinfo=UTC)
    store(both, [Version(1, 1, 1, None, start, None, is_deleted=False)], [(1, 1, 1)])

    with both.begin() as connection:
        query = select(DimSkipper.days_valid(end)).where(DimSkipper.key == 1)
        assert connection.scalar(query) == (end - start) // timedelta(days=1)
