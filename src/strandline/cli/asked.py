"""What is asked for of the command line: of all its commands only the one that was typed, and what every
command takes.

Typer looks at every parameter of every command before it reads the first word, which takes longer than a
command that only shows something may. Where no command is of that name, all of them are there, to be listed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
import typer.main

VARIABLE: Final = "STRANDLINE_ENVIRONMENT"
FLAG: Final = "--environment"


def only(app: typer.Typer, words: Sequence[str]) -> typer.core.TyperGroup:
    """The command line with what these words ask for."""
    name = words[0] if words else None
    commands = [it for it in app.registered_commands if _name(it) == name]
    groups = [it for it in app.registered_groups if it.name == name]
    if not commands and not groups:
        return _everywhere(typer.main.get_group(app))
    asked = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=app.rich_markup_mode
    )
    asked.registered_commands, asked.registered_groups = commands, groups
    return _everywhere(typer.main.get_group(asked))


def _name(command: typer.models.CommandInfo) -> str | None:
    function = command.callback
    return command.name or (typer.main.get_command_name(function.__name__) if function else None)


def _take(environment: str | None) -> str | None:
    """For this process, and for those that it starts."""
    if environment is not None:
        from strandline.settings import surroundings

        surroundings.TYPED.set(environment)
        os.environ[VARIABLE] = environment
    return environment


def _everywhere(group: typer.core.TyperGroup) -> typer.core.TyperGroup:
    """Let every command take the environment, which each of them needs and none has to know of."""
    for command in commands_of(group):
        option = _option()
        command.params.insert(len(command.params) - 1, option)
    return group


def commands_of(group: Any) -> Iterator[Any]:
    """All of them, those within others too."""
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield from commands_of(command)
        else:
            yield command


def _option() -> Any:
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)

    @alone.command()
    def command(
        environment: Annotated[
            str | None,
            typer.Option(
                FLAG,
                help=f"Which config.<environment>.yaml lies over config.yaml [env: {VARIABLE}].",
                callback=_take,
                expose_value=False,
                is_eager=True,
            ),
        ] = None,
    ) -> None:
        """Only its option is of use."""

    return typer.main.get_command(alone).params[0]
