"""Column types do the same everywhere: through the ORM on SQLite and PostgreSQL, and through COPY."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Mapped, Session

from strandline.errors import ValuesRefused
from strandline.model import (
    BooleanStringType,
    Dimension,
    Exact,
    Mapper,
    Money,
    NormalizedEmail,
    ReferenceType,
    UtcDateTime,
    attribute,
)
from strandline.model.conversion import compile_mapper
from strandline.source import Record
from strandline.warehouse.copy import copy, faults
from strandline.warehouse.database import Database

AT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
ABROAD = AT.astimezone(timezone(timedelta(hours=-5)))


class Sample(Record):
    """A record that is not looked at: the mapper takes the value from elsewhere."""


class DimTypeSample(Dimension):
    """A column of each of our types."""

    truth: Mapped[bool | None] = attribute(BooleanStringType)
    reference: Mapped[str | None] = attribute(ReferenceType)
    email: Mapped[str | None] = attribute(NormalizedEmail)
    moment: Mapped[datetime | None] = attribute(UtcDateTime)
    day: Mapped[date | None] = attribute()
    money: Mapped[Decimal | None] = attribute(Money)
    exact: Mapped[Decimal | None] = attribute(Exact(38, 10))
    plain: Mapped[Decimal | None] = attribute(Numeric(6, 2))
    whole: Mapped[Decimal | None] = attribute(Numeric(6))


ACCEPTED: list[tuple[str, object, object]] = [
    *(("truth", word, True) for word in ("yes", "TRUE", " 1 ", "y", "T", True, 1)),
    *(("truth", word, False) for word in ("No", "false", "0", "N", "f", False, 0)),
    ("truth", None, None),
    ("reference", {"id": "1", "name": "USD"}, "USD"),
    ("reference", {"id": "1", "name": None, "displayName": "Dollar"}, "Dollar"),
    ("reference", {"id": 1}, "1"),
    ("reference", SimpleNamespace(id="1", name="", display_name="Dollar"), "Dollar"),
    ("reference", "as it is", "as it is"),
    ("email", "  Ada@Example.ORG ", "ada@example.org"),
    ("email", " ", None),
    ("moment", AT, AT),
    ("moment", ABROAD, AT),
    ("moment", AT.replace(microsecond=123456), AT.replace(microsecond=123456)),
    ("moment", datetime(1, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)),
    ("moment", datetime(9999, 12, 31, 23, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)),
    ("day", date(2026, 3, 29), date(2026, 3, 29)),
    ("money", Decimal("9999999999999999.99"), Decimal("9999999999999999.99")),
    ("money", Decimal("-0.01"), Decimal("-0.01")),
    ("money", Decimal("1E+3"), Decimal(1000)),
    ("money", Decimal("1.500"), Decimal("1.5")),
    ("money", 7, Decimal(7)),
    (
        "exact",
        Decimal("1234567890123456789012345678.0123456789"),
        Decimal("1234567890123456789012345678.0123456789"),
    ),
    ("plain", Decimal("9999.99"), Decimal("9999.99")),
    ("whole", Decimal(999999), Decimal(999999)),
]

REFUSED: list[tuple[str, object, str]] = [
    *(("truth", word, "is neither yes/no") for word in ("", "perhaps", "10", 2, 1.0, "tru")),
    ("reference", {"key": "1"}, "has neither name, display_name nor id"),
    ("reference", 7, "has neither name"),
    ("email", "nobody", "is no e-mail address"),
    ("email", "a@b@c", "is no e-mail address"),
    ("email", 7, "is no e-mail address"),
    ("moment", AT.replace(tzinfo=None), "has no time zone"),
    ("moment", date(2026, 3, 29), "is no datetime"),
    ("moment", "2026-03-29", "is no datetime"),
    ("moment", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "outside the years 1 to 9999"),
    ("day", AT, "is no date"),
    ("day", "2026-03-29", "is no date"),
    ("money", 0.1, "is a float"),
    ("money", "0.1", "is a str"),
    ("money", True, "is a bool"),
    ("money", Decimal("0.001"), "has more than 2 decimal places"),
    ("money", Decimal(10000000000000000), r"does not fit numeric\(18, 2\)"),
    ("money", Decimal("NaN"), "or is no number"),
    ("money", Decimal("Infinity"), "does not fit"),
    ("plain", Decimal("0.001"), "has more than 2 decimal places"),
    ("plain", Decimal(10000), "does not fit"),
    ("whole", Decimal("0.5"), "has more than 0 decimal places"),
]

Way = Callable[[str, object], object]
"""Write a value into a column, and read it back."""


def _through_orm(engine: Engine) -> Way:
    def write(column: str, value: object) -> object:
        with Session(engine) as session:
            session.execute(delete(DimTypeSample))
            session.add(DimTypeSample(**_row(column, value)))
            session.flush()
            session.expire_all()
            found: object = session.scalars(select(DimTypeSample.table().c[column])).one()
            session.rollback()
        return found

    return write


def _row(column: str, value: object) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(("created_at", "updated_at", "synced_at", "valid_from"), AT)
    row |= {"source_system": "s", "source_id": "i", "schema_version": 1, "run_id": 1, "version": 1}
    return {**row, "is_current": True, "type_sample_durable_key": 1, column: value}


def _through_copy(database: Database) -> Way:
    def write(column: str, value: object) -> object:
        conversion = compile_mapper(_mapper_of(column, value), database.engine.dialect)
        row = conversion.convert(Sample(), 1, "i", AT, AT)
        columns = list(conversion.columns)
        with database.connect() as connection:
            target = Table("copied", MetaData(), *(it._copy() for it in columns), prefixes=["TEMPORARY"])
            target.create(connection)
            copy(connection, "copied", columns=columns, rows=[row[5:]])
            found: object = connection.scalar(select(target.c[column]))
        return found

    return write


def _mapper_of(column: str, value: object) -> type[Mapper[Sample, DimTypeSample]]:
    def give(self: object, record: Sample) -> object:
        return value

    give.__name__ = column
    return type("SampleMapper", (Mapper,), {column: give, "__orig_bases__": (Mapper[Sample, DimTypeSample],)})


@pytest.fixture(params=["SQLite", "PostgreSQL", "COPY"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    if request.param == "SQLite":
        engine = create_engine("sqlite://", execution_options={"schema_translate_map": {"warehouse": None}})
        DimTypeSample.table().create(engine)
        yield _through_orm(engine)
        engine.dispose()
        return
    database = request.getfixturevalue("warehouse")
    if request.param == "COPY":
        yield _through_copy(database)
        return
    DimTypeSample.table().create(database.engine)
    yield _through_orm(database.engine)


def test_every_way_stores_the_same(way: Way) -> None:
    for column, value, expected in ACCEPTED:
        found = way(column, value)
        assert found == expected, (column, value)
        assert type(found) is type(expected), (column, value)
        assert not isinstance(found, datetime) or found.tzinfo is UTC or found.utcoffset() == timedelta(0)


def test_every_way_refuses_the_same_in_the_same_words(way: Way) -> None:
    for column, value, words in REFUSED:
        with pytest.raises((ValueError, StatementError, ValuesRefused), match=words):
            way(column, value)


def test_money_survives_sqlite_which_knows_only_floats() -> None:
    """Unit tests of applications run there."""
    engine = create_engine("sqlite://", execution_options={"schema_translate_map": {"warehouse": None}})
    DimTypeSample.table().create(engine)
    with engine.begin() as connection:
        connection.execute(insert(DimTypeSample.table()).values(_row("money", Decimal("12345678901234.56"))))
        query = select(DimTypeSample.table()).where(
            DimTypeSample.table().c.money == Decimal("12345678901234.56")
        )
        assert connection.execute(query).mappings().one()["money"] == Decimal("12345678901234.56")
    engine.dispose()


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        (String(3), "four", "is 4 characters long, and the column holds 3"),
        (String(3), "a\0", "holds a NUL character"),
        (String(), "\ud800", "holds half of a surrogate pair"),
        (String(), 7, "is a int, not text"),
        (Integer(), 2**31, "is outside a 32-bit integer"),
        (Integer(), "7", "is a str, not a whole number"),
    ],
)
def test_a_value_that_copy_fails_on_is_named_and_shown(type_: Any, value: object, words: str) -> None:
    ((name, why),) = faults([Column("amount", type_), Column("fine", Integer)], [value, 1])
    assert name == "amount"
    assert words in why
