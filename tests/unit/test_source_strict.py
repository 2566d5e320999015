"""Strictness, of a stream or in a contract: it refuses what would be converted, and rounds nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import AwareDatetime, ConfigDict, Field

from strandline.errors import RecordRejected
from strandline.source import Contract, Pages, Record, Source, stream


class Payment(Record):
    """A payment, as it is promised."""

    id: str
    paid_at: AwareDatetime
    count: int = 0
    amount: Decimal = Decimal(0)
    to: "Account | Person | None" = None


class Account(Record):
    """Of a bank."""

    iban: str


class Person(Record):
    """By name."""

    name: str


class Promised(Payment):
    """The contract itself is strict."""

    model_config = ConfigDict(strict=True)


class PartlyPromised(Record):
    """One field is."""

    paid_at: AwareDatetime
    count: int = Field(default=0, strict=True)
    amount: Decimal = Field(default=Decimal(0), strict=True)


class Bank(Source):
    """Payments, as promised."""

    @stream(Payment, key="id", strict=True)
    def payments(self) -> Pages:
        """None."""
        yield from ()

    @stream(Payment, key="id")
    def notes(self) -> Pages:
        """None, in whatever form."""
        yield from ()


def _payload(**said: str) -> bytes:
    told = {"id": '"P"', "paid_at": '"2026-03-01T00:00:00Z"', **said}
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in told.items()) + "}").encode()


PARSERS: dict[str, Any] = {
    "stream": Bank.payments.parse,
    "contract": Contract(Promised).parse,
    "field": Contract(PartlyPromised).parse,
}
every_way = pytest.mark.parametrize("way", PARSERS)


@every_way
@pytest.mark.parametrize("amount", ["0.1", "1.10", "12345678901234567.89", "-1234567890123456789012345.6789"])
def test_a_strict_amount_is_exact(way: str, amount: str) -> None:
    """Also where the number is long, and the rest of the record must be read beside it."""
    found = PARSERS[way](_payload(amount=amount))

    assert (found.amount, found.paid_at) == (Decimal(amount), datetime(2026, 3, 1, tzinfo=UTC))


@every_way
@pytest.mark.parametrize("more", [{}, {"amount": "12345678901234567.89"}])
def test_text_is_no_number_where_it_is_strict(way: str, more: dict[str, str]) -> None:
    with pytest.raises(RecordRejected) as caught:
        PARSERS[way](_payload(count='"5"', **more))

    assert (caught.value.field, caught.value.rule) == ("count", "int_type")


def test_a_stream_that_is_not_strict_converts() -> None:
    converted: Any = Bank.notes.parse(_payload(count='"5"'))

    assert converted.count == 5


@pytest.mark.parametrize("way", ["stream", "contract"])
@pytest.mark.parametrize(
    ("to", "kind"), [('{"iban": "X"}', Account), ('{"name": "Y"}', Person), ("null", type(None))]
)
def test_a_union_takes_the_one_that_fits(way: str, to: str, kind: type) -> None:
    assert type(PARSERS[way](_payload(to=to, amount="12345678901234567.89")).to) is kind


def test_a_union_that_nothing_fits_says_where() -> None:
    with pytest.raises(RecordRejected) as caught:
        Bank.payments.parse(_payload(to='{"iban": 5}'))

    assert caught.value.field.startswith("to.Account.iban")
    assert len(caught.value.problems) == 2
