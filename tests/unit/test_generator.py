"""A generator as a source: what it yields reaches the raw log as it is, or as the JSON that says the same."""

import dataclasses
import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from strandline.errors import SourceUnavailable, UnexpectedResponse
from strandline.source import Pages, Record, Source, State, paged, stream
from strandline.source.generator import MOST_BYTES


class Shell(BaseModel):
    """Something that has been found."""

    size: int = Field(alias="Size")


@dataclasses.dataclass
class Find:
    """Where it was found."""

    shell: Shell


def records(pages: Pages) -> list[bytes]:
    return [it for page in pages for it in page.records]


@pytest.mark.parametrize(
    ("record", "written"),
    [
        (b'{"a": 1.0, "a": 2}', b'{"a": 1.0, "a": 2}'),
        (b"\xff not JSON at all", b"\xff not JSON at all"),
        ({"a": Decimal("12345678901234567.890")}, b'{"a":"12345678901234567.890"}'),
        ({"a": 10**40}, b'{"a":1' + b"0" * 40 + b"}"),
        ({"a": datetime(2026, 3, 1, 12, tzinfo=UTC)}, b'{"a":"2026-03-01T12:00:00Z"}'),
        ({"a": date(2026, 3, 1)}, b'{"a":"2026-03-01"}'),
        ({"a": math.nan, "b": math.inf}, b'{"a":NaN,"b":Infinity}'),
        ({"a": "ü😀\0"}, b'{"a":"\xc3\xbc\xf0\x9f\x98\x80\\u0000"}'),
        ({"a": UUID(int=1)}, b'{"a":"00000000-0000-0000-0000-000000000001"}'),
        (Find(Shell(Size=3)), b'{"shell":{"Size":3}}'),
    ],
)
def test_a_record_is_its_bytes_or_the_json_that_says_the_same(record: Any, written: bytes) -> None:
    assert records(paged([record])) == [written]


@given(st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text())))
def test_what_is_yielded_is_read_back_whatever_it_is(given: list[dict[str, Any]]) -> None:
    assert [json.loads(it) for it in records(paged(given, size=3))] == given


def test_what_cannot_be_written_is_told_with_its_number() -> None:
    pages = paged([{"a": 1}, {"a": object()}], size=1)
    assert next(pages).records == [b'{"a":1}']
    with pytest.raises(UnexpectedResponse, match="record 2 cannot be written as JSON") as refused:
        next(pages)
    assert refused.value.hint


def test_half_of_a_surrogate_pair_is_told_and_not_altered() -> None:
    with pytest.raises(UnexpectedResponse, match="record 1 cannot be written as JSON"):
        next(paged([{"a": "\ud800"}]))


def test_pages_are_made_when_they_are_asked_for() -> None:
    taken = []

    def endless() -> Iterator[dict[str, int]]:
        for number in range(10**9):
            taken.append(number)
            yield {"a": number}

    pages = paged(endless(), size=10)
    first, second = next(pages), next(pages)
    assert (first.number, second.number) == (1, 2)
    assert second.request == "paged: records 11 to 20"
    assert second.size == sum(map(len, second.records))
    assert len(taken) == 20


def test_large_records_make_smaller_pages() -> None:
    large = b"x" * (MOST_BYTES // 2)
    assert [len(page.records) for page in paged([large] * 5)] == [2, 2, 1]


def test_a_generator_of_nothing_is_one_page_of_nothing() -> None:
    (page,) = paged([])
    assert (page.records, page.number) == ([], 1)


def test_the_pages_of_a_stream_say_whose_they_are() -> None:
    class Pebble(Record):
        """A pebble."""

        id: int

    class Shore(Source):
        """Pebbles."""

        @stream(Pebble, key="id")
        def pebbles(self) -> Pages:
            """Two of them."""
            return paged([{"id": 1}, {"id": 2}])

    (page,) = Shore.pebbles.read(Shore())
    assert page.request == "shore.pebbles: records 1 to 2"


def test_a_page_carries_the_last_state_before_its_end() -> None:
    yielded = [State("0"), b"1", State("1"), b"2", State("2"), b"3", b"4", State("4")]
    assert [(page.records, page.state) for page in paged(yielded, size=2)] == [
        ([b"1", b"2"], "1"),
        ([b"3", b"4"], "2"),
        ([], "4"),
    ]
    assert [(page.records, page.state) for page in paged([State("0")])] == [([], "0")]
    assert [page.state for page in paged([b"1"])] == [None]


def test_what_came_before_a_source_failed_is_a_page() -> None:
    def failing() -> Iterator[Any]:
        yield b"1"
        yield State("1")
        raise SourceUnavailable("gone")

    pages = paged(failing())
    page = next(pages)
    assert (page.records, page.state) == ([b"1"], "1")
    with pytest.raises(SourceUnavailable):
        next(pages)
