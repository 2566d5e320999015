"""How the pages of an answer follow each other, by what stands beside the records, in the headers and in the
address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strandline.source import link
from strandline.source.profile import naming
from strandline.source.profile.finding import Finding, Sureness

LINKS: Final = frozenset(
    {"next", "nextlink", "nexturl", "nextpage", "nextpageurl", "nextpageuri", "nexthref"} | {"uri"}
)
TOKENS: Final[dict[str, str]] = {
    "nextpagetoken": "pageToken",
    "nextcursor": "cursor",
    "nexttoken": "next_token",
    "nextmarker": "marker",
    "endcursor": "after",
    "continuationtoken": "continuationToken",
    "continuation": "continuation",
    "cursor": "cursor",
    "after": "after",
    "offset": "offset",
    "next": "cursor",
    "pagetoken": "pageToken",
    "scrollid": "scroll_id",
    "nextpage": "page",
    "nextoffset": "offset",
}
"""Names of tokens, with the parameter that such an API usually wants them in."""

PAGES: Final = frozenset({"page", "currentpage", "pagenumber", "pageno", "pageindex"})
TOTAL_PAGES: Final = frozenset(
    {"totalpages", "lastpage", "pages", "pagecount", "pagestotal", "numpages", "nbpages"}
)
OFFSETS: Final = frozenset({"offset", "skip", "start", "startat", "startindex", "from", "$skip"})
LIMITS: Final = frozenset(
    {"limit", "perpage", "pagesize", "maxresults", "size", "top", "take", "count", "itemsperpage"}
)
TOTALS: Final = frozenset(
    {"total", "totalcount", "count", "totalresults", "totalrecords", "totalsize", "totalitems"}
)
MORE: Final = frozenset({"hasmore", "hasnext", "hasnextpage", "more", "moreresults", "morerecords"})
ROUND: Final = frozenset({10, 15, 20, 25, 30, 50, 100, 200, 250, 500, 1000, 5000})
_LINK: Final = re.compile(r"^(?:https?://|/|\?)\S+$")

Way = tuple[str, ...]


@dataclass(frozen=True)
class Paging:
    """The paginator that fits, as Python, with what it needs."""

    finding: Finding
    name: str
    """The paginator's class."""
    arguments: str = ""
    params: frozenset[str] = field(default_factory=frozenset)
    """Parameters of the address that it sets itself."""

    @property
    def code(self) -> str:
        """As a stream declares it."""
        return f"{self.name}({self.arguments})"


@dataclass(frozen=True)
class Answer:
    """An answer without its records."""

    beside: Mapping[Way, Any]
    """What stands beside the records, by where."""
    headers: Mapping[str, str]
    params: Mapping[str, str]
    count: int
    """How many records came."""
    last: Mapping[str, Any]
    """The last record."""


def beside(body: Any, records: Way, above: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Every single value of the body that is not within the records."""
    for name, value in body.items() if isinstance(body, dict) else ():
        here = (*above, name)
        if here == tuple(it.removesuffix("[]") for it in records[: len(here)]) and len(here) >= len(records):
            continue
        if isinstance(value, dict) and len(here) < 5:
            yield from beside(value, records, here)
        elif not isinstance(value, list):
            yield here, value


def find(answer: Answer) -> Paging:
    """The paginator that fits best."""
    ways = (_connection, _link_header, _token_header, _link, _token, _page, _offset, _last_key)
    return next((found for way in ways if (found := way(answer))), None) or _single(answer)


def _made(name: str, arguments: str, sure: Sureness, why: str, *params: str) -> Paging:
    code = f"{name}({arguments})"
    return Paging(Finding(code, sure, why), name, arguments, frozenset(params))


def _connection(answer: Answer) -> Paging | None:
    """GraphQL's own way, beside the nodes."""
    for way in answer.beside:
        if (
            way[0] == "data"
            and way[-2:] == ("pageInfo", "endCursor")
            and (*way[:-1], "hasNextPage") in answer.beside
        ):
            arguments = spelled(way[:-1])
            return _made(
                "Connection", arguments, "sure", f"{_dotted(way[:-1])} has hasNextPage and endCursor"
            )
    return None


def _link_header(answer: Answer) -> Paging | None:
    relations = {it for each in link.parse(answer.headers.get("link", "")) for it in each.relations}
    if "next" in relations:
        return _made("LinkHeader", "", "sure", "the Link header has rel=next", *_paging_params(answer))
    if relations & {"first", "last", "prev"}:
        why = "the Link header has other pages, and no next one: this is the last"
        return _made("LinkHeader", "", "likely", why, *_paging_params(answer))
    return None


def _token_header(answer: Answer) -> Paging | None:
    for name, value in answer.headers.items():
        short = _short(name.removeprefix("x-"))
        if short in LINKS | {"nextpage"} and value:
            if _LINK.match(value):
                return _made("LinkInHeader", f'"{name}"', "sure", f"the header {name} is a link")
            return _made(
                "TokenInHeader",
                f'"{name}", param="page"',
                "likely",
                f"the header {name} names the next page",
                "page",
            )
    return None


def _link(answer: Answer) -> Paging | None:
    found = [(way, value) for way, value in answer.beside.items() if _leads_on(way)]
    for way, value in found:
        if isinstance(value, str) and _LINK.match(value):
            return _made(
                "LinkInBody", spelled(way), "sure", f"{_dotted(way)} is a link", *_paging_params(answer)
            )
    for way, value in found:
        if value is None and (
            {"previous", "prev", "count", "first"} & {_short(it[-1]) for it in answer.beside}
        ):
            why = f"{_dotted(way)} is there and null, as on a last page"
            return _made("LinkInBody", spelled(way), "likely", why, *_paging_params(answer))
    return None


def _leads_on(way: Way) -> bool:
    """Whether it is called as a link to the next page: `next`, `links.next.href`, `@odata.nextLink`."""
    names = [_short(it) for it in way]
    last = names[-1].removeprefix("odata")
    if last in ("href", "url", "uri", "link"):
        return len(names) > 1 and names[-2] in LINKS - {"uri"}
    return last in LINKS - {"uri"} or (
        last.startswith("next") and last.endswith(("url", "uri", "link", "href"))
    )


def _token(answer: Answer) -> Paging | None:
    for way, value in answer.beside.items():
        name = _short(way[-1])
        param = TOKENS.get(name)
        is_below_next = len(way) > 1 and _short(way[-2]) in ("nextpage", "next")
        if param is None or not _is_token(
            value, is_named=name.startswith("next") or "token" in name or is_below_next
        ):
            continue
        if isinstance(value, int) and name == "nextpage":
            continue  # a number of a page is counted
        param = _spelling(answer, param)
        sure: Sureness = "likely" if name.startswith(("next", "end")) or is_below_next else "unsure"
        why = f"{_dotted(way)} looks like a token; that it goes back as {param!r} is a guess"
        is_known = param in answer.params
        if is_known:
            sure, why = "sure", f"{_dotted(way)} looks like a token, and the address has {param!r}"
        return _made("TokenInBody", f'{spelled(way)}, param="{param}"', sure, why, param)
    return None


def _is_token(value: Any, *, is_named: bool) -> bool:
    if isinstance(value, str):
        return bool(value) and not _LINK.match(value)
    return is_named and isinstance(value, int) and not isinstance(value, bool)


def _page(answer: Answer) -> Paging | None:
    number = _at(answer, PAGES, int) or _at(answer, frozenset({"nextpage"}), int)
    total, more = _at(answer, TOTAL_PAGES, int), _at(answer, MORE, bool)
    param = _param(answer, PAGES)
    if number is None and total is None and param is None:
        return None
    if number is None and param is None and not more:
        param = None
    arguments = [f'param="{param}"'] if param and param != "page" else []
    start = answer.params.get(param or "", "")
    arguments += ["start=0"] if start == "0" or (number and answer.beside[number] == 0) else []
    size = _param(answer, LIMITS)
    if size is not None and answer.params[size].isdigit():
        arguments += [f"size={answer.params[size]}", f'size_param="{size}"']
    arguments += [f"total_pages={spelled(total)}"] if total else [f"has_more={spelled(more)}"] if more else []
    told = [_dotted(it) for it in (number, total, more) if it]
    why = f"{' and '.join(told)} count pages" if told else f"the address has {param!r}"
    sure: Sureness = (
        "sure" if param and (total or more) else "likely" if (number and total) or param else "unsure"
    )
    if not param:
        why += "; that the parameter is called 'page' is a guess"
    return _made("PageNumber", ", ".join(arguments), sure, why, param or "page", size or "page")


def _offset(answer: Answer) -> Paging | None:
    offset, total, more = _at(answer, OFFSETS, int), _at(answer, TOTALS, int), _at(answer, MORE, bool)
    param, size = _param(answer, OFFSETS), _param(answer, LIMITS)
    if offset is None and param is None and (total is None or answer.beside[total] <= answer.count):
        return None
    limit = _at(answer, LIMITS - TOTALS, int)
    arguments = []
    if size is not None and answer.params[size].isdigit():
        arguments += [f"limit={answer.params[size]}"] + ([f'limit_param="{size}"'] if size != "limit" else [])
    elif limit is not None and answer.beside[limit] > 0:
        arguments += [f"limit={answer.beside[limit]}"] + (
            [f'limit_param="{limit[-1]}"'] if limit[-1] != "limit" else []
        )
    named = param or (offset[-1] if offset else "offset")
    arguments += [f'param="{named}"'] if named != "offset" else []
    arguments += [f"total={spelled(total)}"] if total else [f"has_more={spelled(more)}"] if more else []
    told = [_dotted(it) for it in (offset, total, more) if it]
    is_told = bool(param) or offset is not None
    why = f"{' and '.join(told)} count records" if told else f"the address has {param!r}"
    why += "" if is_told else "; that the parameters are called 'offset' and 'limit' is a guess"
    sure: Sureness = "sure" if param and told else "likely" if is_told else "unsure"
    return _made("Offset", ", ".join(arguments), sure, why, named, size or "limit")


def _last_key(answer: Answer) -> Paging | None:
    """More behind the last record, and no token: the last record's key is one, as `starting_after`."""
    more = _at(answer, MORE, bool)
    key = next((it for it in answer.last if naming.is_identifier(it)), None)
    if more is None or key is None:
        return None
    size = _param(answer, LIMITS)
    limit = answer.params.get(size or "", "") or str(max(answer.count, 1))
    arguments = f'cursor="{key}", param="starting_after", limit={limit}, has_more={spelled(more)}'
    why = (
        f"{_dotted(more)} says whether there are more, and no token says where: perhaps behind the last {key}"
    )
    return _made("Keyset", arguments, "unsure", why, "starting_after", "limit")


def _single(answer: Answer) -> Paging:
    if answer.count in ROUND:
        why = f"nothing tells of another page, but {answer.count} records are a round number"
        return _made("SinglePage", "", "unsure", why)
    return _made("SinglePage", "", "likely", f"nothing tells of another page behind {answer.count} records")


def _at(answer: Answer, names: frozenset[str], kind: type) -> Way | None:
    """Where a value of that type stands under one of these names; not in a filter that echoes the query."""
    fitting = (
        way for way, value in answer.beside.items() if type(value) is kind and _short(way[-1]) in names
    )
    return next(fitting, None)


def _param(answer: Answer, names: frozenset[str]) -> str | None:
    return next((it for it in answer.params if _short(it) in names), None)


def _paging_params(answer: Answer) -> list[str]:
    """The parameters that the next link brings with itself, but for the size of a page."""
    return [it for it in answer.params if _short(it) in PAGES | OFFSETS | {"cursor", "after", "pagetoken"}]


def _spelling(answer: Answer, param: str) -> str:
    """As the address has it, where it has one like it; in the manner of its names, where they have one."""
    known = next((it for it in answer.params if _short(it) == _short(param)), None)
    if known:
        return known
    is_snake = any("_" in way[-1] for way in answer.beside)
    return "_".join(naming.words(param)) if is_snake else param


def is_total(way: Way) -> bool:
    """Whether it is called as a number of all records is."""
    return _short(way[-1]) in TOTALS


def _short(name: str) -> str:
    return "".join(naming.words(name))


def _dotted(way: Way) -> str:
    return ".".join(way)


def spelled(way: Way) -> str:
    """The path as Python: a text, or a tuple where a name has a dot."""
    if any("." in it for it in way):
        inner = ", ".join(f'"{it}"' for it in way)
        return f"({inner},)" if len(way) == 1 else f"({inner})"
    return f'"{_dotted(way)}"'
