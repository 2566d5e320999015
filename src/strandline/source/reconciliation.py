"""What a source says of itself as a whole: how many orders it has, what they come to.

A method of a Source under `@reconciliation` that asks the source and gives a number; a pipeline expects the
warehouse to have the same (`row_count`, `total`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.source.stream import Source


class Reconciliation:
    """A number that a source can be asked for. Called on a source it asks; on the class it is this."""

    def __init__(self, function: Callable[[Any], Any], *, source: type[Any] | None = None) -> None:
        if len(inspect.signature(function).parameters) != 1:
            raise DeclarationError(
                f"{function.__qualname__}: takes more than the source",
                hint=f"Write def {function.__name__}(self) -> int: …",
            )
        self.function = function
        self.source = source

    def __get__(self, source: Any, owner: type[Any]) -> Any:
        return (
            Reconciliation(self.function, source=owner) if source is None else partial(self.function, source)
        )

    def __repr__(self) -> str:
        return f"<reconciliation {self.function.__qualname__}>"

    @property
    def qualified_name(self) -> str:
        """Source and method: "shop.count_orders"."""
        assert self.source is not None
        return f"{self.source.name}.{self.function.__name__}"

    def ask(self, source: Source) -> Decimal:
        """What the source says now. Raises the SourceError that fits."""
        said = self.function(source)
        if isinstance(said, bool) or not isinstance(said, int | Decimal):
            raise UnexpectedResponse(
                f"{self.qualified_name}: gave {said!r}, and neither an int nor a Decimal",
                hint="An exact number is needed; HttpSource.number(path, at=…) gives one.",
            )
        if isinstance(said, Decimal) and not said.is_finite():
            raise UnexpectedResponse(f"{self.qualified_name}: {said} is no number that could be compared")
        return Decimal(said)


def reconciliation(function: Callable[[Any], Any]) -> Reconciliation:
    """Declare that a method of a source gives a number about all that it has, an int or a Decimal."""
    return Reconciliation(function)
