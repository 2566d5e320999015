"""Does running again change anything? It must not: `assert_idempotent` runs again, in full, and replays.

Looked at is every row as it stands in the tables, audit columns and keys included, and whether it was written
at all: a row that is written again as it was costs as much as one that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, literal_column, select

from strandline.model.audit import DimAudit
from strandline.model.base import OF_AUDIT
from strandline.model.bridge import Bridge
from strandline.model.prepared import Prepared
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.replay import replay
from strandline.pipeline.report import RunReport
from strandline.pipeline.running import run
from strandline.source.stream import Source, Stream
from strandline.testing import pure
from strandline.testing.difference import differences, listed
from strandline.testing.trial import refuse_failure
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

WRITTEN: Final = "written by"
"""Where a row's state has PostgreSQL's mark of who wrote it."""

AUDIT: Final = frozenset(OF_AUDIT) - {"source_system", "source_id"}

State = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The rows of each table, by column."""


def assert_idempotent(
    pipeline: Pipeline, warehouse: Database, *, sources: Mapping[str, Source] | None = None
) -> None:
    """Run the pipeline, then again, then with --full, then replay it, and fail where one of the last three
    has written a row. The sources, by name, must send the same each time; those that are not given are made
    from their settings.

    It fails too where a contract or mapper reads the clock, throws dice or remembers: rows would be others on
    another day.
    """
    bench = _Bench(pipeline, warehouse, sources)
    bench.run()
    bench.check_mappers()
    bench.check("running again", bench.run)
    bench.check("running again with --full", lambda: bench.run(full=True))
    bench.check("a replay", bench.replay)


class _Bench:
    """A pipeline, its warehouse, and what stands in there."""

    def __init__(self, pipeline: Pipeline, warehouse: Database, sources: Mapping[str, Source] | None) -> None:
        self._pipeline = pipeline
        self._warehouse = warehouse
        self._sources = sources

    def run(self, *, full: bool = False) -> RunReport:
        report = run(self._pipeline, self._warehouse, sources=self._sources, full=full, workers=0)
        refuse_failure(report)
        return report

    def replay(self) -> RunReport:
        report = replay(self._pipeline, self._warehouse, workers=0)
        refuse_failure(report)
        return report

    def check(self, what: str, again: Callable[[], RunReport]) -> None:
        """Fail where doing it again has written anything."""
        before, written = self._state(), self._written()
        report = again()
        after = self._state()
        found = _changes(_remembered(before, after) if report.kind == "replay" else before, after)
        if not found and self._written() != written:
            found = [f"{table} was written to, and every row is as it was" for table, *_ in written]
        if found:
            raise AssertionError(f"{self._pipeline.name}: {what} has written what was there\n{listed(found)}")

    def check_mappers(self) -> None:
        """Fail where a contract or mapper makes something else of one record another time."""
        found = pure.impurities(self._pipeline, self._payloads())
        if found:
            raise AssertionError(
                f"{self._pipeline.name}: a record makes another row another time\n{listed(found)}"
            )

    def _payloads(self) -> list[tuple[Stream, bytes]]:
        with self._warehouse.connect() as connection:
            return [
                (reading.stream, bytes(payload))
                for reading in self._pipeline.readings
                for payload in connection.scalars(select(reading.raw.c.payload))
            ]

    def _state(self) -> State:
        with self._warehouse.connect() as connection:
            return {table.fullname: dict(_rows(connection, table)) for table in self._tables}

    def _written(self) -> list[tuple[Any, ...]]:
        """How often was written to each table, where rows do not say it."""
        return row_versions(self._warehouse, *self._tables) if is_sqlite(self._warehouse.engine) else []

    @property
    def _tables(self) -> Sequence[Table]:
        models = [it for it in self._pipeline.models if not issubclass(it, Prepared)]
        groups = [it.groups for it in models if issubclass(it, Bridge)]
        logs = [it.raw for it in self._pipeline.readings]
        return [*(it.table() for it in models), *groups, *logs, DimAudit.table()]


def _changes(before: State, after: State) -> list[str]:
    """What is different, and what was written and is not."""
    one, other = _plain(before), _plain(after)
    said = differences(_said(one), _said(other), only=("is gone", "is new"), both="was {} and is {}")
    found = said or differences(one, other, only=("is gone", "is new"), both="was {} and is {}")
    for table, rows in before.items():
        for name, row in rows.items():
            now = after[table].get(name, {})
            if _unmarked(now) == _unmarked(row) and now[WRITTEN] != row[WRITTEN]:
                found.append(f"{table}, {name}: was written again, as it was")
    return found


def _plain(state: State) -> State:
    return {table: {name: _unmarked(row) for name, row in rows.items()} for table, rows in state.items()}


def _said(state: State) -> State:
    """Without the audit columns, which are others wherever something is."""
    return {
        table: {name: {it: row[it] for it in row if it not in AUDIT} for name, row in rows.items()}
        for table, rows in state.items()
    }


def _unmarked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in row.items() if name != WRITTEN}


def _remembered(before: State, after: State) -> State:
    """Without members that were known by their key only and are gone: nobody names them any more."""
    return {
        table: {name: row for name, row in rows.items() if name in after[table] or not row.get("is_inferred")}
        for table, rows in before.items()
    }


def _rows(connection: Connection, table: Table) -> Iterator[tuple[str, Mapping[str, Any]]]:
    mark: ColumnElement[Any] = literal_column("0" if is_sqlite(connection) else "xmin::text").label(WRITTEN)
    for row in connection.execute(select(*table.c, mark).select_from(table)).mappings():
        yield _name(table, row), dict(row)


def _name(table: Table, row: Mapping[Any, Any]) -> str:
    """Whose row it is, as far as its columns say so, and its key."""
    key = ", ".join(f"{it.name} {row[it.name]}" for it in table.primary_key if it.name != "source_system")
    if "source_id" not in row:
        return key
    whose = f"{row['source_system']}:{row['source_id']}" if "source_system" in row else row["source_id"]
    return f"{whose} ({key})"
