"""Where the records of an answer are: the body itself, `data.items`, `edges[].node`, or all of `data.*`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strandline.source.profile import naming
from strandline.source.profile.finding import Finding, Sureness

USUAL: Final = frozenset(
    {"data", "items", "results", "result", "records", "value", "values", "rows", "entries", "list", "objects"}
    | {
        "content",
        "hits",
        "elements",
        "nodes",
        "edges",
        "documents",
        "docs",
        "resources",
        "collection",
        "page",
    }
)
BESIDE: Final = frozenset(
    {
        "error",
        "errors",
        "warnings",
        "messages",
        "links",
        "_links",
        "included",
        "facets",
        "aggregations",
        "fields",
    }
    | {"meta", "metadata", "columns", "tags", "filters"}
)
DEEPEST: Final = 4
Way = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where records were found, and which."""

    way: Way
    """Keys, with "[]" behind a list that is gone through and "*" for every name."""
    records: Sequence[Mapping[str, Any]]
    finding: Finding
    is_single: bool = False
    """The body is the one record."""

    @property
    def path(self) -> str | tuple[str, ...] | None:
        """As `records=` has it."""
        if not self.way or self.is_single:
            return None
        return self.way if any("." in it for it in self.way) else ".".join(self.way)


@dataclass(frozen=True)
class _Found:
    way: Way
    records: list[Mapping[str, Any]]


def find(body: Any, *, asked: str = "") -> Place | None:
    """Where the records are; None where there is no object that could be one. `asked` is the last word of
    the address.
    """
    if isinstance(body, list):
        return _of_list(body)
    lists = [it for it in _lists(body, ()) if it.records]
    usual = [it for it in lists if not BESIDE & set(it.way)]
    if usual:
        return _choose(usual, asked)
    if mapped := list(_mapped(body, ())):
        best = max(mapped, key=lambda it: len(it.records))
        why = f"an object of {len(best.records)} objects that are alike, under names of their own"
        return Place(best.way, best.records, Finding(_shown(best.way), "unsure", why))
    is_one = any(map(naming.is_identifier, body)) or not empty_lists(body)
    if not is_one or not any(_is_filled(it) for it in body.values()):
        return None
    return Place((), [body], Finding("the body itself", "unsure", "the answer is one object"), is_single=True)


def empty_lists(body: Any) -> list[str]:
    """The paths of lists that have nothing in them; "" is the body itself."""
    if isinstance(body, list):
        return [] if body else [""]
    return [_shown(it.way) for it in _lists(body, ()) if not it.records and not BESIDE & set(it.way)]


def _of_list(body: list[Any]) -> Place | None:
    records = [it for it in body if isinstance(it, dict)]
    if not records or len(records) < len(body):
        return None
    return Place((), records, Finding("the body itself", "sure", "it is a list of objects"))


def _lists(body: Any, way: Way) -> Iterator[_Found]:
    """The lists of objects, and the empty ones."""
    for name, value in body.items() if isinstance(body, dict) else ():
        here = (*way, name)
        if isinstance(value, dict) and len(here) < DEEPEST:
            yield from _lists(value, here)
        if isinstance(value, list) and all(isinstance(it, dict) for it in value):
            nodes = [it["node"] for it in value if isinstance(it.get("node"), dict)]
            is_edges = bool(nodes) and len(nodes) == len(value)
            yield _Found((*way, f"{name}[]", "node"), nodes) if is_edges else _Found(here, value)


def _mapped(body: Any, way: Way) -> Iterator[_Found]:
    """Objects whose values are objects that look alike."""
    if not isinstance(body, dict):
        return
    values = [it for it in body.values() if isinstance(it, dict) and it]
    if len(values) > 1 and len(values) == len(body):
        names = [set(it) for it in values]
        common, all_ = set.intersection(*names), set.union(*names)
        if len(common) * 2 > len(all_):
            yield _Found((*way, "*"), list(values))
            return
    for name, value in body.items():
        if len(way) + 1 < DEEPEST and name not in BESIDE:
            yield from _mapped(value, (*way, name))


def _choose(found: Sequence[_Found], asked: str) -> Place:
    """The likeliest: called as the address is, then by a usual name, then the longest."""
    best = max(found, key=lambda it: (_matches(it.way, asked), _is_usual(it.way), len(it.records)))
    return Place(best.way, best.records, Finding(_shown(best.way), *_judged(best, found, asked)))


def _judged(best: _Found, found: Sequence[_Found], asked: str) -> tuple[Sureness, str]:
    others = [_shown(it.way) for it in found if it is not best]
    if not others:
        return "sure", "the only list of objects"
    beside = f"; {', '.join(others)} would do as well"
    if _matches(best.way, asked):
        return "sure", f"called as the address is{beside}"
    is_alone = _is_usual(best.way) and not any(_is_usual(it.way) for it in found if it is not best)
    if is_alone:
        return "likely", f"records are usually called so{beside}"
    return "unsure", f"the longest list{beside}"


def _matches(way: Way, asked: str) -> bool:
    last = naming.words(way[-1])
    return bool(asked) and last == naming.words(asked)


def _is_usual(way: Way) -> bool:
    return any(it.removesuffix("[]").lower() in USUAL for it in way) or way[0] == "_embedded"


def _is_filled(value: Any) -> bool:
    return value not in (None, "", [], {})


def _shown(way: Way) -> str:
    return ".".join(way)
