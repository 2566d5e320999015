"""Errors that come with a 200: where an answer says so, and what that means for whoever asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from strandline.source import lenient
from strandline.source.page import BOM, Path, keys

Kind = Literal["error", "retry", "limited", "rejected", "forbidden"]
Code = str | int
Wait = Callable[[Any], timedelta | None]
"""How long an error wants to be waited for, if it says so."""

LIMITED: Final = frozenset({"429", "THROTTLED", "RATE_LIMITED", "RATELIMITED", "TOO_MANY_REQUESTS"})
"""What APIs call it when somebody asks too often, as a code or a type."""
REJECTED: Final = frozenset(
    {"401", "UNAUTHENTICATED", "UNAUTHORIZED", "NOT_AUTHED", "INVALID_AUTH", "INVALID_TOKEN", "TOKEN_EXPIRED"}
)
"""What they call it when they do not know who asks: another token may help."""
FORBIDDEN: Final = frozenset({"403", "FORBIDDEN", "PERMISSION_DENIED", "ACCESS_DENIED"})
"""What they call it when they know, and do not want to tell."""

_MOST_SHOWN: Final = 3
_LONGEST: Final = 500
_CODES: Final = ("code", "type", "status", "name")
_MESSAGES: Final = ("message", "detail", "description", "error_description", "title", "reason", "text")


@dataclass(frozen=True)
class ErrorInBody:
    """Where an answer with a 200 says that it is an error: `ErrorInBody("error")` for JSON-RPC.

    An error is what stands there and is not null, false, 0 or empty; with `fine`, what stands there and is
    none of these: `ErrorInBody("status", fine=("ok",), message="reason")`. `code` and `message` say from the
    top of the body where they are, if not in what stands at `at`.

    An answer whose code is in `retry` is asked for again, one in `limited` as after a 429, and one in
    `rejected` once with another token, where the credentials can fetch one, and then it is a
    CredentialsRejected.
    """

    at: Path
    code: Path = field(default=None, kw_only=True)
    message: Path = field(default=None, kw_only=True)
    fine: Collection[Code | bool] = field(default=(), kw_only=True)
    retry: Collection[Code] = field(default=(), kw_only=True)
    limited: Collection[Code] = field(default=(), kw_only=True)
    rejected: Collection[Code] = field(default=(), kw_only=True)

    @property
    def places(self) -> list[Path]:
        """What has to be seen of a body."""
        return [it for it in (self.at, self.code, self.message) if it is not None]

    def look(self, body: bytes) -> dict[Path, Any]:
        """What stands there in a body of JSON; nothing in any other."""
        content = body.removeprefix(BOM)
        try:
            found = {path: lenient.value(content, keys(path)) for path in self.places}
        except (lenient.Truncated, lenient.Unreadable):
            return {}
        return {path: value for path, value in found.items() if value is not lenient.ABSENT}

    def errors(self, found: Mapping[Path, Any]) -> list[Any]:
        """What stands there and is an error."""
        if self.at not in found:
            return []
        value = found[self.at]
        is_fine = value in self.fine if self.fine else not value
        if is_fine:
            return []
        return value if isinstance(value, list) and value else [value]

    def codes(self, found: Mapping[Path, Any]) -> Iterator[str]:
        """Every code that the errors have, in capitals."""
        if self.code is not None:
            yield from _texts([found.get(self.code)])
            return
        for error in self.errors(found):
            yield from _texts(_codes(error))

    def kind(self, found: Mapping[Path, Any]) -> Kind:
        """What the codes mean; what is declared goes before what is known."""
        codes = set(self.codes(found))
        meanings: tuple[tuple[Kind, Iterable[Code]], ...] = (
            ("rejected", self.rejected),
            ("limited", self.limited),
            ("retry", self.retry),
            ("limited", LIMITED),
            ("rejected", REJECTED),
            ("forbidden", FORBIDDEN),
        )
        return next((kind for kind, meant in meanings if codes & set(_texts(meant))), "error")

    def describe(self, found: Mapping[Path, Any]) -> str:
        """What the answer says of it."""
        errors = self.errors(found)
        if self.message is not None and (said := found.get(self.message)):
            code = next(self.codes(found), None) if self.code is not None else None
            return _shown(said) + (f" [{code}]" if code else "")
        more = f" (and {len(errors) - _MOST_SHOWN} more)" if len(errors) > _MOST_SHOWN else ""
        return "; ".join(map(_describe, errors[:_MOST_SHOWN])) + more


class Refusal(lenient.Unreadable):
    """An answer that is an error, whatever its status says; never leaves the source layer."""

    def __init__(self, said: str, *, kind: Kind, hint: str, wait: timedelta | None) -> None:
        super().__init__(said)
        self.kind = kind
        self.hint = hint
        self.wait = wait

    def told(self, scrub: Callable[[str], str]) -> str:
        """What it says, scrubbed before it is cut."""
        text = scrub(self.said)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class Refusing(Struct, frozen=True):
    """Looks for errors in bodies, and raises Refusal."""

    declared: ErrorInBody
    says: str = "it is an error"
    hint: str | None = None
    wait: Wait = lambda _: None

    def check(self, found: Mapping[Path, Any]) -> None:
        """Raise Refusal if what was found in a body is an error."""
        errors = self.declared.errors(found)
        if not errors:
            return
        waits = [it for it in map(self.wait, errors) if it is not None]
        raise Refusal(
            f"{self.says}: {self.declared.describe(found)}",
            kind=self.declared.kind(found),
            hint=self.hint or self._hint(found),
            wait=max(waits, default=None),
        )

    def check_body(self, body: bytes) -> None:
        """Raise Refusal if the body is an error."""
        self.check(self.declared.look(body))

    def _hint(self, found: Mapping[Path, Any]) -> str:
        code = next(self.declared.codes(found), None)
        told = f", retry=({code!r},)" if code else ", retry=…"
        return (
            "Correct what the stream asks for; where asking again may help, declare it:"
            f" ErrorInBody({self.declared.at!r}{told})."
        )


def _codes(error: Any) -> Iterable[Any]:
    if not isinstance(error, Mapping):
        return (error,)
    extensions = error.get("extensions")
    further = extensions.get("code") if isinstance(extensions, Mapping) else None
    return [further, *(error.get(name) for name in _CODES)]


def _texts(codes: Iterable[Any]) -> Iterator[str]:
    return (str(it).upper() for it in codes if isinstance(it, str | int) and not isinstance(it, bool))


def _describe(error: Any) -> str:
    if not isinstance(error, Mapping):
        return _shown(error)
    said = next((error[it] for it in _MESSAGES if error.get(it)), None)
    if said is None:
        return _shown(error)
    way = error.get("path")
    path = ".".join(map(str, way)) if isinstance(way, Sequence) and not isinstance(way, str) else ""
    code = next(_texts(_codes(error)), None)
    return _shown(said) + (f" (at {path})" if path else "") + (f" [{code}]" if code else "")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
