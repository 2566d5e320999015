"""The command line with the asked command alone says and takes what the whole of it does."""

import pytest
import typer

from strandline.cli import asked
from strandline.cli.app import app

WHOLE = asked.only(app, [])


@pytest.mark.parametrize("name", WHOLE.commands)
def test_a_command_is_the_same_alone(name: str) -> None:
    alone = asked.only(app, [name, "--help"])
    assert list(alone.commands) == [name]
    told = [
        it.commands[name].get_help(typer.Context(it.commands[name], info_name=name)) for it in (alone, WHOLE)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("words", [[], ["--help"], ["nothing-of-that-name"]])
def test_where_no_command_is_asked_for_all_are_there(words: list[str]) -> None:
    assert list(asked.only(app, words).commands) == list(typer.main.get_group(app).commands)


def test_every_command_takes_the_environment() -> None:
    assert "--environment" in WHOLE.commands["run"].get_help(typer.Context(WHOLE.commands["run"]))
    assert all("environment" in [it.name for it in command.params] for command in asked.commands_of(WHOLE))
