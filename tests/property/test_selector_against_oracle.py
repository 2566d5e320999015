"""Nested records are those that a plain loop over the decoded body finds, in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.effort import cases

from strandline.source import lenient
from strandline.source.selector import selecting, steps

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3))
VALUES = st.recursive(
    LEAVES,
    lambda it: st.one_of(st.lists(it, max_size=3), st.dictionaries(KEYS, it, max_size=3)),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from(["a", "b", "[]", "*"]), min_size=1, max_size=4).map(
    lambda parts: ".".join(parts).replace(".[]", "[]")
)


def oracle(value: Any, way: tuple[str, ...], *, may_miss: bool = False) -> Iterator[Any]:
    """The values there; ValueError where the shape is another one."""
    if not way:
        yield value
        return
    step, rest = way[0], way[1:]
    if value is None and may_miss:
        return
    if step == "[]" and isinstance(value, list):
        children = value
    elif step == "*" and isinstance(value, list | dict):
        children = value if isinstance(value, list) else list(value.values())
    elif step not in ("[]", "*") and isinstance(value, dict):
        children = [value[step]] if value.get(step) is not None or (step in value and not may_miss) else []
        if not children and not may_miss:
            raise ValueError
    else:
        raise ValueError
    for child in children:
        yield from oracle(child, rest, may_miss=may_miss or step in ("[]", "*"))


def spread(values: list[Any], way: tuple[str, ...]) -> list[Any]:
    """An array at the end is its elements, null is none."""
    if way[-1] == "[]":
        return values
    is_plain = not {"[]", "*"} & set(way)
    found: list[Any] = []
    for value in values:
        if isinstance(value, list):
            found += value
        elif is_plain:
            raise ValueError
        elif value is not None:
            found.append(value)
    return found


@cases(75)
@given(st.one_of(st.lists(VALUES, max_size=3), st.dictionaries(KEYS, VALUES, max_size=3)), PATHS)
def test_a_selector_finds_what_a_plain_loop_finds(body: Any, path: str) -> None:
    way = steps(path)
    try:
        expected = spread(list(oracle(body, way)), way)
    except ValueError:
        expected = None

    try:
        found = [json.loads(it) for it in selecting(path, {})(json.dumps(body).encode())]
    except lenient.Unreadable:
        found = None
    assert found == expected
