"""The census: what records carry, by path, and whose values are never shown."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, Field

from strandline.source.census import Census, Counted, Shape, Tallies, sample
from strandline.source.contract import Contract, Record
from strandline.source.personal import Personal, looks_personal, may_be_shown

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Currency(Record):
    """A currency."""

    code: str
    symbol: str | None = None


class Line(Record):
    """A line."""

    sku: str


class Order(Record):
    """An order."""

    id: int
    total: float | None = Field(default=None, alias="theTotal")
    state: str = Field(default="", validation_alias=AliasChoices("status", "State"))
    buyer: Annotated[dict[str, Any], Personal()] | None = None
    currency: Currency | None = None
    lines: list[Line] | None = None


def counted(*payloads: dict[str, Any]) -> Tallies:
    census, parse = Census(Order, ignored=["gone"], hidden=["id"]), Contract(Order).parse
    watch, shapes = census.watcher(), dict[Shape, list[Counted]]()
    records = [(json.dumps(it).encode(), NOON) for it in payloads]
    for record in records:
        if shape := watch(parse(record[0])):
            shapes.setdefault(shape, []).append(record)
    carrying = [(shape, len(some), some) for shape, some in shapes.items()]
    return census.count(sample(records), carrying, records=len(records))


def told(tallies: Tallies, path: str) -> tuple[bool, int, int, list[str], list[Any]]:
    it = tallies[path]
    return it.is_declared, it.records, it.filled, sorted(it.types), it.examples


def test_what_the_contract_names_is_counted_under_its_first_name_however_it_is_spelled() -> None:
    found = counted({"id": 1, "theTotal": 1.5, "State": "open"}, {"id": 2, "total": None, "status": "open"})

    assert told(found, "theTotal") == (True, 2, 1, ["null", "number"], [1.5])
    assert told(found, "status") == (True, 2, 2, ["text"], ["open"])
    assert told(found, "id") == (True, 2, 2, ["integer"], [])
    assert "State" not in found


def test_what_it_does_not_name_is_counted_at_the_level_where_it_stands() -> None:
    found = counted(
        {"id": 1, "region": "EU", "gone": False, "currency": {"code": "NOK", "digits": 2}},
        {"id": 2, "region": None, "lines": [{"sku": "a"}, {"sku": "b", "lot": "x"}, {"sku": "c", "lot": 7}]},
        {"id": 3},
    )

    assert told(found, "region") == (False, 3, 1, ["null", "text"], ["EU"])
    assert told(found, "currency.digits") == (False, 3, 1, ["integer"], [2])
    assert told(found, "lines.lot") == (False, 3, 1, ["integer", "text"], ["x", 7])
    assert told(found, "lines.sku") == (True, 3, 1, ["text"], ["a", "b", "c"])
    assert told(found, "currency.symbol") == (True, 3, 0, [], [])
    assert "gone" not in found


def test_of_many_records_the_unknown_is_counted_in_all_and_the_named_in_a_sample() -> None:
    found = counted(*({"id": number, **({"rare": 1} if number == 777 else {})} for number in range(1000)))

    assert told(found, "rare") == (False, 1000, 1, ["integer"], [1])
    assert 100 < found["id"].records == found["id"].filled < 150
    assert found[""].records == 1000


def test_of_a_long_pass_no_more_is_looked_at_where_it_is_stored_in_smaller_pieces() -> None:
    looked_at = [
        it for first in range(0, 8000, 1000) for it in sample(range(first, first + 1000), before=first)
    ]

    assert looked_at[:100] == list(range(100))
    assert {999, 1999, 7999} < set(looked_at)
    assert len(looked_at) < 100 + 8 * 12
    assert sample([7], before=5000) == [7]


def test_no_value_of_a_person_is_an_example() -> None:
    found = counted(
        {
            "id": 1,
            "buyer": {"likes": "fish"},
            "workPhone": "1",
            "contact": {"x": 1},
            "custom_1": "kari@example.com",
            "custom_2": "+47 22 33 44 55",
            "custom_3": "Kari Nordmann",
            "custom_4": "NO93 8601 1117 947",
            "custom_5": "eyJhbGciOiJIUzI1NiIsInR5cCI6",
        }
    )

    assert {path: it.examples for path, it in found.items() if it.examples} == {}
    assert found["buyer"].is_personal
    assert not found["custom_3"].is_personal


@pytest.mark.parametrize("name", ["e_mail", "Email2", "homePhones", "lastName", "IBAN", "ip", "userId"])
def test_names_that_may_stand_for_a_person_are_known(name: str) -> None:
    assert looks_personal(name)


@pytest.mark.parametrize("name", ["region", "shipping", "tier", "keyboard", "custentity_segment", "zipper"])
def test_other_names_are_not(name: str) -> None:
    assert not looks_personal(name)


@pytest.mark.parametrize("value", ["EU", "gold", "a-1", 40, 1.5, "Ålesund"])
def test_short_values_of_no_telling_form_may_be_shown(value: object) -> None:
    assert may_be_shown(value)


@pytest.mark.parametrize(
    "value", [None, True, "", "x" * 41, 47223344, "1990-03-01", "10.0.0.1", "https://x", "\x1b", []]
)
def test_other_values_may_not(value: object) -> None:
    assert not may_be_shown(value)
