"""A harbour's piers, who lies there and what is noted: models of an application that writes them itself."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, String, delete
from sqlalchemy.orm import Mapped, mapped_column

from strandline.model import (
    Base,
    CustomFields,
    Dimension,
    Fact,
    Money,
    NormalizedEmail,
    attribute,
    event_time,
    grain,
    measure,
    references,
)
from strandline.model.base import Audited
from strandline.warehouse import Memory, UnitOfWork, create_tables
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class DimPier(Dimension, CustomFields):
    """A pier; the column names are those that a merge might use itself."""

    title: Mapped[str] = attribute(String(20))
    origin: Mapped[str | None] = attribute(String(20), scd=0)
    email: Mapped[str | None] = attribute(NormalizedEmail)
    number: Mapped[str | None] = attribute(String(20), scd=2)
    budget: Mapped[Decimal | None] = attribute(Money, scd=2)
    before: Mapped[str | None] = attribute(String(20), scd=3)
    now: Mapped[str | None] = attribute(String(20), scd=6)


class FactMoorage(Fact):
    """One row a stay at a pier."""

    stay_id: Mapped[str] = grain(String(10))
    moored_at: Mapped[datetime | None] = event_time()
    pier_key: Mapped[int] = references(DimPier)
    waiting_pier_key: Mapped[int] = references(DimPier, gap="unknown", durable=True)
    fee: Mapped[Decimal | None] = measure(Money)


class HarbourNote(Base, Audited):
    """A note, in a table of the application's own."""

    note_id: Mapped[str] = mapped_column(String(10), primary_key=True)
    words: Mapped[str | None] = mapped_column(String(20))
    price: Mapped[Decimal | None] = mapped_column()
    is_deleted: Mapped[bool] = mapped_column(Boolean(), default=False)


def minutes(number: int) -> datetime:
    """So many minutes after the beginning."""
    return START + timedelta(minutes=number)


def unit(store: Database | Memory, source: str | None = "port", *, at: int = 0, **more: Any) -> UnitOfWork:
    """A unit of work of a source, at a moment."""
    return UnitOfWork(store, source=source, now=lambda: minutes(at), **more)


def pier(source_id: str, **values: Any) -> DimPier:
    """What is said of a pier."""
    return DimPier.from_dict({"source_id": source_id, **values})


def add(store: Database | Memory, *names: str, at: int = 0, **values: Any) -> None:
    """Have piers of these names."""
    with unit(store, at=at) as work:
        work.repository(DimPier).add(*(pier(name, title="q", **values) for name in names))


def prepare(database: Database) -> None:
    """Have the tables."""
    create_tables(database, DimPier, FactMoorage, HarbourNote)


def empty(database: Database) -> None:
    """Have no rows in them."""
    with database.begin() as connection:
        connection.execute(delete(DimPier).where(DimPier.key > 0))
        connection.execute(delete(FactMoorage))
        connection.execute(delete(HarbourNote))


NOT_COMPARED = {"pier_key", "pier_durable_key", "created_at", "updated_at", "custom_fields"}


def shown(row: Any, key_of: dict[int, tuple[str, int]]) -> Any:
    """A row without what is told by a clock or numbered by a sequence; keys of others as whom they mean."""
    if row is None:
        return None
    if isinstance(row, DimPier):
        names = [column.name for column in DimPier.table().c if column.name not in NOT_COMPARED]
        return {name: getattr(row, name) for name in names} | {"custom_fields": fields_of(row)}
    names = [column.name for column in type(row).__table__.c if column.name not in NOT_COMPARED]
    told = {name: getattr(row, name) for name in names if name != "synced_at"}
    if isinstance(row, FactMoorage):
        # A durable key is the key of the first version.
        keys = ("pier_key", "waiting_pier_key", "waiting_pier_durable_key")
        told |= {name: key_of.get(getattr(row, name), getattr(row, name)) for name in keys}
    return told


def fields_of(row: DimPier) -> dict[str, Any]:
    """Its custom fields."""
    return {} if row.custom_fields is None else dict(row.custom_fields)
