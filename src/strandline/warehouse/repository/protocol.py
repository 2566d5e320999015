"""What application code may ask of a repository, and what a place that keeps rows has to do for it.

`Repository` and `DimensionRepository` are what a function of an application declares that it takes. `Store`
is what a unit of work stands on: a database, or memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from strandline.model.base import Base
from strandline.model.dimension import Dimension
from strandline.warehouse.repository.page import Order, Page

M = TypeVar("M", bound=Base)
D = TypeVar("D", bound=Dimension)

Row = Mapping[str, Any]
"""Values by the names of a model's attributes."""


class Repository(Protocol[M]):
    """The rows of a model. What it returns is the caller's: a change of it is written by `upsert` only."""

    def get(self, key: Any, /) -> M | None:
        """The row of this primary key, or None; of several columns a tuple in the table's order."""

    def list(
        self, *conditions: Any, order_by: Any = (), limit: int = 100, after: str | None = None
    ) -> Page[M]:
        """A page of the rows for which all conditions hold, and the token of the next one. `order_by` is a
        column, `.desc()` or not, or several; `after` is what the page before says in `.next`.
        """

    def add(self, *rows: M) -> None:
        """Write new rows. RowExists, when they are written, where one is there already."""

    def upsert(self, *rows: M) -> None:
        """Write rows, new or not: of one that is there what is set, and only where it differs."""

    def soft_delete(self, key: Any, /) -> None:
        """Mark the row of this key as deleted; it stays. UnknownKey, when that is written, where there is
        none.
        """


class DimensionRepository(Repository[D], Protocol[D]):
    """The members of a dimension, each with its history."""

    def get(self, key: Any, /) -> D | None:
        """The version of this surrogate key, or None."""

    def list(
        self,
        *conditions: Any,
        order_by: Any = (),
        limit: int = 100,
        after: str | None = None,
        every_version: bool = False,
    ) -> Page[D]:
        """A page of the members as they are now, or of all versions, for which all conditions hold."""

    def add(self, *rows: D, effective_at: datetime | None = None) -> None:
        """Write new members, valid from this moment on: now, unless told."""

    def upsert(self, *rows: D, effective_at: datetime | None = None) -> None:
        """Write members, new or not, as a load would: a change of a column that keeps its history ends the
        version that is valid and opens another.
        """

    def soft_delete(self, key: Any, /, *, effective_at: datetime | None = None) -> None:
        """End the member of this natural key, which stays as it was last."""

    def current(self, source_id: str, *, source: str | None = None) -> D | None:
        """The member as it is now; None where it is not there, or deleted. `source` tells whose natural key
        it is: the unit's own unless told.
        """

    def as_of(self, source_id: str, when: datetime, *, source: str | None = None) -> D | None:
        """The member as it was at this moment, or None."""

    def history(self, source_id: str, *, source: str | None = None) -> Sequence[D]:
        """All versions of the member, the first one first."""

    def changed_since(self, when: datetime, *, limit: int = 100, after: str | None = None) -> Page[D]:
        """A page of the members that have been written at this moment or later, in their order: as they are
        now or, those that are deleted, as they were last.
        """


@dataclass(frozen=True)
class Query:
    """Which rows of a model, in which order, and how many behind which."""

    model: type[Base]
    conditions: tuple[Any, ...] = ()
    order: Order = ()
    limit: int | None = None
    behind: Sequence[Any] = ()
    """The values of the row that they stand behind, in the columns of the order; empty: from the first."""


@dataclass(frozen=True)
class Staged:
    """What is said of a member: all its attributes at a moment, or that it is gone."""

    source_id: str
    effective_at: datetime
    synced_at: datetime
    is_deleted: bool = False
    values: dict[str, Any] = field(default_factory=dict)


class Store(Protocol):
    """A place that keeps rows. What is written within a transaction is read in it."""

    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Keep what was written."""

    def rollback(self) -> None:
        """Forget what was written."""

    def whole(self) -> AbstractContextManager[None]:
        """Keep what is written within or, where an error leaves it, nothing of that."""

    def fetch(self, query: Query) -> Sequence[Any]:
        """The rows that are asked for, each the caller's own."""

    def hold(self, models: Collection[type[Base]], *, source: str | None) -> None:
        """Let nobody else write these models until the transaction ends. ForeignRow where a pipeline loads
        one of them from this source.
        """

    def latest(
        self, dimension: type[Dimension], source: str, source_ids: Collection[str]
    ) -> dict[str, Dimension]:
        """The last version of each of these members that is there."""

    def versions(self, dimension: type[Dimension], keys: Collection[int]) -> Sequence[Dimension]:
        """All versions of the members of which these are keys of versions."""

    def there(self, model: type[Base], keys: Collection[tuple[Any, ...]]) -> dict[tuple[Any, ...], Base]:
        """The rows of these primary keys."""

    def merge(self, dimension: type[Dimension], source: str, staged: Sequence[Staged]) -> None:
        """Bring the dimension up to what is said, and the facts after it."""

    def write(self, model: type[Base], new: Sequence[Row], changed: Sequence[Row]) -> None:
        """Insert rows, update others by their primary keys, and bring up to it what is summed up of them."""

    def close(self) -> None:
        """Give back what a transaction needed."""
