"""One pass over a stream: its pages into the raw log and onto the stage, in chunks, each one transaction.

    page ─▶ each record's exact bytes ─▶ contract ─▶ mapper ─▶ row
                     │                                          │
                     └────────▶ raw log (if it changed) ◀───────┘ staging (if it was stored)

A chunk is a few pages. Its payloads, its staged rows, its rejects and, where the stream is ordered, the read
mark are stored together or not at all. What an earlier run stored and did not merge is staged first, out of
the raw log.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, ClassVar

from sqlalchemy import Connection, Select, Table, delete, select

from strandline import log
from strandline.errors import OrderBroken, QuotaExhausted, SourceError
from strandline.pipeline import refusal
from strandline.pipeline.admission import Admission
from strandline.pipeline.backlog import Backlog
from strandline.pipeline.chunk import Chunk
from strandline.pipeline.collector import collect_young
from strandline.pipeline.definition import Reading
from strandline.pipeline.effacement import entry_of
from strandline.pipeline.figures import Figures
from strandline.pipeline.intake import Intake
from strandline.pipeline.novelty import Novelty
from strandline.pipeline.part import Part, Parts
from strandline.pipeline.profile import COPY, RECORDS, SOURCE, Profile
from strandline.pipeline.register import Register
from strandline.pipeline.sieve import Sieve
from strandline.pipeline.stager import Rows, Stager
from strandline.pipeline.suppression import Suppression
from strandline.pipeline.target import Target
from strandline.pipeline.team import ALONE, Staff, Team, can_pack
from strandline.pipeline.window import EVERYTHING, Backfill
from strandline.source.drift import UNKNOWN
from strandline.source.page import Page
from strandline.source.stream import Source
from strandline.source.tombstone import Described
from strandline.warehouse import fetch, quarantine, raw, staging, state
from strandline.warehouse.database import Database
from strandline.warehouse.log_index import LogIndex
from strandline.warehouse.packed import Packed, append, raw_ids
from strandline.warehouse.quarantine import Reject
from strandline.warehouse.scope import Scope
from strandline.warehouse.stopover import Place


class Load:
    """One pass over one stream. The caller holds the stream's lock."""

    chunk_records: ClassVar[int] = 8_000
    chunk_bytes: ClassVar[int] = 16 * 1024 * 1024

    def __init__(
        self,
        database: Database,
        connection: Connection,
        *,
        reading: Reading,
        targets: Sequence[Target],
        run_id: int,
        report: Callable[[Figures], None],
        staff: Staff = ALONE,
        is_full: bool = False,
        is_profiled: bool = False,
    ) -> None:
        self.database = database
        self.connection = connection
        self.reading = reading
        self.stream = reading.stream
        self.targets = targets
        self.run_id = run_id
        self.report = report
        self.figures = Figures()
        self.last_raw_id = 0
        """The last entry of the raw log."""
        self._batch = 0
        self.has_rejects = False
        """Whether anything of the stream is in the quarantine."""
        self.wanted = quarantine.DUE
        """Which rejects are to be tried again."""
        self.replayed: Scope | None = None
        """Which entries are staged again whatever became of them; None: this is no replay."""
        self.taken_again = 0
        """How many entries of the raw log have been staged again."""
        self.taken_up_to = 0
        """The last of them."""
        self.backfill: Backfill | None = None
        """What is read instead of what is new, beside the marks."""
        self.postponed: QuotaExhausted | None = None
        """Why not all was read, where the rest is for another run."""
        self.watch: Callable[[Connection, Chunk], None] | None = None
        """Who wants to know which keys come, if it is to be found out who is gone."""
        self.stopover: Place | None = None
        """Where a replay has staged its entries before it merges; None: it stages while it does."""
        self._unknown: list[Reject] = []  # the first that was refused for what its contract does not name
        self._intake = Intake(self.stream, targets, run_id=run_id)
        self._register = Register(self.stream.qualified_name, self._intake.census, run_id=run_id)
        self._admission = Admission(connection, self._intake, self._register)
        self._suppression = Suppression(self.stream, targets, self._intake)
        glance = None if self.stream.cursor else self.stream.glance
        self._sieve = Sieve(self._intake, glance, self._latest_hashes) if glance else None
        self._log_index = LogIndex(database, connection, reading.raw)
        self._novelty = Novelty(connection, reading.raw, self._log_index)
        self._stager = Stager(database, connection)
        self._staff = staff
        self._team = Team(self._intake, ALONE)
        self.profile = Profile()
        self._is_profiled = is_profiled
        self.parts = Parts(connection, self.stream, run_id=run_id, started=datetime.now(UTC))
        self.mark = self.parts.mark_of(is_full=is_full)
        self._part = Part(self.mark, EVERYTHING)  # the one that is being read

    def prepare(self) -> None:
        """Empty the stage, find the marks, and stage again what an earlier run stored and did not merge."""
        with self.connection.begin():
            for target in self.targets:
                staging.empty(self.database, self.connection, target.staged)
            self.mark.find()
            self.last_raw_id = raw.last(self.connection, self.reading.raw)
            self._suppression.prepare(self.connection)
            self.has_rejects = quarantine.has_any(self.connection, self.stream.qualified_name)
        self._novelty.begin(is_log_empty=not self.last_raw_id)
        if self._sieve is not None and self.last_raw_id:
            self._intake.sift = self._sieve.sift
        if self._intake.sift is not enumerate or self._suppression.is_needed:
            self._staff = ALONE  # what is to be looked up for each record is looked up here
        self._intake.next_raw_id = max([self.last_raw_id, *(target.applied for target in self.targets)]) + 1
        self._stage_backlog()

    def stand_still(self, *, is_kept: bool = False) -> None:
        """Empty the stage unless it is kept, and stay where the targets are: nothing new is to be merged."""
        with self.connection.begin():
            for target in () if is_kept else self.targets:
                staging.empty(self.database, self.connection, target.staged)
            self.has_rejects = quarantine.has_any(self.connection, self.stream.qualified_name)
        self.last_raw_id = max(target.applied for target in self.targets)

    def _stage_backlog(self) -> None:
        backlog = Backlog(self.connection, self.reading, self.targets, self._intake)
        taken_up = backlog.take_up(self._admission, up_to=self.last_raw_id, has_rejects=self.has_rejects)
        for batch in taken_up:
            with batch as count:
                self._stage(self._intake.empty(), kept=None)
            self.figures.resumed += count
            self.report(self.figures)

    def stage_again(self, target: Target, entries: Select[Any], members: Table) -> None:
        """Stage everything that these members' entries of the raw log say, instead of what is staged of them.

        The caller owns the transaction.
        """
        from strandline.pipeline import bygone  # what a late record needs, and a run without news does not

        theirs = target.staged.c.source_id.in_(select(members.c.source_id))
        self.connection.execute(delete(target.staged).where(theirs))
        self.stage_more(target, entries)
        bygone.stage(self.connection, self.reading, target, select(members.c.source_id))

    def stage_more(self, target: Target, entries: Select[Any]) -> None:
        """Stage what these entries of the raw log say as well. The caller owns the transaction."""
        for rejects in self.stage_entries(target, entries):
            self.keep(rejects)

    def take_gone(
        self, page: Page, gone: Sequence[tuple[bytes, Described]], *, move: Callable[[], None]
    ) -> None:
        """Store and stage what a page of tombstones says, and `move` its mark with it."""
        self.figures.pages += 1
        self._intake.take_gone(page, self.figures.pages, gone)
        self._store(is_end=False, move=move)

    def take_up(self, after: int) -> None:
        """Stage what others have put into the log behind this entry. The caller owns the transaction."""
        log = self.reading.raw
        for target in self.targets:
            self.stage_more(target, select(*raw.entry_columns(log)).where(log.c.raw_id > after))
        self.last_raw_id = raw.last(self.connection, log)
        self.figures.stored += self.last_raw_id - after

    def stage_only(self, target: Target, entries: Select[Any]) -> None:
        """Stage what these entries of the raw log say, and nothing else. The caller owns the transaction.

        An entry that a column which came later refuses was accepted once, and so is no reject now.
        """
        staging.empty(self.database, self.connection, target.staged)
        for _ in self.stage_entries(target, entries):
            pass

    def stage_entries(self, target: Target, entries: Select[Any]) -> Iterator[list[Reject]]:
        """Stage the entries, batch by batch; what of each is refused, for the caller to keep."""
        self._novelty.has_repeats = True  # of whom they are may be staged already
        with closing(fetch.batches(self.connection, entries, size=raw.BATCH)) as batches:
            for batch in self._team.take_again(batches, target):
                self.taken_again += len(batch)
                self.taken_up_to = batch[-1].raw_id
                rejects = self._intake.empty().rejects
                yield rejects + self._stage_rows(target, of=batch)
                collect_young()

    def stage_tried(self, target: Target, entries: Select[Any]) -> Iterator[list[Reject]]:
        """Stage entries of the quarantine; the field register learns of whom the contract accepts now."""
        with self._admission.of_tried():
            for rejects in self.stage_entries(target, entries):
                self._admission.note()
                yield rejects

    def keep(self, rejects: Sequence[Reject]) -> None:
        """Put these into the quarantine, with the versions of what refuses them."""
        if rejects:
            name, self.has_rejects = self.stream.qualified_name, True
            quarantine.keep(
                self.connection, stream=name, rejects=rejects, run_id=self.run_id, versions=self.versions
            )

    @property
    def has_repeats(self) -> bool:
        """Whether anybody may be staged twice."""
        return self._novelty.has_repeats or self._suppression.is_needed

    @cached_property
    def versions(self) -> dict[str, str]:
        """What refuses records today: the contract, under no name, and each target."""
        return refusal.versions(self.stream, self.targets)

    def read(self, source: Source) -> None:
        """Read the stream from its mark to its end, or all of it, store what is new and move the mark.

        Raises the SourceError that fits, and TooManyRejects when nothing may be merged.
        """
        with self.helped(), closing(self.parts.read(source, self.mark, self.backfill)) as parts:
            for part, pages in parts:
                self._intake.highest, self._part = None, part
                try:
                    self._read_part(part, pages)
                except QuotaExhausted as error:
                    if not self.figures.pages or self.backfill:
                        raise
                    self.postponed = error  # what was read is merged: the tables are a function of the log
                    break
                except SourceError as error:
                    if not self.parts.note(part, error):
                        raise
                else:
                    self.parts.note(part)
        self.parts.end()
        refusal.fail_on_unknown(self.stream, self._unknown)
        seen, rejected = self.figures.records + self.figures.resumed, self.figures.rejected
        if self.reading.rejects.exceeded(rejected=rejected, records=seen):
            raise refusal.too_many(self.connection, self.reading, self.targets, rejected=rejected, seen=seen)

    def _read_part(self, part: Part, pages: Generator[Page, None, None]) -> None:
        with closing(pages):
            try:
                self._read(pages)
            except OrderBroken:
                if part.piece is None:
                    part.mark.take_back()
                raise
            except SourceError:
                # What has been read is kept, and an ordered stream goes on from there.
                self._store_each(self._team.finish())
                self._store(is_end=False)
                with self.connection.begin():
                    self._log_index.build()
                raise

    @contextmanager
    def helped(self) -> Iterator[None]:
        """Let others help with what is taken in within the block, if anybody may."""
        alone = self._team
        self._team = Team(self._intake, self._staff if can_pack(self.database, self.targets) else ALONE)
        try:
            yield
        finally:
            self._team.close()
            self._team = alone

    def _read(self, pages: Iterator[Page]) -> None:
        for page in self.profile.waiting(SOURCE, pages):
            self.figures.pages += 1
            self.figures.records += len(page.records)
            self._store_each(self._team.take(page, self.figures.pages))
            if self._is_profiled:
                self.profile.weigh(page, self._intake.reader.read, self.targets)
        self._store_each(self._team.finish())
        self._store(is_end=True)

    def _store_each(self, taken: Iterable[None]) -> None:
        """Store a chunk whenever what comes in has filled one."""
        for _ in self.profile.waiting(RECORDS, taken):
            records, waits = self.chunk_records * self._team.share, self.stream.takes_state
            if self._intake.chunk.is_full(records=records, size=self.chunk_bytes, waits=waits):
                self._store(is_end=False)
                collect_young()

    def _store(self, *, is_end: bool, move: Callable[[], None] | None = None) -> None:
        chunk = self._intake.empty()
        self._batch += 1
        with log.bound(batch=self._batch), self.profile.timing(COPY), self.connection.begin():
            if self.watch is not None:
                self.watch(self.connection, chunk)
            self.figures.unchanged += self._suppression.apply(self.connection, chunk)
            kept = self._append_new(chunk, is_last=is_end or move is not None)
            self._suppression.note(self.connection, kept)
            if chunk.requests:
                self.connection.execute(state.request.insert(), chunk.requests)
            self._stage(chunk, kept=kept)
            self._count_repeats(chunk)
            if move is not None:
                move()
            else:
                self._move_mark(chunk.state, is_end=is_end)
            if is_end:
                self._log_index.build()
                self._register.guess_renames(self.connection, self.reading.raw)
        log.detail("stored", batch=self._batch, records=self.figures.records, last_raw_id=self.last_raw_id)
        self.report(self.figures)

    def _append_new(self, chunk: Chunk, *, is_last: bool) -> set[int] | None:
        """Append the payloads that differ from their key's latest; their raw_ids, or None if all do."""
        new = self._novelty.pick(chunk, self._sieve.known if self._sieve else {}, is_last=is_last)
        if new:
            append(self.database, self.connection, self.reading.raw, new)
        self._register.note(self.connection, chunk, new)
        self.last_raw_id = new[-1][0] if new else self.last_raw_id
        self.figures.stored += len(new)
        self.figures.unchanged += len(chunk.again)
        return None if len(new) == len(chunk.entries) else set(raw_ids(new))

    def _latest_hashes(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self.connection.begin():
            return raw.latest_hashes(self.connection, self.reading.raw, keys)

    def _stage(self, chunk: Chunk, *, kept: set[int] | None) -> None:
        """Stage what was stored, and note what was rejected of it; `kept` None means that all of it was."""
        rejects = [it for it in chunk.rejects if kept is None or it.raw_id in kept]
        for target in self.targets:
            target.keep(kept)
            rejects += self._stage_rows(target, of=map(entry_of, chunk.entries))
        self.keep(rejects)
        self._unknown = self._unknown or [it for it in rejects if it.rule == UNKNOWN][:1]
        self.figures.rejected += len({it.raw_id for it in rejects})

    def _stage_rows(self, target: Target, *, of: Iterable[Any]) -> list[Reject]:
        """Stage the target's rows, made of these entries; what of them is refused."""
        rows, packed = target.empty()
        return self._stager.stage(
            target, rows, packed=packed, unpack=partial(self._unpack, target, of, packed)
        )

    def _unpack(self, target: Target, entries: Iterable[Any], packed: Packed) -> Rows:
        """The rows of these entries anew, those that are packed."""
        wanted = set(packed.raw_ids)
        for entry in (it for it in entries if it.raw_id in wanted):
            self._intake.take_again(entry, [target])
        self._intake.empty()
        return target.empty()[0]

    def _count_repeats(self, chunk: Chunk) -> None:
        """Count the rejects that the source has sent again as they were."""
        if chunk.again and self.has_rejects:
            quarantine.count_repeats(
                self.connection,
                self.reading.raw,
                stream=self.stream.qualified_name,
                sent=[(source_id, digest, raw_id) for raw_id, source_id, _, digest, *_ in chunk.again],
                run_id=self.run_id,
            )

    def _move_mark(self, reached: str | None, *, is_end: bool) -> None:
        part = self._part
        if self.backfill is None:
            highest = self._suppression.highest(self._intake.highest)
            part.mark.move(highest=highest, reached=reached, is_end=is_end)
        elif is_end and part.piece is not None:
            self.backfill.move(self.connection, part.piece, run_id=self.run_id)
