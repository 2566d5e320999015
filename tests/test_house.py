"""The rules of the house that a program can check: layers, public names, sizes, first sentences."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import strandline

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "strandline"
OURS = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "examples").rglob("*.py")])
LONGEST_FILE = 400
# One import line serves all three layers of a small project.
MOST_NAMES = 50
RUN_BY_ITSELF = {"crash.py", "crm.py", "fleet.py"} | {
    f"bad_{each}.py" for each in ("columns", "dimensions", "facts", "mapping", "names")
}
"""Modules of users' projects, which no test imports."""
PATCHES = {("monkeypatch", verb) for verb in ("setattr", "delattr", "setitem", "delitem")}
LOGS = {"warn", "say", "detail", "fail"}
CATCHES_ALL = [PACKAGE / "cli" / "option.py", PACKAGE / "pipeline" / "notice.py"]
"""The edge of the command line, and who calls a user's hooks."""

PUBLIC = [
    "AccumulatingSnapshot",
    "Aggregate",
    "ApiKey",
    "Basic",
    "Bearer",
    "BooleanString",
    "BooleanStringType",
    "Bridge",
    "Cursor",
    "Database",
    "DimDate",
    "Dimension",
    "Fact",
    "Hierarchy",
    "HttpSource",
    "JunkDimension",
    "Mapper",
    "MiniDimension",
    "Money",
    "NormalizedEmail",
    "Pages",
    "PeriodicSnapshot",
    "Personal",
    "Pipeline",
    "Precision",
    "READ_TIME",
    "Record",
    "Reference",
    "ReferenceType",
    "ShrunkenDimension",
    "SourceSettings",
    "StrandlineError",
    "Zone",
    "allocate",
    "attribute",
    "bands",
    "combination",
    "degenerate",
    "event_time",
    "field",
    "grain",
    "lag",
    "line",
    "line_number",
    "measure",
    "milestone",
    "period",
    "references",
    "run",
    "stream",
]
"""What `from strandline import *` gives; a change here is a change for users."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


Rule = Callable[[Path, list[ast.AST]], None]
"""Fails where a file, of which there are all nodes, breaks it."""

RULES: dict[str, tuple[frozenset[Path], Rule]] = {}


def every(paths: Iterable[Path]) -> Callable[[Rule], Callable[[], None]]:
    """A rule for these files is one test, which tells each that breaks it."""
    wanted = frozenset(paths)

    def as_one_test(rule: Rule) -> Callable[[], None]:
        RULES[rule.__name__] = wanted, rule

        def test() -> None:
            assert not breaches()[rule.__name__]

        test.__name__, test.__doc__ = rule.__name__, rule.__doc__
        return test

    return as_one_test


every_file = every(OURS)
every_module = every(PACKAGE.rglob("*.py"))


@cache
def breaches() -> dict[str, list[str]]:
    """Which files break each rule; all rules at once, for a file takes longer to parse than to check."""
    found: dict[str, list[str]] = {it: [] for it in RULES}
    for path in OURS:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        for its_name, (paths, rule) in RULES.items():
            if path in paths and (why := breach(rule, path, nodes)):
                found[its_name].append(f"{name(path)}: {why}")
    return found


def breach(rule: Rule, path: Path, nodes: list[ast.AST]) -> str:
    try:
        rule(path, nodes)
    except AssertionError as error:
        return str(error) or "breaks the rule"
    return ""


def test_imports_go_down_and_never_in_circles() -> None:
    lint = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_public_names_are_these() -> None:
    names = list(getattr(strandline, "__all__", []))

    assert names == PUBLIC
    assert len(names) <= MOST_NAMES
    assert all(hasattr(strandline, each) for each in names)


def test_the_changelog_knows_the_version() -> None:
    """A version that is out has its heading; the one that is not yet out is under [Unreleased]."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "Unreleased"
    assert version in headings or headings == ["Unreleased"]


@every_file
def test_every_file_opens_with_a_sentence_that_says_what_it_is(path: Path, nodes: list[ast.AST]) -> None:
    module = nodes[0]
    assert isinstance(module, ast.Module)
    docstring = ast.get_docstring(module)
    assert docstring, "no docstring"
    sentence = docstring.partition("\n\n")[0]

    assert sentence.endswith((".", ":")), sentence


@every_file
def test_no_file_is_longer_than_a_reader_follows(path: Path, nodes: list[ast.AST]) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@every_module
def test_no_import_hides_behind_type_checking(path: Path, nodes: list[ast.AST]) -> None:
    assert not [node for node in nodes if isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"]


@every_module
def test_only_the_edges_catch_everything(path: Path, nodes: list[ast.AST]) -> None:
    caught = [node.type for node in nodes if isinstance(node, ast.ExceptHandler)]
    broad = [
        each for each in caught if each is None or (isinstance(each, ast.Name) and each.id == "Exception")
    ]

    assert path in CATCHES_ALL or not broad


@every_module
def test_no_module_imports_the_package_root(path: Path, nodes: list[ast.AST]) -> None:
    """The root puts the parts together for users; a part that imports it imports everything."""
    public = set(getattr(strandline, "__all__", []))
    modules = {each.stem for each in PACKAGE.iterdir()}
    for node in nodes:
        if isinstance(node, ast.Import):
            assert "strandline" not in {each.name for each in node.names}
        if isinstance(node, ast.ImportFrom) and node.module == "strandline" and path.parent != PACKAGE:
            assert {each.name for each in node.names} <= modules - public


@every_file
def test_nothing_is_mocked_or_patched(path: Path, nodes: list[ast.AST]) -> None:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported = {getattr(node, "module", None) or "", *(each.name for each in node.names)}
            assert not [each for each in imported if each.endswith("mock")]
        if isinstance(node, ast.arg):
            assert node.arg != "mocker"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):  # the environment may be set
            assert (node.value.id, node.attr) not in PATCHES


@every_file
def test_the_log_says_what_happened_in_words_of_our_own(path: Path, nodes: list[ast.AST]) -> None:
    """They are not masked: what comes from elsewhere is a fact beside them, or is scrubbed first."""
    for call in (it for it in nodes if isinstance(it, ast.Call)):
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr in LOGS
            and ast.unparse(call.func.value) == "log"
        ):
            said = ast.unparse(call.args[0])
            assert isinstance(call.args[0], ast.Constant) or said.startswith("KNOWN.scrub("), said


def test_no_two_test_models_have_one_name() -> None:
    """One process may collect all tests, and SQLAlchemy keeps all their tables in one place."""
    bases = r"Dimension|\w*Fact|\w+Snapshot|Aggregate|Bridge|Hierarchy"
    declared = re.compile(rf"^class (\w+)\((?:{bases})\b", re.MULTILINE)
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name not in RUN_BY_ITSELF]
    names = Counter(name for path in files for name in declared.findall(path.read_text()))

    assert [name for name, times in names.items() if times > 1] == []
