"""What a run would merge of what is in the raw log already: it is merged, everything is counted, and the
caller takes it back.

All of it is one transaction, so that facts find the members that dimensions would have by then. Stages are
tables of its own, for those of a run that is going on are in use. The locks of all merges are taken at once
and in one order, as each merge takes its own, so that nobody waits for each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, func, insert, not_, select, text

from strandline.errors import StrandlineError, TooManyRejects, WarehouseBusy
from strandline.model.base import Base, models_below
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.pipeline import aggregate, inspection, merge, retry
from strandline.pipeline.definition import Reading
from strandline.pipeline.load import Load
from strandline.pipeline.plan import footprint
from strandline.pipeline.plan.outlook import BUSY, COUNTED, FAIL, MERGE, Outlook, Problem, TargetOutlook
from strandline.pipeline.running import Run
from strandline.pipeline.target import Target
from strandline.warehouse import lock, mark, quarantine, raw, sample, sequence, state, temporary, touched

SUFFIX: Final = "plan"


class Rehearsal:
    """The merges of one pipeline, in the transaction of the caller."""

    def __init__(self, one_run: Run, outlook: Outlook) -> None:
        self.run = one_run
        self.database = one_run.database
        self.connection = one_run.connection
        self.outlook = outlook
        self._behind: list[tuple[Load, Target, TargetOutlook]] = []

    def look(self) -> None:
        """Count what each target lacks."""
        for reading in self.run.pipeline.readings:
            for load, target in self._opened(reading):
                log = reading.raw.c
                lacks = select(func.count()).where(log.raw_id > target.applied)
                entries = self.connection.scalar(lacks.select_from(reading.raw)) or 0
                told = TargetOutlook(target.sync.target, reading.stream.qualified_name, entries)
                told.new_columns = sorted(target.new_columns)
                self.outlook.targets.append(told)
                if entries or told.new_columns or retry.is_due(self.connection, load, target):
                    told.status = COUNTED
                    self._behind.append((load, target, told))

    def _opened(self, reading: Reading) -> Iterator[tuple[Load, Target]]:
        """A load for each target by itself."""
        for sync in reading.syncs:
            target = self.run.targets[id(sync)]
            applied = mark.applied_up_to(self.connection, reading.stream.qualified_name, sync.target)
            target.applied, target.filled_columns = applied
            load = self.run.load_of(reading, [target])
            load.last_raw_id = max(raw.last(self.connection, reading.raw), target.applied)
            load.has_rejects = quarantine.has_any(self.connection, reading.stream.qualified_name)
            yield load, target

    def perform(self) -> None:
        """Merge it, in the order of a run."""
        if not self._behind:
            self._build_aggregates()
            return
        names = self._names()
        try:
            with self.connection.begin_nested(), self.database.named_errors():
                lock.share_and_take(self.connection, shared=(), exclusive=names)
        except WarehouseBusy as error:
            for _, _, told in self._behind:
                told.status, told.problem = BUSY, Problem.of(error)
            return
        with self._sequences_kept(names):
            order = {id(sync): place for place, sync in enumerate(self.run.pipeline.ordered)}
            for load, target, told in sorted(self._behind, key=lambda it: order[id(it[1].sync)]):
                self._merge(load, target, told)
            self._build_aggregates()

    def _names(self) -> set[str]:
        """The models that the merges write."""
        names = {name for _, target, _ in self._behind for name in touched.written_with(target.sync.model)}
        return names | {it.__name__ for it in self.run.pipeline.aggregates}

    @contextmanager
    def _sequences_kept(self, names: Iterable[str]) -> Iterator[None]:
        """Put the sequences of these models back, which no transaction does: their locks are held, so nobody
        else takes a number meanwhile.
        """
        wanted = set(names)
        keys = [key for it in models_below(Base) if it.__name__ in wanted for key in _key_of(it)]
        before = sequence.positions(self.database, self.connection, keys)
        yield
        sequence.put_back(self.connection, before)

    def _merge(self, load: Load, target: Target, told: TargetOutlook) -> None:
        began = time.monotonic()
        try:
            with self.connection.begin_nested(), self.database.named_errors():
                target.stage_apart(f"{SUFFIX}_{self.pid}")
                target.staged.create(self.connection)
                with footprint.traced(self.connection) as trace:
                    self._fill(load, target)
                    told.rejected = self._stage(load, target)
                    told.counts = self._merged(load, target)
                told.status, told.writes = MERGE, trace.writes(self.database, but=[target.staged])
                self.outlook.locks += trace.locks(f"merge {told.target}", but=[target.staged])
        except StrandlineError as error:
            told.status, told.problem = FAIL, Problem.of(error)
        finally:
            temporary.drop_all(self.connection)
        told.seconds = round(time.monotonic() - began, 3)

    @property
    def pid(self) -> int:
        """The number of the database session, which no other plan has."""
        return self.connection.scalar(select(func.pg_backend_pid())) or 0

    def _fill(self, load: Load, target: Target) -> None:
        if target.new_columns:
            merge.fill_columns(
                self.database, self.connection, load=load, target=target, run_id=self.run.report.run_id
            )
            temporary.drop_all(self.connection)

    def _stage(self, load: Load, target: Target) -> int:
        """Stage what the target lacks; how many entries are rejects."""
        name, targets = load.stream.qualified_name, ("", target.sync.target)
        for of in targets:
            quarantine.doubt(self.connection, stream=name, target=of, after=target.applied)
        self.connection.execute(target.staged.delete())
        refused = set[int]()
        for rejects in load.stage_entries(target, _entries(load, target)):
            load.keep(rejects)
            refused |= {it.raw_id for it in rejects}
        for of in targets:
            quarantine.forget_doubtful(self.connection, stream=name, target=of, after=target.applied)
        if load.reading.rejects.exceeded(rejected=len(refused), records=load.taken_again):
            raise TooManyRejects(
                f"{name}: {len(refused):,} of {load.taken_again:,} entries would be rejected, more than"
                f" {load.reading.rejects.limit}",
                hint="Mend the contract or the mapper, and plan again.",
            )
        return len(refused)

    def _merged(self, load: Load, target: Target) -> dict[str, int]:
        """Merge, look at what is expected, and take some of what would be other values."""
        counts = merge.merge(
            self.database, self.connection, load=load, target=target, run_id=self.run.report.run_id
        )
        found = self.run.inspection.look(load, target, is_merged=True)
        found += self.run.inspection.look_beside(load, target, counts, found=found)
        inspection.refuse(found, load, target, is_merged=True)
        if target.applied:
            self.outlook.samples += sample.take(self.database, self.connection, target.sync.model)
        return counts

    def _build_aggregates(self) -> None:
        """Build those that are new, or whose query is."""
        for it in self.run.pipeline.aggregates:
            with self.connection.begin_nested(), self.database.named_errors():
                groups = aggregate.build(self.database, self.connection, it, run_id=self.run.report.run_id)
            temporary.drop_all(self.connection)
            if groups is not None:
                self.outlook.aggregates[it.__name__] = groups


def begin(connection: Connection, *, pipeline: str, run_id: int, version: str) -> None:
    """Be a run, of which nobody else ever sees anything."""
    row = {"run_id": run_id, "pipeline": pipeline, "kind": "plan", "status": "running"}
    connection.execute(insert(state.run).values(**row, strandline_version=version))


def be_patient(connection: Connection, *, seconds: float) -> None:
    """Wait no longer than this for what others hold."""
    connection.execute(text(f"SET LOCAL lock_timeout = {int(seconds * 1000)}"))


def _entries(load: Load, target: Target) -> Any:
    """The entries that the target lacks, but for those that somebody has discarded."""
    log = load.reading.raw
    out = quarantine.is_discarded(log, stream=load.stream.qualified_name, target=target.sync.target)
    return (
        select(*raw.entry_columns(log))
        .where(log.c.raw_id > target.applied, log.c.raw_id <= load.last_raw_id, not_(out))
        .order_by(log.c.raw_id)
    )


def _key_of(model: type[Any]) -> list[Any]:
    """The column of a model that numbers itself."""
    if issubclass(model, Dimension | Combination):
        return [model.key_column()]
    return [model.groups.c[model.group_key()]] if issubclass(model, Bridge) else []
