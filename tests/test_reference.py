"""What the reference leaves out, or has too much: commands, arguments, environment, extras, names."""

import dataclasses
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
import typer
from tests.documentation import ROOT
from tests.test_docs import PARTS, commands, missing, names_known_in, reference, rows_of

import strandline
from strandline import errors
from strandline.cli.app import app
from strandline.pipeline import Pipeline
from strandline.source import FileSource, HttpSource, SourceSettings, SqlSource
from strandline.testing import plugin
from strandline.warehouse.migration import online

DOCS = ROOT / "docs"
SECTION = re.compile(r"^## `(strandline [^`]+)`$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = {it[1]: it[2] for it in SECTION.finditer(reference("command-line"))}
NAMES = [
    (module, name)
    for module in map(import_module, ["strandline", *(f"strandline.{part}" for part in PARTS)])
    for name in module.__all__
]
CALLED: list[tuple[type, str]] = [
    *((Pipeline, name) for name in vars(Pipeline) if not name.startswith("_")),
    *((HttpSource, name) for name in ("pages", "graphql", "report", "number")),
    (FileSource, "files"),
    *((SqlSource, name) for name in ("table", "query", "changes")),
]
"""Methods that a user's own code calls."""

INTERNAL = {"wanted", "function"}
"""Parameters that a paginator tells itself, or a decorator is given."""


def leaves(group: Any, above: str = "strandline") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


LEAVES = dict(leaves(typer.main.get_command(app)))


def heading_of(command: str) -> str:
    (found,) = [it for it in SECTIONS if it == command or it.startswith(f"{command} ")]
    return found


def test_the_reference_has_these_commands_and_no_other() -> None:
    assert set(map(heading_of, LEAVES)) == set(SECTIONS)
    assert set(LEAVES) == {name for name, _ in commands(typer.main.get_command(app))}


@pytest.mark.parametrize("command", LEAVES)
def test_a_commands_heading_has_its_arguments(command: str) -> None:
    """In their order, in brackets where they can be left out, and with … where there may be several."""
    arguments = [it for it in LEAVES[command].params if it.param_type_name == "argument"]
    words = heading_of(command).removeprefix(command).partition("--")[0].split()
    told = [(not it.startswith("["), "…" in it) for it in words]

    assert told == [(it.required, it.nargs == -1) for it in arguments]


@pytest.mark.parametrize("command", LEAVES)
def test_a_commands_section_has_every_spelling_of_its_options(command: str) -> None:
    options = [it for it in LEAVES[command].params if it.param_type_name == "option"]
    told = set(re.findall(r"`(--?[a-z][a-z-]*)", SECTIONS[heading_of(command)]))

    assert not missing([word for it in options for word in (*it.opts, *it.secondary_opts)], told)


def test_every_command_and_every_option_says_what_it_is() -> None:
    for name, command in LEAVES.items():
        assert command.help, name
        assert all(it.help for it in command.params if it.param_type_name == "option"), name


def test_the_reference_names_every_variable_of_the_environment() -> None:
    """Also those that are read before the settings are."""
    code = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    there = set(re.findall(r"\bSTRANDLINE_[A-Z]+(?:__?[A-Z]+)*", code))

    assert not missing(there, set(re.findall(r"STRANDLINE_\w+", reference("settings"))))


def test_the_reference_names_what_the_settings_of_sources_have() -> None:
    for name in import_module("strandline.source").__all__:
        kind = getattr(import_module("strandline.source"), name)
        if isinstance(kind, type) and issubclass(kind, SourceSettings):
            told = reference("settings")
            fields = list(kind.model_fields)
            assert not [it for it in fields if f"`{it}`" not in told and it.upper() not in told]


def test_there_is_no_error_elsewhere_that_a_user_could_meet() -> None:
    """One that is made elsewhere is caught there, and has a parent that is documented."""
    for kind in below(errors.StrandlineError):
        is_ours = kind.__module__.startswith("strandline.") and kind.__module__ != errors.__name__

        assert not is_ours or kind.__bases__[0].__module__ == errors.__name__, kind


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def test_the_reference_has_no_public_name_that_is_none() -> None:
    """The first names of a table's row; what stands behind them tells how they are used."""
    for module in map(import_module, ["strandline", *(f"strandline.{part}" for part in PARTS)]):
        known = names_known_in(module)

        assert not [it for it in known if not any(hasattr(each, it) for each in (module, strandline))], module


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda it: it if isinstance(it, str) else it.__name__)
def test_every_public_name_says_what_it_is(module: Any, name: str) -> None:
    found = getattr(module, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__doc__


def written() -> set[str]:
    """All words that stand in code, on any page."""
    pages = "\n".join(page.read_text() for page in DOCS.rglob("*.md"))
    code = re.findall(r"`[^`\n]+`|^```.*?^```", pages, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\w+", " ".join(code)))


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """What users call: public functions, what makes an object of a public dataclass, and methods."""
    for module, name in NAMES:
        found = getattr(module, name)
        if inspect.isfunction(found) or dataclasses.is_dataclass(found):
            yield f"{module.__name__}.{name}", found  # type: ignore[misc]
    for kind, method in CALLED:
        if inspect.isfunction(vars(kind)[method]):
            yield f"{kind.__name__}.{method}", vars(kind)[method]


def test_every_parameter_of_what_users_call_stands_in_the_documentation() -> None:
    there = written()
    for where, function in functions():
        names = [it for it in inspect.signature(function).parameters if not it.startswith("_")]

        assert not missing([it for it in names if it not in INTERNAL], there | {"self"}), where


def test_every_method_of_a_pipeline_stands_in_the_documentation() -> None:
    there = written()

    assert not missing([name for kind, name in CALLED if kind is not Pipeline], there)
    assert not missing([it for it in vars(Pipeline) if not it.startswith("_") and it != "readings"], there)


def test_every_extra_stands_in_the_documentation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = " ".join(page.read_text() for page in [*DOCS.rglob("*.md"), ROOT / "README.md"])

    for extra in project["optional-dependencies"]:
        assert re.search(rf"strandline\[(?:\w+,)*{extra}[\],]|`{extra}`", named), extra


def test_the_reference_has_every_step_of_a_revision_with_its_parameters() -> None:
    told = dict(re.findall(r"^\| `(\w+)\(([^`]*)\)` \|", reference("revisions"), re.MULTILINE))

    assert set(told) == set(online.__all__)
    for name, words in told.items():
        parameters = inspect.signature(getattr(online, name)).parameters.values()
        assert re.findall(r"(\w+)(?:=|,|$)", re.sub(r'="[^"]*"|=\w+', "", words)) == [
            it.name for it in parameters
        ], name


def test_the_reference_names_every_option_of_the_pytest_plugin() -> None:
    options = re.findall(r'"(--[a-z-]+)"', inspect.getsource(plugin))

    assert options
    assert not missing(options, {it.partition(" ")[0] for it in rows_of("testing")})
