"""Where the commands print to: lines and tables, on a terminal or into a file.

Rich draws them. Into a file or a pipe, what fits there as it is, is written without it, since loading it
takes longer than a run that finds nothing new may; both ways look the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Protocol

from msgspec import Struct

WIDTH: Final = 120
"""Of a file, which has none: enough for a table."""

BOLD: Final = ("[bold]", "[/bold]")
GAP: Final = "  "


class Table(Struct, frozen=True):
    """A table that is ready to be printed."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[bool]
    """Which columns are numbers, and so go to the right."""
    title: str | None = None

    def lines(self) -> list[str]:
        """It in plain text."""
        widths = [max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]
        drawn = [
            GAP.join(
                cell.rjust(width) if is_right else cell.ljust(width)
                for cell, width, is_right in zip(row, widths, self.right, strict=True)
            ).rstrip()
            for row in [self.headings, *self.rows]
        ]
        return [self.title, *drawn] if self.title else drawn

    def drawn(self) -> Any:
        """It as Rich draws it."""
        from rich.table import Table as Drawn
        from rich.text import Text

        drawn = Drawn(
            title=self.title,
            title_justify="left",
            title_style="bold",
            header_style="bold",
            box=None,
            pad_edge=False,
        )
        for heading, is_right in zip(self.headings, self.right, strict=True):
            drawn.add_column(heading, justify="right" if is_right else "left", overflow="fold")
        for row in self.rows:
            drawn.add_row(*map(Text, row))
        return drawn


class Console(Protocol):
    """What prints."""

    def print(self, shown: str | Table = "", *, soft_wrap: bool = False) -> None:
        """Print a text, in which [bold] and [/bold] may stand, or a table."""


class Screen:
    """Stdout by Rich: as wide as the terminal."""

    @cached_property
    def _rich(self) -> Any:
        from rich.console import Console as Rich

        return Rich(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH, highlight=False)

    def print(self, shown: str | Table = "", *, soft_wrap: bool = False) -> None:
        """Print it."""
        self._rich.print(shown.drawn() if isinstance(shown, Table) else shown, soft_wrap=soft_wrap)


class Paper(Screen):
    """Stdout where it is no terminal."""

    def print(self, shown: str | Table = "", *, soft_wrap: bool = False) -> None:
        """Write it as it is where it fits, and let Rich print what has to be folded or measured."""
        lines = shown.lines() if isinstance(shown, Table) else _plain(shown).split("\n")
        if all(map(_fits, lines)) and (isinstance(shown, Table) or not any("[" in it for it in lines)):
            sys.stdout.writelines(f"{line}\n" for line in lines)
        else:
            super().print(shown, soft_wrap=soft_wrap)


def _plain(text: str) -> str:
    for mark in BOLD:
        text = text.replace(mark, "")
    return text


def _fits(line: str) -> bool:
    return len(line) <= WIDTH and line.isascii() and line.isprintable()


def console() -> Console:
    """The console on stdout."""
    return Screen() if sys.stdout.isatty() else Paper()
