"""Repositories over a store: reading writes what was told before, so that it is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column

from strandline.errors import DeclarationError
from strandline.model.base import Base
from strandline.model.dimension import Dimension
from strandline.model.factory import columns_of, refusal
from strandline.model.value import checked
from strandline.warehouse.repository.asked import check
from strandline.warehouse.repository.page import Page, behind, ordered, token
from strandline.warehouse.repository.protocol import Query, Store
from strandline.warehouse.repository.writing import Writer, aware, natural_key

M = TypeVar("M", bound=Base)
D = TypeVar("D", bound=Dimension)

MOST: Final = 10_000
"""Rows of one page."""


class Table(Generic[M]):
    """The rows of a model. See `protocol.Repository`."""

    def __init__(self, model: type[M], store: Store, writer: Writer, insist: Callable[[], None]) -> None:
        """`insist` raises DeclarationError where there is no transaction."""
        self.model = model
        self._store = store
        self._writer = writer
        self._insist = insist

    def get(self, key: Any, /) -> M | None:
        """The row of this primary key, or None; of several columns a tuple in the table's order."""
        columns = [column for column in columns_of(self.model).values() if column.primary_key]
        values: tuple[Any, ...] = key if isinstance(key, tuple) else (key,)
        if len(values) != len(columns):
            raise DeclarationError(
                f"{self.model.__name__}.get({key!r}): its key has {len(columns)} parts",
                hint=f"Give ({', '.join(column.name for column in columns)}).",
            )
        parts = zip(columns, values, strict=True)
        return self._first(*(column == self._checked(column, value) for column, value in parts))

    def _checked(self, column: Column[Any], value: Any) -> Any:
        try:
            return None if value is None else checked(column, value)
        except ValueError as error:
            raise refusal(self.model, wrong={column.name: str(error)}) from error

    def list(
        self, *conditions: Any, order_by: Any = (), limit: int = 100, after: str | None = None
    ) -> Page[M]:
        """A page of the rows for which all conditions hold, and the token of the next one."""
        if not 0 < limit <= MOST:
            raise DeclarationError(
                f"{self.model.__name__}: a page has 1 to {MOST:,} rows, not {limit:,}", hint="limit=100, say."
            )
        check(self.model, conditions)
        order = ordered(self.model, order_by)
        last = () if after is None else behind(self.model, order, after)
        found = self._fetch(Query(self.model, conditions, order, limit + 1, last))
        more = token(self.model, order, found[limit - 1]) if len(found) > limit else None
        return Page([*found[:limit]], more)

    def add(self, *rows: M) -> None:
        """Write new rows. RowExists, when they are written, where one is there already."""
        self._insist()
        self._writer.take(self.model, "add", rows)

    def upsert(self, *rows: M) -> None:
        """Write rows, new or not: of one that is there what is set, and only where it differs."""
        self._insist()
        self._writer.take(self.model, "upsert", rows)

    def soft_delete(self, key: Any, /) -> None:
        """Mark the row of this key as deleted; it stays."""
        self._insist()
        self._writer.delete(self.model, key)

    def _fetch(self, query: Query) -> Sequence[M]:
        self._insist()
        self._writer.flush()
        return self._store.fetch(query)

    def _first(self, *conditions: Any) -> M | None:
        found = self._fetch(Query(self.model, conditions, limit=1))
        return found[0] if found else None


class DimensionTable(Table[D]):
    """The members of a dimension. See `protocol.DimensionRepository`."""

    def list(
        self,
        *conditions: Any,
        order_by: Any = (),
        limit: int = 100,
        after: str | None = None,
        every_version: bool = False,
    ) -> Page[D]:
        """A page of the members as they are now, or of all versions, for which all conditions hold."""
        shown = [self.model.key_column() > 0]
        shown += [] if every_version else [self.model.table().c.is_current]
        return super().list(*shown, *conditions, order_by=order_by, limit=limit, after=after)

    def add(self, *rows: D, effective_at: datetime | None = None) -> None:
        """Write new members, valid from this moment on: now, unless told."""
        self._insist()
        self._writer.take(self.model, "add", rows, effective_at=effective_at)

    def upsert(self, *rows: D, effective_at: datetime | None = None) -> None:
        """Write members, new or not, as a load would."""
        self._insist()
        self._writer.take(self.model, "upsert", rows, effective_at=effective_at)

    def soft_delete(self, key: Any, /, *, effective_at: datetime | None = None) -> None:
        """End the member of this natural key, which stays as it was last."""
        self._insist()
        self._writer.delete(self.model, key, effective_at=effective_at)

    def current(self, source_id: str, *, source: str | None = None) -> D | None:
        """The member as it is now; None where it is not there, or deleted."""
        return self._first(*self._of(source_id, source), self.model.table().c.is_current)

    def as_of(self, source_id: str, when: datetime, *, source: str | None = None) -> D | None:
        """The member as it was at this moment, or None."""
        return self._first(*self._of(source_id, source), self.model.valid_at(aware(when, "when")))

    def history(self, source_id: str, *, source: str | None = None) -> Sequence[D]:
        """All versions of the member, the first one first."""
        order = ordered(self.model, self.model.table().c.valid_from)
        return self._fetch(Query(self.model, tuple(self._of(source_id, source)), order))

    def changed_since(self, when: datetime, *, limit: int = 100, after: str | None = None) -> Page[D]:
        """A page of the members that have been written at this moment or later, in their order."""
        table = self.model.table().c
        is_meant = (self.model.is_latest, table.updated_at >= aware(when, "when"))
        return self.list(*is_meant, order_by=table.updated_at, limit=limit, after=after, every_version=True)

    def _of(self, source_id: str, source: str | None) -> Sequence[Any]:
        whose = source or self._writer.source
        if whose is None:
            raise DeclarationError(
                f"{self.model.__name__} {source_id!r}: nobody said whose natural key it is",
                hint='Give source="crm", say, here or to the UnitOfWork.',
            )
        table = self.model.table().c
        return [table.source_system == whose, table.source_id == natural_key(self.model, source_id)]
