"""Where a value came from: the record, the request and the run behind each column of a row.

Which of a member's records a column was taken from follows from what the column means: the first one for
type 0, the last one for type 1, the one that began the version for type 2, and so on. A fact has the last
word of its record, and a snapshot that of its period, or the last that was said of each milestone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Column, Connection

from strandline.errors import DeclarationError, RecordRejected
from strandline.model.column import (
    Attribute,
    ChangedAt,
    Current,
    GroupKey,
    Outrigger,
    Previous,
    Reference,
    role,
)
from strandline.model.conversion import FAILURES, Conversion, compile_mapper
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.field import UNSET
from strandline.model.mapper import Mapped
from strandline.model.milestone import AccumulatingSnapshot
from strandline.model.path import Step, nearest
from strandline.model.period import PeriodicSnapshot
from strandline.model.revision import mapper_version
from strandline.pipeline.definition import Pipeline, Reading, Sync
from strandline.warehouse import dialect, horizon, late, mark, provenance
from strandline.warehouse.database import Database
from strandline.warehouse.provenance import Entry

BEHIND_VALUES = 5
"""How many values of a converted row come before those of its columns."""


@dataclass(frozen=True)
class Origin:
    """Where one column of a row took its value from."""

    column: str
    value: Any
    how: str
    """What fills it: a field of the record, a method of the mapper, or strandline itself."""
    said: Any
    """What the record has there; None where nothing is read from one place."""
    raw_id: int | None
    """The entry of the raw log; None where none says it."""


@dataclass(frozen=True)
class RowOrigin:
    """Where one row came from."""

    key: Mapping[str, Any]
    """What tells it from others: the surrogate key, or the grain."""
    valid_from: datetime | None
    valid_to: datetime | None
    run_id: int
    """The run that wrote it last."""
    mapper: str
    is_of_today: bool
    """The mapper that made it is the one that is declared now."""
    columns: list[Origin]


@dataclass(frozen=True)
class Account:
    """All that is known of a natural key in one table, from one stream."""

    table: str
    stream: str
    source_id: str
    rows: list[RowOrigin]
    entries: list[Entry]
    rejects: Sequence[Mapping[str, Any]]
    pruned_until: datetime | None = None
    """Of what took effect up to then not all is in the raw log any more; None: all is."""


def explain(
    database: Database,
    connection: Connection,
    pipelines: Iterable[Pipeline],
    *,
    table: str,
    key: str,
    column: str | None = None,
    source: str | None = None,
) -> list[Account]:
    """Where the rows of this natural key in this table, or model, came from: one account a stream that knows
    the key. Raises DeclarationError for a table, a column or a source that there is not.
    """
    fillings = _choose(pipelines, table=table, source=source)
    if column is not None:
        _check_column(fillings[0][1], column)
    told = [_account(database, connection, *it, key=key, column=column) for it in fillings]
    return [it for it in told if it.rows or it.entries or it.rejects]


def _choose(
    pipelines: Iterable[Pipeline], *, table: str, source: str | None
) -> list[tuple[Pipeline, Sync, Reading]]:
    every = [
        (pipeline, sync, reading)
        for pipeline in pipelines
        for reading in pipeline.readings
        for sync in reading.syncs
    ]
    fillings = [it for it in every if table in (it[1].target, it[1].model.table().name)]
    if not fillings:
        tables = dict.fromkeys(sync.model.table().name for _, sync, _ in every)
        raise DeclarationError(f"no stream fills a table {table!r}", hint=nearest(table, tables))
    wanted = [it for it in fillings if source in (None, it[1].stream.source_name)]
    if not wanted:
        sources = dict.fromkeys(sync.stream.source_name for _, sync, _ in fillings)
        raise DeclarationError(f"{table} is not filled from {source!r}", hint=nearest(str(source), sources))
    return list({(it[1].stream.qualified_name, it[1].target): it for it in wanted}.values())


def _check_column(sync: Sync, column: str) -> None:
    columns = sync.model.table().c.keys()
    if column not in columns:
        raise DeclarationError(
            f"{sync.model.table().name} has no column {column!r}", hint=nearest(column, columns)
        )


def _account(
    database: Database,
    connection: Connection,
    pipeline: Pipeline,
    sync: Sync,
    reading: Reading,
    *,
    key: str,
    column: str | None,
) -> Account:
    model, stream = sync.model, reading.stream
    source_id = stream.source.natural_keys.encode(key) or key
    applied, _ = mark.applied_up_to(connection, stream.qualified_name, sync.target)
    log = late.Log(reading.raw, stream.source_name, stream.qualified_name, sync.target, applied)
    keys = ["version"] if issubclass(model, Dimension) else [it.name for it in model.row_key()]
    rows = provenance.rows_of(
        connection, model.table(), source_system=stream.source_name, source_id=source_id, order=keys
    )
    entries = provenance.entries_of(connection, log, source_id)
    pruned_until = horizon.of_key(connection, stream.qualified_name, source_id)
    history = _History(sync, entries, _conversion(database, pipeline, sync), pruned_until)
    loads = provenance.loads_of(connection, (row["audit_key"] for row in rows))
    return Account(
        model.table().name,
        stream.qualified_name,
        source_id,
        [history.explain(row, loads.get(row["audit_key"], {}), column=column) for row in rows],
        entries,
        provenance.rejects_of(connection, log, source_id),
        pruned_until,
    )


def _conversion(database: Database, pipeline: Pipeline, sync: Sync) -> Conversion:
    return compile_mapper(
        sync.mapper,
        dialect.of_rows(database.engine),
        keys=sync.stream.source.natural_keys,
        keys_of={source.name: source.natural_keys for source in pipeline.sources},
    )


@dataclass(frozen=True)
class _Said:
    """An entry, the record in it, and the rows that today's mapper makes of it; none where it fails."""

    entry: Entry
    record: BaseModel | None
    rows: tuple[Mapping[str, Any], ...]

    def value(self, name: str) -> Any:
        """What its first row has in a column."""
        return self.rows[0].get(name) if self.rows else None


class _History:
    """What was said of one natural key: of several records of one instant the one that stands."""

    def __init__(
        self,
        sync: Sync,
        entries: Sequence[Entry],
        conversion: Conversion,
        pruned_until: datetime | None = None,
    ) -> None:
        self.sync = sync
        self.pruned_until = pruned_until
        self.conversion = conversion
        standing = {entry.effective_at: entry for entry in entries}
        self.every = [self._read(entry) for entry in standing.values()]
        self.upserts = [it for it in self.every if not it.entry.is_deletion]

    def _read(self, entry: Entry) -> _Said:
        if entry.is_deletion:
            return _Said(entry, None, ())
        try:
            record, source_id, _ = self.sync.stream.compile_reader()(entry.payload)
            made = self.conversion.convert(
                record, entry.raw_id, source_id or "", entry.effective_at, entry.fetched_at
            )
        except (RecordRejected, *FAILURES):  # it was accepted once, by another contract or mapper
            return _Said(entry, None, ())
        rows = made if self.conversion.has_lines else (made,)
        names = [column.name for column in self.conversion.columns]
        return _Said(
            entry, record, tuple(dict(zip(names, row[BEHIND_VALUES:], strict=False)) for row in rows)
        )

    def explain(self, row: Mapping[str, Any], load: Mapping[str, Any], *, column: str | None) -> RowOrigin:
        """Where the row came from, in all its columns or in this one."""
        model = self.sync.model
        is_dimension = issubclass(model, Dimension)
        wanted = [it for it in model.table().c if column in (None, it.name)]
        return RowOrigin(
            {it.name: row[it.name] for it in _keys(model)},
            row["valid_from"] if is_dimension else None,
            row["valid_to"] if is_dimension else None,
            row["run_id"],
            load.get("mapper", self.sync.mapper.__name__),
            load.get("mapper_version") in (None, mapper_version(self.conversion)),
            [self._origin(it, row) for it in wanted if column or self._is_told(it)],
        )

    def _is_told(self, column: Column[Any]) -> bool:
        return role(column) is not None or column.name in ("valid_from", "valid_to")

    def _origin(self, column: Column[Any], row: Mapping[str, Any]) -> Origin:
        model = self.sync.model
        said = self._behind(column, row) if issubclass(model, Dimension) else self._behind_fact(column, row)
        mapped = self.sync.mapper.mapped.get(_meant(column))
        return Origin(
            column.name,
            row[column.name],
            _how(self.sync, column, mapped),
            _shown(mapped, said),
            said.entry.raw_id if said else None,
        )

    def _behind(self, column: Column[Any], row: Mapping[str, Any]) -> _Said | None:
        """The record that a dimension's column was taken from."""
        if row["is_inferred"]:
            return None
        if column.name == "valid_to":
            return self._at(row["valid_to"])
        match role(column):
            case Previous(of) | ChangedAt(of):
                before, after = self._last_change(of, changed_at=row[f"{of}_changed_at"])
                return before if isinstance(role(column), Previous) else after
            case Current():
                return self._last()
            case Attribute(scd) if 2 not in scd:
                return self.upserts[0] if 0 in scd and self.upserts else self._last()
            case Outrigger(of) | GroupKey(of):
                return self._behind(self.sync.model.table().c[of], row)
        return self._at(row["valid_from"])

    def _behind_fact(self, column: Column[Any], row: Mapping[str, Any]) -> _Said | None:
        """The record that a fact's column was taken from."""
        model = self.sync.model
        if row.get("is_reversal"):
            return self.every[-1] if self.every else None
        if issubclass(model, AccumulatingSnapshot) and column.name in model.following():
            of = model.following()[column.name]
            return next((it for it in reversed(self._life()) if it.value(of) is not None), None)
        if issubclass(model, PeriodicSnapshot):
            period = model.period_column().name
            up_to = [it for it in self.upserts if it.rows and it.value(period) <= row[period]]
            return up_to[-1] if up_to else None
        return self._last()

    def _life(self) -> list[_Said]:
        """The records since the last deletion."""
        gone = [place for place, it in enumerate(self.every) if it.entry.is_deletion]
        return self.every[gone[-1] + 1 :] if gone else self.every

    def _at(self, moment: datetime | None) -> _Said | None:
        return next((it for it in self.every if it.entry.effective_at == moment), None)

    def _last(self) -> _Said | None:
        return self.upserts[-1] if self.upserts else None

    def _last_change(self, name: str, *, changed_at: datetime | None) -> tuple[_Said | None, _Said | None]:
        """The records before and after a column changed last."""
        if self.pruned_until is not None and changed_at is not None and changed_at <= self.pruned_until:
            return None, self._at(changed_at)  # what came before it need not be there
        for before, after in zip(reversed(self.upserts[:-1]), reversed(self.upserts), strict=False):
            if before.value(name) != after.value(name):
                return (None if self._is_bygone(before) else before), after
        return None, None

    def _is_bygone(self, it: _Said) -> bool:
        """Whether others may have followed that are not there any more."""
        return self.pruned_until is not None and it.entry.effective_at <= self.pruned_until


def _keys(model: type[Dimension] | type[Fact]) -> list[Column[Any]]:
    """What tells its rows apart."""
    return [model.key_column()] if issubclass(model, Dimension) else model.row_key()


def _meant(column: Column[Any]) -> str:
    """The column that a mapper fills, for one that it brings along."""
    match role(column):
        case Previous(of) | ChangedAt(of) | Current(of) | Outrigger(of) | GroupKey(of):
            return of
    return column.name


def _how(sync: Sync, column: Column[Any], mapped: Mapped | None) -> str:
    where = f"{sync.mapper.__name__}.{_meant(column)}"
    if mapped is None:
        return _how_of_ours(column)
    if mapped.method is not None:
        return f"{where}(…)"
    if mapped.combined is not None:
        return f"{where} = combination({mapped.combined.__name__})"
    if mapped.allocation is not None:
        return f'{where} = allocate("{mapped.allocation.amount.path}")'
    if mapped.declared is None:
        return f"{where} = line_number()"
    word = "line" if mapped.is_line else "field"
    default = "" if mapped.declared.default is UNSET else f", default={mapped.declared.default!r}"
    return f'{where} = {word}("{mapped.declared.path}"{default})'


def _how_of_ours(column: Column[Any]) -> str:
    """What fills a column that no mapper does."""
    meaning = role(column)
    if isinstance(meaning, Reference) and meaning.on is not None:
        return f'references({meaning.dimension.__name__}, on="{meaning.on}")'
    return "strandline"


def _shown(mapped: Mapped | None, said: _Said | None) -> Any:
    """What the record has where the mapper looks; of a line there may be many."""
    if mapped is None or mapped.is_line or said is None or said.record is None:
        return None
    return _follow(mapped.steps, said.record) if mapped.steps else None


def _follow(steps: Sequence[Step], record: Any) -> Any:
    for step in steps:
        if record is None:
            return None
        record = record.get(step.name) if step.is_key else getattr(record, step.name)
    return record
