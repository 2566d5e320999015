"""One run of a pipeline: every stream read and staged, then every target merged, dimensions first.

A stream that fails leaves the others whole: what it had stored stays in the raw log, its targets are not
merged, and the next run goes on from there. One connection does everything: the locks end with the work.
Streams that are read side by side have one for each lane.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from copy import copy
from functools import partial
from importlib.metadata import version
from typing import Any

from msgspec.structs import asdict, replace
from sqlalchemy import Connection

from strandline import log
from strandline.errors import StrandlineError
from strandline.model.aggregate import Aggregate
from strandline.model.revision import mapper_version
from strandline.pipeline import ending, inspection, tombstone
from strandline.pipeline.collector import collecting_by_hand
from strandline.pipeline.definition import Pipeline, Reading
from strandline.pipeline.descent import parents
from strandline.pipeline.figures import Figures
from strandline.pipeline.lane import side_by_side
from strandline.pipeline.load import Load
from strandline.pipeline.notice import watching
from strandline.pipeline.opening import checked, open_sources
from strandline.pipeline.profile import MERGE, Profile
from strandline.pipeline.report import (
    ExpectationReport,
    Progress,
    RunReport,
    Silence,
    StreamReport,
    TargetReport,
)
from strandline.pipeline.sweep import Sweep
from strandline.pipeline.target import Target, target_of
from strandline.pipeline.team import ALONE, staff_for
from strandline.pipeline.turns import short_turns
from strandline.pipeline.window import Backfill
from strandline.source.stream import Source
from strandline.warehouse import dialect, expectation, ledger, lock, mark, schema, state
from strandline.warehouse.database import Database


def run(
    pipeline: Pipeline,
    database: Database,
    *,
    sources: Mapping[str, Source] | None = None,
    progress: Progress | None = None,
    full: bool = False,
    confirm_deletes: Collection[str] = (),
    workers: int | None = None,
    width: int | None = None,
    profile: bool = False,
) -> RunReport:
    """Bring everything that the pipeline fills up to its sources; running again changes nothing. With `full`
    the sources are read from their beginning, wherever the read marks stand; of the streams of
    `confirm_deletes` as many members may be gone as there are.

    `sources` gives sources that are set up already, by name; the others are made from their settings. So many
    `workers`, processes of their own, take records through contract and mapper; unless told, as many as the
    machine is worth, where a stream has many records. So many streams are read side by side, its `width`; as
    many as the pipeline declares unless told. With `profile` the report says where the time went.
    Errors of one stream are in its report; what concerns the whole run is raised.
    """
    confirmed = checked(pipeline, confirm_deletes)
    with (
        watching(pipeline.name, pipeline.hooks) as watch,
        ExitStack() as opened,
        collecting_by_hand(),
        short_turns(),
    ):
        # First: what is not set is told before the database is asked for anything, and leaves no failed run.
        ready = open_sources(pipeline.sources, sources or {}, opened, database=database)
        connection = opened.enter_context(database.connect())
        one_run = Run(pipeline, database, connection, progress or Silence())
        one_run.staff = staff_for(workers, pipeline.sources)
        one_run.is_full, one_run.is_profiled, one_run.confirmed = full, profile, confirmed
        one_run.prepare(kind="full run" if full else "run")
        watch.report = one_run.report
        one_run.widen(pipeline.width if width is None else width, opened)
        with one_run.recorded():
            one_run.merge(one_run.read_all(ready))
            if pipeline.dbt:
                from strandline.pipeline import followup

                followup.follow(pipeline.dbt, database, connection, one_run.report, one_run.progress)
        if profile:
            one_run.report.profile = one_run.profiles()
        return one_run.report


class Run:
    """A run that is going on: its connection, its targets and its report."""

    def __init__(
        self, pipeline: Pipeline, database: Database, connection: Connection, progress: Progress
    ) -> None:
        self.pipeline = pipeline
        self.database = database
        self.connection = connection
        self.progress = progress
        self.lanes: list[Run] = []
        """The same run on connections of their own, for streams that are read side by side; none: this one
        reads them one after the other.
        """
        self.staff = ALONE
        """Who helps to read."""
        self.is_full = False
        self.is_profiled = False
        self.confirmed: Collection[str] = ()
        """The streams of which any number may be gone."""
        self._profiles: dict[str, Profile] = {}
        self.report: RunReport
        self.inspection = inspection.Inspection(pipeline, database, connection)
        rows = dialect.of_rows(database.engine)
        self.targets = {id(it): target_of(it, sources=pipeline.sources, rows=rows) for it in pipeline.syncs}

    def prepare(self, *, kind: str = "run") -> None:
        """Make the tables be there, and open the run, or what else it is called in the ledger."""
        raw_tables = [reading.raw for reading in self.pipeline.readings]
        staged = [target.staged for target in self.targets.values()]
        staged += [it.seen for it in self.pipeline.readings if it.sweep is not None]
        with self.connection.begin():
            gone = schema.prepare(
                self.database, self.connection, models=self.pipeline.models, others=[*raw_tables, *staged]
            )
        for target in self.targets.values():
            target.dropped = gone.get(target.sync.model.table(), ())
        with self.connection.begin():
            run_id, started_at = ledger.begin(
                self.connection, pipeline=self.pipeline.name, version=version("strandline"), kind=kind
            )
        self.report = RunReport(self.pipeline.name, run_id, started_at, kind)

    def recorded(self) -> AbstractContextManager[None]:
        """Close the run in the ledger, however it ends."""
        others = [it.connection for it in self.lanes]
        return ending.recorded(self.database, self.report, [self.connection, *others])

    def widen(self, width: int, opened: ExitStack) -> None:
        """Read so many streams side by side."""
        count = min(width, len(self.pipeline.readings))
        if count < 2 or dialect.is_sqlite(self.database.engine):
            return
        self.staff = replace(self.staff, seats=threading.Semaphore(self.staff.workers))
        self.lanes = [self._lane(opened.enter_context(self.database.connect())) for _ in range(count)]

    def _lane(self, connection: Connection) -> Run:
        lane = copy(self)
        lane.connection = connection
        lane.inspection = self.inspection.beside(connection)
        return lane

    def read_all(self, sources: Mapping[str, Source]) -> list[Load]:
        """Read and stage all streams; those that have not failed."""

        def read(lane: Run, reading: Reading) -> Load | None:
            return lane.read(reading, sources[reading.stream.source_name])

        readings = self.pipeline.readings
        if self.lanes:
            loads = side_by_side(readings, self.lanes, read, waits_for=partial(parents, readings))
            place = {it.stream.qualified_name: number for number, it in enumerate(readings)}
            self.report.streams.sort(key=lambda told: place.get(told.stream, len(place)))
        else:
            loads = [read(self, reading) for reading in readings]
        return [load for load in loads if load is not None]

    def _lane_of(self, load: Load) -> Run:
        """Where the load was read, and is merged: there are its connection and its lock."""
        return next((it for it in self.lanes if it.connection is load.connection), self)

    def read(self, reading: Reading, source: Source, *, backfill: Backfill | None = None) -> Load | None:
        """Read and stage one stream, what is new or what is to be filled in; None if it failed, which its
        report then tells.
        """
        with log.bound(stream=reading.stream.qualified_name):
            return self._read(reading, source, backfill)

    def _read(self, reading: Reading, source: Source, backfill: Backfill | None) -> Load | None:
        told = StreamReport(reading.stream.qualified_name)
        self.report.streams.append(told)
        began = time.monotonic()
        load: Load | None = None
        try:
            load = self.open(reading)
            load.backfill = backfill
            self.fill(load)
            load.prepare()
            gone = Sweep(load, self.report, note=self.note, is_confirmed=told.stream in self.confirmed)
            load.read(source)
            if load.postponed is None:
                tombstone.read(load, source, self.report, note=self.note)
                gone.end(source)
                self.inspection.ask(reading.stream, source)
            told.conclude(load.postponed, is_partial=gone.is_unproven, lack=load.parts.lack)
        except StrandlineError as error:
            told.fail(error)
        told.seconds = round(time.monotonic() - began, 3)
        if load is not None:
            told.take(load.figures, marks=(load.mark.before, load.mark.after))
        self.note(told)
        return load if told.status != "failed" else None

    def open(self, reading: Reading) -> Load:
        """Hold the stream's lock, and find how far its targets are."""
        with self.connection.begin():
            lock.hold_stream(self.connection, reading.stream.qualified_name)
        targets = [self.targets[id(sync)] for sync in reading.syncs]
        with self.connection.begin():
            for target in targets:
                target.applied, target.filled_columns = mark.applied_up_to(
                    self.connection, reading.stream.qualified_name, target.sync.target
                )
                mark.note_newest(
                    self.connection,
                    reading.stream.qualified_name,
                    target.sync.target,
                    version=mapper_version(target.conversion),
                )
        return self.load_of(reading, targets)

    def load_of(self, reading: Reading, targets: Sequence[Target]) -> Load:
        """A pass over the stream for these of its targets."""
        load = Load(
            self.database,
            self.connection,
            reading=reading,
            targets=targets,
            run_id=self.report.run_id,
            report=lambda figures: self._tell(reading, figures),
            staff=self.staff,
            is_full=self.is_full,
            is_profiled=self.is_profiled,
        )
        self._profiles[reading.stream.qualified_name] = load.profile
        return load

    def fill(self, load: Load) -> None:
        """Fill the columns that have been declared since the last run."""
        for target in load.targets:
            if target.new_columns:
                from strandline.pipeline import merge

                with self.connection.begin():
                    merge.fill_columns(
                        self.database, self.connection, load=load, target=target, run_id=self.report.run_id
                    )

    def profiles(self) -> list[dict[str, Any]]:
        """Where the time went, by stream, and what was nobody's: starting, aggregates, the ledger."""
        seconds = {name: it.seconds() for name, it in self._profiles.items()}
        other = self.report.seconds - sum(sum(it.values()) for it in seconds.values())
        told = [{"stream": name, **it} for name, it in seconds.items()]
        return [*told, {"stream": None, "other": round(max(other, 0.0), 3)}]

    def _tell(self, reading: Reading, figures: Figures) -> None:
        self.progress.reading(reading.stream.qualified_name, figures)

    def note(self, told: StreamReport) -> None:
        """Write down what became of a stream."""
        if self.connection.in_transaction():
            self.connection.rollback()
        with self.connection.begin():
            ledger.note_stream(self.connection, self.report.run_id, told.figures())
        self.progress.finished(told)

    def correct(self, told: StreamReport) -> None:
        """Write down anew what became of a stream."""
        with self.connection.begin():
            ledger.correct_stream(self.connection, self.report.run_id, told.figures())

    def merge(self, loads: list[Load]) -> None:
        """Merge what the loads have staged, dimensions first; each target in a transaction of its own."""
        by_stream = {load.stream.qualified_name: load for load in loads}
        for sync in self.pipeline.ordered:
            load = by_stream.get(sync.stream.qualified_name)
            target = self.targets[id(sync)]
            if load is not None:
                lane = self._lane_of(load)
                is_behind = load.last_raw_id > target.applied or target.filled
                with log.bound(stream=load.stream.qualified_name, target=sync.target):
                    (lane.merge_one if is_behind or lane.is_due(load, target) else lane.look)(load, target)
        self.build_aggregates()

    def is_due(self, load: Load, target: Target) -> bool:
        """Whether the target has rejects to try again."""
        if not load.has_rejects:
            return False
        from strandline.pipeline import retry  # in a merge it is needed anyway

        with self.connection.begin():
            return retry.is_due(self.connection, load, target)

    def build_aggregates(self) -> None:
        """Build those that are new, or whose query is; the others have been kept up by the merges."""
        for it in self.pipeline.aggregates:
            self._build(it)

    def _build(self, wanted: type[Aggregate]) -> None:
        from strandline.pipeline import aggregate

        began = time.monotonic()
        with self.connection.begin():
            groups = aggregate.build(self.database, self.connection, wanted, run_id=self.report.run_id)
            if groups is None:
                return
            seconds = round(time.monotonic() - began, 3)
            done = TargetReport(wanted.fact().__name__, wanted.__name__, {"groups": groups}, 0, 0, seconds)
            ledger.note_target(self.connection, self.report.run_id, asdict(done))
        self.report.targets.append(done)

    def merge_one(self, load: Load, target: Target) -> None:
        """Merge what is staged for one target, in a transaction of its own."""
        # Here, because loading all that merges takes longer than a run that finds nothing new.
        from strandline.pipeline import merge

        self.progress.merging(load.stream.qualified_name, target.sync.target)
        began, found = time.monotonic(), list[ExpectationReport]()
        try:
            with load.profile.timing(MERGE), self.connection.begin():
                counts = merge.merge(
                    self.database, self.connection, load=load, target=target, run_id=self.report.run_id
                )
                found += self.inspection.look(load, target, is_merged=True)
                found += self.inspection.look_beside(load, target, counts, found=found)
                inspection.refuse(found, load, target, is_merged=True)
                done = TargetReport(
                    stream=load.stream.qualified_name,
                    target=target.sync.target,
                    counts=counts,
                    applied_before=target.applied,
                    applied_after=load.last_raw_id,
                    seconds=round(time.monotonic() - began, 3),
                )
                ledger.note_target(self.connection, self.report.run_id, asdict(done))
                self._count_rejects(load, counts)
                self._note_expectations(load, found)
            self.report.targets.append(done)
        except StrandlineError as error:
            self._fail(load, error, found)
        self.report.expectations += found

    def look(self, load: Load, target: Target) -> None:
        """Look at what is expected of a table into which nothing was merged."""
        found: list[ExpectationReport] = []
        try:
            with self.connection.begin():
                found += self.inspection.look(load, target, is_merged=False)
                inspection.refuse(found, load, target, is_merged=False)
                self._note_expectations(load, found)
        except StrandlineError as error:
            self._fail(load, error, found)
        self.report.expectations += found

    def _note_expectations(self, load: Load, found: Sequence[ExpectationReport]) -> None:
        """Write down what was looked at; a stream of which something is told is not quite done."""
        rows = [{"run_id": self.report.run_id, **asdict(it)} for it in found]
        expectation.note(self.connection, rows)
        told = self._told(load)
        if told.status == "done" and any(it.status != state.PASSED for it in found):
            told.status = "partial"
            ledger.correct_stream(self.connection, self.report.run_id, told.figures())

    def _count_rejects(self, load: Load, counts: Mapping[str, int]) -> None:
        """Facts whose members are missing are known to be rejects only when they are merged."""
        rejected, released = counts.get("rejected", 0), counts.get("released", 0)
        if load.wanted.is_forced and load.replayed is None:
            rejected = counts.get("refused", 0)  # which were tried, and are rejects still
        if rejected or released:
            told = self._told(load)
            told.rejected += rejected
            told.released += released
            told.status = "partial" if told.status == "done" and rejected else told.status
            ledger.correct_stream(self.connection, self.report.run_id, told.figures())

    def _told(self, load: Load) -> StreamReport:
        return next(it for it in self.report.streams if it.stream == load.stream.qualified_name)

    def _fail(self, load: Load, error: StrandlineError, found: Sequence[ExpectationReport]) -> None:
        told = self._told(load)
        told.fail(error)
        with self.connection.begin():
            self._note_expectations(load, found)
            ledger.correct_stream(self.connection, self.report.run_id, told.figures())
