"""Rows made by a program: from a dict, and from what an API answered."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from pydantic import AwareDatetime, Field
from sqlalchemy import Boolean, Integer, SmallInteger, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError, RecordRejected, ValuesRefused
from strandline.model import (
    Base,
    CustomFields,
    DimDate,
    Dimension,
    Fact,
    JunkDimension,
    Mapper,
    Money,
    NormalizedEmail,
    attribute,
    combination,
    event_time,
    field,
    grain,
    line,
    line_number,
    measure,
    references,
)
from strandline.source import Pages, Record, Source, stream

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Stage(Enum):
    """How far somebody is."""

    LEAD = "lead"
    BUYER = "buyer"


class Patron(Record):
    """A patron, as the box office sends it."""

    id: str
    name: str
    mail: str | None = None
    budget: Decimal | None = None
    at: AwareDatetime = NOON


class DimTheatregoer(Dimension, CustomFields):
    """Somebody who comes to the theatre."""

    patron_name: Mapped[str] = attribute(String(20))
    email_address: Mapped[str | None] = attribute(NormalizedEmail)
    budget: Mapped[Decimal | None] = attribute(Money, scd=2)
    seats: Mapped[int | None] = attribute(SmallInteger)
    is_active: Mapped[bool | None] = attribute(Boolean)
    born_on: Mapped[date | None] = attribute()
    seen_at: Mapped[datetime | None] = attribute()
    stage: Mapped[Stage | None] = attribute()


class Ticket(Record):
    """What is on a bill."""

    seat: str
    price: Decimal


class Bill(Record):
    """A bill, as the box office sends it."""

    id: str
    patron: str | None
    at: AwareDatetime
    is_gift: bool = False
    tickets: list[Ticket] = Field(default_factory=list)


class DimBillFlags(JunkDimension):
    """The flags of a bill."""

    is_gift: Mapped[bool] = attribute(Boolean)


class FactSeatSold(Fact):
    """One row a ticket."""

    bill_id: Mapped[str] = grain(String(20))
    line_number: Mapped[int] = grain(Integer)
    sold_at: Mapped[datetime] = event_time()
    patron_key: Mapped[int] = references(DimTheatregoer)
    bill_flags_key: Mapped[int] = references(DimBillFlags)
    sold_date_key: Mapped[int] = references(DimDate, on="sold_at")
    price: Mapped[Decimal] = measure(Money)


class Note(Base):
    """A table of an application's own."""

    note_id: Mapped[int] = mapped_column(Integer(), primary_key=True)
    author: Mapped[Any] = mapped_column("written_by", Uuid(), nullable=True)
    body: Mapped[dict[str, Any] | None] = mapped_column()


class BoxPatron(Mapper[Patron, DimTheatregoer]):
    """The box office's patrons."""

    patron_name = field("name")
    email_address = field("mail")
    budget = field("budget")


class BillFlags(Mapper[Bill, DimBillFlags]):
    """The flags of a bill."""

    is_gift = field("is_gift")


class BoxTicket(Mapper[Bill, FactSeatSold], each="tickets"):
    """The box office's tickets."""

    bill_id = field("id")
    line_number = line_number()
    sold_at = field("at")
    patron_key = field("patron")
    bill_flags_key = combination(BillFlags)
    price = line("price")


class DimSeatUsher(Dimension):
    """Somebody who shows seats."""

    usher_name: Mapped[str] = attribute(String(20))


class BoxUsher(Mapper[Patron, DimSeatUsher]):
    """Ushers by name."""

    usher_name = field("name")


class FrontUsher(Mapper[Patron, DimSeatUsher]):
    """Ushers by number."""

    usher_name = field("id")


class Box(Source):
    """The box office."""

    name = "box"

    @stream(Patron, key="id", effective_at="at", deleted="gone")
    def patrons(self) -> Pages:
        """Nobody, here."""
        yield from ()


def test_a_row_has_what_it_is_given_in_the_form_in_which_it_is_read() -> None:
    summer = timezone(timedelta(hours=2))

    row = DimTheatregoer.from_dict(
        {
            "source_id": "P-1",
            "patron_name": "Ada",
            "email_address": "  Ada@Example.ORG ",
            "budget": 10,
            "seats": 2,
            "is_active": True,
            "born_on": date(1990, 1, 2),
            "seen_at": datetime(2026, 3, 1, 14, tzinfo=summer),
            "stage": "LEAD",
        }
    )

    assert (row.source_id, row.patron_name, row.email_address) == ("P-1", "Ada", "ada@example.org")
    assert (row.budget, type(row.budget)) == (Decimal(10), Decimal)
    assert (row.seen_at, row.seen_at and row.seen_at.utcoffset()) == (NOON, timedelta(0))
    assert (row.seats, row.is_active, row.born_on, row.stage) == (2, True, date(1990, 1, 2), Stage.LEAD)


def test_all_that_is_wrong_is_told_at_once_with_the_nearest_names() -> None:
    with pytest.raises(ValuesRefused) as caught:
        DimTheatregoer.from_dict(
            {"patron_nam": "Ada", "zzz": 1, "budget": 1.5, "is_current": True, "patron_name": None}
        )

    assert caught.value.unknown == {"patron_nam": "patron_name", "zzz": None}
    assert caught.value.wrong == {
        "budget": "1.5 is a float; an exact number is a Decimal or an int",
        "is_current": "strandline fills it itself",
        "patron_name": "it must be filled",
    }
    assert caught.value.message.startswith("DimTheatregoer: budget: 1.5 is a float")
    assert caught.value.hint == "Did you mean 'patron_name' for 'patron_nam'?"


def test_names_that_are_near_to_nothing_are_answered_with_all_names() -> None:
    with pytest.raises(ValuesRefused) as caught:
        Note.from_dict({"zzz": 1})

    assert caught.value.hint == "Its columns are note_id, author, body."


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("patron_name", 7, "7 is an int, not a text"),
        ("patron_name", "x" * 21, "has 21 characters, and 20 is the most"),
        ("patron_name", "a\x00b", "has a NUL in it, which PostgreSQL cannot hold"),
        ("patron_name", "\ud800", "half of a surrogate pair"),
        ("email_address", "nobody", "is no e-mail address"),
        ("budget", Decimal("1.005"), "more than 2 decimal places"),
        ("budget", Decimal("1e30"), r"does not fit numeric\(18, 2\)"),
        ("seats", True, "True is a bool, not a whole number"),
        ("seats", 40_000, "40000 is too large"),
        ("is_active", 1, "1 is an int, not a truth value"),
        ("born_on", NOON, "is no date"),
        ("seen_at", datetime(2026, 3, 1), "has no time zone"),  # noqa: DTZ001  # what is refused
        ("seen_at", "2026-03-01T12:00:00Z", "is no datetime"),
        ("stage", "guest", "'guest' is none of 'LEAD', 'BUYER'"),
        ("custom_fields", {"at": NOON}, "has no form in JSON"),
        ("theatregoer_key", 1, "strandline fills it itself"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(name: str, value: Any, why: str) -> None:
    with pytest.raises(ValuesRefused, match=why) as caught:
        DimTheatregoer.from_dict({name: value})

    assert list(caught.value.wrong) == [name]


def test_an_update_tells_what_has_changed_and_sets_nothing_where_something_is_wrong() -> None:
    row = DimTheatregoer.from_dict({"patron_name": "Ada", "budget": Decimal("1.50")})

    assert row.update_from_dict({"patron_name": "Ada", "budget": Decimal("1.5"), "seats": 3}) == {"seats"}
    with pytest.raises(ValuesRefused):
        row.update_from_dict({"patron_name": "Bo", "seats": "four"})
    assert (row.patron_name, row.seats) == ("Ada", 3)


def test_a_table_of_ones_own_takes_all_of_its_columns_by_the_names_of_its_attributes() -> None:
    note = Note.from_dict({"note_id": 1, "body": {"amount": Decimal("0.1")}})

    assert (note.note_id, note.body) == (1, {"amount": Decimal("0.1")})
    with pytest.raises(ValuesRefused, match=r"author: 'Ada' is a str, not a UUID"):
        Note.from_dict({"author": "Ada"})


def test_a_fact_takes_keys_that_are_known() -> None:
    row = FactSeatSold.from_dict({"bill_id": "B-1", "line_number": 1, "patron_key": 5, "price": Decimal(10)})

    assert (row.bill_id, row.patron_key, row.price) == ("B-1", 5, Decimal(10))


def test_an_answer_goes_through_contract_and_mapper() -> None:
    sent = {"id": "P-1", "name": "Ada", "mail": "A@B.C", "budget": 10.1, "at": "2026-03-01T13:00:00+01:00"}

    row = DimTheatregoer.from_api_response({**sent, "gone": False, "fan_of": "opera"}, stream=Box.patrons)

    assert (row.patron_name, row.email_address, row.budget) == ("Ada", "a@b.c", Decimal("10.1"))
    assert (row.source_system, row.source_id) == ("box", "P-1")
    assert row.synced_at.utcoffset() == timedelta(0)
    at = "2026-03-01T12:00:00.000000+00:00"
    assert row.custom_fields == {
        "fan_of": {"value": "opera", "first_seen": at, "last_seen": at, "deprecated": False}
    }


@pytest.mark.parametrize("is_bytes", [True, False])
@pytest.mark.parametrize("of", [Box.patrons, None])
def test_bytes_are_read_exactly(of: Any, is_bytes: bool) -> None:
    text = '{"id": "P-1", "name": "Ada", "budget": 1234567890123456.78}'

    row = DimTheatregoer.from_api_response(text.encode() if is_bytes else text, stream=of)

    assert row.budget == Decimal("1234567890123456.78")


def test_an_existing_row_is_brought_up_to_the_answer() -> None:
    row = DimTheatregoer.from_dict({"source_id": "P-1", "patron_name": "Ada", "seats": 2})

    again = DimTheatregoer.from_api_response({"id": "P-1", "name": "Ada L."}, row, NOON)

    assert again is row
    assert (row.patron_name, row.seats, row.source_id, row.synced_at) == ("Ada L.", 2, "P-1", NOON)


def test_an_answer_that_fails_its_contract_or_its_mapping_is_rejected_as_in_a_run() -> None:
    with pytest.raises(RecordRejected, match=r"Patron\.name: Field required \(and 1 more\)") as caught:
        DimTheatregoer.from_api_response({"id": "P-1", "budget": "much"})
    assert (caught.value.field, caught.value.rule, len(caught.value.problems)) == ("name", "missing", 2)

    with pytest.raises(RecordRejected, match=r"BoxPatron\.budget \(from budget\): 1\.005 has more than 2"):
        DimTheatregoer.from_api_response({"id": "P-1", "name": "Ada", "budget": "1.005"})
    with pytest.raises(RecordRejected, match="Patron: no JSON"):
        DimTheatregoer.from_api_response("{")


def test_a_fact_tells_whom_its_references_name() -> None:
    sent = {"id": "B-1", "patron": "P-1", "at": NOON, "tickets": [{"seat": "A1", "price": "10"}] * 2}

    first, second = FactSeatSold.list_from_api_response(sent)

    assert (first.line_number, second.line_number, second.price) == (1, 2, Decimal(10))
    assert first.sold_date_key == 20260301
    assert first.natural_keys == {"patron_key": (None, "P-1"), "bill_flags_key": (None, "[false]")}
    assert "patron_key" not in first.__dict__


def test_a_combination_has_the_values_that_it_is_of() -> None:
    assert DimBillFlags.from_api_response({"id": "1", "patron": None, "at": NOON, "is_gift": True}).is_gift


def test_which_mapper_is_meant_is_said_where_it_is_not_clear() -> None:
    with pytest.raises(DeclarationError, match="more than one mapper of DimSeatUsher") as caught:
        DimSeatUsher.from_api_response({"id": "P-1", "name": "Ada"})
    assert caught.value.hint == "Name it: mapper=BoxUsher or mapper=FrontUsher."
    assert DimSeatUsher.from_api_response({"id": "P-1", "name": "Ada"}, mapper=FrontUsher).usher_name == "P-1"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: Note.from_api_response({}), "there is no mapper of Note"),
        (
            lambda: DimTheatregoer.from_api_response({}, mapper=BoxTicket),
            "BoxTicket is no mapper of DimTheatregoer",
        ),
        (lambda: FactSeatSold.from_api_response({}), "makes a row of each of a record's lines"),
        (
            lambda: FactSeatSold.list_from_api_response({}, mapper=BoxTicket, stream=Box.patrons),
            "takes Bill, and the stream's records are Patron",
        ),
        (
            lambda: DimTheatregoer.from_api_response({"id": "1", "name": "A"}, None, datetime(2026, 1, 1)),  # noqa: DTZ001
            "has no time zone",
        ),
    ],
)
def test_what_cannot_work_is_a_declaration_error(answer: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        answer()
