"""dbt after a load: what a pipeline declares of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

from strandline.errors import DeclarationError

Command = Literal["build", "run", "test", "snapshot", "seed"]
"""What dbt is asked to do."""


class Dbt(Struct, frozen=True):
    """dbt, as it follows a run."""

    select: tuple[str, ...]
    exclude: tuple[str, ...]
    command: Command
    project: Path
    program: tuple[str, ...]
    target: str | None
    full_refresh: bool

    @property
    def name(self) -> str:
        """What the ledger calls it where dbt itself has failed."""
        return " ".join(["dbt", *self._asked()])

    def _asked(self) -> Iterator[str]:
        yield self.command
        for option, values in (("--select", self.select), ("--exclude", self.exclude)):
            if values:
                yield from (option, *values)
        if self.target is not None:
            yield from ("--target", self.target)
        if self.full_refresh:
            yield "--full-refresh"

    @property
    def words(self) -> list[str]:
        """What is typed."""
        return [*self.program, *self._asked()]


@dataclass
class Followed:
    """Something after which dbt runs."""

    dbt: list[Dbt] = field(default_factory=list, init=False, repr=False, compare=False)
    """What dbt does, one after the other."""

    def then_dbt(
        self,
        *,
        select: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
        command: Command = "build",
        project: str | Path = "dbt",
        program: str = "dbt",
        target: str | None = None,
        full_refresh: bool = False,
    ) -> Dbt:
        """Run dbt behind every run that has not failed: `dbt build --select …` in the folder `project`.

        What it says of each model and test goes into the ledger, and an error or a failed test makes the run
        partial. `program` says where dbt is, and what stands before its command.
        """
        if command not in get_args(Command):
            raise DeclarationError(
                f"then_dbt(command={command!r}): dbt is not asked that behind a load",
                hint=f"Give one of {', '.join(get_args(Command))}.",
            )
        words = tuple(shlex.split(program))
        if not words:
            raise DeclarationError("then_dbt(program=''): it names no program", hint='Give program="dbt".')
        added = Dbt(_several(select), _several(exclude), command, Path(project), words, target, full_refresh)
        self.dbt.append(added)
        return added


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(given.split()) if isinstance(given, str) else tuple(given)
