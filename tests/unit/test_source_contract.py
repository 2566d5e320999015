"""A record is exact, complete and of the declared shape, or rejected with field, rule and value."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field

from strandline.errors import DeclarationError, RecordRejected
from strandline.source import BooleanString, Contract, Record, Reference, Zone


class Line(Record):
    """Of an order."""

    amount: Decimal | None = None


class Order(Record):
    """With everything that a contract can have."""

    id: str
    total: Decimal = Field(default=Decimal(0), alias="totalAmount")
    lines: tuple[Line, ...] = ()
    is_paid: BooleanString = False
    customer: Reference | None = None
    weight: float | None = None


class Plain(Record):
    """Without a Decimal, so that there is only the fast way."""

    id: str
    placed_at: Annotated[datetime, Zone("Europe/Berlin")] | None = None


COMPILED: dict[type[Record], Callable[[bytes], Record]] = {
    contract: Contract(contract).parse for contract in (Order, Plain)
}


def parse(raw: bytes, contract: type[Record] = Order) -> Any:
    return COMPILED[contract](raw)


def reject(raw: bytes, contract: type[Record] = Order) -> RecordRejected:
    with pytest.raises(RecordRejected) as caught:
        Contract(contract).parse(raw)
    return caught.value


def test_fields_that_the_contract_does_not_name_are_kept() -> None:
    record = parse(b'{"id": "1", "custentity_region": "north", "customer": {"id": 5, "tier": "gold"}}')

    assert record.model_extra == {"custentity_region": "north"}
    assert record.customer == Reference.model_validate({"id": "5", "tier": "gold"})


@pytest.mark.parametrize("name", ["displayName", "display_name"])
def test_a_reference_knows_its_display_name_by_either_spelling(name: str) -> None:
    record = parse(b'{"id": "1", "customer": {"id": 7, "name": "A", "%s": "Anna"}}' % name.encode())

    assert record.customer.display_name == "Anna"


@pytest.mark.parametrize("text", ["yes", "TRUE", " t ", "Y", "1", "True", True, 1], ids=repr)
def test_what_sources_send_for_true_is_true(text: Any) -> None:
    assert parse(_json({"id": "1", "is_paid": text})).is_paid is True


@pytest.mark.parametrize("text", ["no", "FALSE", "F ", "n", "0", False, 0], ids=repr)
def test_what_sources_send_for_false_is_false(text: Any) -> None:
    assert parse(_json({"id": "1", "is_paid": text})).is_paid is False


@pytest.mark.parametrize("value", ["on", "", "2", 2, 1.0, None, [], {}, "ja"], ids=repr)
def test_anything_else_is_no_truth_value(value: Any) -> None:
    """Not even False."""
    assert reject(_json({"id": "1", "is_paid": value})).rule == "boolean_string"


def test_a_reject_says_where_what_and_with_which_value() -> None:
    error = reject(b'{"id": "1", "lines": [{"amount": "1.5"}, {"amount": "abc"}], "customer": 7}')

    assert error.message.startswith(
        "Order.lines.1.amount: Input should be a valid decimal, got 'abc' (and 1 more)"
    )
    assert (error.field, error.rule) == ("lines.1.amount", "decimal_parsing")
    assert len(error.problems) == 2


def test_a_long_value_is_cut_and_a_missing_one_does_not_show_the_record() -> None:
    assert len(reject(_json({"id": ["x" * 10_000]})).message) < 200
    assert reject(b'{"secret": "hunter2"}').message == "Order.id: Field required"


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"",
            b"nonsense",
            b"[]",
            b'{"id": "\\ud800"}',
            b'{"id": "\xff"}',
            b'{"id": "1", "x": NaN1}',
            b'"a"',
        ),
        b'{"id": "\xff1234567890123456"}',
    ],
)
def test_bytes_that_are_no_record_are_rejected(raw: bytes) -> None:
    assert reject(raw).problems


@pytest.mark.parametrize(
    "number",
    ["12345678901234567.89", "0.1", "1e400", "1.10", "123456789012345678901234567890.12345678901234567890"],
)
def test_a_json_number_becomes_an_exact_decimal(number: str) -> None:
    record = parse(
        b'{"id": "1", "totalAmount": %s, "lines": [{"amount": %s}]}' % (number.encode(), number.encode())
    )

    assert record.total == Decimal(number)
    assert record.lines[0].amount == Decimal(number)


digits = st.text("0123456789", min_size=1, max_size=25)
numbers = st.builds(
    lambda sign, whole, fraction, exponent: sign + (whole.lstrip("0") or "0") + fraction + exponent,
    st.sampled_from(["", "-"]),
    digits,
    st.one_of(st.just(""), digits.map(lambda text: "." + text)),
    st.one_of(
        st.just(""),
        st.builds(
            "{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "-", "+"]), st.integers(0, 450)
        ),
    ),
)


@given(numbers)
@example("1234567890123456e5")
@example("9007199254740993.0")
@example("9007199254740993e1")
@example("5e-324")
@example("2.2250738585072014e-308")
@example("1e-400")
@example("-0.0")
def test_any_json_number_becomes_the_decimal_that_its_text_says(number: str) -> None:
    """Both ways through the contract, the fast one and the exact one, agree with Decimal."""
    record = parse(b'{"id":"1","totalAmount":%s}' % number.encode())

    assert record.total == Decimal(number)


@given(st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_the_exact_way_reads_other_types_as_the_fast_way_does(weight: float, is_paid: bool) -> None:
    fast = _json({"id": "1", "weight": weight, "is_paid": is_paid})
    exact = fast[:-1] + b', "long": 12345678901234567890.5}'

    assert parse(exact).weight == parse(fast).weight == weight
    assert parse(exact).is_paid is parse(fast).is_paid is is_paid


def test_a_number_beyond_any_decimal_is_rejected() -> None:
    assert reject(b'{"id": "1", "totalAmount": 1e99999999999999999999}').rule == "json_invalid"


def test_a_naive_timestamp_is_read_in_the_declared_zone() -> None:
    summer = parse(b'{"id": "1", "placed_at": "2026-07-01T12:00:00"}', Plain)
    aware = parse(b'{"id": "1", "placed_at": "2026-07-01T12:00:00+00:00"}', Plain)

    assert summer.placed_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert aware.placed_at == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_zone_that_does_not_exist_is_a_wrong_declaration() -> None:
    with pytest.raises(DeclarationError, match="Europe/Berlim"):
        Zone("Europe/Berlim")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
