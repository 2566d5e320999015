"""A column of every type that a model is likely to have: through COPY and back, and equal to itself after."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import AwareDatetime
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Mapper, Money, attribute, field
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Colour(Enum):
    """An enumeration, which PostgreSQL makes a type of."""

    RED = "red"
    BLUE = "blue"


class Piece(Record):
    """A piece; its values are made by the mapper."""

    id: str
    at: AwareDatetime = AT


class Depot(Source):
    """Pieces."""

    def __init__(self, *pieces: Given) -> None:
        super().__init__()
        self.pieces = pieces

    @stream(Piece, key="id", effective_at="at")
    def stock(self) -> Pages:
        """What it was given."""
        return pages(self.pieces)


class DimEveryType(Dimension):
    """A column of every type that a model is likely to have."""

    of_varchar: Mapped[str | None] = attribute(sa.String(10), scd=2)
    of_text: Mapped[str | None] = attribute(scd=2)
    of_char: Mapped[str | None] = attribute(sa.CHAR(3), scd=2)
    of_bool: Mapped[bool | None] = attribute(scd=2)
    of_small: Mapped[int | None] = attribute(sa.SmallInteger, scd=2)
    of_integer: Mapped[int | None] = attribute(sa.Integer, scd=2)
    of_big: Mapped[int | None] = attribute(scd=2)
    of_float: Mapped[float | None] = attribute(scd=2)
    of_real: Mapped[float | None] = attribute(sa.REAL, scd=2)
    of_double: Mapped[float | None] = attribute(sa.Double, scd=2)
    of_float53: Mapped[float | None] = attribute(sa.Float(53), scd=2)
    of_money: Mapped[Decimal | None] = attribute(Money, scd=2)
    of_numeric: Mapped[Decimal | None] = attribute(sa.Numeric, scd=2)
    of_numeric9: Mapped[Decimal | None] = attribute(sa.Numeric(9), scd=2)
    of_moment: Mapped[datetime | None] = attribute(scd=2)
    of_local: Mapped[datetime | None] = attribute(sa.DateTime(timezone=False), scd=2)
    of_day: Mapped[date | None] = attribute(scd=2)
    of_time: Mapped[Any] = attribute(sa.Time, scd=2)
    of_interval: Mapped[Any] = attribute(sa.Interval, scd=2)
    of_uuid: Mapped[UUID | None] = attribute(scd=2)
    of_json: Mapped[dict[str, Any] | None] = attribute(scd=2)
    of_array: Mapped[list[str] | None] = attribute(postgresql.ARRAY(sa.Text), scd=2)
    of_bytes: Mapped[bytes | None] = attribute(sa.LargeBinary, scd=2)
    of_enum: Mapped[Colour | None] = attribute(sa.Enum(Colour, native_enum=False, length=10), scd=2)


class DepotEveryType(Mapper[Piece, DimEveryType]):
    """One value of every type."""

    def of_varchar(self, record: Piece) -> str:
        """A text."""
        return "ünï"

    of_text, of_char = field("id"), field("id")

    def of_bool(self, record: Piece) -> bool:
        """True."""
        return True

    def of_small(self, record: Piece) -> int:
        """The largest."""
        return 2**15 - 1

    def of_integer(self, record: Piece) -> int:
        """The smallest."""
        return -(2**31)

    def of_big(self, record: Piece) -> int:
        """The largest."""
        return 2**63 - 1

    def of_float(self, record: Piece) -> float:
        """Not a number, which equals itself here."""
        return float("nan")

    of_real = of_double = of_float53 = of_float

    def of_money(self, record: Piece) -> Decimal:
        """The largest."""
        return Decimal("9999999999999999.99")

    def of_numeric(self, record: Piece) -> Decimal:
        """As many places as there are."""
        return Decimal("0.1234567890123456789")

    def of_numeric9(self, record: Piece) -> Decimal:
        """Nine digits."""
        return Decimal(123456789)

    def of_moment(self, record: Piece) -> datetime:
        """A moment."""
        return AT

    def of_local(self, record: Piece) -> datetime:
        """A clock's time."""
        return AT.replace(tzinfo=None)

    def of_day(self, record: Piece) -> date:
        """A day."""
        return AT.date()

    def of_time(self, record: Piece) -> object:
        """A time of the day."""
        return AT.time()

    def of_interval(self, record: Piece) -> object:
        """A while."""
        return AT - datetime(2026, 1, 1, tzinfo=UTC)

    def of_uuid(self, record: Piece) -> UUID:
        """A UUID."""
        return UUID(int=7)

    def of_json(self, record: Piece) -> dict[str, Any]:
        """An object, nested."""
        return {"a": [1, None, {"b": "ü"}]}

    def of_array(self, record: Piece) -> list[str]:
        """A list."""
        return ["a", "b,c", ""]

    def of_bytes(self, record: Piece) -> bytes:
        """Any bytes."""
        return b"\x00\xff"

    def of_enum(self, record: Piece) -> Colour:
        """Red."""
        return Colour.RED


def test_a_column_of_every_type_goes_through_copy_and_comes_back_the_same(warehouse: Database) -> None:
    """… and the table is found to be as its model says, and nothing to have changed, the next time."""
    pipeline = Pipeline("types")
    pipeline.sync(Depot.stock, DepotEveryType)
    run(pipeline, warehouse, sources={"depot": Depot({"id": "abc"})})
    again = run(pipeline, warehouse, sources={"depot": Depot({"id": "abc", "at": "2026-01-06T12:00:00Z"})})

    assert again.streams[0].error is None
    assert not again.targets[0].changed
    with warehouse.connect() as connection:
        row = (
            connection.execute(sa.select(DimEveryType.table()).where(DimEveryType.key_column() > 0))
            .mappings()
            .one()
        )
    mapper, record = DepotEveryType(), Piece(id="abc")
    for name in (
        it for it in vars(DepotEveryType) if it.startswith("of_") and it not in ("of_text", "of_char")
    ):
        expected = getattr(mapper, name)(record)
        assert row[name] == expected or expected != expected, name
        assert type(row[name]) is type(expected), name
