"""Prunes: what the raw logs of streams hold for longer than they are to keep it, exported and deleted.

Each stream is pruned under its lock: what is to go is chosen once, exported if that is asked for, and only
then deleted, in batches that are each one transaction. A prune that dies in between leaves the log as it was,
or with a part of it gone and noted; the next one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from strandline.errors import DeclarationError, StrandlineError
from strandline.model.dimension import Dimension
from strandline.model.path import nearest
from strandline.pipeline.definition import Pipeline, Reading
from strandline.pipeline.report import Progress, Silence, StreamReport, exit_code
from strandline.pipeline.running import Run
from strandline.warehouse import archive, schema, staging
from strandline.warehouse import prune as pruning
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.prune import Chosen, Cut


@dataclass
class StreamPrune:
    """What became of the raw log of one stream."""

    stream: str
    status: str = "done"
    """done, kept (with the reason) or failed (with the error)."""
    before: datetime | None = None
    """What was read from then on stays."""
    entries: int = 0
    keys: int = 0
    bytes: int = 0
    """Of the payloads, as they were sent."""
    exported: list[str] = field(default_factory=list)
    """The files that have them."""
    reason: str | None = None
    error: str | None = None
    hint: str | None = None
    seconds: float = 0.0


@dataclass
class PruneReport:
    """What a prune has deleted; with `is_dry`, what it would."""

    pipeline: str
    run_id: int
    is_dry: bool
    streams: list[StreamPrune] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when all went well, 1 when nothing did, 3 when some did."""
        return exit_code(it.status for it in self.streams)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def choose(pipeline: Pipeline, streams: Sequence[str]) -> list[str]:
    """The streams of the pipeline, or these of them. Raises DeclarationError for one that it has not."""
    known = [it.stream.qualified_name for it in pipeline.readings]
    for name in streams:
        if name not in known:
            raise DeclarationError(f"{pipeline.name}: it reads no {name!r}", hint=nearest(name, known))
    return [it for it in known if not streams or it in streams]


def prune(
    pipelines: Sequence[Pipeline],
    database: Database,
    streams: Sequence[str],
    *,
    older_than: timedelta | None = None,
    export: Path | None = None,
    is_dry: bool = False,
    progress: Progress | None = None,
) -> PruneReport:
    """Delete from the raw logs of these streams, `source.stream`, what was read longer ago than they keep it,
    or than `older_than`; with `export` it is first written to files in that folder. `pipelines` are all that
    read them. With `is_dry` nothing is changed.

    Raises DeclarationError for a stream that none of them reads, and where pyarrow is not there to export.
    """
    if export is not None:
        archive.require()
    pipeline = gather(pipelines, streams)
    with database.connect() as connection:
        one_run = Run(pipeline, database, connection, progress or Silence())
        one_run.prepare(kind="dry prune" if is_dry else "prune")
        _make_tables(database, connection, streams)
        report = PruneReport(pipeline.name, one_run.report.run_id, is_dry)
        now = datetime.now(UTC)
        with one_run.recorded():
            for reading in pipeline.readings:
                keep = older_than if older_than is not None else reading.stream.keep
                before = None if keep is None else now - keep
                report.streams.append(_Case(one_run, reading, before, export, is_dry=is_dry).prune())
        return report


def gather(pipelines: Sequence[Pipeline], streams: Sequence[str]) -> Pipeline:
    """All that these streams fill in any of the pipelines, as one."""
    syncs = [sync for it in pipelines for sync in it.syncs]
    known = [sync.stream.qualified_name for sync in syncs]
    for name in streams:
        if name not in known:
            raise DeclarationError(f"prune: no pipeline reads {name!r}", hint=nearest(name, known))
    named = [it.name for it in pipelines if any(s.stream.qualified_name in streams for s in it.syncs)]
    gathered = Pipeline(named[0] if named else "prune")
    wanted = [it for it in syncs if it.stream.qualified_name in streams]
    gathered.syncs += {(it.stream.qualified_name, it.target): it for it in wanted}.values()
    return gathered


def _make_tables(database: Database, connection: Connection, streams: Sequence[str]) -> None:
    """Let the tables be there in which the choices are noted."""
    chosen = [pruning.chosen_table(it) for it in streams]
    with connection.begin():
        schema.prepare(database, connection, models=[], others=chosen)


class _Case:
    """One stream that is being pruned."""

    def __init__(
        self, one_run: Run, reading: Reading, before: datetime | None, export: Path | None, *, is_dry: bool
    ) -> None:
        self.one_run = one_run
        self.database = one_run.database
        self.connection = one_run.connection
        self.reading = reading
        self.export = export
        self.is_dry = is_dry
        self.name = reading.stream.qualified_name
        self.before = before
        self.told = StreamPrune(self.name, before=before)

    def prune(self) -> StreamPrune:
        """Do it; what became of it."""
        began, told = time.monotonic(), self.told
        line = StreamReport(self.name, status="done")
        self.one_run.report.streams.append(line)
        told.reason = self._why_kept()
        if told.reason is not None or self.before is None:
            told.status = "kept"
        else:
            try:
                self._prune(self.before)
            except StrandlineError as error:
                told.status, told.error, told.hint = "failed", error.message, error.hint
                line.fail(error)
        told.seconds = line.seconds = round(time.monotonic() - began, 3)
        self.one_run.note(line)
        return told

    def _why_kept(self) -> str | None:
        """Why nothing of the stream can go; None: it can."""
        if self.before is None:
            return "nothing says how long to keep it"
        return self.reading.why_kept

    def _prune(self, before: datetime) -> None:
        self.one_run.open(self.reading)
        cut = self._cut(before)
        with self.connection.begin() as transaction:
            found = pruning.choose(self.database, self.connection, cut)
            if self.is_dry:
                transaction.rollback()
        told = self.told
        told.entries, told.keys, told.bytes = found.entries, found.keys, found.bytes
        if not self.is_dry and found.entries:
            self._export(cut, found)
            self._delete(cut)

    def _export(self, cut: Cut, found: Chosen) -> None:
        if self.export is not None:
            with self.connection.begin():
                written = archive.write(self.connection, cut, found, folder=self.export)
            self.told.exported = [str(it.path) for it in written]

    def _cut(self, before: datetime) -> Cut:
        with self.connection.begin():
            marks = pruning.applied_marks(self.connection, self.name)
        declared = {it.target: it.model for it in self.reading.syncs}
        strange = sorted(marks.keys() - declared.keys())
        if strange:
            raise DeclarationError(
                f"{self.name}: it fills {', '.join(strange)} too, which no pipeline here declares",
                hint="Give all modules with --app; of a model that is gone for good, delete the line in"
                " strandline.applied_mark.",
            )
        stream = self.reading.stream
        dimensions = [it for it in declared.values() if issubclass(it, Dimension)]
        applied = min(marks.get(it, 0) for it in declared)
        return Cut(self.reading.raw, self.name, stream.source_name, before, applied, tuple(dimensions))

    def _delete(self, cut: Cut) -> None:
        connection, after = self.connection, 0
        folder = None if self.export is None else str(self.export.absolute())
        with connection.begin():
            prune_id = pruning.begin(connection, cut, exported_to=folder, run_id=self.one_run.report.run_id)
        while True:
            with connection.begin():
                last = pruning.delete_batch(connection, cut, after=after, prune_id=prune_id)
            if last is None:
                break
            after = last
        with connection.begin():
            staging.empty(self.database, connection, cut.chosen)
        _vacuum(self.database, self.database.qualified(cut.log))


def _vacuum(database: Database, name: str) -> None:
    """Let the room be used again."""
    if is_sqlite(database.engine):
        return
    with database.connect() as connection:
        outside = connection.execution_options(isolation_level="AUTOCOMMIT")
        outside.execute(text(f"VACUUM (ANALYZE) {name}"))
