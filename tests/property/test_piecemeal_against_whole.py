"""An array that is cut piece by piece, in windows of any size, is the one that is cut as a whole."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.effort import cases

from strandline.source import lenient, piecemeal
from strandline.source.page import split

TEXTS = st.text(st.sampled_from('ab"\\{}[],: \nä€\U0001f600\ud800'), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 10**6)}, optional={"lines": VALUES}) | VALUES, max_size=12
)
SPACES = st.sampled_from(["", " ", "\n  ", "\r\n\t"])
BLOCKS = st.sampled_from([1, 2, 3, 7, 16, 64, 1024])


def written(value: Any, space: str) -> str:
    """As JSON with that much space between everything."""
    pair = (f",{space}", f":{space}")
    text = json.dumps(value, separators=pair, ensure_ascii=False)
    return text.replace("\ud800", "\\ud800")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, tuple[str, ...], list[bytes]]:
    """A body, where its records are, and what they are."""
    space = draw(SPACES)
    records = [written(it, draw(SPACES)) for it in draw(RECORDS)]
    text = f"[{space}{f'{space},{space}'.join(records)}{space}]"
    place = tuple(draw(st.lists(st.sampled_from(["data", "items", "a b", 'x"y']), max_size=3)))
    for key in reversed(place):
        beside = [(f"{name}{at}", draw(VALUES)) for at, name in enumerate(draw(st.lists(TEXTS, max_size=2)))]
        members = [
            f"{json.dumps(name)}:{space}{written(it, space)}" for name, it in beside if name not in place
        ]
        at = draw(st.integers(0, len(members)))
        members.insert(at, f"{json.dumps(key)}:{space}{text}")
        text = f"{{{space}{f',{space}'.join(members)}{space}}}"
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return mark + f"{space}{text}{space}".encode(), place, [it.encode() for it in records]


def cut(body: bytes, place: tuple[str, ...], block: int) -> list[bytes]:
    return list(piecemeal.elements(io.BytesIO(body), place, block=block))


@cases(200)
@given(bodies(), BLOCKS)
def test_every_element_is_the_same(made: tuple[bytes, tuple[str, ...], list[bytes]], block: int) -> None:
    body, place, records = made

    assert cut(body, place, block) == records == split(body, place).records


@cases(150)
@given(bodies(), BLOCKS, st.floats(0, 1))
def test_a_body_that_ends_too_early_is_truncated_in_both_ways(
    made: tuple[bytes, tuple[str, ...], list[bytes]], block: int, share: float
) -> None:
    body, place, records = made
    part = body[: int(len(body.rstrip()) * share)]
    if part == body.rstrip() or not part.removeprefix(b"\xef\xbb\xbf").strip():
        return
    read = list[bytes]()

    def read_on() -> None:
        for record in piecemeal.elements(io.BytesIO(part), place, block=block):
            read.append(record)

    with pytest.raises((lenient.Truncated, lenient.Unreadable)) as whole:
        split(part, place)
    with pytest.raises(whole.type):
        read_on()
    assert read == records[: len(read)]


@cases(200)
@given(bodies(), BLOCKS, st.data())
def test_what_is_odd_within_is_cut_in_the_same_way(
    made: tuple[bytes, tuple[str, ...], list[bytes]], block: int, data: st.DataObject
) -> None:
    """A byte more anywhere: what is read as a whole is read by pieces too. Not the other way round, for
    a bracket that is wrong in one record does not reach the next one.
    """
    body, place, _ = made
    at = data.draw(st.integers(0, len(body)))
    more = data.draw(st.sampled_from([b",", b"]", b"}", b"{", b"[", b'"', b":", b"x", b"\\", b"1 "]))
    odd = body[:at] + more + body[at:]

    expected = attempt(lambda: split(odd, place).records)
    found = attempt(lambda: cut(odd, place, block))
    assert expected is None or found == expected


def attempt(read: Callable[[], list[bytes]]) -> list[bytes] | None:
    try:
        return read()
    except (lenient.Truncated, lenient.Unreadable):
        return None


def test_of_a_key_that_comes_twice_none_is_taken() -> None:
    """The last one would count, which is not known before it comes."""
    with pytest.raises(lenient.Unreadable, match="'data' comes twice"):
        cut(b'{"data": [1, 2], "data": [3]}', ("data",), 1024)
