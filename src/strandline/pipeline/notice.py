"""Who is told that a run has failed: hooks, which a pipeline declares, and what they get to know.

A hook that fails is logged, and nothing else: the run has ended as it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, overload

from msgspec import Struct

from strandline import log
from strandline.errors import StrandlineError
from strandline.pipeline.report import RunReport

FAILED = "failed"
PARTIAL = "partial"


class Notice(Struct, frozen=True):
    """That a run has failed, or is partial."""

    pipeline: str
    status: str
    """failed, or partial."""
    error: str
    """What went wrong: of the run, or of its streams."""
    kind: str | None = None
    """The name of the error."""
    hint: str | None = None
    report: RunReport | None = None
    """What became of the run; None where it has failed before it began."""

    @property
    def run_id(self) -> int | None:
        """Its number in the ledger."""
        return None if self.report is None else self.report.run_id

    @property
    def text(self) -> str:
        """It in a line or two, for people."""
        run = f"{self.pipeline}, {self.report.kind} {self.run_id}" if self.report else self.pipeline
        return f"{run}: {self.status}: {self.error}" + (f"\n{self.hint}" if self.hint else "")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the streams are those that are not done."""
        report = self.report
        streams = [] if report is None else [it for it in report.streams if it.status != "done"]
        names = ("stream", "status", "records", "rejected", "error", "kind", "hint")
        return {
            "pipeline": self.pipeline,
            "run_id": self.run_id,
            "run_kind": None if report is None else report.kind,
            "status": self.status,
            "started_at": None if report is None else report.started_at.isoformat(),
            "finished_at": ((report and report.finished_at) or datetime.now(UTC)).isoformat(),
            "error": self.error,
            "kind": self.kind,
            "hint": self.hint,
            "streams": [{name: getattr(it, name) for name in names} for it in streams],
        }


Hook = Callable[[Notice], object]
H = TypeVar("H", bound=Hook)


class Hooked(Struct, frozen=True):
    """A hook, and whether it wants to know of partial runs too."""

    hook: Hook
    partial: bool


@dataclass
class Watched:
    """Something of whose failures people are told."""

    hooks: list[Hooked] = field(default_factory=list, init=False, repr=False, compare=False)
    """Who is told."""

    @overload
    def on_failure(self, hook: H, /, *, partial: bool = False) -> H: ...
    @overload
    def on_failure(self, hook: None = None, /, *, partial: bool = False) -> Callable[[H], H]: ...
    def on_failure(self, hook: H | None = None, /, *, partial: bool = False) -> H | Callable[[H], H]:
        """Call this with a Notice when a run, replay or backfill has failed, with `partial` also when it is
        partial. It decorates a function, with parentheses or without. What a hook raises is logged only.
        """

        def keep(it: H) -> H:
            self.hooks.append(Hooked(it, partial))
            return it

        return keep if hook is None else keep(hook)


def of_error(pipeline: str, error: Exception, report: RunReport | None = None) -> Notice:
    """The notice of what a run has raised."""
    if isinstance(error, StrandlineError):
        return Notice(pipeline, FAILED, error.message, type(error).__name__, error.hint, report)
    return Notice(pipeline, FAILED, f"{type(error).__name__}: {error}", type(error).__name__, None, report)


def of_report(report: RunReport) -> Notice | None:
    """The notice of a run that has ended; None where all is well."""
    if report.status not in (FAILED, PARTIAL):
        return None
    wrong = [it for it in report.streams if it.error]
    broken = [it for it in report.expectations if it.status != "passed"]
    said = [f"{it.stream}: {str(it.error).removeprefix(f'{it.stream}: ')}" for it in wrong]
    said += [f"{it.stream}: {it.rejected:,} records were rejected" for it in report.streams if it.rejected]
    said += [f"{it.target}: {it.name}: {it.detail or it.status}" for it in broken if not wrong]
    said += [f"{it.node}: {it.message or it.status}" for it in report.dbt if it.has_failed]
    first = wrong[0] if wrong else None
    return Notice(
        report.pipeline,
        report.status,
        report.error or "; ".join(said) or "see strandline status",
        first.kind if first else None,
        first.hint if first else None,
        report,
    )


class Watch:
    """A run that is watched: it says here what becomes of it."""

    def __init__(self) -> None:
        self.report: RunReport | None = None


@contextmanager
def watching(name: str, hooks: list[Hooked]) -> Iterator[Watch]:
    """Tell the hooks where the block fails, or its report does; not where somebody stops it."""
    watch = Watch()
    try:
        yield watch
    except Exception as error:
        tell(hooks, of_error(name, error, watch.report))
        raise
    report = watch.report
    if report is not None and (notice := of_report(report)) is not None:
        tell(hooks, notice)


def tell(hooks: list[Hooked], notice: Notice) -> None:
    """Call those that want to know of it, one after the other, whatever becomes of each."""
    for it in hooks:
        if notice.status == FAILED or it.partial:
            _call(it.hook, notice)


def _call(hook: Hook, notice: Notice) -> None:
    try:
        hook(notice)
    except Exception as error:  # noqa: BLE001  # a hook is a user's, and may raise anything
        name = getattr(hook, "__qualname__", type(hook).__qualname__)
        told = {"pipeline": notice.pipeline, "run_id": notice.run_id}
        log.warn("a hook has failed", hook=name, error=f"{type(error).__name__}: {error}", **told)
