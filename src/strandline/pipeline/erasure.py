"""Erasure: a member's records taken out of the raw log, and its rows replayed as if there had been none.

What is left of a member that facts refer to is an inferred one, known by its key; facts keep their rows, and
the log what these are made of. All of it is one transaction, under the locks of a merge, with the certificate
that tells of it. A replay, a late record or a new table reads the same log, and so brings nothing back; what
the source still sends of the key is not stored, or only what facts are made of (see `suppression`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from msgspec.structs import asdict, replace
from sqlalchemy import MetaData, Table, select

from strandline.errors import DeclarationError, UnknownKey
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline import bygone, certificate, extent, merge, quotation, renaming
from strandline.pipeline.certificate import Certificate
from strandline.pipeline.definition import Pipeline, Reading
from strandline.pipeline.effacement import Effacer
from strandline.pipeline.load import Load
from strandline.pipeline.report import Progress, Silence, StreamReport, TargetReport
from strandline.pipeline.retraction import Retraction, personal_values
from strandline.pipeline.running import Run
from strandline.pipeline.target import Target
from strandline.source.stream import Stream
from strandline.warehouse import (
    erasure,
    horizon,
    ledger,
    lock,
    quote,
    raw,
    register,
    staging,
    temporary,
    touched,
)
from strandline.warehouse.database import Database
from strandline.warehouse.dropped import with_dropped
from strandline.warehouse.erasure import Meant
from strandline.warehouse.leftover import Leftovers
from strandline.warehouse.scope import Scope

CHANGED: Final = ("inserted", "updated", "deleted", "corrected", "overwritten", "removed")
"""What a merge calls the rows that are others afterwards."""


def erase(
    pipelines: Sequence[Pipeline],
    database: Database,
    stream: str,
    source_id: str,
    *,
    reason: str,
    until: datetime | None = None,
    reject_ids: Sequence[int] = (),
    only_pii: bool = False,
    pseudonymise: bool = False,
    is_dry: bool = False,
    progress: Progress | None = None,
) -> Certificate:
    """Erase what a stream, `source.stream`, has ever said of a natural key, in all that these pipelines fill:
    what took effect up to `until`, or, without it, everything, and whatever comes. `reject_ids` are rejects
    of the stream without a key that are of the same person. With `only_pii` the records and their rows stay,
    without what contract or model have as personal.

    Where facts are made of the stream's records, these stay as far as the facts need them, and say nothing
    personal. With `pseudonymise` the natural key becomes a random one everywhere, and nothing tells which it
    was. With `is_dry` nothing is changed. Raises DeclarationError for a stream that nobody reads, and
    UnknownKey for a key that it never sent.
    """
    if not reason.strip():
        raise DeclarationError("erase: no reason was given", hint='Say why: --reason "request of 2026-03-01"')
    if until is not None and until.tzinfo is None:
        raise DeclarationError(f"erase: {until} has no time zone", hint="Write it as 2026-03-01T00:00:00Z.")
    if only_pii and reject_ids:
        raise DeclarationError(
            "erase: a reject without a key is erased as a whole", hint="Leave out --only-pii or --reject."
        )
    if pseudonymise and until is not None:
        raise DeclarationError(
            "erase: what took effect later would have another natural key than before",
            hint="Leave out --until or --pseudonymise-key.",
        )
    pipeline = extent.gather(pipelines, stream)
    with database.connect() as connection:
        one_run = Run(pipeline, database, connection, progress or Silence())
        one_run.prepare(kind="dry erasure" if is_dry else "erasure")
        with one_run.recorded():
            case = _Case(one_run, stream, source_id, until=until, only_pii=only_pii)
            case.open(reject_ids, is_dry=is_dry)
            with connection.begin() as transaction:
                done = case.erase(reason=reason, pseudonymise=pseudonymise, is_dry=is_dry)
                if is_dry:
                    transaction.rollback()
        if not is_dry:
            erasure.vacuum(database, case.looked_at())
        return done


class _Case:
    """One erasure that is going on."""

    def __init__(
        self, one_run: Run, stream: str, source_id: str, *, until: datetime | None, only_pii: bool
    ) -> None:
        self.one_run = one_run
        self.readings = one_run.pipeline.readings
        reading = next(it for it in self.readings if it.stream.qualified_name == stream)
        self.database = one_run.database
        self.connection = one_run.connection
        self.reading = reading
        self.stream: Stream = reading.stream
        spelled = self.stream.source.natural_keys.encode(source_id) or source_id
        self.meant = Meant(self.stream.qualified_name, reading.raw, spelled, until, only_pii=only_pii)
        self.loads: list[tuple[Load, Target]] = []
        self.retractions: list[Retraction] = []
        """The streams whose records may mention the member, its own among them."""
        self.former: str | None = None
        """The natural key that it had, where it has another one now."""
        self._values: list[str] = []
        """The personal values of the member's records, which may stand elsewhere."""
        self.counts: dict[str, int] = {}
        self.touched: list[str] = []
        """The tables that were changed, as they are called in this database."""

    def open(self, reject_ids: Sequence[int], *, is_dry: bool) -> None:
        """Be the stream's only writer, and stand where its targets are."""
        opened = self._open(self.reading, is_dry=is_dry)
        with self.connection.begin():
            if not erasure.is_known(self.connection, self.meant):
                raise UnknownKey(
                    f"{self.stream.qualified_name}: no record of {self.meant.source_id!r} is in the raw log",
                    hint="Write it as the source does, as in the column source_id.",
                )
            bygone.refuse_erasure(self.connection, self.meant)
            raw_ids = erasure.keyless_entries(self.connection, self.meant.stream, reject_ids)
            self.meant = replace(self.meant, raw_ids=raw_ids)
        self.loads = self._loads(self.reading, opened.targets)
        names = [it.model.__name__ for it in self.reading.syncs]
        for reading in self.readings:
            targets = (opened if reading is self.reading else self._open(reading, is_dry=is_dry)).targets
            retraction = Retraction(reading, targets, names, self.meant)
            if retraction.named:
                is_own = reading is self.reading
                retraction.loads = self.loads if is_own else self._loads(reading, targets)
                self.retractions.append(retraction)

    def _open(self, reading: Reading, *, is_dry: bool) -> Load:
        told = StreamReport(reading.stream.qualified_name, status="done")
        self.one_run.report.streams.append(told)
        opened = self.one_run.open(reading)
        if not is_dry:
            self.one_run.fill(opened)
        self.one_run.note(told)
        return opened

    def _loads(self, reading: Reading, targets: Iterable[Target]) -> list[tuple[Load, Target]]:
        """How to build those of the targets anew that have been built."""
        found = []
        for target in targets:
            if target.applied:
                load = self.one_run.load_of(reading, [target])
                load.stand_still()
                found.append((load, target))
        return found

    @cached_property
    def dimensions(self) -> list[type[Dimension]]:
        """What is built from the stream."""
        return [target.sync.model for _, target in self.loads if issubclass(target.sync.model, Dimension)]

    @cached_property
    def facts(self) -> list[str]:
        """The facts that are made of the stream's records."""
        return [it.target for it in self.reading.syncs if issubclass(it.model, Fact)]

    def _rename(self) -> None:
        """Give the member another natural key, before anything else."""
        self.former = self.meant.source_id
        staged = erasure.forget_staged(
            self.database, self.connection, stream=self.meant.stream, source_ids=[self.former]
        )
        syncs = self.one_run.pipeline.syncs
        self.meant, renamed = renaming.rename_all(
            self.database, self.connection, self.meant, retractions=self.retractions, syncs=syncs
        )
        for table, rows in {**staged, **renamed}.items():
            self._count_name(table, rows)

    def erase(self, *, reason: str, pseudonymise: bool, is_dry: bool) -> Certificate:
        """Do it all, in the transaction that is open."""
        self._lock()
        if pseudonymise or not (self.meant.only_pii or self.facts):
            self._retreat()
        if pseudonymise:
            self._rename()
        left = self._leftovers()
        self._take_out(left)
        self._rebuild()
        if self.former is None:  # by another key whoever is still named stays
            extent.note_member(self.connection, left, self.meant, readings=self.readings, of=self.dimensions)
        for table, rows in left.remove(self.database, self.connection).items():
            self._count(table, rows)
        if self.former is not None:
            self._forget_key(self.former)
        elif not self.meant.only_pii:
            erasure.keep_away(self.connection, self.meant)
        return self._certify(reason, is_dry=is_dry)

    def _retreat(self) -> None:
        """Let the read mark say nothing of the records."""
        meant, run_id = self.meant, self.one_run.report.run_id
        moved = quote.retreat(self.connection, meant.stream, meant.log, leaving=meant.is_meant, run_id=run_id)
        self._count_name("strandline.read_mark", moved)

    @cached_property
    def _written(self) -> set[type[Dimension] | type[Fact]]:
        return {*self.dimensions, *(target.sync.model for it in self.retractions for _, target in it.loads)}

    def looked_at(self) -> list[str]:
        """The tables of which the planner may remember what the records said."""
        loads = [*self.loads, *(load for it in self.retractions for load in it.loads)]
        stages = [target.staged for _, target in loads]
        return self.touched + extent.passed_through(
            self.database, self.connection, stages=stages, models=self._written
        )

    def _lock(self) -> None:
        names = {name for it in self._written for name in touched.written_with(it)}
        lock.share_and_take(self.connection, shared=(), exclusive=names)

    def _take_out(self, left: Leftovers) -> None:
        """Take what is to go out of raw logs, quarantine and ledger."""
        words = list[str]()
        if self.meant.only_pii:
            self._find_values(erasure.entries(self.connection, self.meant))
        else:
            for dimension in self.dimensions:
                self._count(
                    dimension.table(), erasure.versions(self.connection, self.meant, dimension.table())
                )
            words = self._blank()
            horizon.forget(self.connection, self.meant.stream, self.meant.source_id)
        for it in self.retractions:
            self._retract(it, words, left)
        self._withhold()

    def _withhold(self) -> None:
        """Take what is personal out of what is noted of any stream of the source."""
        streams = quote.streams_of(self.connection, self.meant.source_name)
        changed = quote.withhold(self.connection, streams, self._values)
        shown = (register.forget_examples(self.connection, it, self._values) for it in streams)
        for table, rows in {**changed, "strandline.field": sum(shown)}.items():
            self._count_name(table, rows)

    def _rebuild(self) -> None:
        """Build the rows anew that were made of what has changed."""
        keys = [self.meant.source_id, *([self.former] if self.former else [])]
        keys += [key for it in self.retractions if it.loads is self.loads for key in it.keys]
        for load, target in self.loads:
            counts = self._replay(load, target, list(dict.fromkeys(keys)))
            self._count_merged(target, counts if self.meant.only_pii or target.is_fact else {})
        for it in self.retractions:
            for load, target in it.loads if it.keys and it.loads is not self.loads else ():
                self._count_merged(target, self._replay(load, target, it.keys))

    def _forget_key(self, former: str) -> None:
        """Leave nothing of it in the ledger, and a hash by which it is known again."""
        changed, dropped = renaming.forget(
            self.database, self.connection, self.meant, former, retractions=self.retractions
        )
        for table, rows in changed.items():
            self._count_name(table, rows)
        self.touched = [it for it in self.touched if it not in dropped]

    def _count_merged(self, target: Target, counts: Mapping[str, int]) -> None:
        self._count(target.sync.model.table(), sum(counts.get(name, 0) for name in CHANGED))

    def _count(self, table: Table, rows: int) -> None:
        self._count_name(f"{table.schema}.{table.name}", rows)

    def _count_name(self, name: str, rows: int) -> None:
        if rows:
            self.counts[name] = self.counts.get(name, 0) + rows
            schema, _, table = name.partition(".")
            self.touched.append(self.database.qualified(Table(table, MetaData(), schema=schema)))

    def _leftovers(self) -> Leftovers:
        """What the member's records, read once more, have brought into tables of others."""
        left = Leftovers()
        log = self.meant.log
        said = select(*raw.entry_columns(log)).where(self.meant.is_meant).order_by(log.c.raw_id)
        for load, target in self.loads:
            if not issubclass(target.sync.model, Dimension):
                continue
            for _ in load.stage_entries(target, said):
                pass
            load.taken_again = 0
            left.note(
                self.connection,
                target.sync.model,
                target.staged,
                source_system=self.meant.source_name,
                source_id=self.meant.source_id,
                sources=target.sources,
            )
            staging.empty(self.database, self.connection, target.staged)
        return left

    def _blank(self) -> list[str]:
        """Take the records out of raw log, quarantine and stage, and their values out of the ledger; what
        these are. What facts are made of stays in the raw log, for now as it is.
        """
        connection, name = self.connection, self.stream.qualified_name
        found = erasure.entries(connection, self.meant)
        self._find_values(found)
        keeping = self._needed(found)
        gone = [it.raw_id for it in found if it.raw_id not in keeping]
        reasons = erasure.forget_rejects(connection, name, gone)
        reasons += erasure.forget_rejects(connection, name, keeping, but=self.facts)
        self._count_name("strandline.reject", len(reasons))
        blanked = erasure.blank(connection, self.meant, keeping=keeping if self.facts else None)
        self._count(self.meant.log, blanked)
        words = quotation.words((bytes(it.payload) for it in found), reasons)
        requests = [(it.run_id, it.request) for it in found]
        changed = erasure.withhold(connection, name, requests=requests, words=words)
        changed["strandline.field"] = register.forget_examples(connection, name, words)
        mine = [self.meant.source_id]
        changed |= erasure.forget_staged(self.database, connection, stream=name, source_ids=mine)
        for table, rows in changed.items():
            self._count_name(table, rows)
        return words

    def _needed(self, found: Iterable[Any]) -> list[int]:
        """The entries that facts are made of."""
        if not self.facts:
            return []
        own, refused = Effacer(self.stream, ()), erasure.refused(self.connection, self.meant)
        return [it.raw_id for it in found if it.raw_id not in refused and own.is_readable(bytes(it.payload))]

    def _find_values(self, found: Iterable[Any]) -> None:
        own = Effacer(self.stream, [target for _, target in self.loads])
        self._values = personal_values(own, (bytes(it.payload) for it in found))

    def _retract(self, it: Retraction, words: Sequence[str], left: Leftovers) -> None:
        """Take out of another stream's records, and of what quotes them, what they say of the member."""
        connection, name = self.connection, it.stream
        self._count(it.reading.raw, it.rewrite(connection, self._values))
        for _, target in it.loads if it.keys else ():
            left.note_rows(connection, target.sync.model, source=it.stream.partition(".")[0], keys=it.keys)
        said = sorted({*words, *it.words}, key=len, reverse=True)
        refused = erasure.withhold_reasons(connection, name, raw_ids=it.raw_ids, words=said)
        changed = {"strandline.reject": refused}
        changed |= erasure.withhold(connection, name, requests=it.requests, words=said)
        changed["strandline.field"] = register.forget_examples(connection, name, said)
        changed |= erasure.forget_staged(self.database, connection, stream=name, source_ids=it.keys)
        for table, rows in changed.items():
            self._count_name(table, rows)

    def _replay(self, load: Load, target: Target, keys: Sequence[str]) -> dict[str, int]:
        """Build the rows of these keys anew from what the raw log says now; what became of them."""
        run_id = self.one_run.report.run_id
        load.replayed = Scope(keys)
        counts = merge.merge(self.database, self.connection, load=load, target=target, run_id=run_id)
        temporary.drop_all(self.connection)
        if load.reading is self.reading and target.dropped:
            # What the member has in columns that the model dropped goes too; nothing fills them again.
            table = with_dropped(target.sync.model.table(), target.dropped)
            erasure.empty(self.connection, self.meant, table, columns=target.dropped)
        applied = target.applied
        done = TargetReport(load.stream.qualified_name, target.sync.target, counts, applied, applied, 0.0)
        self.one_run.report.targets.append(done)
        ledger.note_target(self.connection, run_id, asdict(done))
        return counts

    def _certify(self, reason: str, *, is_dry: bool) -> Certificate:
        salt, connection = erasure.new_salt(), self.connection
        told: dict[str, Any] = {
            "stream": self.meant.stream,
            "reason": reason,
            "until": self.meant.until,
            "erased_at": datetime.now(UTC),
            "erased_by": erasure.user(connection),
            "run_id": self.one_run.report.run_id,
            "key_hash": erasure.hash_of(self.former or self.meant.source_id, salt),
            "counts": self.counts,
            "kept": certificate.kept(self.database, connection, self.meant, [it for _, it in self.loads]),
            "only_pii": self.meant.only_pii,
            "pseudonymised": self.former is not None,
            "exported_to": erasure.exported(connection, [it.stream.qualified_name for it in self.readings]),
        }
        number = None if is_dry else erasure.keep(connection, told)
        return Certificate(number, **told, salt=salt, is_dry=is_dry)
