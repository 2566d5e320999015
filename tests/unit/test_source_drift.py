"""Drift: what a contract does not name is refused where that is declared, and types widen where it is."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field

from strandline.errors import DeclarationError, RecordRejected
from strandline.source import Contract, Pages, Record, Source, Widened, stream


class Reading(Record):
    """What a device says of itself, whose number may come as text by now."""

    id: Annotated[str, Widened(int)]
    code: Annotated[str | None, Field(max_length=3), Widened(int)] = None
    tags: Annotated[list[str] | None, Widened(str)] = None
    amount: Decimal | None = None


class Part(Record):
    """A part of a device."""

    name: str


class Device(Record):
    """A device of parts, one of them the first."""

    id: str
    first: Part | Reading | None = None
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] | None = None


class Loose(Record):
    """What forgets what it does not name."""

    model_config = ConfigDict(extra="ignore")

    id: str


class Shed(Source):
    """Devices."""

    @stream(Device, key="id", unknown="reject", deleted="gone")
    def devices(self) -> Pages:
        """None."""
        return iter(())


@pytest.mark.parametrize("strict", [False, True])
def test_a_whole_number_is_taken_as_the_text_that_it_has_become(strict: bool) -> None:
    parse = Contract(Reading, strict=strict).parse

    assert parse(b'{"id": 7}').id == "7"  # type: ignore[attr-defined]  # a Reading
    assert parse(b'{"id": "007"}').id == "007"  # type: ignore[attr-defined]  # a Reading
    long = parse(b'{"id": 1234567890123456789012345678901234567890, "amount": 12345678901234567.89}')
    assert long.id == "1234567890123456789012345678901234567890"  # type: ignore[attr-defined]  # a Reading


@pytest.mark.parametrize("value", ["true", "1.5", "null", "{}", '["7"]'])
def test_anything_else_is_refused_as_before(value: str) -> None:
    with pytest.raises(RecordRejected, match="id"):
        Contract(Reading).parse(b'{"id": %s}' % value.encode())


def test_what_a_field_allows_holds_for_what_has_widened_too() -> None:
    parse = Contract(Reading).parse

    assert parse(b'{"id": "a", "code": 123}').code == "123"  # type: ignore[attr-defined]  # a Reading
    assert parse(b'{"id": "a", "code": null}').code is None  # type: ignore[attr-defined]  # a Reading
    with pytest.raises(RecordRejected, match=r"Reading\.code"):
        parse(b'{"id": "a", "code": 1234}')


def test_one_is_taken_as_the_list_that_it_has_become() -> None:
    parse = Contract(Reading).parse

    assert parse(b'{"id": "a", "tags": "new"}').tags == ["new"]  # type: ignore[attr-defined]  # a Reading
    assert parse(b'{"id": "a", "tags": ["new", "old"]}').tags == ["new", "old"]  # type: ignore[attr-defined]  # a Reading
    with pytest.raises(RecordRejected, match=r"Reading\.tags"):
        parse(b'{"id": "a", "tags": 1}')


@pytest.mark.parametrize(("now", "before"), [(str, float), (int, str), (bool, int)])
def test_what_does_not_widen_is_told_when_the_class_is_made(now: type, before: type) -> None:
    with pytest.raises(DeclarationError, match=rf"Widened\({before.__name__}\)"):
        type("Wrong", (Record,), {"__annotations__": {"it": Annotated[now, Widened(before)]}})


@pytest.mark.parametrize(
    ("beside", "path"),
    [
        ('"colour": 1', "colour"),
        ('"first": {"name": "a", "colour": null}', "first.colour"),
        ('"first": {"id": 1, "colour": 2}', "first.colour"),
        ('"parts": [{"name": "a"}, {"name": "b", "colour": 2}]', "parts.colour"),
        ('"named": {"left": {"name": "a", "colour": 2}}', "named.colour"),
    ],
)
def test_a_record_that_carries_more_is_refused_with_the_path(beside: str, path: str) -> None:
    with pytest.raises(RecordRejected) as refused:
        Shed.devices.parse(f'{{"id": "a", {beside}}}'.encode())

    assert (refused.value.field, refused.value.rule) == (path, "unknown")


def test_what_it_names_in_whatever_way_and_its_flag_of_deletion_pass() -> None:
    payload = b'{"id": "a", "gone": false, "first": {"id": 1, "tags": "x"}, "parts": [{"name": "b"}]}'

    assert Shed.devices.parse(payload).id == "a"  # type: ignore[attr-defined]  # a Device


def declared(contract: type[Record], unknown: Any) -> type[Source]:
    def things(self: Source) -> Pages:
        return iter(())

    return type("Wrong", (Source,), {"things": stream(contract, key="id", unknown=unknown)(things)})


def test_a_policy_that_there_is_not_is_told() -> None:
    with pytest.raises(DeclarationError, match="unknown='ignore' is no policy"):
        declared(Device, "ignore")


def test_a_contract_that_forgets_cannot_refuse() -> None:
    with pytest.raises(DeclarationError, match="Loose does not keep what it does not name"):
        declared(Loose, "reject")
