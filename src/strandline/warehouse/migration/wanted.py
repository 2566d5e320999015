"""What a warehouse is to have: the tables of models and raw logs, our own, and the views that show them.

A view of a raw log reads its payloads as JSON; `dim_customer_current` has one row a member of `dim_customer`,
as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import String, Table
from xxhash import xxh3_64_hexdigest

from strandline.model.aggregate import Aggregate
from strandline.model.audit import DimAudit
from strandline.model.base import RAW, SCHEMAS, STAGING, Base
from strandline.model.bridge import Bridge
from strandline.model.column import NOT_APPLICABLE_KEY
from strandline.model.combination import Combination
from strandline.model.dimension import SPECIAL_MEMBERS, Dimension, placeholder
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.model.prepared import Prepared
from strandline.warehouse import erasure, mention, pseudonym, raw, state, stopover, view
from strandline.warehouse.migration.work import DIALECT, literal, quote
from strandline.warehouse.schema import Model, tables_of

OF_CURRENT: Final = "The members of {} as they are now"
OF_LOG: Final = "The raw log of {} as JSON"
ALWAYS_THE_SAME: Final = ("valid_to", "is_current", "is_deleted")
"""Columns that are the same in every row that is current."""


DECLARE_THEIRS: Final = (erasure, mention, pseudonym, stopover)
"""Modules with tables of ours, which are known once these are loaded."""


@dataclass(frozen=True)
class View:
    """A view; in its query {warehouse} and so on stand for the layers' schemas."""

    layer: str
    name: str
    query: str
    says: str
    of: str
    """The table that it shows, which is in the same schema."""

    @property
    def comment(self) -> str:
        """What it is, and a hash of what it was made from, by which an old one is known."""
        return f"{self.says} ({xxh3_64_hexdigest(self.query.encode())})"


@dataclass(frozen=True)
class Fills:
    """What the rows that are there get in columns that are new, in SQL."""

    values: dict[str, str] = field(default_factory=dict)
    """Empty: they must get something, and nobody knows what."""
    not_applicable: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What a warehouse is to have."""

    tables: Sequence[Table]
    views: Sequence[View] = ()
    fills: dict[Table, Fills] = field(default_factory=dict)
    models: dict[Table, str] = field(default_factory=dict)
    """What the models of tables are called, as the ledger and the marks know them."""


def wanted(models: Iterable[Model], logs: Iterable[Table]) -> Wanted:
    """What these models and raw logs need; and what the user declares besides, as plain tables."""
    models, logs = list(models), list(dict.fromkeys(logs))
    tables = [*own_tables(), DimAudit.table(), *logs, *tables_of(models)]
    dimensions = [it for it in models if issubclass(it, Dimension)]
    views = [*map(of_log, logs), *map(of_dimension, dimensions)]
    fills = {it.table(): _fills(it) for it in models if issubclass(it, Dimension | Combination)}
    named = {it.table(): it.__name__ for it in models}
    return Wanted(list(dict.fromkeys([*tables, *_plain(tables)])), views, fills, named)


def own_tables() -> list[Table]:
    """The tables of our schema, wherever they are declared."""
    assert all(DECLARE_THEIRS)
    return state.OWN_TABLES.sorted_tables


def _plain(known: Sequence[Table]) -> list[Table]:
    """Tables that derive from our base, and are no model of ours."""
    ours = (Dimension, Fact, Prepared, Combination, Hierarchy, Bridge, Aggregate, DimAudit)
    mapped = [it.class_ for it in Base.registry.mappers]
    tables = [it.__table__ for it in mapped if not issubclass(it, ours)]
    return [it for it in tables if isinstance(it, Table) and it not in known]


def of_dimension(dimension: type[Dimension]) -> View:
    """The view of its current versions."""
    table = dimension.table()
    shown = ", ".join(quote(it.name) for it in table.c if it.name not in ALWAYS_THE_SAME)
    query = f"SELECT {shown} FROM {_named(table)} WHERE is_current"  # noqa: S608  # of the model's names
    name = raw.table_name(f"{table.name}_current")
    return View(str(table.schema), name, query, OF_CURRENT.format(table.name), table.name)


def of_log(log: Table) -> View:
    """The view of a raw log."""
    braces = {layer: f"{{{layer}}}" for layer in SCHEMAS}
    query = view.json_query(log, braces, dialect=DIALECT)
    for it in braces.values():
        query = query.replace(f'"{it}"', it)
    stream = str(log.info[raw.STREAM])
    query = " ".join(query.split())
    return View(RAW, view.view_name(stream), query, OF_LOG.format(stream), log.name)


def _named(table: Table) -> str:
    schema = f"{{{table.schema}}}" if table.schema in SCHEMAS else quote(str(table.schema))
    return f"{schema}.{quote(table.name)}"


def _fills(model: type[Dimension] | type[Combination]) -> Fills:
    """What stands in a column that every real member must fill, until a run fills it from the raw log."""
    found = Fills()
    is_special = f"{quote(model.key_column().name)} = {NOT_APPLICABLE_KEY}"
    for column in model.attributes():
        if not column.info.get("required"):
            continue
        word = placeholder(column)
        found.values[column.name] = "" if word is None else literal(word)
        if word is not None and isinstance(column.type, String):
            other = placeholder(column, word=SPECIAL_MEMBERS[NOT_APPLICABLE_KEY])
            found.not_applicable[column.name] = literal(str(other)), is_special
    return found


def managed_schemas(tables: Iterable[Table]) -> list[str]:
    """The schemas of these tables and of the layers, which are there also where nothing is in them."""
    return list(dict.fromkeys([*SCHEMAS, STAGING, *(str(it.schema) for it in tables)]))
