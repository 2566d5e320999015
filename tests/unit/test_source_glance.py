"""A natural key at a glance: the key that the contract would give, or none."""

import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from strandline.errors import RecordRejected
from strandline.natural_key import NaturalKeys
from strandline.source import Reference
from strandline.source.contract import Contract, Record
from strandline.source.field import compile_key
from strandline.source.glance import compile_glance


class Plain(Record):
    """Text under its own name."""

    id: str
    note: Any = None


class Aliased(Record):
    """A number under another name, beside text."""

    number: int = Field(alias="internalId")
    part: str
    note: Any = None


class Validated(Record):
    """A key that a validator has a say in."""

    id: str

    @field_validator("id")
    @classmethod
    def shorten(cls, value: str) -> str:
        """Without its prefix."""
        return value.removeprefix("C-")


class Rearranged(Record):
    """A record that is rearranged before it is read."""

    id: str

    @model_validator(mode="before")
    @classmethod
    def unwrap(cls, value: Any) -> Any:
        """The record is in an envelope."""
        return value.get("envelope", value)


class Stripped(Record):
    """Text is stripped."""

    model_config = ConfigDict(str_strip_whitespace=True)
    id: str


class Told(Record):
    """Keys of other types, each not to be seen at a glance."""

    optional: str | None = None
    annotated: Annotated[str, AfterValidator(str.upper)] = ""
    constrained: Annotated[str, StringConstraints(to_lower=True)] = ""
    reference: Reference | None = None
    defaulted: str = "main"


EXACT = NaturalKeys()
texts = st.text(st.characters(exclude_categories=[]), max_size=5)
values = st.one_of(
    texts, st.integers(), st.none(), st.booleans(), st.floats(), st.just(5.0), st.lists(st.integers())
)
names = st.sampled_from(["id", "number", "internalId", "part", "note"])


@pytest.mark.parametrize("model", [Validated, Rearranged, Stripped])
def test_where_the_contract_has_a_say_there_is_no_glance(model: type[Record]) -> None:
    assert compile_glance(model, ("id",), keys=EXACT) is None


@pytest.mark.parametrize("field", ["optional", "annotated", "constrained", "reference"])
def test_only_plain_text_and_whole_numbers_are_seen_at_a_glance(field: str) -> None:
    assert compile_glance(Told, (field,), keys=EXACT) is None
    assert compile_glance(Plain, ("id", "gone"), keys=EXACT) is None


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'{"id"', b'{"id": 5}', b'{"note": 1}', b'{"id": ""}']
)
def test_what_has_no_such_key_takes_the_contract(payload: bytes) -> None:
    glance = compile_glance(Plain, ("id",), keys=EXACT)

    assert glance is not None
    assert glance(payload) is None


@pytest.mark.parametrize("keys", [EXACT, NaturalKeys(ignore_case=True, ignore_spaces=True)])
@pytest.mark.parametrize(
    ("model", "key"), [(Plain, ("id",)), (Aliased, ("number",)), (Aliased, ("number", "part"))]
)
@given(members=st.lists(st.tuples(names, values), max_size=6))
def test_a_glance_gives_the_key_that_the_contract_gives(
    keys: NaturalKeys, model: type[Record], key: tuple[str, ...], members: list[tuple[str, Any]]
) -> None:
    """Also of names that come twice, of which the last counts, and of an alias beside the name itself."""
    spelled = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in members)
    payload = f"{{{spelled}}}".encode()
    glance = compile_glance(model, key, keys=keys)
    assert glance is not None
    seen = glance(payload)
    try:
        wanted = compile_key(model, key, keys=keys)(Contract(model).parse(payload))
    except RecordRejected:
        return

    assert seen in (wanted, None)
