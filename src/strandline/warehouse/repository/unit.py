"""The unit of work: several repositories, one transaction.

    with UnitOfWork(database, source="backoffice") as work:
        customers = work.repository(DimCustomer)
        customers.upsert(DimCustomer.from_dict({"source_id": "B-1", "customer_name": "Alder", …}))

The end of the block commits, an error in it rolls back. What is to be written is collected and written
together, before something is read or the block ends, so a thousand changes take as many statements as one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload

from sqlalchemy.orm import Session

from strandline.errors import DeclarationError
from strandline.model.base import Base
from strandline.model.dimension import Dimension
from strandline.warehouse.database import Database
from strandline.warehouse.repository.memory import Memory
from strandline.warehouse.repository.protocol import DimensionRepository, Repository, Store
from strandline.warehouse.repository.sql import SqlStore
from strandline.warehouse.repository.table import DimensionTable, Table
from strandline.warehouse.repository.writing import Writer

M = TypeVar("M", bound=Base)
D = TypeVar("D", bound=Dimension)

PATIENCE: Final = timedelta(seconds=10)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class UnitOfWork:
    """Repositories on one transaction of a database, or of memory.

    `source` is whose rows the application writes, and whose natural keys it means unless it says another:
    without it nothing is written to dimensions and facts. `now` is the clock by which changes take effect,
    and `patience` how long another writer is waited for before it is WarehouseBusy.
    """

    def __init__(
        self,
        store: Database | Memory,
        *,
        source: str | None = None,
        now: Callable[[], datetime] = _utc_now,
        patience: timedelta = PATIENCE,
    ) -> None:
        if not isinstance(store, Database | Memory):
            raise DeclarationError(
                f"UnitOfWork: {store!r} is no place for rows", hint="UnitOfWork(Database(url)), or Memory()."
            )
        self.source = source
        self._store: Store = (
            SqlStore(store, source=source, patience=patience) if isinstance(store, Database) else store
        )
        self._now = now
        self._tables: dict[type[Base], Any] = {}
        self._writer = Writer(self._store, source, now)
        self._is_open = False

    def __enter__(self) -> Self:
        if self._is_open:
            raise DeclarationError(
                "UnitOfWork: it has begun already", hint="Make another one for a transaction beside it."
            )
        self._store.begin()
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._writer.flush()
                self._store.commit()
            else:
                self.rollback()
        except BaseException:
            self.rollback()
            raise
        finally:
            self._is_open = False
            self._store.close()

    def commit(self) -> None:
        """Write and keep what was told so far, and go on."""
        self._insist()
        self._writer.flush()
        self._store.commit()
        self._store.begin()

    def rollback(self) -> None:
        """Forget what was told since the beginning or the last commit, and go on."""
        self._insist()
        self._writer.forget()
        self._store.rollback()
        self._store.begin()

    def flush(self) -> None:
        """Write what was told so far, without keeping it yet; reading does so by itself."""
        self._insist()
        self._writer.flush()

    @property
    def session(self) -> Session:
        """The SQLAlchemy session of this transaction, for queries of your own. Memory has none."""
        self.flush()
        if not isinstance(self._store, SqlStore):
            raise DeclarationError(
                "Memory knows no SQL", hint='Try it on SQLite: UnitOfWork(Database("sqlite://")).'
            )
        return self._store.session

    @overload
    def repository(self, model: type[D]) -> DimensionRepository[D]: ...

    @overload
    def repository(self, model: type[M]) -> Repository[M]: ...

    def repository(self, model: type[Any]) -> Any:
        """The rows of this model; of a dimension its members."""
        if not hasattr(model, "__table__"):
            raise DeclarationError(
                f"UnitOfWork: {model!r} is no model with a table", hint="work.repository(DimCustomer), say."
            )
        if model not in self._tables:
            kind = DimensionTable if issubclass(model, Dimension) else Table
            self._tables[model] = kind(model, self._store, self._writer, self._insist)
        return self._tables[model]

    def _insist(self) -> None:
        if not self._is_open:
            raise DeclarationError(
                "UnitOfWork: it has not begun, or has ended", hint="with UnitOfWork(…) as work: …"
            )
