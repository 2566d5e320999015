"""What a run would ask its sources for: from which mark, with which filter, and what --full would change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

from sqlalchemy import Connection, select

from strandline.pipeline.advance import ReadMark
from strandline.pipeline.children import EntryMark, log_of
from strandline.pipeline.definition import Pipeline, Reading
from strandline.pipeline.deletion import ABSENCE, Deletes
from strandline.pipeline.part import Parts
from strandline.pipeline.plan.outlook import StreamOutlook
from strandline.source.cursor import CursorValue
from strandline.source.division import Partitions, name_of, stream_of
from strandline.source.parent import Parents
from strandline.source.state import abridged
from strandline.source.stream import Stream
from strandline.warehouse import lock, raw, state, sweep

ALL = "everything, from its beginning"


def find(connection: Connection, pipeline: Pipeline) -> Iterator[StreamOutlook]:
    """Each stream, and each of its partitions that was read before."""
    now = datetime.now(UTC)
    for reading in pipeline.readings:
        deletions = _deletions(connection, reading.sweep, reading.stream, now)
        is_complete = deletions is not None and deletions[1]
        told = None if deletions is None else deletions[0]
        for mark in _marks(connection, reading.stream, now):
            yield _outlook(connection, reading.stream, mark, deletions=told, is_complete=is_complete)
        for other in _others(reading):
            for mark in _marks(connection, other, now):
                yield _outlook(connection, other, mark)


def _others(reading: Reading) -> list[Stream]:
    """The streams that tell who is gone, or who is there."""
    return [it.stream for it in reading.deletes if it.stream is not None]


def _marks(connection: Connection, stream: Stream, now: datetime) -> list[ReadMark]:
    """The marks that it is read from: its own, or those of its partitions."""
    parts = Parts(connection, stream, run_id=0, started=now)
    if not isinstance(stream.per, Partitions):
        return [_found(parts.mark_of(is_full=False))]
    marks = connection.scalars(select(state.read_mark.c.stream).order_by(state.read_mark.c.stream)).all()
    name = stream.qualified_name
    known = [it.removeprefix(f"{name}[").removesuffix("]") for it in marks if stream_of(it) == name != it]
    return [_found(parts.mark_of(it, is_full=False)) for it in known or [None]]


def _found(mark: ReadMark) -> ReadMark:
    mark.find()
    return mark


def _outlook(
    connection: Connection,
    stream: Stream,
    mark: ReadMark,
    *,
    deletions: str | None = None,
    is_complete: bool = False,
) -> StreamOutlook:
    since, until = (None, None) if is_complete else _window(stream, mark)
    return StreamOutlook(
        stream=mark.name,
        mark=abridged(mark.before),
        since=_shown(since),
        until=_shown(until),
        reads=ALL if is_complete else _words(connection, stream, mark, since, until),
        with_full=_with_full(stream),
        deletions=deletions,
        held_by=lock.holder(connection, stream.qualified_name),
    )


def _window(stream: Stream, mark: ReadMark) -> tuple[CursorValue | None, CursorValue | None]:
    if isinstance(stream.per, Parents):
        return None, None
    since, until = mark.window
    return since, until if stream.takes_until else None


def _words(
    connection: Connection,
    stream: Stream,
    mark: ReadMark,
    since: CursorValue | None,
    until: CursorValue | None,
) -> str:
    if isinstance(mark, EntryMark) and isinstance(stream.per, Parents):
        return _of_parents(connection, stream, stream.per, mark)
    if isinstance(stream.per, Partitions) and mark.name == name_of(stream.qualified_name, None):
        return "each partition, from its beginning: none was read before"
    if since is None:
        return ALL
    if stream.cursor is None:
        return "what lies behind its state"
    sign = ">=" if stream.cursor.inclusive else ">"
    ends = "" if until is None else f", up to {_shown(until)}"
    return f"{stream.cursor.field} {sign} {_shown(since)}{ends}"


def _of_parents(connection: Connection, stream: Stream, per: Parents, mark: EntryMark) -> str:
    parent = per.of(stream.source)
    new = raw.last(connection, log_of(parent)) - mark.entry
    behind = f"those behind {new:,} entries of {parent.qualified_name}" if new > 0 else "nothing"
    return f"{behind}, and of what {parent.qualified_name} brings"


def _with_full(stream: Stream) -> str:
    return f"{ALL}, of each partition" if isinstance(stream.per, Partitions) else ALL


def _deletions(
    connection: Connection, deletes: Deletes | None, stream: Stream, now: datetime
) -> tuple[str, bool] | None:
    """How it would be found out who is gone, and whether the stream is read completely for it."""
    if deletes is None:
        return None
    last = sweep.last_done(connection, stream.qualified_name)
    is_due = deletes.is_due(last, now)
    how = "by absence" if deletes.means == ABSENCE else "by the keys that are there"
    since = "never looked for before" if last is None else f"last looked for {_shown(last)}"
    when = "would be looked for" if is_due else "would not be looked for yet"
    is_complete = is_due and deletes.means == ABSENCE
    return f"who is gone {when}, {how}; {since}", is_complete


def _shown(value: CursorValue | None) -> str | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else None if value is None else str(value)
