"""Extras: what a contract does not name, with every digit, and readable where PostgreSQL cannot hold it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath, Field

from strandline.source.contract import Record
from strandline.source.extra import Extras

NOON = datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))


class Thing(Record):
    """A thing under many names."""

    id: str
    size: int = Field(default=0, alias="theSize")
    colour: str = Field(default="", validation_alias=AliasChoices("color", AliasPath("look", 0)))


EXTRAS = Extras(Thing, ignored=["gone"])


def taken(payload: str) -> Any:
    text = EXTRAS(payload.encode(), NOON)
    return None if text is None else json.loads(text)


def test_what_the_contract_names_is_no_extra_under_whatever_name() -> None:
    assert taken('{"id": "1", "theSize": 1, "size": 1, "color": "c", "look": ["c"], "gone": false}') is None


def test_a_field_has_its_value_and_the_moment_in_utc() -> None:
    moment = "2026-03-01T12:00:00.000000+00:00"
    seen = {"first_seen": moment, "last_seen": moment, "deprecated": False}

    assert taken('{"id": "1", "region": {"a": [1, null]}}') == {"region": {"value": {"a": [1, None]}, **seen}}


@pytest.mark.parametrize("number", ["12345678901234567.89", "0.1", "1e300", "-0", "1.50"])
def test_a_number_keeps_its_digits(number: str) -> None:
    text = EXTRAS(f'{{"id": "1", "n": {number}}}'.encode(), NOON)

    assert text is not None
    assert f'"value":{number},' in text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('"a\\u0000b"', "a\\0b"),
        ('{"x\\u0000": [1, "\\u0000"]}', {"x\\0": [1, "\\0"]}),
        ("1e99999", "1e99999"),
    ],
)
def test_what_jsonb_cannot_hold_is_readable_and_marked(said: str, kept: Any) -> None:
    field = taken(f'{{"id": "1", "n": {said}}}')["n"]

    assert field["value"] == kept
    assert field["altered"] is True


def test_a_pair_of_surrogates_is_a_letter() -> None:
    field = taken('{"id": "1", "n": "\\ud83d\\ude00"}')["n"]

    assert field["value"] == "😀"
    assert "altered" not in field


def test_what_is_no_object_has_no_extras() -> None:
    assert EXTRAS(b"[1]", NOON) is None
    assert EXTRAS(b'{"id": "1"}', datetime.now(UTC)) is None
