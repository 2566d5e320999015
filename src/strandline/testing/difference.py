"""What is different between two states of a warehouse, told row by row and column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from strandline.testing.star import Rows, Star

SHOWN: Final = 80
SOME: Final = 6


def differences(
    one: Star, other: Star, *, only: tuple[str, str], both: str, tell: Callable[[Any], str] | None = None
) -> list[str]:
    """Each difference in words: `only` says where a row is that is in the one or the other only, `both` how
    two values compare: "is {} in the one and {} in the other".
    """
    found: list[str] = []
    for table in dict.fromkeys([*one, *other]):
        words = _Words(only, both, tell or show)
        found += _of_table(table, one.get(table, {}), other.get(table, {}), words)
    return found


@dataclass(frozen=True)
class _Words:
    only: tuple[str, str]
    both: str
    tell: Callable[[Any], str]


def _of_table(table: str, one: Rows, other: Rows, words: _Words) -> Iterator[str]:
    for name in dict.fromkeys([*one, *other]):
        where = f"{table}, {name}"
        if name not in other or name not in one:
            yield f"{where}: {words.only[0] if name in one else words.only[1]}"
            continue
        for column, was, now in _of_row(one[name], other[name]):
            yield f"{where}: {column} {words.both.format(words.tell(was), words.tell(now))}"


def _of_row(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for column in dict.fromkeys([*one, *other]):
        was, now = one.get(column), other.get(column)
        if was != now:
            yield column, was, now


def show(value: Any) -> str:
    """A value as a message has it, cut at 80 characters."""
    return cut(spell(value))


def cut(text: str) -> str:
    """The text, cut at 80 characters."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def spell(value: Any) -> str:
    """A value as Python writes it, and a moment as one reads it."""
    if isinstance(value, datetime):
        text = f"{value.astimezone(UTC) if value.tzinfo else value:%Y-%m-%d %H:%M:%S.%f}".removesuffix(
            ".000000"
        )
        return text.removesuffix(" 00:00:00")
    return repr(bytes(value) if isinstance(value, memoryview) else value)


def listed(found: list[str]) -> str:
    """The first of them, one a line, and how many more there are."""
    more = [f"… and {len(found) - SOME} more"] if len(found) > SOME else []
    return "\n".join(f"  {it}" for it in [*found[:SOME], *more])
