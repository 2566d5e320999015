"""Headers: records with a list of lines of which each gives a row, and what may be declared of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct
from pydantic import BaseModel
from sqlalchemy import Column, Integer

from strandline.errors import DeclarationError
from strandline.model.path import Step, resolve, resolve_lines
from strandline.model.type import Exact

TAKES_RECORD: Final = 2
TAKES_LINE: Final = 3


class Lines(Struct, frozen=True):
    """How to get to the list in the record, and what is in it."""

    path: str
    steps: tuple[Step, ...]
    element: Any

    @property
    def contract(self) -> type[BaseModel] | None:
        """The contract of a line, where it has one."""
        is_model = isinstance(self.element, type) and issubclass(self.element, BaseModel)
        return self.element if is_model else None

    def inner(self, path: str) -> str | None:
        """The path within a line of what a path of the record means in its lines, if it does."""
        inside = path.removeprefix(f"{self.path}.")
        return None if inside == path else inside

    def resolve(self, path: str, *, where: str) -> tuple[Step, ...]:
        """The steps of a path within a line; none lead to the line itself."""
        return tuple(resolve(self.element, path, where=where)) if path else ()


def find_lines(contract: type[BaseModel], path: str, *, where: str) -> Lines:
    """The lines at a path of the contract; DeclarationError where there is no list."""
    steps, element = resolve_lines(contract, path, where=where)
    return Lines(path, tuple(steps), element)


def takes_line(method: Callable[..., Any], *, where: str) -> bool:
    """Whether a method of the mapper wants the line beside the record."""
    wanted = len(inspect.signature(method).parameters)
    if wanted not in (TAKES_RECORD, TAKES_LINE):
        raise DeclarationError(
            f"{where} takes {wanted - 1} arguments", hint="Take (self, record), or (self, record, line)."
        )
    return wanted == TAKES_LINE


def check_number(column: Column[Any], *, where: str) -> None:
    """Refuse a column that cannot hold the number of a line."""
    if not isinstance(column.type, Integer):
        raise DeclarationError(
            f"{where}: a line's number is a whole one, and the column is {column.type!r}",
            hint=f"{column.name}: Mapped[int] = grain(Integer)",
        )


def check_amount(column: Column[Any], *, where: str) -> None:
    """Refuse a column that has no smallest unit."""
    if not isinstance(column.type, Exact):
        raise DeclarationError(
            f"{where}: an amount is shared out to the last unit, and {column.type!r} has none",
            hint=f"{column.name}: Mapped[Decimal] = measure(Money)",
        )
