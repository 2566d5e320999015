"""Paging through a list that changes between the pages: every record that was there all along is read.

The list is served by a real server; before each answer some changes are drawn. The oracle is the list itself:
who was in it before the first request and still is behind the last one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.effort import cases

from strandline.errors import SourceUnsettled
from strandline.source import HttpSource, Keyset, Offset, PageNumber, Settled
from strandline.source.request import Paginator
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi

Record = dict[str, Any]
Change = tuple[str, int, int]
"""What happens, where, and where to."""


class Lake(HttpSource):
    """A list that does not hold still."""


class Moving:
    """The list, and the changes that come before each answer."""

    def __init__(self, count: int, changes: list[list[Change]], *, cap: int) -> None:
        self.records = [{"id": number, "version": 0} for number in range(count)]
        self.before = {it["id"] for it in self.records}
        self._changes = changes
        self._clock = count
        self._cap = cap

    @property
    def survivors(self) -> set[int]:
        """Who was there all along."""
        return self.before & {it["id"] for it in self.records}

    def answer(self, request: ReceivedRequest) -> Response:
        """A page, after the changes that are due."""
        if self._changes:
            for change in self._changes.pop(0):
                self._change(*change)
        asked = request.query
        size = min(int(asked.get("limit", self._cap)), self._cap)
        if "behind" in asked:
            start = self._behind(int(asked["behind"]), asked.get("behind_id"))
        elif "page" in asked:
            start = (int(asked["page"]) - 1) * size
        else:
            start = int(asked.get("offset", "0"))
        total = len(self.records)
        page = {"data": self.records[start : start + size], "total": total, "more": start + size < total}
        return Response(json.dumps(page).encode())

    def _behind(self, version: int, key: str | None) -> int:
        for at, it in enumerate(self.records):
            if it["version"] > version or (it["version"] == version and (key is None or it["id"] > int(key))):
                return at
        return len(self.records)

    def _change(self, kind: str, at: int, to: int) -> None:
        self._clock += 1
        if kind == "insert":
            self.records.insert(at % (len(self.records) + 1), {"id": self._clock, "version": 0})
        elif self.records:
            moved = self.records.pop(at % len(self.records))
            if kind == "touch":  # changed, and so the last in a list that is sorted by changes
                self.records.append({**moved, "version": self._clock})
            elif kind == "move":
                self.records.insert(to % (len(self.records) + 1), moved)


API = ScriptedApi()
LAKE = type("Lake", (Lake,), {"base_url": API.url})()


@pytest.fixture(scope="module", autouse=True)
def api() -> Iterator[None]:
    """One server and one client for all cases."""
    with API, LAKE:
        yield


def read(moving: Moving, paginator: Paginator) -> set[int]:
    API.respond("/list", moving.answer)
    pages = LAKE.pages("/list", paginator=paginator, records="data")
    return {json.loads(record)["id"] for page in pages for record in page.records}


def changes(*kinds: str, most: int = 30) -> st.SearchStrategy[list[list[Change]]]:
    change = st.tuples(st.sampled_from(kinds), st.integers(0, 60), st.integers(0, 60))
    return st.lists(st.lists(change, max_size=3), max_size=most)


ENDS = st.sampled_from([{}, {"has_more": "more"}, {"total": "total"}])
"""How the walk knows that it is over."""

counts = st.integers(0, 40)
caps = st.sampled_from([4, 5, 7, 100])


@cases(30)
@given(counts, changes("insert", "delete", "touch"), caps, st.sampled_from([1, 3, 6]), ENDS)
def test_an_overlap_loses_nobody_who_stays(
    count: int, drawn: list[list[Change]], cap: int, overlap: int, end: dict[str, str]
) -> None:
    """Also where the API grants less than is asked for, and less than the overlap."""
    moving = Moving(count, drawn, cap=cap)

    found = read(moving, Offset(limit=7, overlap=overlap, **end))  # type: ignore[arg-type]  # a path each
    assert moving.survivors <= found


@cases(30)
@given(
    counts,
    changes("insert", "delete", "touch", "move"),
    caps,
    st.sampled_from(
        [
            Offset(limit=7),
            Offset(limit=5, total="total"),
            Offset(limit=5, has_more="more"),
            PageNumber(size=4),
            PageNumber(size=4, has_more="more"),
        ]
    ),
)
def test_a_settled_walk_loses_nobody_whatever_moves(
    count: int, drawn: list[list[Change]], cap: int, paginator: Any
) -> None:
    """Or it says that it cannot tell."""
    moving = Moving(count, drawn, cap=cap)
    try:
        found = read(moving, Settled(paginator, key="id", walks=4))
    except SourceUnsettled:
        return
    assert moving.survivors <= found


@cases(10)
@given(counts, caps)
def test_a_list_that_holds_still_is_settled_in_two_walks(count: int, cap: int) -> None:
    moving = Moving(count, [], cap=cap)

    assert read(moving, Settled(Offset(limit=7), key="id", walks=2)) == moving.before


def by_keyset(limit: int) -> Keyset:
    return Keyset(cursor="version", key="id", param="behind", key_param="behind_id", limit=limit)


@cases(20)
@given(counts, changes("touch", "delete"), caps)
def test_a_keyset_loses_nobody_who_stays(count: int, drawn: list[list[Change]], cap: int) -> None:
    moving = Moving(count, drawn, cap=cap)

    found = read(moving, by_keyset(7))
    assert moving.survivors <= found


@pytest.mark.parametrize(
    ("paginator", "lost"),
    [
        (Offset(limit=4), {4}),
        (Offset(limit=4, overlap=1), set()),
        (Settled(Offset(limit=4), key="id"), set()),
    ],
    ids=["plain", "overlap", "settled"],
)
def test_a_plain_offset_loses_one_where_the_others_do_not(paginator: Paginator, lost: set[int]) -> None:
    """What the page on paging warns of."""
    moving = Moving(10, [[], [("delete", 0, 0)]], cap=100)

    found = read(moving, paginator)
    assert moving.survivors - found == lost


@pytest.mark.parametrize(
    ("paginator", "missed"),
    [(Offset(limit=4), {9}), (Settled(Offset(limit=4), key="id"), set())],
    ids=["plain", "settled"],
)
def test_only_a_settled_walk_finds_who_moves_to_the_front(paginator: Paginator, missed: set[int]) -> None:
    moving = Moving(10, [[], [("move", 9, 0)]], cap=100)

    found = read(moving, paginator)
    assert moving.survivors - found == missed
