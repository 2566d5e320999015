"""Pseudonyms: which keys are made up, and where they stand in records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import Integer, String, make_url
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import (
    Dimension,
    Fact,
    Mapper,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    references,
)
from strandline.model.bridge import composer, parse
from strandline.model.bridge import rename as rename_group
from strandline.model.conversion import compile_mapper
from strandline.natural_key import NaturalKeys
from strandline.pipeline import Pipeline
from strandline.pipeline.effacement import Effacer, Entry
from strandline.pipeline.pseudonym import Refused, given_before, is_token, rename, tokens
from strandline.pipeline.target import Target
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.mention import OWN, Named
from strandline.warehouse.pseudonym import Former, hash_of
from strandline.warehouse.quote import without
from strandline.warehouse.staging import staging_table

NOW = datetime(2026, 1, 5, tzinfo=UTC)


class Parcel(Record):
    """A parcel, with people by number, by code and in words."""

    id: str
    at: AwareDatetime
    sender: int
    payer: str | None = None
    route: str = ""
    weight: int = 1


class Post(Source):
    """Parcels."""

    name = "post_of_pseudonyms"

    @stream(Parcel, key="id", effective_at="at")
    def parcels(self) -> Pages:
        """None."""
        return pages([])


class DimSender(Dimension):
    """Who sends."""

    sender_name: Mapped[str | None] = attribute(String(20))


class FactPostParcel(Fact):
    """One row a parcel."""

    parcel_id: Mapped[str] = grain(String(40))
    sent_at: Mapped[datetime] = event_time()
    sender_key: Mapped[int] = references(DimSender)
    payer_key: Mapped[int] = references(DimSender)
    courier_key: Mapped[int] = references(DimSender)
    sender: Mapped[int] = degenerate(Integer)


class PostParcel(Mapper[Parcel, FactPostParcel]):
    """Parcels."""

    parcel_id = field("id")
    sent_at = field("at")
    sender_key = field("sender")
    payer_key = field("payer", using=lambda it: it and it.removeprefix("C-"))
    sender = field("sender")

    def courier_key(self, record: Parcel) -> str | None:
        """The second word."""
        return record.route.partition(" ")[2] or None


post = Pipeline("post")
SYNC = post.sync(Post.parcels, PostParcel)


def effacer() -> Effacer:
    """What takes parcels apart."""
    conversion = compile_mapper(PostParcel, make_url("postgresql://").get_dialect()(), keys=NaturalKeys())
    staged = staging_table("parcels", conversion.columns)
    return Effacer(Post.parcels, [Target(SYNC, conversion, staged, applied=0)])


def entry(**said: Any) -> Entry:
    """A parcel's record."""
    made = {"id": "1", "at": "2026-01-05T00:00:00Z", "sender": 4711, **said}
    return Entry(1, "1", json.dumps(made).encode(), "upsert", NOW, NOW)


def renamed(key: str, token: str, **said: Any) -> dict[str, Any] | None:
    """What the record becomes."""
    payload = rename(effacer(), entry(**said), [Named("DimSender", Post.name, key, None)], token)
    return None if payload is None else dict(json.loads(payload))


@pytest.mark.parametrize(
    "key", ["4711", "9" * 19, "6f1c2a52-0c9d-4b0e-8f25-1de6a5a1b2c3", "rosa@example.com", "K-17", '["1","2"]']
)
def test_a_token_has_the_form_of_the_key(key: str) -> None:
    """And is another one each time."""
    made, again = list(tokens(key)), list(tokens(key))

    assert all(map(is_token, made))
    assert not is_token(key)
    assert set(made).isdisjoint(again)
    assert made[0].isdecimal() == key.isdecimal()
    assert ("@" in made[0]) == ("@" in key)
    assert all(int(it) < 2**63 for it in made if it.isdecimal())


def test_a_key_is_renamed_wherever_it_names_the_member() -> None:
    """As a number, within a text, where only a method knows, and in what nobody has declared."""
    extra = {"deep": [{"of": "to 4711, please"}, 4711], "other": 47110}
    found = renamed("4711", "9973", payer="C-4711", route="by 4711", weight=4711, **extra)
    assert found is not None

    assert (found["sender"], found["payer"], found["route"]) == (9973, "C-9973", "by 9973")
    assert (found["deep"], found["other"]) == ([{"of": "to 9973, please"}, 9973], 47110)
    assert renamed("12", "9973", payer="C-13") is None
    assert renamed("12", "9973", payer="C-12", note=12) == {
        **json.loads(entry(payer="C-9973", note=12).payload)
    }


def test_a_record_that_does_not_take_the_token_is_refused() -> None:
    with pytest.raises(Refused, match="does not take another key"):
        renamed("4711", "erased-aa")
    with pytest.raises(Refused, match="FactPostParcel does not hold another key"):
        renamed("4711", str(2**40))


def test_a_record_of_their_own_has_another_key() -> None:
    payload = rename(effacer(), entry(), [Named(OWN, Post.name, "1", None)], "erased-aa")
    assert payload is not None

    assert json.loads(payload)["id"] == "erased-aa"


def test_a_record_that_comes_again_finds_the_token_that_it_has() -> None:
    """Where the key stands now, or the only one that it has."""
    token = next(tokens("4711"))
    both = entry(sender=int(token), payer=next(tokens("K")))

    assert given_before(effacer(), entry(sender=int(token)).payload, [("payer",)]) == token
    assert given_before(effacer(), both.payload, [("sender",)]) == token
    assert given_before(effacer(), both.payload, [("route",)]) is None
    assert given_before(effacer(), entry().payload, [("sender",)]) is None


def test_a_former_key_is_known_by_its_hash() -> None:
    former = Former("DimSender", Post.name, hash_of("4711", "salt"), "salt")

    assert former.was("4711")
    assert not former.was("4712")


def test_keys_are_withheld_where_they_are_words() -> None:
    assert without("GET /people/42/orders?page=421&of=a%40b.example", ["42", "a@b.example"]) == (
        "GET /people/[erased]/orders?page=421&of=[erased]"
    )


def test_a_group_keeps_the_weights_of_its_members() -> None:
    """Left out, they are equal again, and what is left over goes to the first by name, as it always does."""
    equal, compose = composer(NaturalKeys())(["b", "c", "d"]), composer(NaturalKeys())
    assert equal is not None

    assert rename_group(equal, "b", "z") == compose(["c", "d", "z"])
    assert parse(rename_group('{"b":0.25,"c":0.75}', "b", "z")) == {"c": 0.75, "z": 0.25}
    assert rename_group(equal, "x", "z") == equal
