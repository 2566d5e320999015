"""Restores: what was pruned from raw logs, read again from the files that it was exported to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from strandline.errors import DeclarationError, StrandlineError
from strandline.model.path import nearest
from strandline.pipeline import suppression
from strandline.pipeline.definition import Pipeline, Reading
from strandline.pipeline.pruning import gather
from strandline.pipeline.report import Progress, Silence, StreamReport, exit_code
from strandline.pipeline.running import Run
from strandline.warehouse import archive
from strandline.warehouse import restore as restoring
from strandline.warehouse.database import Database


@dataclass
class StreamRestore:
    """What came back of one stream."""

    stream: str
    status: str = "done"
    """done or failed (with the error)."""
    files: int = 0
    entries: int = 0
    """Those that were not there."""
    error: str | None = None
    hint: str | None = None


@dataclass
class RestoreReport:
    """What a restore has brought back."""

    run_id: int
    streams: list[StreamRestore] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when all went well, 1 when nothing did, 3 when some did."""
        return exit_code(it.status for it in self.streams)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def restore(
    pipelines: Sequence[Pipeline], database: Database, folder: Path, *, progress: Progress | None = None
) -> RestoreReport:
    """Bring what was exported to this folder back into the raw logs; what is there already stays as it is.

    Raises DeclarationError for a folder without such files, or with those of a stream that no pipeline reads.
    """
    found = archive.find(folder)
    known = {it.stream.qualified_name for pipeline in pipelines for it in pipeline.syncs}
    for stream in found:
        if stream not in known:
            raise DeclarationError(f"restore: no pipeline reads {stream!r}", hint=nearest(stream, known))
    with database.connect() as connection:
        one_run = Run(gather(pipelines, list(found)), database, connection, progress or Silence())
        one_run.prepare(kind="restore")
        report = RestoreReport(one_run.report.run_id)
        with one_run.recorded():
            for reading in one_run.pipeline.readings:
                paths = found[reading.stream.qualified_name]
                report.streams.append(_restore(one_run, reading, paths))
        return report


def _restore(one_run: Run, reading: Reading, paths: Sequence[Path]) -> StreamRestore:
    name = reading.stream.qualified_name
    told, line = StreamRestore(name), StreamReport(name, status="done")
    one_run.report.streams.append(line)
    try:
        targets = one_run.open(reading).targets
        for path in paths:
            for entries in archive.read(path, reading.raw):
                with one_run.connection.begin():
                    said = suppression.efface_again(one_run.connection, reading.stream, targets, entries)
                    told.entries += restoring.restore(
                        one_run.connection, reading.raw, entries=said, stream=name
                    )
            told.files += 1
    except StrandlineError as error:
        told.status, told.error, told.hint = "failed", error.message, error.hint
        line.fail(error)
    one_run.note(line)
    return told
