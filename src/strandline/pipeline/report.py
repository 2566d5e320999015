"""What a run tells of itself: the same figures for people, for --json and for the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import asdict

from strandline.errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTIAL, QuotaExhausted, StrandlineError
from strandline.pipeline.figures import Figures
from strandline.source.state import abridged


class StreamReport(Struct):
    """What became of one stream."""

    stream: str
    status: str = "running"
    pages: int = 0
    records: int = 0
    stored: int = 0
    unchanged: int = 0
    rejected: int = 0
    released: int = 0
    """Rejects of earlier runs that were accepted now, one for each target."""
    resumed: int = 0
    replayed: int = 0
    mark_before: str | None = None
    mark_after: str | None = None
    seconds: float = 0.0
    error: str | None = None
    kind: str | None = None
    """The error's name in the tree of `errors`."""
    hint: str | None = None

    retry_at: datetime | None = None
    """When its source wants to be asked again, where it has had enough."""

    def take(self, figures: Figures, *, marks: tuple[str | None, str | None]) -> None:
        """Note what was done, and from where to where; with rejects it is in part only."""
        for name, figure in asdict(figures).items():
            setattr(self, name, figure)
        self.mark_before, self.mark_after = map(abridged, marks)
        if self.status == "done" and self.rejected:
            self.status = "partial"

    def fail(self, error: StrandlineError) -> None:
        """Note why it failed."""
        self._note(error, status="failed")

    def conclude(self, postponed: QuotaExhausted | None, *, is_partial: bool, lack: str | None) -> None:
        """Note that it was read, and why the rest of it is for another run, if it is."""
        self.status = "partial" if is_partial or lack else "done"
        if lack is not None:
            self.error, self.hint = lack, "The next run begins where they are; strandline marks shows it."
        if postponed is not None:
            self._note(postponed, status="partial")

    def _note(self, error: StrandlineError, *, status: str) -> None:
        self.status, self.kind, self.error, self.hint = (
            status,
            type(error).__name__,
            error.message,
            error.hint,
        )
        self.retry_at = error.retry_at if isinstance(error, QuotaExhausted) else None

    def figures(self) -> dict[str, Any]:
        """What the ledger keeps of it: of when to come back, what the error says."""
        told = asdict(self)
        del told["retry_at"]
        return told


class TargetReport(Struct):
    """What became of one model."""

    stream: str
    target: str
    counts: dict[str, int]
    applied_before: int
    applied_after: int
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return any(self.counts.values())


class ExpectationReport(Struct):
    """What became of one expectation."""

    stream: str
    target: str
    name: str
    severity: str
    status: str
    """passed, warned, failed, or unanswered by the source."""
    failing: int = 0
    """How many rows break it."""
    samples: list[dict[str, str]] = []
    """Source and natural key of the first of them."""
    detail: str | None = None
    seconds: float = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether the merge cannot stand."""
        return self.severity == "fail" and self.status in ("failed", "unanswered")


class SweepReport(Struct):
    """What was found out about who is gone from a stream."""

    stream: str
    means: str
    began_at: datetime
    status: str = "done"
    """done, unproven (nothing was deleted), stopped, or confirmed."""
    members: int = 0
    absent: int = 0
    deleted: int = 0
    detail: str | None = None
    """Why nothing was deleted."""
    seconds: float = 0.0


class DbtReport(Struct):
    """What dbt has said of a model or a test, or what became of dbt itself."""

    node: str
    """dbt's unique_id; what was typed, where dbt itself has failed."""
    status: str
    """As dbt calls it: success, pass, warn, fail, error, skipped and others."""
    failures: int | None = None
    """Rows that a test has found."""
    message: str | None = None
    hint: str | None = None
    seconds: float = 0.0

    @property
    def has_failed(self) -> bool:
        """Whether it is not as dbt wants it; a warning is."""
        return self.status in ("fail", "error", "runtime error", "partial success")

    def as_row(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return asdict(self)


class RunReport(Struct):
    """What became of a run."""

    pipeline: str
    run_id: int
    started_at: datetime
    kind: str = "run"
    """run, retry, replay or dry replay."""
    finished_at: datetime | None = None
    status: str = "running"
    streams: list[StreamReport] = []
    targets: list[TargetReport] = []
    expectations: list[ExpectationReport] = []
    sweeps: list[SweepReport] = []
    dbt: list[DbtReport] = []
    """What dbt has said behind it."""
    error: str | None = None
    samples: list[dict[str, Any]] = []
    """Of a replay that only looks: some of the values that would be others."""
    out_of_reach: list[dict[str, Any]] = []
    """Of a replay: the dimensions of which versions stay as an older mapper has made them, for what they were
    made of was pruned.
    """
    profile: list[dict[str, Any]] | None = None
    """If it was asked for: the seconds that each stream took, by part, and last what was no stream's."""

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else 0.0

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 3 done with rejects, warnings or streams that failed."""
        return {"done": EXIT_DONE, "partial": EXIT_PARTIAL}.get(self.status, EXIT_FAILED)

    def conclude(self) -> None:
        """Settle the status by those of the streams; it has failed where what is expected has, and is partial
        where dbt has.
        """
        states = {stream.status for stream in self.streams}
        if any(it.has_failed for it in self.expectations):
            self.status = "failed"
        elif states <= {"done"}:
            self.status = "partial" if any(it.has_failed for it in self.dbt) else "done"
        elif states <= {"failed"}:
            self.status = "failed"
        else:
            self.status = "partial"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        parts = ("streams", "targets", "expectations", "sweeps", "dbt")
        told = {name: [asdict(it) for it in getattr(self, name)] for name in parts}
        return {**asdict(self), **told, "seconds": self.seconds, "exit_code": self.exit_code}


def exit_code(statuses: Iterable[str]) -> int:
    """Of streams that end each for itself: 0 when all went well, 1 when nothing did, 3 when some did."""
    failed = [status == "failed" for status in statuses]
    if not any(failed):
        return EXIT_DONE
    return EXIT_FAILED if all(failed) else EXIT_PARTIAL


class Progress(Protocol):
    """Whoever wants to see a run go on."""

    def reading(self, stream: str, figures: Any) -> None:
        """The stream has come this far."""

    def merging(self, stream: str, target: str) -> None:
        """The target is being merged."""

    def finished(self, stream: StreamReport) -> None:
        """The stream is through, one way or another."""


class Silence:
    """Nobody wants to see it."""

    def reading(self, stream: str, figures: Any) -> None:
        """Say nothing."""

    def merging(self, stream: str, target: str) -> None:
        """Say nothing."""

    def finished(self, stream: StreamReport) -> None:
        """Say nothing."""
