"""Selectors: the exact bytes of records in arrays of arrays, and what is carried along with them."""

from collections.abc import Mapping

import pytest

from strandline.errors import DeclarationError
from strandline.source import lenient
from strandline.source.page import Path
from strandline.source.selector import selecting, steps

BODY = b"""{"results": [
    {"id": 7, "who": {"name": "Ada"}, "orders": [{"n":  1.10}, {"n": 2, "n": 3}]},
    {"id": "8", "orders": []},
    {"id": 9},
    {"id": 10, "orders": null},
    {"id": 11, "orders": [{}, NaN, {"s": "\xff\\ud800"}]}
]}"""

ORDERS = [b'{"n":  1.10}', b'{"n": 2, "n": 3}', b"{}", b"NaN", b'{"s": "\xff\\ud800"}']


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("results[].orders[]", BODY, ORDERS),
        ("results[].who", BODY, [b'{"name": "Ada"}']),
        ("edges[].node", b'{"edges": [{"node": {"a": 1}}, {"node": null}]}', [b'{"a": 1}']),
        ("data.*.items", b'{"data": {"x": {"items": [1]}, "y": {"items": [2, 3]}}}', [b"1", b"2", b"3"]),
        ("*", b'{"A": {"id": 1}, "B": {"id": 2}}', [b'{"id": 1}', b'{"id": 2}']),
        ("[]", b"[1, 2]", [b"1", b"2"]),
        ("[][]", b"[[1], [2, 3], []]", [b"1", b"2", b"3"]),
        (("a.b", "[]", "c"), b'{"a.b": [{"c": [1]}, {"c": [2]}]}', [b"1", b"2"]),
    ],
    ids=str,
)  # fmt: skip
def test_records_are_found_and_keep_their_bytes(path: Path, body: bytes, found: list[bytes]) -> None:
    assert selecting(path, {})(body) == found


@pytest.mark.parametrize(
    ("path", "carry", "found"),
    [
        ("results[].orders[]", {"id": "results[].id"}, b'{"n":  1.10,"id":7}'),
        ("results[].orders", {"by": "results[].who.name"}, b'{"n":  1.10,"by":"Ada"}'),
        ("results[].orders[]", {"none": "results[].none"}, b'{"n":  1.10}'),
    ],
    ids=str,
)
def test_what_stands_around_a_record_is_carried_along(
    path: Path, carry: Mapping[str, Path], found: bytes
) -> None:
    assert selecting(path, carry)(BODY)[0] == found


def test_what_is_carried_follows_its_record() -> None:
    body = b'{"at": 5, "items": [{}, {"n": 1 }, 3]}'

    assert selecting("items", {"at": "at"})(body) == [b'{"at":5}', b'{"n": 1 ,"at":5}', b"3"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("results[].orders[]", b'{"other": []}'),
        ("results[].orders[]", b'{"results": null}'),
        ("results[].orders[]", b'{"results": {"orders": []}}'),
        ("results[].orders[]", b'{"results": [{"orders": {"id": 1}}]}'),
        ("results[].orders[]", b'{"results": ["oops"]}'),
        ("results[].orders[]", b"<html>"),
        ("*.items", b"5"),
    ],
)
def test_another_shape_is_unreadable(path: Path, body: bytes) -> None:
    with pytest.raises(lenient.Unreadable):
        selecting(path, {})(body)


def test_a_body_that_ends_too_early_is_noticed() -> None:
    with pytest.raises(lenient.Truncated):
        selecting("results[].orders[]", {})(BODY[:-30])


def test_a_path_that_leads_nowhere_is_refused_where_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match="is no step"):
        steps("results[0].orders")
    with pytest.raises(DeclarationError, match="leads to no value of an object around"):
        selecting("results[].orders[]", {"id": "other[].id"})
