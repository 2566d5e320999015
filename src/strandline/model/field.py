"""What a mapper fills a column with: a path of the record or, where it gives several rows, of its line.

class ShopOrderLine(Mapper[Order, FactOrderLine], each="lines"):
    order_id = field("id")                               the record's
    line_number = line_number()                          1, 2, 3 …
    sku = line("sku")                                    the line's
    shipping_amount = allocate("shipping", by="amount")  the line's part of the record's
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol

from msgspec import Struct

from strandline.natural_key import NaturalKeys

UNSET: Final[Any] = object()


class Named(Protocol):
    """A source, or whatever else has a source's name."""

    name: ClassVar[str]
    natural_keys: ClassVar[NaturalKeys]


class Field(Struct, frozen=True):
    """A column filled from a path of the record, or of each of its lines."""

    path: str
    default: Any
    using: Callable[[Any], Any] | None
    source: str | None = None
    keys: NaturalKeys | None = None
    """How that source spells its keys, where it is known."""
    is_line: bool = False


class LineNumber(Struct, frozen=True):
    """A column filled with the number of the line."""


class Allocation(Struct, frozen=True):
    """A column filled with a line's part of an amount of the record."""

    amount: Field
    by: str | None


def field(
    path: str,
    /,
    *,
    default: Any = UNSET,
    using: Callable[[Any], Any] | None = None,
    source: str | type[Named] | None = None,
) -> Any:
    """Fill a column from a dotted path of the record, `currency.name`.

    None anywhere on the way, or at its end, gives `default`. `using` converts a value that is not None. On a
    reference to a dimension, or an attribute with an outrigger, the path gives the natural key of the member,
    as `source` calls it: the source of the record itself unless told.
    """
    return Field(path, default, using, *_source(source))


def line(
    path: str = "",
    /,
    *,
    default: Any = UNSET,
    using: Callable[[Any], Any] | None = None,
    source: str | type[Named] | None = None,
) -> Any:
    """Fill a column from a dotted path of the line, as `field` does of the record; the line itself without
    one.
    """
    return Field(path, default, using, *_source(source), is_line=True)


def _source(source: str | type[Named] | None) -> tuple[str | None, NaturalKeys | None]:
    if source is None or isinstance(source, str):
        return source, None
    return source.name, source.natural_keys


def line_number() -> Any:
    """Fill a column with the number of the line in its record, from 1."""
    return LineNumber()


def allocate(
    path: str,
    /,
    *,
    by: str | None = None,
    default: Any = UNSET,
    using: Callable[[Any], Any] | None = None,
) -> Any:
    """Fill a column with the line's part of an amount of the record, so that the parts sum to it exactly.

    The amount at `path` is shared out in proportion to what the lines have at `by`, or evenly without it and
    where all have 0. No amount (None, and no `default`) gives every line none.
    """
    return Allocation(Field(path, default, using), by)
