"""Dimensions whose rows are known before any record: days and minutes, made from what is declared of them."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table

from strandline.model.base import Base

Finder = Callable[[datetime | date | None], int]
"""From a moment to the key of its row; ValueError where there is none."""


class Prepared(Base):
    """A dimension that a run fills by itself. Facts refer to it with `references(…, on="<column>")`."""

    __abstract__ = True

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def rows(cls) -> Iterator[dict[str, Any]]:
        """Every row, the members -1 unknown and -2 not applicable among them."""
        raise NotImplementedError

    @classmethod
    def declaration(cls) -> str:
        """What the rows are made from, in words that change whenever a row would."""
        raise NotImplementedError

    @classmethod
    def finder(cls, *, zone: str) -> Finder:
        """A function from a moment to its key, as the clocks of the zone show it; None is not applicable."""
        raise NotImplementedError
