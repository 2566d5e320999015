"""The command line with the asked command alone says and takes what the whole of it does."""

import pytest
import typer

from strandline.cli import asked
from strandline.cli.app import app

WHOLE = typer.main.get_group(app)


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
    assert list(asked.only(app, words).commands) == list(WHOLE.commands)
