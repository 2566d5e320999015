"""What breaks an expectation: one statement each, over the rows of a merge or over the whole table.

The rows of a merge are those of the natural keys that it staged, found by an index. Of a dimension only
current versions of members that a source has described are looked at, of a fact the rows that records gave:
neither those that negate others nor those that repeat the period before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Select,
    Table,
    and_,
    case,
    exists,
    func,
    inspect,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert

from strandline.model.column import ROLE, UNKNOWN_KEY, Outrigger
from strandline.model.dimension import Dimension
from strandline.model.expectation import Accepted, Expectation, Fresh, Holds, Model, NotNull, Refers, Unique
from strandline.model.fact import Fact
from strandline.model.period import IS_FILLED
from strandline.warehouse import state
from strandline.warehouse.database import Database

SHOWN: Final = 5
"""How many natural keys of what breaks an expectation are kept."""

REVERSAL: Final = "is_reversal"


class Rows(Struct, frozen=True):
    """Rows of a model's table: all, those of one source, in them those of what is staged, or those that
    another merge has touched.
    """

    model: Model
    source_system: str | None = None
    staged: Table | None = None
    by: str = "source_id"
    """The column by which the staged ones are found."""
    touched: Select[Any] | None = None
    """The primary keys of the rows that are meant, where it is those that another merge has touched."""

    @property
    def table(self) -> Table:
        """The table that they are in."""
        return self.model.table()

    @property
    def whole(self) -> Rows:
        """All rows, whoever's."""
        return Rows(self.model)

    def are_live(self, rows: Any) -> ColumnElement[bool]:
        """Whether anything is expected of a row of this table or alias."""
        if issubclass(self.model, Dimension):
            return and_(rows.c[self.model.key_column().name] > 0, rows.c.is_current, not_(rows.c.is_inferred))
        repeating = (rows.c[name] for name in (REVERSAL, IS_FILLED) if name in rows.c)
        return and_(true(), *(not_(it) for it in repeating))

    def are_counted(self) -> ColumnElement[bool]:
        """Whether a row stands for a record of the source, or negates one that does."""
        of_source = self.table.c.source_system == self.source_system
        if issubclass(self.model, Dimension):
            return and_(self.are_live(self.table), of_source)
        return and_(of_source, not_(self.table.c[IS_FILLED])) if IS_FILLED in self.table.c else of_source

    def are_these(self) -> ColumnElement[bool]:
        """Whether a row of the table is one of them."""
        conditions = [self.are_live(self.table)]
        if self.source_system is not None:
            conditions.append(self.table.c.source_system == self.source_system)
        if self.staged is not None:
            conditions.append(self.table.c[self.by].in_(select(self.staged.c[self.by])))
        if self.touched is not None:
            conditions.append(tuple_(*self.table.primary_key).in_(self.touched))
        return and_(*conditions)


class Found(Struct, frozen=True):
    """What breaks an expectation: how many rows, and the natural keys of the first."""

    rows: int
    samples: tuple[Mapping[str, str], ...] = ()
    detail: str | None = None

    @property
    def keys(self) -> str:
        """The natural keys in a line."""
        shown = ", ".join(f"{it['source']}:{it['key']}" for it in self.samples)
        return f"{shown} …" if self.samples and self.rows > len(self.samples) else shown


NOTHING: Final = Found(0)


def find(connection: Connection, wanted: Expectation, rows: Rows) -> Found:
    """What breaks the expectation among these rows."""
    if isinstance(wanted, Fresh):
        return _find_stale(connection, wanted, rows)
    looked_at = rows.whole if isinstance(wanted, Refers) and wanted.share else rows
    broken = _broken(wanted, looked_at).subquery("broken")
    failing = func.sum(func.count()).over().label("failing")
    total = select(func.count()).select_from(rows.table).where(rows.whole.are_these()).scalar_subquery()
    share = wanted.share if isinstance(wanted, Refers) else 0
    found = connection.execute(
        # The total is counted only if there is a row beside which it stands.
        select(broken.c.source_system, broken.c.source_id, failing, total if share else null())
        .group_by(broken.c.source_system, broken.c.source_id)
        .order_by(broken.c.source_system, broken.c.source_id)
        .limit(SHOWN)
    ).all()
    if not found or (share and found[0].failing <= share * found[0][3]):
        return NOTHING
    samples = tuple({"source": it.source_system, "key": it.source_id} for it in found)
    return Found(int(found[0].failing), samples)


def _broken(wanted: Expectation, rows: Rows) -> Select[Any]:
    table = rows.table
    these = select(table.c.source_system, table.c.source_id).where(rows.are_these())
    columns = [table.c[name] for name in wanted.columns]
    match wanted:
        case NotNull():
            return these.where(or_(*(it.is_(None) for it in columns)))
        case Accepted():
            return these.where(columns[0].not_in(wanted.values))
        case Holds():
            return these.where(not_(wanted.condition))
        case Refers():
            return these.where(or_(*(_is_unknown(rows.model, name) for name in wanted.columns)))
        case Unique():
            return _shared(rows, wanted.columns)
    raise NotImplementedError(wanted.kind)


def _shared(rows: Rows, columns: Sequence[str]) -> Select[Any]:
    """The live rows of the table whose values another one has, where one of these rows has them."""
    table = rows.table
    have = [table.c[name].is_not(None) for name in columns]
    values = [table.c[name] for name in columns]
    these = select(*values).where(rows.are_these(), *have).distinct().subquery("these")
    other = table.alias("other")
    others = [other.c[name] for name in columns]
    several = (
        select(*others)
        .join(these, _same(other, these, columns))
        .where(rows.are_live(other))
        .group_by(*others)
        .having(func.count() > 1)
        .subquery("several")
    )
    shared = select(table.c.source_system, table.c.source_id).join(several, _same(table, several, columns))
    return shared.where(rows.are_live(table))


def _same(one: Any, other: Any, columns: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in columns))


def _is_unknown(model: Model, name: str) -> ColumnElement[bool]:
    """Whether a reference leads to the unknown member, or to one of whom only the key is known."""
    if not issubclass(model, Fact):
        column = next(it for it in model.companions(Outrigger) if it.info[ROLE].of == name)
        return _leads_nowhere(column, column.info[ROLE].dimension, is_durable=True)
    column = model.table().c[name]
    reference = model.references().get(name)
    if reference is None or reference.gives is not None:
        return column == UNKNOWN_KEY
    return _leads_nowhere(column, reference.dimension, is_durable=False)


def _leads_nowhere(
    column: Column[Any], dimension: type[Dimension], *, is_durable: bool
) -> ColumnElement[bool]:
    member = dimension.table().alias("member")
    key = dimension.durable_key_column() if is_durable else dimension.key_column()
    is_inferred = exists().where(member.c[key.name] == column, member.c.is_inferred)
    return or_(column == UNKNOWN_KEY, is_inferred)


def _find_stale(connection: Connection, wanted: Fresh, rows: Rows) -> Found:
    """The table is looked at only where nothing fresh is among the rows of the merge."""
    table = rows.table
    column, earliest = table.c[wanted.columns[0]], datetime.now(UTC) - wanted.within
    limit = earliest.date() if isinstance(column.type, Date) else earliest
    all_of_it = Rows(rows.model, rows.source_system).are_these()
    latest = select(func.max(column)).where(all_of_it).scalar_subquery()
    is_fresh = exists(select(literal(1)).select_from(table).where(rows.are_these(), column >= limit))
    found = connection.execute(
        select(is_fresh.label("is_fresh"), case((is_fresh, null()), else_=latest).label("latest"))
    ).one()
    if found.is_fresh or (found.latest is not None and found.latest >= limit):
        return NOTHING
    detail = "there is none" if found.latest is None else f"the latest is {found.latest.isoformat()}"
    return Found(1, detail=detail)


def count(connection: Connection, rows: Rows) -> int:
    """How many of these rows records gave; what was reversed is none."""
    table = rows.table
    one = case((table.c.is_reversal, -1), else_=1) if REVERSAL in table.c else literal(1)
    return connection.scalar(select(func.sum(one)).select_from(table).where(rows.are_counted())) or 0


def total(connection: Connection, rows: Rows, column: str) -> Decimal:
    """The sum of the column over these; a row that negates another counts too."""
    found = connection.scalar(select(func.sum(rows.table.c[column])).where(rows.are_counted()))
    return Decimal(found or 0)


def note(connection: Connection, results: Sequence[Mapping[str, Any]]) -> None:
    """Write down in the ledger what was looked at, and what was found; where two merges of one stream have
    had it looked at, what did not pass.
    """
    if not results:
        return
    noted = state.expectation
    put, key = insert(noted), [it.name for it in noted.primary_key]
    becomes = {it.name: put.excluded[it.name] for it in noted.c if it.name not in key}
    worse = or_(noted.c.status == state.PASSED, put.excluded.status != state.PASSED)
    connection.execute(
        put.on_conflict_do_update(index_elements=key, set_=becomes, where=worse), list(results)
    )


def results(database: Database, connection: Connection, run_ids: Sequence[int]) -> list[dict[str, Any]]:
    """What these runs have looked at, newest first, and in each what has not passed before the others."""
    noted = state.expectation
    if not inspect(connection).has_table(noted.name, schema=database.schemas.strandline):
        return []  # nothing has run since there are expectations
    has_passed = case((noted.c.status == state.PASSED, 1), else_=0)
    found = connection.execute(
        select(noted)
        .where(noted.c.run_id.in_(run_ids))
        .order_by(noted.c.run_id.desc(), has_passed, noted.c.stream, noted.c.target, noted.c.name)
    )
    return [dict(row) for row in found.mappings()]
