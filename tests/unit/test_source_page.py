"""A page is cut into the exact bytes of its records, also where one of them is not what JSON should be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.source import lenient
from strandline.source.page import split

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)
spaces = st.text(" \n\t\r", max_size=3).map(str.encode)


def _encode(value: object) -> bytes:
    return json.dumps(value).encode()


@given(st.lists(st.tuples(values, spaces, spaces)), values, spaces)
def test_any_array_is_cut_into_the_exact_bytes_of_its_elements(
    elements: Any, beside: object, space: bytes
) -> None:
    """NaN, Infinity and lone surrogates included, which no strict parser takes."""
    exact = [_encode(value) for value, _, _ in elements]
    padded = [before + raw + after for raw, (_, before, after) in zip(exact, elements, strict=True)]
    array = b"[" + space + b",".join(padded) + b"]"

    assert split(array).records == exact
    assert (
        split(b'{"beside":' + _encode(beside) + b', "data": {"items" :' + array + b"}}", "data.items").records
        == exact
    )


@given(
    st.lists(st.binary().map(lambda raw: raw.replace(b"\\", b"").replace(b'"', b""))), st.binary(max_size=3)
)
def test_any_bytes_within_a_string_are_tolerated(contents: list[bytes], odd: bytes) -> None:
    exact = [b'{"a":"' + content + b'\\"", "b": [1, "]}"]}' for content in contents]

    assert lenient.array(b"[" + b", ".join(exact) + b"]", ()) == exact


@given(st.lists(values, min_size=1).map(_encode), st.data())
def test_a_body_cut_anywhere_is_truncated_and_never_taken_for_whole(body: bytes, data: Any) -> None:
    part = body[: data.draw(st.integers(1, len(body) - 1))]

    with pytest.raises(lenient.Truncated):
        split(part)


def test_one_odd_record_does_not_spoil_the_page() -> None:
    body = b'{"data": [{"id": 1}, {"id": "\\ud800"}, {"id": NaN}, {"id": "\\q"}, {"id": 2}], "next": "t2"}'

    cut = split(body, "data", wanted=("next", "absent"))

    assert cut.records == [b'{"id": 1}', b'{"id": "\\ud800"}', b'{"id": NaN}', b'{"id": "\\q"}', b'{"id": 2}']
    assert cut.found == {"next": "t2"}


@pytest.mark.parametrize("oddity", [b"1", b'"\\ud800"'], ids=["strict", "lenient"])
def test_what_the_paginator_wants_is_found_beside_the_records(oddity: bytes) -> None:
    body = (
        b'{"d.ata": {"items": ['
        + oddity
        + b'], "next": "abc"}, "meta": {"more": true, "n": null, "count": 3},'
        b' "@odata.nextLink": "/x"}'
    )
    wanted = (
        ("d.ata", "next"),
        "meta.more",
        "meta.n",
        "meta.count",
        ("@odata.nextLink",),
        "meta.gone",
        "gone.x",
        "meta.n.x",
    )

    cut = split(body, ("d.ata", "items"), wanted=wanted)

    assert cut.records == [oddity]
    assert cut.found == {
        ("d.ata", "next"): "abc",
        "meta.more": True,
        "meta.n": None,
        "meta.count": 3,
        ("@odata.nextLink",): "/x",
    }


def test_what_stands_between_two_commas_is_one_record_whatever_it_is() -> None:
    odd = [b"1 2", b'{"a": 1}x', b'"a" : "b"', b"f([1, 2])", b":", b'"a"  "b"']

    assert split(b"[1, " + b" , ".join(odd) + b" ]").records == [b"1", *odd]


def test_records_too_deep_for_any_parser_are_cut_out_all_the_same() -> None:
    deep = b"[" * 5_000 + b"]" * 5_000

    assert split(b"[1, %s, 2]" % deep).records == [b"1", deep, b"2"]


def test_a_byte_order_mark_is_no_part_of_a_record() -> None:
    assert split(b"\xef\xbb\xbf[1]").records == [b"1"]


@pytest.mark.parametrize(
    ("body", "at", "said"),
    [
        (b"", None, "the body is empty"),
        (b"  ", None, "the body is empty"),
        (b"<html>", None, "no JSON object or array"),
        (b'"text"', None, "no JSON object or array"),
        (b'{"data": null}', "data", "no array at 'data' but 'null'"),
        (b'{"data": {"a": 1}}', "data", "no array at 'data' but"),
        (b'{"items": [], "total": 0}', "data", "the body's keys are items, total"),
        (b"{}", "data", "the body's keys are none"),
        (b"[1]", "data", "the body itself is an array"),
        (b"{}", None, "no array at the top of the body"),
        (b"[1] and more", None, "followed by 'and more'"),
        (b'{"a": [1] 2}', "a", "a comma should be at byte 10"),
        (b"[1,]", None, "a value should be at byte 3"),
        (b"[,1]", None, "a value should be at byte 1"),
        (b'{"a" 1}', "a", "a colon should be at byte 5"),
        (b"{1: 2}", "a", "a key should be at byte 1"),
    ],
)
def test_what_is_no_page_says_what_it_is(body: bytes, at: Any, said: str) -> None:
    with pytest.raises(lenient.Unreadable) as caught:
        split(body, at)

    assert said in str(caught.value)


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    assert split(b'{"data": [1], "data": [2]}', "data").records == [b"2"]
    assert lenient.array(b'{"data": [1], "data": [2]}', ("data",)) == [b"2"]


def test_a_wanted_value_that_cannot_be_decoded_is_absent() -> None:
    assert split(b'{"data": [NaN], "next": nul}', "data", wanted=("next",)).found == {}
