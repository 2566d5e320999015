"""A database as the place of a unit of work: one SQLAlchemy session, one transaction.

Its repositories read and write by sessions of their own on the same connection, each of which ends at once:
so no change of a row that was read is written unasked, nothing that was read before is taken for what is
there now, and what an application has in the session of the transaction stays there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from psycopg.pq import TransactionStatus
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session, aliased

from strandline.errors import DeclarationError, ForeignRow, WarehouseError
from strandline.model.base import Base
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.factory import columns_of
from strandline.model.listener import SOURCE
from strandline.warehouse import lock, state, temporary, touched
from strandline.warehouse.aggregate import Watch
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.repository import member
from strandline.warehouse.repository.page import Direction, plain
from strandline.warehouse.repository.protocol import Query, Row, Staged
from strandline.warehouse.repository.settling import key_names

T = TypeVar("T")

AT_ONCE: Final = 5_000
"""So many keys are looked up by one statement; a server takes some ten thousand parameters."""


class SqlStore:
    """The tables of a database. See `protocol.Store`."""

    def __init__(self, database: Database, *, source: str | None, patience: timedelta) -> None:
        self.database = database
        self._info = {SOURCE: source}
        self._patience = patience
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The session of the transaction."""
        assert self._session is not None
        return self._session

    def begin(self) -> None:
        """Begin a transaction, with the first statement."""
        if self._session is None:
            engine = self.database.engine
            self._session = Session(engine, expire_on_commit=False, info=self._info)

    def commit(self) -> None:
        """Keep what was written."""
        with self._told():
            self.session.flush()
            if _is_undone(self.session.connection()):
                raise WarehouseError(
                    "an error has undone what was written in this transaction: nothing is there to be kept",
                    hint="Call work.rollback() where you go on after an error of the database.",
                )
            self.session.commit()

    def rollback(self) -> None:
        """Forget what was written."""
        with self._told():
            self.session.rollback()

    def close(self) -> None:
        """Give the connection back."""
        if self._session is not None:
            self._session.close()
            self._session = None

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Keep what is written within or, where an error leaves it, nothing of that."""
        with self._told(), self.session.begin_nested():
            yield

    def fetch(self, query: Query) -> Sequence[Any]:
        """The rows that are asked for, each the caller's own."""
        on_sqlite = is_sqlite(self.database.engine)
        asked = select(query.model).where(*query.conditions)
        asked = asked.order_by(*(_ordered(it, on_sqlite=on_sqlite) for it in query.order))
        if query.behind:
            asked = asked.where(_behind(query, on_sqlite=on_sqlite))
        return self._read(asked if query.limit is None else asked.limit(query.limit))

    def hold(self, models: Collection[type[Base]], *, source: str | None) -> None:
        """Let nobody else write these models until the transaction ends. ForeignRow where a pipeline loads
        one of them from this source.
        """
        shared: list[type[Any]] = [it for it in models if issubclass(it, Dimension | Fact)]
        with self._told():
            connection = self.session.connection()
            if not is_sqlite(connection):
                limit = f"{int(self._patience.total_seconds() * 1000)}ms"
                connection.execute(select(func.set_config("lock_timeout", limit, True)))  # noqa: FBT003  # SQL's
            names = {name for it in shared for name in touched.written_with(it)}
            lock.share_and_take(connection, shared=(), exclusive=names)
            loaded = _loaded(connection, [it.__name__ for it in shared], source or "")
        if loaded is not None:
            raise ForeignRow(
                f"{loaded.target}: what is of {source} is loaded, by the stream {loaded.stream}",
                hint='Let the application have a name of its own: UnitOfWork(…, source="backoffice").',
            )

    def latest(
        self, dimension: type[Dimension], source: str, source_ids: Collection[str]
    ) -> dict[str, Dimension]:
        """The last version of each of these members that is there."""
        table = dimension.table().c
        asked = select(dimension).where(table.source_system == source, dimension.is_latest)
        found = [
            row for some in _batched(source_ids) for row in self._read(asked.where(table.source_id.in_(some)))
        ]
        return {row.source_id: row for row in found}

    def versions(self, dimension: type[Dimension], keys: Collection[int]) -> Sequence[Dimension]:
        """All versions of the members of which these are keys of versions."""
        had: Any = aliased(dimension)
        same = and_(dimension.source_id == had.source_id, dimension.source_system == had.source_system)
        asked = select(dimension).join(had, same).distinct()
        return [row for some in _batched(keys) for row in self._read(asked.where(had.key.in_(some)))]

    def there(self, model: type[Base], keys: Collection[tuple[Any, ...]]) -> dict[tuple[Any, ...], Base]:
        """The rows of these primary keys."""
        found = [row for some in _batched(keys) for row in self._read(_of_keys(model, some))]
        return {_key(model, row): row for row in found}

    def merge(self, dimension: type[Dimension], source: str, staged: Sequence[Staged]) -> None:
        """Bring the dimension up to what is said, and the facts after it."""
        with self._told():
            member.merge(self.database, self.session.connection(), dimension, source=source, staged=staged)

    def write(self, model: type[Base], new: Sequence[Row], changed: Sequence[Row]) -> None:
        """Insert rows, update others by their primary keys, and bring up to it what is summed up of them."""
        names = key_names(model)
        with self._told():
            keys = [tuple(row[name] for name in names) for row in changed]
            watch = self._watch(model, [*new, *changed]) if issubclass(model, Fact) else None
            with self._own_session() as session:
                held = {
                    _key(model, row): row
                    for some in _batched(keys)
                    for row in session.scalars(_of_keys(model, some))
                }
                for key, row in zip(keys, changed, strict=True):
                    for name, value in row.items():
                        setattr(held[key], name, value)
                session.add_all(model(**row) for row in new)
                session.flush()
            if watch is not None:
                watch.renew(run_id=member.NO_RUN)
                temporary.drop_all(self.session.connection())

    def _watch(self, fact: type[Fact], rows: Iterable[Row]) -> Watch:
        """What is to be calculated anew of the aggregates, when these rows have been written."""
        connection = self.session.connection()
        kept = [*fact.grain(), fact.table().c.source_system]
        written = temporary.table("application_row", *(Column(it.name, it.type) for it in kept))
        written.create(connection)
        connection.execute(insert(written), [{it.name: row[it.name] for it in kept} for row in rows])
        return touched.watch_rows(self.database, connection, fact, select(written))

    def _read(self, asked: Select[Any]) -> list[Any]:
        with self._told():
            self.session.flush()  # what the application has in it is there, too
            with self._own_session() as session:
                return list(session.scalars(asked))

    def _own_session(self) -> Session:
        connection = self.session.connection()
        return Session(connection, autoflush=False, info=self._info, join_transaction_mode="rollback_only")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever is refused within is raised as the error of ours that fits."""
        try:
            with self.database.named_errors():
                yield
        except StatementError as error:
            if not isinstance(error.orig, ValueError | TypeError):
                raise
            raise DeclarationError(
                f"a condition has a value that its column does not take: {error.orig}"
            ) from error


def _is_undone(connection: Connection) -> bool:
    """Whether PostgreSQL has given the transaction up: it would take the commit, and keep nothing."""
    driver: Any = connection.connection.dbapi_connection
    return not is_sqlite(connection) and driver.info.transaction_status == TransactionStatus.INERROR


def _loaded(connection: Connection, models: Collection[str], source: str) -> Any:
    """A stream of this source, and one of these models that it has been loaded into."""
    mark = state.applied_mark.c
    asked = select(mark.stream, mark.target).where(
        mark.target.in_(models), mark.stream.startswith(f"{source}.", autoescape=True)
    )
    return connection.execute(asked.order_by(mark.stream).limit(1)).first()


def _key(model: type[Base], row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in key_names(model))


def _of_keys(model: type[Base], keys: Sequence[tuple[Any, ...]]) -> Select[Any]:
    columns = [column for column in columns_of(model).values() if column.primary_key]
    if len(columns) == 1:
        return select(model).where(columns[0].in_([key[0] for key in keys]))
    return select(model).where(tuple_(*columns).in_(keys))


def _compared(it: Direction, *, on_sqlite: bool) -> ColumnElement[Any]:
    """The column as it is ordered: a text by the numbers of its characters, in whatever language."""
    is_text = isinstance(plain(it.column), String) and not on_sqlite
    return it.column.collate("C") if is_text else it.column


def _ordered(it: Direction, *, on_sqlite: bool) -> ColumnElement[Any]:
    column = _compared(it, on_sqlite=on_sqlite)
    directed = column.desc() if it.is_descending else column.asc()
    return directed.nulls_last() if it.may_be_empty else directed


def _behind(query: Query, *, on_sqlite: bool) -> ColumnElement[bool]:
    """Whether a row stands behind the one that has these values."""
    values = [literal(it, place.column.type) for it, place in zip(query.behind, query.order, strict=True)]
    columns = [_compared(it, on_sqlite=on_sqlite) for it in query.order]
    directions = {it.is_descending for it in query.order}
    if len(directions) == 1 and not any(it.may_be_empty for it in query.order):
        here, there = tuple_(*columns), tuple_(*values)  # which an index answers
        return here < there if directions == {True} else here > there
    found: list[ColumnElement[bool]] = []
    for number, it in enumerate(query.order):
        same = [_same(columns[n], values[n], query.behind[n]) for n in range(number)]
        if query.behind[number] is not None:  # what is empty comes last, and nothing stands behind it
            column, value = columns[number], values[number]
            further = column < value if it.is_descending else column > value
            found.append(and_(*same, or_(further, column.is_(None)) if it.may_be_empty else further))
    return or_(*found)


def _same(column: ColumnElement[Any], value: ColumnElement[Any], told: Any) -> ColumnElement[bool]:
    return column.is_(None) if told is None else column == value


def _batched(keys: Iterable[T]) -> Iterator[list[T]]:
    """The keys, so many at once as a statement takes."""
    every = list(keys)
    for start in range(0, len(every), AT_ONCE):
        yield every[start : start + AT_ONCE]
