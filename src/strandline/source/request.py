"""What is asked of an API, and where in it a parameter goes: the query, or the body.

A paginator names its parameter, `param="offset"`, and that is one of the query. `InBody("page.offset")` in
its place is a path in the JSON body, or a field of a form. So every paginator can page a search that is a
POST.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from strandline.errors import DeclarationError
from strandline.source.page import Path, keys

Value = str | int | float | bool | date | datetime | None
"""What a parameter may be."""


@dataclass(frozen=True)
class InBody:
    """A parameter that goes into the request's body: `InBody("variables.after")`. Objects on the way to it
    are made where there are none.
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


def as_text(value: Value) -> str:
    """The value as it stands in a query or a form: times in UTC with a Z, truth values as true and false."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
    return str(value)


def as_texts(values: Mapping[str, Value] | None) -> dict[str, str]:
    """Those that are there; None is left out."""
    return {name: as_text(value) for name, value in (values or {}).items() if value is not None}


def as_json(value: object) -> Any:
    """The value with every time in it as the text that a query would have, for a body."""
    match value:
        case Mapping():
            return {name: as_json(it) for name, it in value.items()}
        case list() | tuple():
            return [as_json(it) for it in value]
        case date():
            return as_text(value)
    return value


def _with(body: object, place: tuple[str, ...], value: object, param: InBody) -> object:
    """The body with the value there, as a copy."""
    if not place:
        return value
    if not isinstance(body, Mapping | None):
        raise DeclarationError(
            f"{param!r}: the body has no object there but {body!r}", hint="Correct the path, or the body."
        )
    known = body or {}
    return {**known, place[0]: _with(known.get(place[0]), place[1:], value, param)}
