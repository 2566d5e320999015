"""The text form of a source's identifier: one rule for raw log, dimensions and facts, so that they always
meet.

A key part is text as it came; a number is its decimal text, so that 1 and "1" are one key; a composite key is
the compact JSON array of its parts. A source may declare that case or the spaces around a key tell nothing:
then "A " is "a". None and empty text are no key: whoever asks decides whether that is a reject. What
PostgreSQL cannot hold as text (NUL, a lone surrogate) or index (more than LONGEST bytes), and what is no
identity (a truth value, a float), is refused with ValueError.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Final
from uuid import UUID

LONGEST: Final = 2_000
"""Bytes of a natural key: an index of PostgreSQL holds no more than 2,704, with what stands beside it."""


@dataclass(frozen=True)
class NaturalKeys:
    """Which spellings of a key a source means as one: those that differ in case, or in spaces around them."""

    ignore_case: bool = False
    ignore_spaces: bool = False

    @property
    def are_exact(self) -> bool:
        """Whether every spelling is a key of its own."""
        return not (self.ignore_case or self.ignore_spaces)

    def encode(self, value: object) -> str | None:
        """The natural key's text in the one spelling that stands for all, or None if there is no key."""
        return encode(value) if self.are_exact else encode(self._spell(value))

    def read(self, value: object) -> str | None:
        """The natural key that any value of a record spells, or None where it spells none."""
        try:
            return self.encode(value)
        except ValueError:
            return None

    def _spell(self, value: object) -> object:
        if isinstance(value, tuple | list):
            return [self._spell(part) for part in value]
        if isinstance(value, Enum):
            return self._spell(value.value)
        if isinstance(value, str):
            text = value.strip() if self.ignore_spaces else value
            return text.casefold() if self.ignore_case else text
        return value


def encode(value: object) -> str | None:
    """The natural key's text, or None if the value (or any part of it) is None or empty."""
    if type(value) is str:
        # Of nearly every key the first line says that the second one would change nothing.
        is_fine = value.isascii() and "\x00" not in value and len(value) <= LONGEST
        return (value if is_fine else _checked(value)) or None
    if isinstance(value, tuple | list):
        return _encode_composite(value)
    return _encode_part(value)


def _encode_composite(parts: tuple[object, ...] | list[object]) -> str | None:
    encoded = [encode(part) for part in parts]
    if not encoded or None in encoded:
        return None
    return short(json.dumps(encoded, ensure_ascii=False, separators=(",", ":")))


def _encode_part(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            raise ValueError(f"a truth value is no identifier: {value!r}")
        case Enum():
            return encode(value.value)
        case str():
            return _checked(str(value)) or None
        case int() | UUID():
            return str(value)
        case Decimal() if value.is_finite():
            return str(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat()
        case date() if not isinstance(value, datetime):
            return value.isoformat()
    raise ValueError(f"a {type(value).__name__} is no identifier: {value!r}")


def _checked(text: str) -> str:
    if "\x00" in text:
        raise ValueError(f"an identifier cannot contain NUL: {text!r}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"an identifier cannot contain a lone surrogate: {text!r}") from error
    return short(text)


def identifier(value: object, *, most: int) -> str:
    """The text of a column that identifies: a number as a natural key has it. Raises ValueError or TypeError
    for what is too long, and for what is no identifier.
    """
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise TypeError(f"the column holds text, and this is a {type(value).__name__}: {value!r}")
    return short(value, most=most)


def short(text: str, *, most: int = LONGEST) -> str:
    """The text, or ValueError if it takes more bytes than an index can hold."""
    # No character takes more than four bytes.
    if len(text) > most // 4 and (size := len(text.encode())) > most:
        raise ValueError(f"an identifier takes {most:,} bytes at most, and this one {size:,}: {text[:40]!r}…")
    return text
