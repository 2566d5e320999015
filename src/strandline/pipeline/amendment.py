"""Read marks that somebody sets by hand: checked against the streams that are declared, noted with a reason.

A mark that is moved back has records read again, which are recognised; one that is moved forward leaves out
what lies between, and nothing ever asks for it but a run that reads everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.pipeline.definition import Pipeline
from strandline.source import state
from strandline.source.cursor import Cursor, CursorValue
from strandline.source.division import Partitions, stream_of
from strandline.source.parent import Parents
from strandline.source.stream import Stream
from strandline.warehouse import lock, mark, schema
from strandline.warehouse.database import Database

EXAMPLES = {
    "datetime": "2026-03-01T00:00:00Z",
    "date": "2026-03-01",
    "int": "4711",
    "str": "a text",
}
"""How a mark of each type is typed."""


@dataclass(frozen=True)
class Amendment:
    """A read mark that was set by hand; the marks with their types, None where there is none."""

    stream: str
    before: str | None
    after: str | None
    is_forward: bool
    """Whether what lies between the two is not going to be read."""


def amend(
    pipelines: Iterable[Pipeline],
    database: Database,
    marks: Mapping[str, str | None],
    *,
    reason: str,
    by: str,
) -> list[Amendment]:
    """Set the read marks of these streams, `source.stream`, all of them or none. A mark is what `encoded`
    makes of what somebody types; None takes it away, and the next run reads everything.

    Raises DeclarationError for a stream that nobody declares or that has no cursor, for a mark that is none
    of its type, and without a reason; WarehouseBusy while a run reads one of them.
    """
    if not reason.strip():
        raise DeclarationError(
            "marks: no reason was given", hint='Say why: --reason "the source was restored from a backup"'
        )
    streams = {name: marked(pipelines, name) for name in marks}
    wanted = {name: _decoded(stream, marks[name]) for name, stream in streams.items()}
    with database.connect() as connection:
        with connection.begin():
            schema.prepare(database, connection, models=[], others=[])
        try:
            with connection.begin():
                for name in sorted({it.qualified_name for it in streams.values()}):
                    lock.hold_stream(connection, name)
                return [
                    _amended(
                        stream,
                        name,
                        before=mark.put_by_hand(connection, name, mark=marks[name], reason=reason, by=by),
                        after=wanted[name],
                    )
                    for name, stream in streams.items()
                ]
        finally:
            lock.release_all(connection)


def found(pipelines: Iterable[Pipeline], name: str) -> Stream:
    """The stream of this name. Raises DeclarationError where no pipeline reads it."""
    return _named({it.stream.qualified_name: it.stream for each in pipelines for it in each.readings}, name)


def marked(pipelines: Iterable[Pipeline], name: str) -> Stream:
    """The stream of this name, of those that have a mark: tombstones have one of their own. Raises
    DeclarationError where no pipeline reads it.
    """
    read = [it for each in pipelines for reading in each.readings for it in reading.streams]
    stream = _named({it.qualified_name: it for it in read}, stream_of(name))
    if isinstance(stream.per, Partitions) is not (stream_of(name) != name):
        raise DeclarationError(
            f"marks: {name} has no mark",
            hint=f'Name a partition, as in "{stream.qualified_name}[…]".' if stream.per else None,
        )
    return stream


def _named(streams: Mapping[str, Stream], name: str) -> Stream:
    if name not in streams:
        raise DeclarationError(f"no pipeline here reads {name!r}", hint=nearest(name, list(streams)))
    return streams[name]


def cursor_of(stream: Stream) -> Cursor:
    """What orders the stream's changes. Raises DeclarationError where nothing does."""
    if isinstance(stream.per, Parents):
        return Cursor("raw_id")  # an entry of its parents' raw log
    if stream.cursor is None:
        raise DeclarationError(
            f"{stream.qualified_name}: has no cursor, so it is read from its beginning each time",
            hint="Declare one where the source has a filter: cursor=Cursor(…).",
        )
    return stream.cursor


def _kind_of(stream: Stream) -> type:
    return int if isinstance(stream.per, Parents) else stream.cursor_type or str


def encoded(stream: Stream, text: str) -> str:
    """The mark that somebody has typed, with its type; a state as the source has said it. Raises
    DeclarationError where it is none of the stream's.
    """
    if stream.takes_state:
        return state.encode(text, where=stream.qualified_name)
    return cursor_of(stream).encode(value(stream, text))


def value(stream: Stream, text: str) -> CursorValue:
    """What somebody has typed, as a value of the stream's cursor, or DeclarationError."""
    cursor, kind = cursor_of(stream), _kind_of(stream)
    try:
        return cursor.typed(text, kind)
    except ValueError as error:
        raise DeclarationError(
            f"{stream.qualified_name}: {text!r} is no mark of the cursor {cursor.field}: {error}",
            hint=f"It is a {kind.__name__}, typed as in {EXAMPLES[kind.__name__]}.",
        ) from error


def _decoded(stream: Stream, text: str | None) -> CursorValue | None:
    if stream.takes_state:
        return _state(stream, text)
    cursor, kind = cursor_of(stream), _kind_of(stream)
    try:
        value = None if text is None else cursor.decode(text)
    except ValueError as error:
        raise DeclarationError(
            f"{stream.qualified_name}: {error}",
            hint=f'Its marks look like "{cursor.encode(cursor.typed(EXAMPLES[kind.__name__], kind))}".',
        ) from error
    if value is not None and type(value) is not kind:
        raise DeclarationError(
            f"{stream.qualified_name}: the mark {text!r} is a {type(value).__name__},"
            f" and the cursor {cursor.field} a {kind.__name__}",
            hint="Take it out of the export, or set it by strandline marks set.",
        )
    return value


def _state(stream: Stream, mark: str | None) -> str | None:
    if mark is not None and state.decode(mark) is None:
        raise DeclarationError(
            f"{stream.qualified_name}: the mark {mark!r} is no state, and the stream has no cursor",
            hint=f'A state looks like "{state.KIND}…"; take this one out, or set it by strandline marks set.',
        )
    return mark


def _amended(stream: Stream, name: str, *, before: str | None, after: CursorValue | None) -> Amendment:
    cursor = stream.cursor
    if cursor is None:  # which of two states lies before the other only the source knows
        return Amendment(name, before, None if after is None else str(after), is_forward=False)
    was = None if before is None or state.decode(before) is not None else cursor.decode(before)
    is_forward = after is not None and (
        was is None or (type(was) is type(after) and cursor.is_after(after, was))
    )
    return Amendment(name, before, None if after is None else cursor.encode(after), is_forward)
