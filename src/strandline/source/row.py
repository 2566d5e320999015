"""A row of a database becomes the JSON of a record: the same row always the same bytes, and nothing rounded.

A Decimal is written with all its digits, bytes in hexadecimal, a moment as ISO 8601 with the zone that the
database gives it, or none. NaN and infinity are written as such, which is no JSON, so that nobody takes them
for a null.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from strandline.errors import UnexpectedResponse
from strandline.source.contract import show

Rows = Sequence[Sequence[Any]]

INFINITE: Final = {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}


def refuse_twins(names: Sequence[str], *, where: str) -> None:
    """UnexpectedResponse if two columns have one name: a record cannot hold both."""
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:
        raise UnexpectedResponse(
            f"{where}: more than one column is called {twins[0]!r}", hint="Name them apart with AS."
        )


def compile_writer(names: Sequence[str], *, where: str) -> Callable[[Rows], list[bytes]]:
    """One function from rows with these columns to the JSON of their records."""
    refuse_twins(names, where=where)
    attributes = [f"column_{number}" for number, _ in enumerate(names)]
    shape: Any = msgspec.defstruct(
        "Row", [(it, Any) for it in attributes], rename=dict(zip(attributes, names, strict=True))
    )
    encode = msgspec.json.Encoder(decimal_format="number").encode

    def write(rows: Rows) -> list[bytes]:
        return [encode(shape(*row)) for row in _plain(rows)]

    def write_or_tell(rows: Rows) -> list[bytes]:
        try:
            return write(rows)
        except (TypeError, ValueError, RecursionError) as error:
            raise _unwritable(names, rows, encode, error=error, where=where) from error

    return write_or_tell


def _plain(rows: Rows) -> Rows:
    """The rows, with values that JSON would lose or does not know replaced."""
    columns = list(zip(*rows, strict=True))
    odd = {at: column for at, column in enumerate(columns) if not _OTHERS.isdisjoint(map(type, column))}
    replaced = {at: new for at, column in odd.items() if (new := [*map(_replace, column)]) != [*column]}
    if not replaced:
        return rows
    return list(zip(*(replaced.get(at, column) for at, column in enumerate(columns)), strict=True))


_OTHERS: Final = {float, bytes, bytearray, memoryview}


def _replace(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return msgspec.Raw(INFINITE[str(value)])
    return bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else value


def _unwritable(
    names: Sequence[str], rows: Rows, encode: Callable[[Any], bytes], *, error: Exception, where: str
) -> UnexpectedResponse:
    for row in _plain(rows):
        for name, value in zip(names, row, strict=True):
            try:
                encode(value)
            except (TypeError, ValueError, RecursionError) as found:
                return UnexpectedResponse(
                    f"{where}: column {name!r} cannot be written as JSON: {found}: {show(value)}",
                    hint=f"Ask for CAST({name} AS …) in a query, or leave the column out with columns=[…].",
                )
    return UnexpectedResponse(f"{where}: a row cannot be written as JSON: {error}")
