"""What `strandline check` does, as a function that a program can call as well."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from strandline.cli import commands
from strandline.errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTIAL
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.lint import catalog
from strandline.pipeline.lint.database import EXPECTATION
from strandline.pipeline.lint.lint import Linted, Linter
from strandline.pipeline.lint.online import Tables, look
from strandline.pipeline.lint.rule import Rule
from strandline.pipeline.lint.star import Star
from strandline.settings import Settings


@dataclass(frozen=True)
class Checked:
    """What a check has looked at, and found."""

    linted: Linted
    tables: Tables | None
    """What was looked at in the database; None where none was asked."""
    pipelines: list[str]

    def exit_code(self, *, is_strict: bool) -> int:
        """1 for an error, and where that is wanted for a warning; 3 where an expectation would only warn."""
        severities = {it.severity for it in self.linted.findings}
        if "error" in severities or (is_strict and "warning" in severities):
            return EXIT_FAILED
        warned = any(it.rule == EXPECTATION.id for it in self.linted.findings if it.severity == "warning")
        return EXIT_PARTIAL if warned else EXIT_DONE


def check(
    pipelines: Sequence[Pipeline],
    settings: Settings,
    *,
    chosen: Sequence[Pipeline] | None = None,
    only: Collection[str] = (),
    is_offline: bool = False,
) -> Checked:
    """Look at what these pipelines declare and, unless that is all that is wanted, at their tables."""
    linter = Linter(Star(pipelines, settings.check), chosen=chosen, only=only)
    linter.look()
    looked_at = pipelines if chosen is None else chosen
    tables = None if is_offline else _look(linter, settings, looked_at, is_whole=chosen is None)
    return Checked(linter.finish(), tables, [it.name for it in looked_at])


def _look(linter: Linter, settings: Settings, pipelines: Sequence[Pipeline], *, is_whole: bool) -> Tables:
    """To look must not make a database: where there has never been one, no table is there."""
    if settings.database_url is None and not settings.home.exists():
        missing = dict.fromkeys(model.table().name for it in pipelines for model in it.models)
        return Tables([], list(missing), 0)
    with commands.warehouse(settings) as database:
        return look(linter, database, pipelines, is_whole=is_whole)


def rules(only: Collection[str]) -> list[Rule]:
    """All rules, or these."""
    catalog.verify(only, where="--only")
    return [it for it in catalog.ALL.values() if not only or it.id in only]
