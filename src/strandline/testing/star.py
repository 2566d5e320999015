"""What a star says, whatever its surrogate numbers are: members, versions, intervals, who points at whom.

A key is told as whom it means, `crm:C-1 (version 2)`; audit columns are left out, and so is what a dimension
of combinations has ever held. So warehouses can be compared that were filled in different ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Alias, Column, Connection, RowMapping, Table, select

from strandline.model.aggregate import Aggregate, declared_query
from strandline.model.base import OF_AUDIT
from strandline.model.bridge import MEMBERS, Bridge
from strandline.model.column import ChangedAt, CombinationKey, DurableKey, GroupKey, Outrigger, role
from strandline.model.combination import COMBINATION, Combination
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.pipeline.definition import Pipeline
from strandline.warehouse.database import Database

Rows = Mapping[str, Mapping[str, Any]]
"""The values of each row by column, by what the row is called."""

Star = Mapping[str, Rows]
"""The rows of each table."""

Tell = Callable[[Any], Any]
"""From a value to what it says."""

LEFT_OUT: Final = frozenset(OF_AUDIT) - {"source_system", "source_id"}
WHEN_READ: Final = "when it was read"


def star_of(pipeline: Pipeline, database: Database, *, read_since: datetime | None = None) -> Star:
    """What the tables say that the pipeline fills; see `stars`."""
    with database.connect() as connection:
        return stars(pipeline.models, connection, read_since=read_since)


def stars(models: Sequence[Any], connection: Connection, *, read_since: datetime | None) -> Star:
    """What the tables of these models say. With `read_since` a version that began at that moment or later is
    told to have begun when its record was read.
    """
    teller = _Teller(models, connection, read_since)
    return {it.table().name: teller.rows(it) for it in models if _is_compared(it)}


def _is_compared(model: Any) -> bool:
    """Whether its rows are a function of the records: days are given, and combinations are kept for ever."""
    return issubclass(model, Dimension | Fact | Hierarchy | Aggregate)


class _Teller:
    """Knows whom every key means."""

    def __init__(self, models: Sequence[Any], connection: Connection, read_since: datetime | None) -> None:
        self._connection = connection
        self._read_since = read_since
        self._models = {it.table(): it for it in models}
        self._names: dict[Column[Any], dict[int, str]] = {}
        for model in models:
            self._learn(model)

    def _learn(self, model: Any) -> None:
        if issubclass(model, Dimension):
            t, key, durable = model.table().c, model.key_column(), model.durable_key_column()
            found = self._fetch(key, durable, t.source_system, t.source_id, t.version)
            self._names[key] = {it[0]: f"{it[2]}:{it[3]} (version {it[4]})" for it in found}
            self._names[durable] = {it[1]: f"{it[2]}:{it[3]}" for it in found}
        elif issubclass(model, Combination):
            found = self._fetch(model.key_column(), model.table().c[COMBINATION])
            self._names[model.key_column()] = {it[0]: it[1] for it in found}
        elif issubclass(model, Bridge):
            key = _group_key(model)
            found = self._fetch(key, model.groups.c.source_system, model.groups.c[MEMBERS])
            self._names[key] = {it[0]: f"{it[1]}:{it[2]}" for it in found}

    def _fetch(self, *columns: Column[Any]) -> Sequence[Any]:
        return self._connection.execute(select(*columns)).all()

    def rows(self, model: Any) -> Rows:
        """What its rows say."""
        table: Table = model.table()
        tell = {it.name: told for it in table.c if (told := self._tell(model, it)) is not None}
        found: dict[str, Mapping[str, Any]] = {}
        for row in self._connection.execute(select(table)).mappings():
            said = {name: told(row[name]) for name, told in tell.items()}
            found[self._name(model, row, said)] = said
        return found

    def _name(self, model: Any, row: RowMapping, said: Mapping[str, Any]) -> str:
        if issubclass(model, Dimension):
            return self._names[model.key_column()][row[model.key_column().name]]
        if issubclass(model, Hierarchy):
            return f"{said['descendant_durable_key']} below {said['ancestor_durable_key']}"
        told = [
            str(said[it.name]) for it in (model.grain() if issubclass(model, Aggregate) else model.row_key())
        ]
        return (
            ", ".join(told) if issubclass(model, Aggregate) else f"{row['source_system']}:{', '.join(told)}"
        )

    def _tell(self, model: Any, column: Column[Any]) -> Tell | None:
        """How to tell a value of this column; None: it is left out."""
        is_dimension = issubclass(model, Dimension)
        if column.name in LEFT_OUT or (is_dimension and column in self._names):
            return None
        meant = self._meant(model, column)
        if meant is not None:
            names = self._names.get(meant, {})
            return lambda key: names.get(key, key)
        if is_dimension and (
            column.name in ("valid_from", "valid_to") or isinstance(role(column), ChangedAt)
        ):
            return self._moment
        return self._custom if column.name == CUSTOM_FIELDS else _as_it_is

    def _meant(self, model: Any, column: Column[Any]) -> Column[Any] | None:
        """The key, of whatever table, that this column holds."""
        if column in self._names:
            return column
        if issubclass(model, Aggregate):
            return self._selected(model, column)
        if issubclass(model, Hierarchy) and column.name.endswith("_durable_key"):
            return _column(model.dimension.durable_key_column())
        if issubclass(model, Bridge):
            return _of_bridge(model, column)
        match role(column):
            case Outrigger(dimension=dimension):
                return _column(dimension.durable_key_column())
            case CombinationKey(dimension=dimension):
                return _column(dimension.key_column())
            case GroupKey(bridge=bridge):
                return _group_key(bridge)
        return _referred(model, column) if issubclass(model, Fact) else None

    def _selected(self, model: type[Aggregate], column: Column[Any]) -> Column[Any] | None:
        selected = declared_query(model).selected_columns.get(column.name)
        held = getattr(selected, "element", selected)
        table = getattr(held, "table", None)
        table = table.element if isinstance(table, Alias) else table
        if not isinstance(held, Column) or not isinstance(table, Table) or table not in self._models:
            return None
        return self._meant(self._models[table], table.c[held.name])

    def _moment(self, moment: datetime | None) -> object:
        is_read = self._read_since is not None and moment is not None and moment >= self._read_since
        return WHEN_READ if is_read else moment

    def _custom(self, told: Any) -> Any:
        """Custom fields say when they were first seen, and last."""
        if not isinstance(told, Mapping) or self._read_since is None:
            return told
        seen = {name: self._moment(datetime.fromisoformat(told[name])) for name in SEEN if name in told}
        return {name: self._custom(it) for name, it in told.items()} | seen


SEEN: Final = ("first_seen", "last_seen")


def _as_it_is(value: Any) -> Any:
    return value


def _referred(fact: type[Fact], column: Column[Any]) -> Column[Any] | None:
    """What a fact's key is the key of."""
    name, meaning = column.name, role(column)
    if isinstance(meaning, DurableKey):
        return _column(fact.references()[meaning.of].dimension.durable_key_column())
    if name in fact.references():
        reference = fact.references()[name]
        return _column((reference.dimension.mini if reference.gives else reference.dimension).key_column())
    if name in fact.combinations():
        return fact.combinations()[name].key_column()
    return _group_key(fact.bridges()[name]) if name in fact.bridges() else None


def _of_bridge(bridge: type[Bridge], column: Column[Any]) -> Column[Any] | None:
    if column.name == bridge.member_key():
        return _column(bridge.dimension.durable_key_column())
    return _group_key(bridge) if column.name == bridge.group_key() else None


def _group_key(bridge: type[Bridge]) -> Column[Any]:
    return bridge.groups.c[bridge.group_key()]


def _column(column: Any) -> Column[Any]:
    assert isinstance(column, Column)
    return column
