"""Tables that another tool lands in a PostgreSQL: what its columns say of a row, and which rows are whole.

A row is a record without the tool's columns, but for those that the contract names: they change with each of
the tool's runs, and with them a record that has not changed would be a new one. What has been written since
is told by the numbers of the transactions, as for any table; so nothing rests on the tool's clock, or on
the order in which its loads end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    DateTime,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    table,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from strandline.errors import UnexpectedResponse
from strandline.source.sql import change
from strandline.source.sql.asked import Found, Table
from strandline.source.sql.column import Column, of_table
from strandline.source.sql.selection import ROW

Tool = Literal["airbyte", "fivetran", "singer", "dlt"]
"""Who lands tables."""

LANDED: Final = "landed"
"""What the table is called within a statement."""

A_STEP: Final = "interval '1 millisecond'"
"""So long before a version begins the one before it ends, where a tool leaves a gap."""


@dataclass(frozen=True)
class Layout:
    """What a tool's own columns are called."""

    prefixes: tuple[str, ...]
    proof: str
    """The column that each of its tables has."""
    flag: str | None = None
    """The one that says that a row's record is gone: whether, or since when."""
    since: str | None = None
    """The one that says since when, where the flag only says whether."""
    start: str = ""
    end: str = ""
    """Between which two a row was valid, where the tool keeps the versions of a record."""
    ended: str = ""
    """The flag of a record that is gone, where only the end of its last version says so."""
    loads: str = ""
    """The table of its loads: only those with status 0 are whole."""


LAYOUTS: Final[Mapping[Tool, Layout]] = {
    "airbyte": Layout(("_airbyte_", "_ab_"), "_airbyte_raw_id", flag="_ab_cdc_deleted_at"),
    "fivetran": Layout(
        ("_fivetran_",),
        "_fivetran_synced",
        flag="_fivetran_deleted",
        since="_fivetran_synced",
        start="_fivetran_start",
        end="_fivetran_end",
        ended="_fivetran_deleted",
    ),
    "singer": Layout(("_sdc_",), "_sdc_batched_at", flag="_sdc_deleted_at"),
    "dlt": Layout(
        ("_dlt_",),
        "_dlt_load_id",
        start="_dlt_valid_from",
        end="_dlt_valid_to",
        ended="_dlt_deleted",
        loads="_dlt_loads",
    ),
}


@dataclass(frozen=True)
class Landed:
    """A table that a tool has landed, as the records of a stream."""

    table: Table
    tool: Tool
    named: frozenset[str]
    """What the contract has: of the tool's own columns no others are read."""
    key: tuple[str, ...]
    flag: str | None
    """The column that says that a record is gone, as the stream declares it."""
    effective_at: str | None
    nested: Mapping[str, str] = field(default_factory=dict)
    """Field and table of what is nested in a record, of dlt."""
    has_keys_only: bool = False
    """Whether all that is asked for is which keys are there."""

    @property
    def shown(self) -> str:
        """As it is called in messages."""
        return self.table.shown

    @property
    def layout(self) -> Layout:
        """What the tool's columns are called."""
        return LAYOUTS[self.tool]

    def look(self, connection: Connection, *, is_postgresql: bool, where: str) -> Found:
        """Look which columns the table has, and whether they are the tool's."""
        schema, name = self.table.parts
        found = of_table(connection, name, schema=schema, is_postgresql=is_postgresql, where=where)
        there = {it.name: it for it in found}
        has_history = bool(self.layout.start) and self.layout.start in there
        self._check(there, has_history=has_history, where=where)
        bare = table(name, *(column(it) for it in there), schema=schema)
        rows = bare.alias(LANDED)
        if self.has_keys_only:
            wanted = [there[it] for it in self.key]
            return self._keys(rows, there, has_history=has_history).subquery(ROW), wanted
        own = [it for it in found if self._is_wanted(it.name)]
        extra = [Column(it) for it in self.nested]
        if has_history:
            own = [it for it in own if it.name != self.layout.ended]
            extra.append(Column(self.layout.ended))
            later = bare.alias("later")
            return self._versions(connection, rows, own, later=later).subquery(ROW), [*own, *extra]
        shown = [self._shown(rows, it, there) for it in own]
        return self._select(connection, rows, shown).subquery(ROW), [*own, *extra]

    def _is_wanted(self, name: str) -> bool:
        if name == self.flag or name in self.named:
            return True
        is_own = name.startswith(self.layout.prefixes)
        return not is_own and (self.table.columns is None or name in self.table.columns)

    def _check(self, there: Mapping[str, Column], *, has_history: bool, where: str) -> None:
        layout, names = self.layout, ", ".join(there)
        if layout.proof not in there:
            raise UnexpectedResponse(
                f"{where}: has no column {layout.proof!r}, which every table has that {self.tool} lands",
                hint=f"Its columns are {names}: name another tool by by=…, or read it by self.changes(…).",
            )
        flag = layout.ended if has_history else layout.flag if layout.flag in there else None
        needed = [*self.key, *([self.flag] if self.flag is not None and self.flag != flag else [])]
        for name in needed:
            if name not in there:
                raise UnexpectedResponse(
                    f"{where}: has no column {name!r}, by which the stream tells records or deletions",
                    hint=f"Its columns are {names}: name it in the contract by alias=…, or in deleted=….",
                )
        if self.has_keys_only:
            return
        if flag is not None and self.flag is None:
            raise UnexpectedResponse(
                f"{where}: says by {flag!r} which of its records are gone, and the stream does not look",
                hint=f'Declare @stream(…, deleted="{flag}").',
            )
        if has_history and self.effective_at != layout.start:
            raise UnexpectedResponse(
                f"{where}: has a row for each version of a record, valid from {layout.start!r} on, and the"
                " stream's records take effect at another time",
                hint=f"Have it in the contract, AwareDatetime under the alias {layout.start!r}, and name that"
                " field by effective_at=….",
            )

    def _keys(self, rows: FromClause, there: Mapping[str, Column], *, has_history: bool) -> Select[Any]:
        """Who is there, also by a load that is under way: what it replaces is gone by then."""
        wanted = select(*(rows.c[it] for it in self.key)).distinct()
        if has_history:
            return self._where(wanted.where(~self._has_ended(rows)))
        flag = self.layout.flag
        return self._where(wanted.where(~_is_set(rows.c[flag])) if flag in there and flag else wanted)

    def _shown(self, rows: FromClause, it: Column, there: Mapping[str, Column]) -> ColumnElement[Any]:
        """A column; of a flag the time since when it is set, where that is known."""
        value = rows.c[it.name]
        if it.name != self.flag or it.name != self.layout.flag:
            return value
        if self.layout.since in there and self.layout.since:
            return case((_is_set(value), rows.c[self.layout.since]), else_=null()).label(it.name)
        if it.has_zone is False:  # the tool's clock is UTC
            return func.timezone("UTC", value).label(it.name)
        return value

    def _versions(
        self, connection: Connection, rows: FromClause, own: Sequence[Column], *, later: FromClause
    ) -> CompoundSelect[Any]:
        """A row for each version, and one more for the end of the last, where another has not begun."""
        flag, shown = self.layout.ended, [rows.c[it.name] for it in own]
        same = [later.c[it] == rows.c[it] for it in self.key]
        begun, ended = later.c[self.layout.start], rows.c[self.layout.end]
        within = and_(begun > rows.c[self.layout.start], begun <= ended + literal_column(A_STEP))
        is_last = ~exists(select(literal_column("1")).select_from(later).where(*same, within))
        every = self._select(connection, rows, [*shown, cast(null(), DateTime(timezone=True)).label(flag)])
        ends = self._select(connection, rows, [*shown, ended.label(flag)])
        return union_all(every, ends.where(self._has_ended(rows), is_last))

    def _has_ended(self, rows: FromClause) -> ColumnElement[bool]:
        if "_fivetran_active" in rows.c:
            return ~rows.c["_fivetran_active"]
        return rows.c[self.layout.end].is_not(None)

    def _select(self, connection: Connection, rows: FromClause, shown: Sequence[Any]) -> Select[Any]:
        parts = [self._nested(connection, rows, it).label(name) for name, it in self.nested.items()]
        wanted = self._where(select(*shown, *parts).select_from(rows))
        own: ColumnElement[Any] = literal_column(f"{LANDED}.tableoid")
        is_changed = change.is_changed(literal_column(f"{LANDED}.xmin"), own)
        if not self.layout.loads:
            return wanted.where(is_changed)
        loads = table(self.layout.loads, column("load_id"), column("status"), schema=self.table.parts[0])
        whole = select(loads.c.load_id).where(loads.c.status == literal_column("0"))
        ended = whole.where(change.is_changed(literal_column(f"{self.layout.loads}.xmin"), own))
        load = rows.c[self.layout.proof]
        # A row that was written before its load had ended is new when the load has.
        return wanted.where(load.in_(whole), or_(is_changed, load.in_(ended)))

    def _nested(self, connection: Connection, rows: FromClause, name: str) -> ColumnElement[Any]:
        """What dlt has put into a table of its own, back where it came from, in its order."""
        schema = self.table.parts[0]
        found = of_table(connection, name, schema=schema, is_postgresql=True, where=self.shown)
        lines = table(name, *(column(it.name) for it in found), schema=schema).alias("nested")
        names = [it.name for it in found if not it.name.startswith(self.layout.prefixes)]
        parts = ", ".join(f"nested.{connection.dialect.identifier_preparer.quote(it)}" for it in names)
        line = f"(SELECT line FROM (SELECT {parts}) AS line)"  # noqa: S608  # quoted names
        # A list of values has them under this one name.
        listed = lines.c[names[0]] if names == ["value"] else literal_column(line)
        order = aggregate_order_by(listed, lines.c["_dlt_list_idx"])
        made = func.coalesce(func.json_agg(order), literal_column("'[]'::json"))
        return select(made).where(lines.c["_dlt_parent_id"] == rows.c["_dlt_id"]).scalar_subquery()

    def _where(self, rows: Select[Any]) -> Select[Any]:
        given = self.table.where
        return rows if given is None else rows.where(text(given) if isinstance(given, str) else given)


def _is_set(flag: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.coalesce(cast(flag, Text), "").not_in(("", "false"))
