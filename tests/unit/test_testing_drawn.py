"""Drawn tables read and write what a database holds, and show a difference at a glance."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from textwrap import dedent

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Numeric,
    String,
    create_engine,
    insert,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from strandline.testing.drawn import assert_drawn, drawn


class Base(DeclarativeBase):
    """The models of these tests."""


class DimCustomer(Base):
    """A customer, with one column of each kind."""

    __tablename__ = "dim_customer"

    customer_key: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String)
    credit: Mapped[Decimal | None] = mapped_column(Numeric(18, 4))
    is_active: Mapped[bool | None] = mapped_column(Boolean)
    valid_from: Mapped[datetime | None] = mapped_column(DateTime)
    extra: Mapped[object | None] = mapped_column(JSON(none_as_null=True))


MIDNIGHT = datetime.fromisoformat("2024-01-01")  # SQLite keeps no zones

ROWS = [
    {
        "customer_key": 2,
        "name": "Beta",
        "credit": None,
        "is_active": False,
        "valid_from": MIDNIGHT,
    },
    {
        "customer_key": 1,
        "name": "Acme | Söhne",
        "credit": Decimal("10.5"),
        "is_active": True,
        "valid_from": MIDNIGHT + timedelta(hours=9.5),
    },
]


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        Base.metadata.create_all(connection)
        connection.execute(insert(DimCustomer), ROWS)
        yield connection
    engine.dispose()


def test_a_table_is_drawn_with_aligned_columns(connection: Connection) -> None:
    picture = drawn(
        connection, DimCustomer, columns=["customer_key", "name", "credit", "is_active", "valid_from"]
    )

    assert (
        picture
        == dedent(r"""
        | customer_key | name          | credit | is_active | valid_from       |
        | 1            | Acme \| Söhne | 10.5   | true      | 2024-01-01 09:30 |
        | 2            | Beta          |        | false     | 2024-01-01       |
    """).strip()
    )


@pytest.mark.parametrize(
    "source", [DimCustomer, DimCustomer.__table__, select(DimCustomer), text("SELECT * FROM dim_customer")]
)
def test_a_drawing_of_some_columns_in_any_order_matches(connection: Connection, source: type[object]) -> None:
    assert_drawn(
        connection,
        source,
        r"""
        | name          | customer_key |
        |---------------|-------------:|
        | Beta          | 2            |
        | Acme \| Söhne | 1            |
        """,
    )


def test_numbers_and_times_compare_by_value_and_null_can_be_drawn_twice(connection: Connection) -> None:
    assert_drawn(
        connection,
        DimCustomer,
        """
        | customer_key | credit | valid_from          | extra |
        | 1            | 10.50  | 2024-01-01T09:30:00 |       |
        | 2            | ∅      | 2024-01-01 00:00    | ∅     |
        """,
    )


def test_a_difference_marks_what_is_missing_and_what_is_too_much(connection: Connection) -> None:
    with pytest.raises(AssertionError) as caught:
        assert_drawn(connection, DimCustomer, "| customer_key | name |\n| 1 | Acme |\n| 2 | Beta |")

    assert str(caught.value).splitlines()[1:] == [
        "  | customer_key | name          |",
        "- | 1            | Acme          |",
        r"+ | 1            | Acme \| Söhne |",
        "  | 2            | Beta          |",
    ]


def test_an_order_that_matters_is_compared(connection: Connection) -> None:
    query = select(DimCustomer.customer_key).order_by(DimCustomer.customer_key.desc())

    assert_drawn(connection, query, "| customer_key |\n| 2 |\n| 1 |", ordered=True)
    with pytest.raises(AssertionError, match="in another order"):
        assert_drawn(connection, query, "| customer_key |\n| 1 |\n| 2 |", ordered=True)


def test_an_empty_table_is_drawn_as_its_header(connection: Connection) -> None:
    nobody = select(DimCustomer).where(DimCustomer.customer_key == 3)

    assert_drawn(connection, nobody, "| customer_key | credit |")
    with pytest.raises(AssertionError, match=re.escape("- | 1            | 5      |")):
        assert_drawn(connection, nobody, "| customer_key | credit |\n| 1 | 5 |")


def test_an_aware_time_is_drawn_in_utc_and_an_empty_text_is_not_null(connection: Connection) -> None:
    moment = datetime(2024, 1, 1, 1, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    connection.execute(insert(DimCustomer).values(customer_key=3, name="", valid_from=moment.astimezone(UTC)))
    query = select(DimCustomer).where(DimCustomer.customer_key == 3)

    assert_drawn(connection, query, "| name | valid_from |\n| '' | 2023-12-31 23:00:00.000005 |")


@pytest.mark.parametrize(
    ("drawing", "complaint"),
    [
        ("", "needs a line with the names"),
        ("| a | b |\n| 1 |", "has 1 cells, its header 2"),
        ("| a |\n1", "begins and ends with a pipe"),
    ],
)
def test_a_drawing_that_cannot_be_read_says_why(connection: Connection, drawing: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        assert_drawn(connection, DimCustomer, drawing)
