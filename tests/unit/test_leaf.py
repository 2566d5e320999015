"""Leaves of a payload: where they are, and what the contract calls them."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, Field

from strandline.source import Personal, Record
from strandline.source.leaf import leaves, outline, replace, value_of


class Phone(Record):
    """A number, and whom else it reaches."""

    digits: Annotated[str | None, Personal()] = None
    kind: str | None = None
    shared_with: Person | None = None


class Person(Record):
    """Somebody, in every way that a contract can say it."""

    id: str = Field(alias="personId")
    mail: Annotated[str | None, Personal()] = Field(
        default=None, validation_alias=AliasChoices("mail", "eMail")
    )
    street: Annotated[str | None, Personal()] = Field(
        default=None, validation_alias=AliasPath("home", "street")
    )
    phones: list[Phone] | None = None
    by_name: dict[str, Phone] | None = None
    whole: Annotated[dict[str, Any] | None, Personal()] = None
    anything: Any = None


Phone.model_rebuild()
PERSON = outline(Person)


@pytest.mark.parametrize(
    ("payload", "personal"),
    [
        ('{"personId": "1", "mail": "m", "eMail": "n"}', ["m", "n"]),
        ('{"home": {"street": "s", "town": "t"}}', ["s"]),
        ('{"phones": [{"digits": "1", "kind": "a"}, {"digits": "2"}]}', ["1", "2"]),
        ('{"phones": [{"shared_with": {"mail": "m", "phones": [{"digits": "3"}]}}]}', ["m", "3"]),
        ('{"by_name": {"x": {"digits": "1", "kind": "a"}}}', ["1"]),
        ('{"whole": {"a": [1, {"b": "c"}]}}', [1, "c"]),
        ('{"anything": {"mail": "m"}, "other": {"mail": "m"}}', []),
        ('{"mail": "a", "mail": "b"}', ["a", "b"]),
        (' \n{"m\\u0061il" : "\\ud800" }', ["\ud800"]),
        ("[]", []),
        ("17", []),
        ('{"mail": "unfinished', []),
        ("", []),
    ],
)
def test_what_a_contract_marks_is_found_wherever_it_stands(payload: str, personal: list[Any]) -> None:
    raw = payload.encode()
    found = [value_of(raw, it) for it in leaves(raw, PERSON) if it.is_personal]

    assert found == personal


def test_a_leaf_is_called_as_the_contract_calls_it() -> None:
    raw = b'{"personId": "1", "phones": [{"kind": "a", "new": 1}], "undeclared": {"deep": [true]}}'
    found = {it.path: it.is_named for it in leaves(raw, PERSON)}

    assert found == {
        ("id",): True,
        ("phones", "kind"): True,
        ("phones", "new"): False,
        ("undeclared", "deep"): False,
    }


def test_only_the_bytes_of_the_values_are_replaced() -> None:
    raw = b' {"mail" :"a","n": 12345678901234567890.10 , "mail":[ "b"\t,{}] , "x": "\xff"}\r\n'
    chosen = {it: b"null" for it in leaves(raw, PERSON) if it.is_personal}

    assert replace(raw, chosen) == (
        b' {"mail" :null,"n": 12345678901234567890.10 , "mail":[ null\t,{}] , "x": "\xff"}\r\n'
    )
