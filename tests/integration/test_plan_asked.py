"""What a plan says that a run would ask its sources for: marks, filters, partitions, parents, deletions."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from pydantic import AwareDatetime
from sqlalchemy import text
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, run
from strandline.pipeline.plan.outlook import StreamOutlook
from strandline.pipeline.plan.plan import plan
from strandline.source import (
    Cursor,
    Pages,
    Parents,
    Partitions,
    Precision,
    Record,
    Source,
    paged,
    stream,
)
from strandline.warehouse.database import Database


class Book(Record):
    """A book."""

    id: str
    at: AwareDatetime


class Shelf(Source):
    """Books, read in all the ways that there are."""

    def rooms(self) -> list[str]:
        """Two rooms."""
        return ["east", "west"]

    @stream(Book, key="id", cursor=Cursor("at", precision=Precision.DAY, lookback=timedelta(days=2)))
    def by_day(self, since: date | None, until: date | None) -> Pages:
        """None."""
        return paged([])

    @stream(Book, key="id")
    def by_token(self, since: str | None) -> Pages:
        """None."""
        return paged([])

    @stream(Book, key="id", cursor=Cursor("at"), per=Partitions(rooms))
    def by_room(self, room: str, since: datetime | None) -> Pages:
        """None."""
        return paged([])

    @stream(Book, key="id", per=Parents(by_day))
    def pages_of(self, book: Book) -> Pages:
        """None."""
        return paged([])

    @stream(Book, key="id", cursor=Cursor("at"))
    def swept(self, since: datetime | None) -> Pages:
        """None."""
        return paged([])

    @stream(Book, key="id", cursor=Cursor("at", unique=True, inclusive=False))
    def burnt(self, since: datetime | None) -> Pages:
        """None."""
        return paged([])


class DimByDay(Dimension):
    """A book."""

    seen_at: Mapped[datetime] = attribute()


class DimByToken(Dimension):
    """A book."""

    seen_at: Mapped[datetime] = attribute()


class DimByRoom(Dimension):
    """A book."""

    seen_at: Mapped[datetime] = attribute()


class DimPagesOf(Dimension):
    """A book."""

    seen_at: Mapped[datetime] = attribute()


class DimSwept(Dimension):
    """A book."""

    seen_at: Mapped[datetime] = attribute()


class ByDay(Mapper[Book, DimByDay]):
    """Books."""

    seen_at = field("at")


class ByToken(Mapper[Book, DimByToken]):
    """Books."""

    seen_at = field("at")


class ByRoom(Mapper[Book, DimByRoom]):
    """Books."""

    seen_at = field("at")


class PagesOf(Mapper[Book, DimPagesOf]):
    """Books."""

    seen_at = field("at")


class Swept(Mapper[Book, DimSwept]):
    """Books."""

    seen_at = field("at")


shelf = Pipeline("shelf")
shelf.sync(Shelf.by_day, ByDay)
shelf.sync(Shelf.by_token, ByToken)
shelf.sync(Shelf.by_room, ByRoom)
shelf.sync(Shelf.pages_of, PagesOf)
shelf.sync(Shelf.swept, Swept, deletes=[Deletes.by_absence(every="7d"), Deletes.by_tombstones(Shelf.burnt)])

MARKS = {
    "shelf.by_day": "datetime:2026-03-10T12:30:00+00:00",
    "shelf.by_token": "state:token 42",
    "shelf.by_room[east]": "datetime:2026-03-10T12:30:00+00:00",
    "shelf.by_room[west]": "datetime:2026-03-11T12:30:00+00:00",
    "shelf.burnt": "datetime:2026-03-10T12:30:00+00:00",
    "shelf.swept": "datetime:2026-03-10T12:30:00+00:00",
}


def asked(database: Database) -> dict[str, StreamOutlook]:
    return {it.stream: it for it in plan(shelf, database).streams}


def put(database: Database, marks: Iterable[tuple[str, str]]) -> None:
    with database.begin() as connection:
        for name, mark in marks:
            statement = text(
                "INSERT INTO strandline.read_mark (stream, mark, run_id) VALUES (:name, :mark, 0)"
                " ON CONFLICT (stream) DO UPDATE SET mark = excluded.mark"
            )
            connection.execute(statement, {"name": name, "mark": mark})


def test_before_anything_was_read_everything_is_asked_for(warehouse: Database) -> None:
    told = asked(warehouse)

    assert {it.reads for name, it in told.items() if name not in ("shelf.by_room", "shelf.pages_of")} == {
        "everything, from its beginning"
    }
    assert told["shelf.by_room"].reads == "each partition, from its beginning: none was read before"
    assert told["shelf.by_room"].with_full == "everything, from its beginning, of each partition"
    assert told["shelf.pages_of"].reads == "nothing, and of what shelf.by_day brings"


def test_marks_and_filters_are_told_as_a_run_would_use_them(warehouse: Database) -> None:
    run(shelf, warehouse)
    put(warehouse, MARKS.items())
    told = asked(warehouse)

    by_day = told["shelf.by_day"]
    assert (by_day.mark, by_day.since) == (MARKS["shelf.by_day"], "2026-03-08")
    assert by_day.reads == f"at >= 2026-03-08, up to {by_day.until}"
    assert told["shelf.by_token"].reads == "what lies behind its state"
    assert told["shelf.by_room[east]"].reads == "at >= 2026-03-10T12:30:00Z"
    assert told["shelf.by_room[west]"].reads == "at >= 2026-03-11T12:30:00Z"
    assert told["shelf.burnt"].reads == "at > 2026-03-10T12:30:00Z"


def test_children_are_told_by_the_entries_of_their_parents(warehouse: Database) -> None:
    run(shelf, warehouse)
    with warehouse.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO raw.shelf_by_day (raw_id, source_id, payload, payload_hash, operation, run_id,"
                " request, fetched_at) SELECT n, n::text, '{}', '', 'upsert', 1, 1, now()"
                " FROM generate_series(1, 5) AS n"
            )
        )
    put(warehouse, [("shelf.pages_of", "int:2")])

    assert asked(warehouse)["shelf.pages_of"].reads == (
        "those behind 3 entries of shelf.by_day, and of what shelf.by_day brings"
    )


def test_a_look_for_who_is_gone_reads_everything_when_it_is_due(warehouse: Database) -> None:
    first = asked(warehouse)["shelf.swept"]
    run(shelf, warehouse)
    put(warehouse, MARKS.items())
    later = asked(warehouse)["shelf.swept"]

    assert first.deletions == "who is gone would be looked for, by absence; never looked for before"
    assert later.deletions is not None
    assert later.deletions.startswith("who is gone would not be looked for yet, by absence; last looked for")
    assert later.reads == "at >= 2026-03-10T12:30:00Z"
