"""What the sample systems have in common as HTTP APIs: a reply in JSON, and parameters that are checked.

A parameter that a route does not know is refused, so that a misspelt filter does not quietly read everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; a `next_query` becomes the Link header, which needs the server's own address."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    next_query: str | None = None


class BadRequest(ValueError):
    """The sample API does not take this request; it never leaves the server but as a 400."""


def encode(content: object) -> bytes:
    """Compact JSON in UTF-8, keys in the order given."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def refusal(status: int, code: str, *, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """An error as the sample APIs send it."""
    return Reply(status, encode({"error": {"code": code, "message": message}}), headers or {})


def parameters(query: str, *, allowed: tuple[str, ...]) -> Parameters:
    """The query's parameters, each given once and known to the route."""
    given = parse_qs(query, keep_blank_values=True)
    for name, values in given.items():
        if name not in allowed:
            raise BadRequest(f"parameter {name!r} is unknown; there are {', '.join(allowed)}")
        if len(values) > 1:
            raise BadRequest(f"parameter {name!r} is given {len(values)} times")
    return {name: values[0] for name, values in given.items()}


def whole_number(given: Parameters, name: str, *, default: int, lowest: int, highest: int) -> int:
    """A parameter that counts; what is out of its range is refused and not bent."""
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise BadRequest(
            f"parameter {name!r} must be a whole number from {lowest} to {highest}, got {text!r}"
        )
    return int(text)
