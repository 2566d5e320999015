"""The documentation, tried: every block of docs/ runs, and the reference names everything that there is.

The blocks of a page run from top to bottom, in a folder of the page's own, with an empty home and a database
of its own. What a block is follows from the words behind its fence:

    console                `$ ` begins a command; below it is what a terminal then shows (nothing: unchecked)
    console exit=3         the last command ends with 3, the others with 0
    console terminal=2     the command stays in another terminal; with no command, Enter is pressed there
    … by-hand              not run: it needs the network or an administrator
    … live                 done by servers/test_first_hour.py, on servers that others have written
    python                 runs; all of a page's share one interpreter
    python raises          ends with an error of ours, which the output block below shows
    … title="pipeline.py"  writes that file; with `add`, at its end
    diff title="…"         edits that file: the lines without + stand in it once, in this order
    sql                    typed at the psql prompt
    sql executed           the same; the python block before has executed this and nothing else
    sql excerpt            that as well, with … for any text; not typed
    output                 what the block before printed
    text                   a drawing, not run

Shown and found are compared line by line without indentation, runs of spaces and empty lines; … stands for
any text, and alone on a line for any lines. Port 8801 stands for one that is free. The tutorial has its
embedded PostgreSQL, every other page finds a database in STRANDLINE_DATABASE_URL.
"""

import ast
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from importlib import import_module
from inspect import getsource
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from pydantic import BaseModel
from sqlalchemy.types import TypeDecorator
from tests.documentation import AS_TEXT, PORT, ROOT, Block, Reader, blocks, guarded

import strandline
from strandline import errors, source, testing
from strandline.cli.app import app
from strandline.model import calendar
from strandline.model import type as column_type
from strandline.model.base import Audited
from strandline.model.dimension import Dimension
from strandline.pipeline.lint import catalog
from strandline.sample import __main__ as sample
from strandline.settings import Settings
from strandline.settings.check import Choice
from strandline.settings.own import Log, Notify
from strandline.source import HttpSource
from strandline.testing import plugin, postgres
from strandline.testing.simulator import Simulator
from strandline.warehouse import fact, raw, scd, staging, state

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted(DOCS.rglob("*.md"))
TUTORIAL = DOCS / "tutorial" / "first-dimension.md"
EMBEDDED = (TUTORIAL, DOCS / "how-to" / "use-your-own-postgresql.md")
PARTS = ("source", "model", "warehouse", "pipeline", "testing", "sample")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A home of its own; an embedded server that a page starts also ends when the tests are killed."""
    home = Path(tempfile.mkdtemp(prefix="strandline-docs-", dir=postgres.folder_in_memory()))
    with (
        guarded(home / "warehouse" / ".strandline")
        if request.node.callspec.params["page"] in EMBEDDED
        else nullcontext()
    ):
        yield home
    shutil.rmtree(home)


@pytest.fixture
def reader(home: Path, program: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    folder = home / "warehouse"
    folder.mkdir()
    (home / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STRANDLINE_")}
    environment |= {
        "HOME": str(home / "home"),
        "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        **AS_TEXT,
    }
    if request.node.callspec.params["page"] != TUTORIAL:
        environment["STRANDLINE_DATABASE_URL"] = request.getfixturevalue("database_url")
        environment["PYTEST_ADDOPTS"] = f"--database-url={environment['STRANDLINE_DATABASE_URL']}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    reader = Reader(folder, environment, port)
    yield reader
    reader.close()


@every_page
def test_what_a_page_says_happens(page: Path, request: pytest.FixtureRequest) -> None:
    found = blocks(page)
    reader: Reader | None = request.getfixturevalue("reader") if any(map(needs_reader, found)) else None
    for block in found:
        if reader is not None:
            reader.follow(block)


def needs_reader(block: Block) -> bool:
    return block.kind != "text" and not block.words & {"by-hand", "live"}


def test_the_tutorial_ends_with_the_code_of_the_example(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {}, PORT)
    for block in blocks(TUTORIAL):
        if "title" in block.options:
            reader.write(block)

    assert classes([tmp_path / "pipeline.py"]) == classes((ROOT / "examples" / "sales").glob("*.py"))


def classes(files: Iterable[Path]) -> dict[str, str]:
    nodes = [node for file in files for node in ast.parse(file.read_text()).body]
    return {node.name: ast.dump(node) for node in nodes if isinstance(node, ast.ClassDef)}


def test_the_reference_names_every_command_and_option() -> None:
    for name, options in commands(typer.main.get_command(app)):
        assert options_in(name) == options, name


def test_the_reference_names_every_option_of_the_sample() -> None:
    there = {word for action in sample._parser()._actions for word in action.option_strings}

    assert options_in("python -m strandline.sample") == there - {"-h", "--help"}


def commands(group: Any, above: str = "strandline") -> Iterator[tuple[str, set[str]]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{above} {name}")
        else:
            words = {word for parameter in command.params for word in parameter.opts}
            yield f"{above} {name}", {word for word in words if word.startswith("--")}


def options_in(command: str) -> set[str]:
    sections = re.split(r"^## ", reference("command-line"), flags=re.MULTILINE)
    (section,) = [each for each in sections if re.match(rf"`{re.escape(command)}[` ]", each)]
    return set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))


def test_the_reference_names_all_that_a_merge_counts() -> None:
    counted = [name.replace("_", " ") for merged in (scd.Merged, fact.Merged) for name in merged().counts()]

    assert not missing(counted, rows_of("command-line"))


def test_the_reference_names_every_setting_and_no_other() -> None:
    known = set(variables_of(Settings, "STRANDLINE_"))

    assert {word for word in rows_of("settings") if word.startswith("STRANDLINE_")} == known
    assert not missing(HttpSource.__annotations__, rows_of("settings"))


def variables_of(cls: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, info in cls.model_fields.items():
        if is_a(info.annotation, BaseModel):
            yield from variables_of(info.annotation, f"{prefix}{name.upper()}__")  # type: ignore[arg-type]
        else:
            yield f"{prefix}{name.upper()}"


def test_every_setting_says_what_it_is() -> None:
    nested = [info for section in (Choice, Log, Notify) for info in section.model_fields.values()]

    assert all(info.description for info in [*Settings.model_fields.values(), *nested])


def test_the_reference_names_every_error_with_its_exit_code() -> None:
    there = {
        name: kind.exit_code for name, kind in vars(errors).items() if is_a(kind, errors.StrandlineError)
    }
    told = re.findall(r"^\| `(\w+)` \| (\d) \|", reference("errors"), re.MULTILINE)

    assert {name: int(code) for name, code in told} == there
    assert set(re.findall(r"^[│├└─ ]*(\w+)$", reference("errors"), re.MULTILINE)) == set(there)


def test_the_reference_names_every_public_name() -> None:
    for module in map(import_module, ["strandline", *(f"strandline.{part}" for part in PARTS)]):
        assert not missing(module.__all__, names_known_in(module)), module.__name__


def test_the_reference_of_testing_names_all_that_there_is() -> None:
    said = set(re.findall(r"`(\w+)", reference("testing")))
    fixtures = re.findall(r"^@pytest\.fixture.*\ndef (\w+)", getsource(plugin), re.MULTILINE)

    assert not missing(testing.__all__, said)
    assert fixtures
    assert not missing(fixtures, rows_of("testing"))
    methods = {name for name in vars(Simulator) if not name.startswith("_")} - {"fault_of"}
    assert not missing(methods, set(re.findall(r"`\.(\w+)", reference("testing"))))


def names_known_in(module: ModuleType) -> set[str]:
    """A part may leave to the package's list what is there as well."""
    sections = re.split(r"^## ", reference("public-api"), flags=re.MULTILINE)
    wanted = ("`strandline`", f"`{module.__name__}`")
    cells = [
        cell
        for each in sections
        if each.startswith(wanted)
        for cell in re.findall(r"^\| (.+?) \|", each, re.MULTILINE)
    ]
    return {name for cell in cells for name in re.findall(r"`(\w+)", cell)}


def test_the_reference_has_a_section_for_every_rule_that_says_why_and_how() -> None:
    parts = re.split(r"^### `", reference("rules"), flags=re.MULTILINE)[1:]
    sections = {part.partition("`")[0]: part for part in parts}

    assert list(sections) == list(catalog.ALL)
    for rule in catalog.ALL.values():
        assert f"*{rule.severity}*: {rule.why}\n{rule.fix}\n" in sections[rule.id]
        assert rule.page.endswith(f"docs/reference/rules.md#{rule.id}")


def test_the_reference_names_every_choice_of_a_check() -> None:
    told = {part.partition(".")[0].strip("` ") for part in rows_of("rules")}

    assert not missing(Choice.model_fields, told)


def test_the_reference_names_every_column_type() -> None:
    there = {name for name, kind in vars(column_type).items() if is_a(kind, TypeDecorator)} - {
        "TypeDecorator"
    }

    assert {word.partition("(")[0] for word in rows_of("column-types")} >= there


def test_the_reference_names_every_table_and_column() -> None:
    for table in state.OWN_TABLES.sorted_tables:
        assert not missing(table.c.keys(), columns_in(f"`{table.name}`")), table.name
    assert not missing(raw.raw_table("any.stream", cursor=None).c.keys(), columns_in("The raw log"))
    assert not missing(staging.OWN_COLUMNS, columns_in("Staging"))
    assert not missing(calendar.COLUMNS, columns_in("`dim_date`"))
    audit = [name for name in Audited.__annotations__ if not name.startswith("_")]
    own = [name for name in Dimension.__annotations__ if name != "dimension_name"]
    assert not missing([*own, *audit], columns_in("Dimensions"))
    assert not missing(audit, columns_in("Facts"))


def columns_in(heading: str) -> set[str]:
    sections = re.split(r"^##+ ", reference("database"), flags=re.MULTILINE)
    (section,) = [each for each in sections if each.startswith(f"{heading}\n")]
    return set(re.findall(r"`(\w+)`", section))


def test_the_index_leads_to_every_page() -> None:
    linked = re.findall(r"\]\(([^)#]+)\)", (DOCS / "index.md").read_text())

    assert {(DOCS / target).resolve() for target in linked} | {DOCS / "index.md"} == set(PAGES)


NO_QUIRKS = {
    *("Contract", "Record", "Personal", "Widened", "Page", "Pages", "Stream", "stream", "SourceSettings"),
    *("ProgramSettings", "FileVault", "TokenVault", "Reconciliation", "reconciliation"),
    "DbtSource",  # reads what dbt has built, in the warehouse
}
"""Public names of sources that answer to nothing that an API does."""


def test_the_page_of_quirks_names_what_answers_to_each_and_where_it_is_told() -> None:
    """What a source can be declared with is on the page, also when it is added later; every name there is
    one; and every quirk leads to a page.
    """
    page = (DOCS / "how-to" / "my-api.md").read_text()
    told = " ".join(re.findall(r"`([^`]+)`", page))
    # Not what stands in a text: "X-Total", "Europe/Berlin".
    names = {*re.findall(r"(?<![\w\"./-])[A-Z]\w+", told), *re.findall(r"\bpaged\b", told)}

    assert not missing(sorted({*source.__all__} - NO_QUIRKS), names)
    assert not missing(sorted(names), {*source.__all__, *strandline.__all__, "Deletes"})
    rows = [row for row in page.splitlines() if row.startswith("|") and not row.startswith("|--")]
    assert not [row for row in rows if "](" not in row and not row.endswith(" | |")]


def reference(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text()


def rows_of(name: str) -> set[str]:
    """What stands in the first cells of a page's tables, each part by itself where there are several."""
    cells = re.findall(r"^\| (.+?) \|", reference(name), re.MULTILINE)
    return {part.strip("` ") for cell in cells for part in cell.split(",")}


def missing(wanted: Iterable[str], found: set[str]) -> list[str]:
    return [each for each in wanted if each not in found]


def is_a(kind: object, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
