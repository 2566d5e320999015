"""A part of a stream read once more, from where to where somebody says, beside the read marks.

What comes is treated as what any run reads: what the raw log has is not stored again, and what lies back in
time is put where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime

from strandline.errors import DeclarationError
from strandline.pipeline import amendment
from strandline.pipeline.collector import collecting_by_hand
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.notice import watching
from strandline.pipeline.opening import open_sources
from strandline.pipeline.report import Progress, RunReport, Silence
from strandline.pipeline.running import Run
from strandline.pipeline.team import staff_for
from strandline.pipeline.turns import short_turns
from strandline.pipeline.window import Backfill, Step
from strandline.source.cursor import CursorValue
from strandline.source.stream import Source, Stream
from strandline.warehouse.database import Database


def backfill(
    pipelines: Iterable[Pipeline],
    database: Database,
    name: str,
    *,
    since: CursorValue,
    until: CursorValue | None = None,
    step: Step | None = None,
    fresh: bool = False,
    sources: Mapping[str, Source] | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    width: int | None = None,
) -> RunReport:
    """Read the stream, `source.stream`, from `since` to `until`, or to the present, a `step` at a time, and
    merge it. No read mark is moved. One that was stopped is gone on with behind the last piece that was read,
    unless it is to be `fresh`.

    So many pieces are fetched at once, its `width`; as many as the pipeline declares unless told. They are
    stored in their order all the same.
    Of several pipelines that read the stream the first merges it; the others do with their next run.
    Raises DeclarationError for a stream that nobody reads, that has no cursor, or whose method takes no
    `until` where it is asked for a part.
    """
    every = list(pipelines)
    stream = amendment.found(every, name)
    _check(stream, since, until, step)
    _check_width(stream, step, width)
    pipeline = next(each for each in every if any(it.stream.qualified_name == name for it in each.readings))
    with (
        watching(pipeline.name, pipeline.hooks) as watch,
        ExitStack() as opened,
        collecting_by_hand(),
        short_turns(),
    ):
        ready = open_sources([stream.source], sources or {}, opened, database=database)
        connection = opened.enter_context(database.connect())
        one_run = Run(pipeline, database, connection, progress or Silence())
        one_run.staff = staff_for(workers, [stream.source])
        one_run.prepare(kind="backfill")
        watch.report = one_run.report
        wanted = _wanted(stream, since, until, step)
        wanted.width = pipeline.width if width is None else width
        with connection.begin():
            if fresh:
                wanted.forget(connection)
            wanted.find(connection)
        with one_run.recorded():
            (reading,) = (it for it in pipeline.readings if it.stream.qualified_name == name)
            load = one_run.read(reading, ready[stream.source_name], backfill=wanted)
            one_run.merge([] if load is None else [load])
        return one_run.report


def _wanted(stream: Stream, since: CursorValue, until: CursorValue | None, step: Step | None) -> Backfill:
    cursor = amendment.cursor_of(stream)
    present = cursor.now(datetime.now(UTC), stream.cursor_type)
    return Backfill(stream.qualified_name, cursor, since, until, step, present)


def _check_width(stream: Stream, step: Step | None, width: int | None) -> None:
    if width is not None and width > 1 and step is None:
        raise DeclarationError(
            f"backfill {stream.qualified_name}: {width} pieces at once are asked for, and it is one piece",
            hint="Say how large a piece is, --chunk week say.",
        )


def _check(stream: Stream, since: CursorValue, until: CursorValue | None, step: Step | None) -> None:
    name, cursor = stream.qualified_name, amendment.cursor_of(stream)
    if stream.per is not None:
        raise DeclarationError(
            f"backfill {name}: it is read part by part, each from a mark of its own",
            hint=f'Set those back that are to be read again: strandline marks set "{name}[…]" …',
        )
    if (until is not None or step is not None) and not stream.takes_until:
        raise DeclarationError(
            f"backfill {name}: its method cannot be told where to end",
            hint=f"Write def {stream.name}(self, since, until): … and let it ask the source for no more;"
            " or leave --to and --chunk out.",
        )
    if until is not None and not cursor.is_after(until, since):
        raise DeclarationError(
            f"backfill {name}: it ends at {until}, and begins at {since}", hint="Type --from before --to."
        )
    if step is not None and isinstance(step, int) is not (stream.cursor_type is int):
        kind = "number" if isinstance(step, int) else "time"
        raise DeclarationError(
            f"backfill {name}: the cursor {cursor.field} is no {kind}",
            hint="Type --chunk day, 12h or 7d for a time, and --chunk 1000 for a number.",
        )
