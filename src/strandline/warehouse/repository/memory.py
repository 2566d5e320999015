"""Memory: rows of models kept in Python, for unit tests of application code, without any database.

    memory = Memory()
    with UnitOfWork(memory, source="backoffice") as work: ...

It answers as a database does, and refuses what that refuses; a property test holds the two against each
other. What follows from a dimension elsewhere, outriggers, groups, combinations, is not kept up here: for
these there is SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cmp_to_key
from itertools import count
from typing import Any, Final

from sqlalchemy.sql.schema import ScalarElementColumnDefault

from strandline.errors import DeclarationError
from strandline.model.base import Audited, Base
from strandline.model.column import (
    NOT_APPLICABLE_KEY,
    CombinationKey,
    GroupKey,
    Outrigger,
    Reference,
    missing_column,
)
from strandline.model.dimension import Dimension, special_members
from strandline.model.fact import facts_of
from strandline.model.factory import columns_of
from strandline.warehouse.repository.answer import point
from strandline.warehouse.repository.condition import check, holds
from strandline.warehouse.repository.protocol import Query, Row, Staged
from strandline.warehouse.repository.timeline import Version, answering, tell

ELSEWHERE: Final = (Outrigger, GroupKey, CombinationKey)
"""Columns of a dimension that are filled from other tables."""


class Memory:
    """A place for rows that lasts as long as the object does. `now` tells when a row is written."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._tables: dict[type[Base], list[Version]] = {}
        self._numbers: dict[type[Base], count[int]] = {}
        self._before: dict[type[Base], list[Version]] = {}

    def begin(self) -> None:
        """Begin a transaction: remember what is there."""
        self._before = self._snapshot()

    def commit(self) -> None:
        """Keep what was written."""
        self._before = {}

    def rollback(self) -> None:
        """Have again what was there when the transaction began."""
        self._tables, self._before = self._before, {}

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Keep what is written within or, where an error leaves it, nothing of that."""
        before = self._snapshot()
        try:
            yield
        except BaseException:
            self._tables = before
            raise

    def _snapshot(self) -> dict[type[Base], list[Version]]:
        return {model: [dict(row) for row in rows] for model, rows in self._tables.items()}

    def hold(self, models: Collection[type[Base]], *, source: str | None) -> None:
        """Nobody else is here."""

    def fetch(self, query: Query) -> Sequence[Any]:
        """The rows that are asked for, each a copy."""
        names = {name: column.name for name, column in columns_of(query.model).items()}
        for condition in query.conditions:
            check(condition, names.values())
        found = [row for row in self._rows(query.model) if _is_asked_for(query, row, names)]
        found.sort(key=cmp_to_key(lambda one, other: _order(query, one, other)))
        if query.behind:
            last = dict(zip((it.name for it in query.order), query.behind, strict=True))
            found = [row for row in found if _order(query, row, last) > 0]
        return [_copy(query.model, row) for row in found[: query.limit]]

    def latest(
        self, dimension: type[Dimension], source: str, source_ids: Collection[str]
    ) -> dict[str, Dimension]:
        """The last version of each of these members that is there."""
        wanted = set(source_ids)
        return {
            row["source_id"]: _copy(dimension, row)
            for row in self._rows(dimension)
            if row["source_system"] == source
            and row["source_id"] in wanted
            and (row["is_current"] or row["is_deleted"])
        }

    def versions(self, dimension: type[Dimension], keys: Collection[int]) -> Sequence[Dimension]:
        """All versions of the members of which these are keys of versions."""
        rows, key, wanted = self._rows(dimension), dimension.key_column().name, set(keys)
        members = {_member(row) for row in rows if row[key] in wanted}
        return [_copy(dimension, row) for row in rows if _member(row) in members]

    def there(self, model: type[Base], keys: Collection[tuple[Any, ...]]) -> dict[tuple[Any, ...], Base]:
        """The rows of these primary keys."""
        wanted = set(keys)
        found = {_key(model, row): row for row in self._rows(model)}
        return {key: _copy(model, row) for key, row in found.items() if key in wanted}

    def merge(self, dimension: type[Dimension], source: str, staged: Sequence[Staged]) -> None:
        """Bring the dimension up to what is said, and the facts after it."""
        if any(dimension.companions(kind) for kind in ELSEWHERE):
            raise DeclarationError(
                f"{dimension.__name__} has columns that are filled from other tables, not in Memory",
                hint='Try it on SQLite: UnitOfWork(Database("sqlite://")).',
            )
        members: dict[str, list[Version]] = {}
        for row in self._rows(dimension):
            if row["source_system"] == source:
                members.setdefault(row["source_id"], []).append(row)
        for it in staged:
            versions = members.setdefault(it.source_id, [])
            versions.sort(key=lambda row: row["valid_from"])
            known = len(versions)
            for row in tell(dimension, versions, it, lambda: self._opened(dimension, source, it)):  # noqa: B023  # called at once
                row |= self._stamps(dimension)
            self._rows(dimension).extend(versions[known:])
            self._follow(dimension, versions)

    def write(self, model: type[Base], new: Sequence[Row], changed: Sequence[Row]) -> None:
        """Insert rows, and update others by their primary keys; nothing is summed up here."""
        rows, is_audited = self._rows(model), issubclass(model, Audited)
        by_key = {_key(model, row): row for row in rows}
        for row in changed:
            by_key[_key(model, row)] |= {**row, **(self._stamps(model) if is_audited else {})}
        for row in new:
            stamps = self._stamps(model, is_new=True) if is_audited else {}
            rows.append({**dict.fromkeys(columns_of(model)), **stamps, **self._defaults(model, row), **row})

    def close(self) -> None:
        """There is nothing to be given back."""

    def _rows(self, model: type[Base]) -> list[Version]:
        if model not in self._tables:
            self._tables[model] = list(self._special(model)) if issubclass(model, Dimension) else []
        return self._tables[model]

    def _special(self, dimension: type[Dimension]) -> Iterable[Version]:
        for row in special_members(dimension):
            yield {**dict.fromkeys(columns_of(dimension)), **self._stamps(dimension, is_new=True), **row}

    def _opened(self, dimension: type[Dimension], source: str, staged: Staged) -> Version:
        """A new version, as far as it does not depend on what is said."""
        number = self._next(dimension)
        keys = {dimension.key_column().name: number, dimension.durable_key_column().name: number}
        whose = {"source_system": source, "source_id": staged.source_id}
        return {
            **dict.fromkeys(columns_of(dimension)),
            **self._stamps(dimension, is_new=True),
            **keys,
            **whose,
        }

    def _next(self, model: type[Base]) -> int:
        return next(self._numbers.setdefault(model, count(1)))

    def _stamps(self, model: Any, *, is_new: bool = False) -> dict[str, Any]:
        now = self._now()
        stamps = {
            "updated_at": now,
            "run_id": 0,
            "audit_key": NOT_APPLICABLE_KEY,
            "schema_version": model.__schema_version__,
        }
        return {**stamps, "created_at": now, "synced_at": now} if is_new else stamps

    def _defaults(self, model: Any, row: Row) -> Row:
        """What a database would fill in: a number of its own for a key, the defaults of columns."""
        found: dict[str, Any] = {}
        for name, column in columns_of(model).items():
            if isinstance(column.default, ScalarElementColumnDefault):
                found[name] = column.default.arg
            if column is column.table.autoincrement_column and row.get(name) is None:
                found[name] = self._next(model)
        return found

    def _follow(self, dimension: type[Dimension], versions: list[Version]) -> None:
        """Move the facts of a member to the versions that answer for them now."""
        for fact in facts_of(dimension):
            for name, reference in fact.references().items():
                if reference.dimension is dimension and reference.gives is None:
                    moment = fact.as_of(name)
                    for row in _pointing(self._rows(fact), name, reference, versions):
                        when = None if moment is None else row[moment.name]
                        point(row, name, reference, answering(versions, when, reference.gap), versions)


def _pointing(
    rows: Iterable[Version], name: str, reference: Reference, versions: Sequence[Version]
) -> Iterable[Version]:
    """The rows of a fact that point at the member, or wait for it."""
    key = reference.dimension.key_column().name
    keys, called = {version[key] for version in versions}, ":".join(_member(versions[0]))
    for row in rows:
        is_waiting = reference.remembers and row[missing_column(name)] == called
        if row[name] in keys or is_waiting:
            yield row


def _is_asked_for(query: Query, row: Row, names: Mapping[str, str]) -> bool:
    called = {names[name]: value for name, value in row.items()}
    return all(holds(it, called) for it in query.conditions)


def _member(row: Row) -> tuple[str, str]:
    return row["source_system"], row["source_id"]


def _key(model: type[Base], row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name, column in columns_of(model).items() if column.primary_key)


def _copy(model: type[Base], row: Row) -> Any:
    return model(**row)


def _order(query: Query, one: Row, other: Row) -> int:
    """Which of two rows comes first; what is empty comes last."""
    for it in query.order:
        left, right = one[it.name], other[it.name]
        if left == right:
            continue
        if left is None or right is None:
            return 1 if left is None else -1
        return (1 if left > right else -1) * (-1 if it.is_descending else 1)
    return 0
