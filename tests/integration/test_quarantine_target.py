"""Releases into several targets of a stream: lines, ties, deletions, and pipelines that share it."""

from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime, Field
from sqlalchemy import Integer, String, select
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Fact, Mapper, attribute, field, grain, line, line_number, measure
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, Zone, stream
from strandline.warehouse import state
from strandline.warehouse.database import Database


class FirstItem(Record):
    """A line, of few pieces."""

    pieces: Annotated[int, Field(le=5)]


class Item(Record):
    """A line."""

    pieces: int


class FirstTicket(Record):
    """A ticket, as it was read at first."""

    id: str
    at: AwareDatetime
    edition: int = 0
    label: str = ""
    items: list[FirstItem] = Field(default_factory=list)


class Ticket(Record):
    """A ticket, as it is read now."""

    id: str
    at: Annotated[datetime, Zone("UTC")]
    edition: int = 0
    label: str = ""
    items: list[Item] = Field(default_factory=list)


class FirstDesk(Source):
    """Tickets, as they were read at first."""

    name = "desk"

    def __init__(self, *records: Given) -> None:
        super().__init__()
        self.records = records

    @stream(FirstTicket, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def tickets(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class MendedDesk(FirstDesk):
    """Tickets, as they are read now."""

    name = "desk"

    @stream(Ticket, key="id", effective_at="at", tie_break="edition", deleted="gone")
    def tickets(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimTicket(Dimension):
    """A ticket; the label keeps its history."""

    label: Mapped[str] = attribute(String(12), scd=2)


class FactTicketItem(Fact):
    """One row a line."""

    ticket_id: Mapped[str] = grain(String(20))
    item: Mapped[int] = grain(Integer)
    pieces: Mapped[int] = measure(Integer)


class FirstTicketMapper(Mapper[FirstTicket, DimTicket]):
    """Tickets."""

    label = field("label")


class FirstItemMapper(Mapper[FirstTicket, FactTicketItem], each="items"):
    """Lines."""

    ticket_id = field("id")
    item = line_number()
    pieces = line("pieces")


class TicketMapper(Mapper[Ticket, DimTicket]):
    """Tickets."""

    label = field("label")


class ItemMapper(Mapper[Ticket, FactTicketItem], each="items"):
    """Lines."""

    ticket_id = field("id")
    item = line_number()
    pieces = line("pieces")


def load(
    database: Database, *records: dict[str, Any], is_mended: bool = False, only: type[Any] | None = None
) -> RunReport:
    desk = MendedDesk if is_mended else FirstDesk
    mappers: list[Any] = [TicketMapper, ItemMapper] if is_mended else [FirstTicketMapper, FirstItemMapper]
    pipeline = Pipeline("desk" if only is None else only.__name__)
    for mapper in mappers:
        if only in (None, mapper.model):
            pipeline.sync(desk.tickets, mapper)
    return run(pipeline, database, sources={"desk": desk(*records)})


def ticket(minute: int, *pieces: int, is_naive: bool = False, **said: Any) -> dict[str, Any]:
    zone = "" if is_naive else "Z"
    items = [{"pieces": it} for it in pieces]
    return {"id": "T", "at": f"2026-01-01T00:0{minute}:00{zone}", "items": items, **said}


def pieces(database: Database) -> list[int]:
    table = FactTicketItem.table().c
    with database.connect() as connection:
        return list(connection.scalars(select(table.pieces).order_by(table.item)))


def labels(database: Database) -> list[str]:
    table = DimTicket.table().c
    with database.connect() as connection:
        return list(
            connection.scalars(select(table.label).where(table.ticket_key > 0).order_by(table.version))
        )


def noted(database: Database) -> list[tuple[Any, ...]]:
    columns = (state.reject.c.reject_id, state.reject.c.target, state.reject.c.state)
    with database.connect() as connection:
        return [tuple(it) for it in connection.execute(select(*columns).order_by(columns[0]))]


def test_a_released_record_brings_history_and_replaces_no_later_lines(warehouse: Database) -> None:
    load(warehouse, ticket(1, 9, 9, 9, label="old"))
    load(warehouse, ticket(2, 3, label="new"))
    assert noted(warehouse) == [(1, "", "superseded")]
    report = load(warehouse, is_mended=True)

    assert (pieces(warehouse), labels(warehouse)) == ([3], ["old", "new"])
    assert (report.streams[0].released, noted(warehouse)) == (2, [])


def test_a_released_record_that_is_later_takes_its_lines_with_it(warehouse: Database) -> None:
    load(warehouse, ticket(1, 1, 2, 3))
    load(warehouse, ticket(2, 9, is_naive=True))
    load(warehouse, is_mended=True)

    assert pieces(warehouse) == [9]


@pytest.mark.parametrize(("edition", "stands"), [(1, 9), (3, 3)])
def test_at_one_instant_the_tie_break_tells_whether_a_released_record_stands(
    warehouse: Database, edition: int, stands: int
) -> None:
    """Before the log does: the released one is the earlier entry."""
    load(warehouse, ticket(1, 9, edition=2, label="released", is_naive=True))
    load(warehouse, ticket(1, 3, edition=edition, label="there"))
    load(warehouse, is_mended=True)

    assert pieces(warehouse) == [stands]
    assert labels(warehouse) == ["released" if stands == 9 else "there"]


def test_a_released_record_does_not_bring_back_what_was_deleted_after_it(warehouse: Database) -> None:
    load(warehouse, ticket(1, 9, is_naive=True))
    load(warehouse, {"id": "T", "at": "2026-01-01T00:02:00Z", "gone": True})
    load(warehouse, is_mended=True)

    assert (pieces(warehouse), labels(warehouse), noted(warehouse)) == ([], [""], [])


def test_pipelines_that_share_a_stream_release_each_for_its_own_target(warehouse: Database) -> None:
    """The one that comes first leaves the other a reject of its own, which its next run tries."""
    load(warehouse, ticket(1, 9), only=DimTicket)
    load(warehouse, only=FactTicketItem)
    assert noted(warehouse) == [(1, "", "open")]

    load(warehouse, is_mended=True, only=DimTicket)
    assert (labels(warehouse), pieces(warehouse)) == ([""], [])
    assert [it[1:] for it in noted(warehouse)] == [("FactTicketItem", "open")]

    report = load(warehouse, is_mended=True, only=FactTicketItem)
    assert (pieces(warehouse), noted(warehouse)) == ([9], [])
    assert report.streams[0].released == 1
