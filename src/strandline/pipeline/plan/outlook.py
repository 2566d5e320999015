"""What a plan tells: tables to make, ranges to read, rows to write, and the locks that all of this takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from strandline.errors import EXIT_DONE, EXIT_FAILED, StrandlineError

Status = Literal["merge", "nothing", "counted", "fail", "busy"]

MERGE: Final = "merge"
"""It was merged, and taken back."""
NOTHING: Final = "nothing"
COUNTED: Final = "counted"
"""Its entries were counted, and not merged."""
FAIL: Final = "fail"
BUSY: Final = "busy"
"""Another run is merging into it."""


@dataclass(frozen=True)
class Problem:
    """Why a run would stop."""

    kind: str
    message: str
    hint: str | None

    @classmethod
    def of(cls, error: StrandlineError) -> Problem:
        """What an error says."""
        return cls(type(error).__name__, error.message, error.hint)


@dataclass(frozen=True)
class StreamOutlook:
    """What a run would ask a source for."""

    stream: str
    """A stream, or a partition of it that was read before."""
    mark: str | None
    """How far it has been read."""
    since: str | None
    """From where the source is asked; None: from its beginning."""
    until: str | None
    """Up to where; None: to its end."""
    reads: str
    """The same in words."""
    with_full: str
    """What --full would make of it."""
    deletions: str | None = None
    """How it would be found out who is gone."""
    held_by: str | None = None
    """Who reads it now: a run would refuse to."""


@dataclass
class TargetOutlook:
    """What a run would merge into one model of what is in the raw log already."""

    target: str
    stream: str
    entries: int
    """Entries of the raw log that it lacks."""
    status: Status = NOTHING
    new_columns: list[str] = field(default_factory=list)
    """Columns that have been declared since the last merge, and would be filled."""
    rejected: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """What the merge counts: versions, closed, overwritten, inserted, deleted, …"""
    writes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows inserted, updated and deleted, by table."""
    problem: Problem | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class LockOutlook:
    """A lock that a step takes until it is committed, and what it is for."""

    step: str
    mode: str
    on: str
    why: str


@dataclass
class Outlook:
    """The plan of one pipeline."""

    pipeline: str
    has_warehouse: bool = True
    """Whether there is a database already."""
    statements: list[str] = field(default_factory=list)
    """What would be created, in SQL."""
    stages: list[str] = field(default_factory=list)
    """Staging tables that would be made, or made again; what is in them can be made again, too."""
    problem: Problem | None = None
    """Why a run would stop before it reads anything."""
    streams: list[StreamOutlook] = field(default_factory=list)
    targets: list[TargetOutlook] = field(default_factory=list)
    aggregates: dict[str, int] = field(default_factory=dict)
    """Aggregates that would be built anew, with their groups."""
    locks: list[LockOutlook] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Some of the values that would be others."""
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """1 where a run would stop, or a merge would fail."""
        would_stop = self.problem is not None and self.has_warehouse
        would_fail = would_stop or any(it.status == FAIL for it in self.targets)
        return EXIT_FAILED if would_fail else EXIT_DONE

    def as_dict(self) -> dict[str, Any]:
        """The plan as `--json` prints it."""
        return {**asdict(self), "exit_code": self.exit_code}
