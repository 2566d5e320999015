"""What is asked for of the command line: of all its commands only the one that was typed.

Typer looks at every parameter of every command before it reads the first word, which takes longer than a
command that only shows something may. Where no command is of that name, all of them are there, to be listed.
"""

from __future__ import annotations

from collections.abc import Sequence

import typer
import typer.main


def only(app: typer.Typer, words: Sequence[str]) -> typer.core.TyperGroup:
    """The command line with what these words ask for."""
    name = words[0] if words else None
    commands = [it for it in app.registered_commands if _name(it) == name]
    groups = [it for it in app.registered_groups if it.name == name]
    if not commands and not groups:
        return typer.main.get_group(app)
    asked = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=app.rich_markup_mode
    )
    asked.registered_commands, asked.registered_groups = commands, groups
    return typer.main.get_group(asked)


def _name(command: typer.models.CommandInfo) -> str | None:
    function = command.callback
    return command.name or (typer.main.get_command_name(function.__name__) if function else None)
