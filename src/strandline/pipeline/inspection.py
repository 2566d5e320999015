"""A run looks at what is expected: its sources are asked when they have been read, the rows after each merge.

What is looked at within the transaction of a merge can still take it back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from copy import copy
from decimal import Decimal

from sqlalchemy import Connection

from strandline.errors import ExpectationFailed, ReconciliationUnanswered, StrandlineError
from strandline.model.fact import Fact
from strandline.pipeline.definition import Pipeline, Sync
from strandline.pipeline.expectation import Expected
from strandline.pipeline.load import Load
from strandline.pipeline.reconciliation import Reconciled, RowCount
from strandline.pipeline.report import ExpectationReport
from strandline.pipeline.target import Target
from strandline.source.stream import Source, Stream
from strandline.warehouse import expectation, state
from strandline.warehouse.database import Database
from strandline.warehouse.expectation import NOTHING, Found, Rows

Answers = dict[str, Decimal | StrandlineError]


class Inspection:
    """What a run has asked its sources, and how it looks at rows."""

    def __init__(self, pipeline: Pipeline, database: Database, connection: Connection) -> None:
        self.pipeline = pipeline
        self.database = database
        self.connection = connection
        self._answers: Answers = {}
        self._read: set[str] = set()

    def beside(self, connection: Connection) -> Inspection:
        """The same, for what is merged on another connection."""
        beside = copy(self)
        beside.connection = connection
        return beside

    def ask(self, stream: Stream, source: Source) -> None:
        """Ask the source, which has just been read, for what the stream's models are held against; each thing
        once.
        """
        self._read.add(stream.qualified_name)
        syncs = [it for it in self.pipeline.syncs if it.stream.qualified_name == stream.qualified_name]
        wanted = [it for sync in syncs for it in self._expected(sync)]
        ask(wanted, source, self._answers)

    def _expected(self, sync: Sync) -> list[Expected]:
        source = sync.stream.source
        return [it for it in self.pipeline.expectations if it.concerns(sync.model, source)]

    def look(self, load: Load, target: Target, *, is_merged: bool) -> list[ExpectationReport]:
        """Look at what was merged; at the table only, where nothing was, and only if its source was read."""
        sync, has_read = target.sync, load.stream.qualified_name in self._read
        wanted = [it for it in self._expected(sync) if (is_merged if it.expectation.of_rows else has_read)]
        if not wanted:
            return []
        staged = target.staged if is_merged else None
        rows = Rows(sync.model, load.stream.source_name, staged, _found_by(sync))
        with self.database.named_errors():
            return [
                inspect(self.connection, it, rows, stream=load.stream.qualified_name, answers=self._answers)
                for it in wanted
            ]

    def look_beside(
        self, load: Load, target: Target, counts: Mapping[str, int], *, found: Sequence[ExpectationReport]
    ) -> list[ExpectationReport]:
        """Look at what the merge has touched in other tables, and in its own where no record did. What is
        broken there, but for what was found already.
        """
        from strandline.pipeline import beside  # behind a merge only

        known = {(it.target, it.name) for it in found if it.status != state.PASSED}
        merged = beside.merged(load, target, counts)
        stream, told = load.stream.qualified_name, list[ExpectationReport]()
        with self.database.named_errors():
            for it, rows in beside.touched(self.connection, self.pipeline.expectations, merged):
                told.append(inspect(self.connection, it, rows, stream=stream, answers=self._answers))
        return [it for it in told if it.status != state.PASSED and (it.target, it.name) not in known]


def ask(wanted: Sequence[Expected], source: Source, answers: Answers) -> None:
    """Ask the source for what these are held against, and add what it says, or why it does not, to the
    answers.
    """
    for it in wanted:
        if not isinstance(it.expectation, Reconciled):
            continue
        said = it.expectation.said
        if said.qualified_name in answers:
            continue
        try:
            answers[said.qualified_name] = said.ask(source)
        except StrandlineError as error:
            answers[said.qualified_name] = error


def _found_by(sync: Sync) -> str:
    """The column by which the rows of what is staged are found: an index begins with it."""
    return sync.model.grain()[0].name if issubclass(sync.model, Fact) and sync.grain_is_key else "source_id"


def inspect(
    connection: Connection,
    wanted: Expected,
    rows: Rows,
    *,
    stream: str,
    answers: Mapping[str, Decimal | StrandlineError],
) -> ExpectationReport:
    """Look at one expectation among these rows."""
    began = time.monotonic()
    told = ExpectationReport(stream, wanted.model.__name__, wanted.name, wanted.severity, state.PASSED)
    it = wanted.expectation
    answer = answers[it.said.qualified_name] if isinstance(it, Reconciled) else None
    if isinstance(answer, StrandlineError):
        told.status, told.detail = "unanswered", f"it could not be asked: {answer.message}"
        return told
    if isinstance(it, Reconciled) and answer is not None:
        found = _compare(connection, it, rows, answer)
    else:
        found = expectation.find(connection, it, rows)
    if found.rows:
        told.status = "failed" if wanted.severity == "fail" else "warned"
        told.failing, told.samples = found.rows, [dict(sample) for sample in found.samples]
        told.detail = _describe(wanted, found)
    told.seconds = round(time.monotonic() - began, 3)
    return told


def _compare(connection: Connection, it: Reconciled, rows: Rows, theirs: Decimal) -> Found:
    if isinstance(it, RowCount):
        ours, of = Decimal(expectation.count(connection, rows)), "rows"
    else:
        ours, of = expectation.total(connection, rows, it.columns[0]), f"as the sum of {it.columns[0]}"
    if it.accepts(ours, theirs):
        return NOTHING
    detail = f"there are {ours:f} {of}, and {it.said.qualified_name} says {theirs:f}"
    return Found(int(abs(ours - theirs)) if isinstance(it, RowCount) else 1, detail=detail)


def _describe(wanted: Expected, found: Found) -> str:
    if found.detail is not None:
        is_said = isinstance(wanted.expectation, Reconciled)
        return found.detail if is_said else f"{wanted.expectation.what}: {found.detail}"
    return f"{wanted.expectation.what} in {found.rows} row{'s' if found.rows > 1 else ''}: {found.keys}"


def refuse(found: Sequence[ExpectationReport], load: Load, target: Target, *, is_merged: bool) -> None:
    """Raise ExpectationFailed, or ReconciliationUnanswered, where what was found cannot stand."""
    failed = [it for it in found if it.has_failed]
    if not failed:
        return
    name = target.sync.target
    was = f"{name} was not merged" if is_merged else f"{name} is not as expected"
    told = "; ".join(f"{_named(it, target)}: {it.detail}" for it in failed)
    message = f"{load.stream.qualified_name}: {was}: {told}"
    again = "run again: what was read is in the raw log."
    if all(it.status == "unanswered" for it in failed):
        raise ReconciliationUnanswered(message, hint=f"When the source answers, {again}")
    raise ExpectationFailed(
        message,
        hint=f"Look at it with: {_look_with(failed, target)};"
        f" mend source, mapper or expectation, and {again}",
    )


def _named(it: ExpectationReport, target: Target) -> str:
    return it.name if it.target == target.sync.target else f"{it.target}: {it.name}"


def _look_with(failed: Sequence[ExpectationReport], target: Target) -> str:
    """What shows where a row that breaks something comes from; of another table there may be nothing yet."""
    mine = [it for it in failed if it.target == target.sync.target]
    key = next((sample["key"] for it in mine for sample in it.samples), None)
    table = target.sync.model.table().name
    return f"strandline why {table} {key}" if key else "strandline status --expectations"
