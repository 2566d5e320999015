"""The locks that a run takes by design, and what they are for."""

from __future__ import annotations

from collections.abc import Iterator

from strandline.pipeline.definition import Pipeline
from strandline.pipeline.plan.outlook import LockOutlook, Outlook
from strandline.warehouse import touched

ADVISORY = "advisory, exclusive"


def of_tables(outlook: Outlook) -> Iterator[LockOutlook]:
    """Of making tables; nobody waits but others who make some."""
    if outlook.statements or outlook.stages:
        why = "one run at a time makes tables; those that are there are not altered"
        yield LockOutlook("tables", ADVISORY, "strandline schema", why)


def of_streams(pipeline: Pipeline) -> Iterator[LockOutlook]:
    """Of reading; for the whole run."""
    for reading in pipeline.readings:
        for stream in reading.streams:
            why = "one run at a time reads the stream, to its end; another one refuses"
            yield LockOutlook(
                f"read {stream.qualified_name}", ADVISORY, f"stream {stream.qualified_name}", why
            )


def of_merges(pipeline: Pipeline) -> Iterator[LockOutlook]:
    """Of merging; until each merge is committed."""
    for sync in pipeline.ordered:
        names = ", ".join(sorted(touched.written_with(sync.model)))
        why = "one merge at a time writes these, or moves their keys; another one waits"
        yield LockOutlook(f"merge {sync.target}", ADVISORY, names, why)
