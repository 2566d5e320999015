"""What is asked of an API, where in it a parameter goes, and what a paginator sees of the answer.

A paginator names its parameter, `param="offset"`, and that is one of the query. `InBody("page.offset")` in
its place is a path in the JSON body, or a field of a form. So every paginator can page a search that is a
POST.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

from pydantic import SecretBytes, SecretStr

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.source.page import Path, keys

Value = str | int | float | bool | date | datetime | None
"""What a parameter may be."""


@dataclass(frozen=True)
class InBody:
    """A parameter that goes into the request's body: `InBody("variables.after")`. Objects on the way to it
    are made where there are none; a number is a place in a list that is there: `InBody("params.1")`.
    """

    path: Path


Param = str | InBody
"""Where a paginator's parameter goes: a name of the query, or a place in the body."""


@dataclass(frozen=True)
class Request:
    """What is asked next: a URL (absolute, or relative to the source's base), and parameters as text."""

    method: str
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    """Sent as JSON, where the stream declares a method with a body; bytes go as they are."""
    is_form: bool = False
    """The body goes as a form, and is a mapping of texts."""
    headers: Mapping[str, str] = field(default_factory=dict)
    can_shrink: bool = False
    """The same can be asked for in smaller pages, where this one is too much."""
    answers: tuple[int, ...] = ()
    """Statuses that are an answer too, though an empty one."""
    hosts: tuple[str, ...] = ()
    """Others that it may lead to, where it goes without credentials."""
    token: str | None = None
    """What the source named as next, for messages."""
    lap: int = 0
    """How often a paginator has gone back to what it has read: only within one lap is a repetition wrong."""

    def adding(self, params: Mapping[Param, object], *, token: str | None = None) -> Request:
        """The same request with these parameters too."""
        query = {name: str(value) for name, value in params.items() if isinstance(name, str)}
        body = self.body
        for name, value in params.items():
            if isinstance(name, InBody):
                body = self._put(body, name, value)
        return replace(self, params={**self.params, **query}, body=body, token=token)

    def _put(self, body: object, param: InBody, value: object) -> object:
        place = keys(param.path)
        if not place or (self.is_form and len(place) > 1):
            raise DeclarationError(f"{param!r}: is no place in {'a form' if self.is_form else 'a body'}")
        return _with(body, place, str(value) if self.is_form else value, param)


@dataclass
class Answer:
    """What a paginator may know of a page; what it takes out of `records` is not read."""

    where: str
    """Stream and request, for messages."""
    url: str
    headers: Mapping[str, str]
    count: int
    """Records that came, whatever is kept of them."""
    found: Mapping[Path, Any]
    records: list[bytes] = field(default_factory=list)
    earlier: int = 0
    """How many came before these, of an answer that was too large to be held."""
    size: int = 0
    """Bytes of the body."""
    status: int = 200
    state: str | None = None
    """How far the source has been read with this page, if the paginator can tell; stored with the records."""

    def following(self, target: str, first: Request) -> Request:
        """The same kind of request to the link that the source gave; a link carries its own parameters."""
        import httpx  # streams of files and tables, and workers of theirs, do without

        try:
            url = str(httpx.URL(self.url).join(target))
        except httpx.InvalidURL as error:
            raise UnexpectedResponse(
                f"{self.where}: the link to the next page is no URL: {error}",
                hint="Correct the paginator's path to the link; is it a token?",
            ) from error
        return replace(first, url=url, params={}, token=url)

    def required(self, path: Path) -> Any:
        """What stands there; raises UnexpectedResponse if nothing does."""
        if path not in self.found:
            raise UnexpectedResponse(
                f"{self.where}: the paginator expects {_shown(path)} in the body, which has none",
                hint="Correct the path, or declare a paginator that ends at an empty page.",
            )
        return self.found[path]

    def integer(self, path: Path) -> int:
        """The number that stands there, also as a text; raises UnexpectedResponse if it is none."""
        value = self.required(path)
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise UnexpectedResponse(
                f"{self.where}: the paginator expects a number at {_shown(path)}, not {value!r}"
            ) from error


Walk = Generator[Request, Answer, None]


class Paginator(Protocol):
    """Turns the first request into all of them."""

    @property
    def wanted(self) -> Sequence[Path]:
        """Paths in the body that the walk needs to see."""

    def walk(self, first: Request) -> Walk:
        """Yield each request; is sent the answer to it."""


def sees_records(paginator: Paginator) -> bool:
    """Whether it looks at records, as one of the user's may; else a large answer need not be held for it."""
    return bool(getattr(paginator, "sees_records", True))


def as_texts(values: Mapping[str, Value] | None) -> dict[str, str]:
    """Those that are there, as they stand in a query, a form or a header; None is left out.

    Raises DeclarationError for what is none of the types that a parameter has.
    """
    return {name: _as_text(value, name) for name, value in (values or {}).items() if value is not None}


def _as_text(value: object, name: str) -> str:
    """Times in UTC with a Z, truth values as true and false."""
    match value:
        case Enum():
            return _as_text(value.value, name)
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case str() | int() | float() | Decimal() | UUID():
            return str(value)
    raise _unfit(value, name, what="a parameter is a text, a number, a truth value or a time")


def as_json(value: object, name: str = "body") -> Any:
    """The value with every time in it as the text that a query would have, for a body. Raises
    DeclarationError for what JSON has no way to write.
    """
    match value:
        case Enum():
            return as_json(value.value, name)
        case Mapping():
            return {key: as_json(it, f"{name}.{key}") for key, it in value.items()}
        case list() | tuple():
            return [as_json(it, f"{name}.{place}") for place, it in enumerate(value)]
        case date() | UUID():
            return _as_text(value, name)
        case bytes() if name == "body":  # which is sent as it is
            return value
        case None | str() | int() | float():
            return value
    raise _unfit(value, name, what="a body has texts, numbers, truth values, times, lists and objects")


def _unfit(value: object, name: str, *, what: str) -> DeclarationError:
    hint = None
    if isinstance(value, SecretStr | SecretBytes):
        hint = "What is secret is for the source's auth to send, as by ApiKey(token, query=…)."
    elif isinstance(value, list | tuple | set) and not name.startswith("body"):
        hint = "Join them as the API wants it, or write them into the path: '/orders?status=new&status=paid'."
    elif isinstance(value, Decimal):
        hint = "Say as what the API wants it: str(…), int(…) or float(…)."
    return DeclarationError(f"{name!r} is a {type(value).__name__}, and {what}", hint=hint)


def _with(body: object, place: tuple[str, ...], value: object, param: InBody) -> object:
    """The body with the value there, as a copy."""
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(body, list | tuple):
        if not step.isdecimal() or int(step) >= len(body):
            raise DeclarationError(
                f"{param!r}: the body has a list there, of {len(body)}, and {step!r} is no place in it",
                hint="Places are counted from 0; put a None where the parameter is to go.",
            )
        at = int(step)
        return [*body[:at], _with(body[at], rest, value, param), *body[at + 1 :]]
    if not isinstance(body, Mapping | None):
        raise DeclarationError(
            f"{param!r}: the body has no object there but {body!r}", hint="Correct the path, or the body."
        )
    known = body or {}
    return {**known, step: _with(known.get(step), rest, value, param)}


def _shown(path: Path) -> str:
    return repr(".".join(path) if isinstance(path, tuple) else path)
