"""GraphQL: connections that tell their own next page, and errors that come with a 200."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

from strandline.errors import DeclarationError, MethodRefused, UnexpectedResponse
from strandline.source.page import Path, keys
from strandline.source.refusal import ErrorInBody, Refusing
from strandline.source.request import InBody, Param, Request, Walk
from strandline.source.selector import EACH, Selector, steps
from strandline.source.sizing import Size, Sizing

ERRORS: Final = ErrorInBody("errors")
"""Where the specification has them."""

_HINT: Final = "Correct the query, or see to it that the credentials may read what it asks for."
_QUIET = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*')
_BRACES = re.compile(r"\{[^{}]*\}")
_WRITES = re.compile(r"(?:^|;)\s*(mutation|subscription)\b")


@dataclass(frozen=True)
class Connection:
    """`pageInfo { hasNextPage endCursor }` beside the nodes: ends when hasNextPage is false.

    `page_info` says where it is; `param` where its cursor goes, the variable `after` unless told. With a
    `size` that goes into `size_param`, the variable `first`.
    """

    page_info: Path
    param: Param = field(default=InBody("variables.after"), kw_only=True)
    size: Size = field(default=None, kw_only=True)
    size_param: Param = field(default=InBody("variables.first"), kw_only=True)

    @property
    def wanted(self) -> Sequence[Path]:
        """Both of its fields."""
        return [self._at("hasNextPage"), self._at("endCursor")]

    def walk(self, first: Request) -> Walk:
        """Ask behind each page's last node."""
        sizing = Sizing(self.size)
        answer = yield from sizing.ask(partial(self._sized, first))
        while answer.required(self._at("hasNextPage")):
            cursor = answer.found.get(self._at("endCursor"))
            if cursor is None:
                raise UnexpectedResponse(
                    f"{answer.where}: hasNextPage is true, but there is no endCursor to go on from",
                    hint="Ask for pageInfo { hasNextPage endCursor }.",
                )
            following = first.adding({self.param: cursor}, token=str(cursor))
            answer = yield from sizing.ask(partial(self._sized, following))

    def _sized(self, request: Request, size: int | None) -> Request:
        params: dict[Param, object] = {} if size is None else {self.size_param: size}
        return request.adding(params, token=request.token)

    def _at(self, name: str) -> tuple[str, ...]:
        return (*keys(self.page_info), name)


def connection_of(query: str, records: Selector) -> Connection:
    """The connection that has these nodes; its pageInfo stands beside them, where the query asks for it."""
    way = () if callable(records) else steps(records)
    holder = way[:-1]
    if way[-3:] == ("edges", EACH, "node"):
        holder = way[:-3]
    if "pageInfo" not in query or not holder or EACH in holder:
        raise DeclarationError(
            f"graphql(…, records={records!r}): nothing tells whether there is a next page",
            hint="Ask for pageInfo { hasNextPage endCursor } beside the nodes, or declare a paginator.",
        )
    return Connection((*holder, "pageInfo"))


def check(query: str, *, where: str) -> None:
    """Raises MethodRefused for a mutation or subscription."""
    text = _QUIET.sub(" ", query)
    while (outer := _BRACES.sub(";", text)) != text:
        text = outer
    if found := _WRITES.search(text):
        raise MethodRefused(
            f"{where}: the client only reads, and this GraphQL document has a {found[1]}",
            hint="Ask with a query.",
        )


def refusing(errors: ErrorInBody | None) -> Refusing:
    """What looks for errors in answers, with or without data beside them."""
    return Refusing(errors or ERRORS, says="GraphQL has errors", hint=_HINT, wait=_wait)


def _wait(error: Any) -> timedelta | None:
    """Until the query's cost is there again, where the API tells what it has and how fast that grows."""
    extensions = error.get("extensions") if isinstance(error, Mapping) else None
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    status = cost.get("throttleStatus") if isinstance(cost, Mapping) else None
    try:
        missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])  # type: ignore[index]
        return timedelta(seconds=max(missing / float(status["restoreRate"]), 0.1))  # type: ignore[index]
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
