"""Lines added to a project's modules: where they come to stand, and what stays as it is."""

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from strandline.errors import DeclarationError
from strandline.pipeline.rewrite import Modules, Name

DECIMAL = Name("decimal", "Decimal", Decimal)
Written = Callable[[bytes], ModuleType]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """Write a module of the project, and import it."""

    def write(source: bytes) -> ModuleType:
        (tmp_path / "shelf.py").write_bytes(source)
        spec = importlib.util.spec_from_file_location("shelf", tmp_path / "shelf.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["shelf"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield write
    sys.modules.pop("shelf", None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b"import json\nclass Book:\n  '.'\n  a: int = 1 # one\n\n  def b(self): ...\n",
            b"import json\nIMPORT\nclass Book:\n  '.'\n  a: int = 1 # one\n  NEW\n\n  def b(self): ...\n",
        ),
        (
            b"import json\r\nclass Book:\r\n\ta: int = 1",
            b"import json\r\nIMPORT\r\nclass Book:\r\n\ta: int = 1\r\n\tNEW\r\n",
        ),
        (
            b"import json\nclass Book:\n    'A book.'\n\nA = '\x0c \xe2\x80\xa8'\n",
            b"import json\nIMPORT\nclass Book:\n    'A book.'\n\n    NEW\n\nA = '\x0c \xe2\x80\xa8'\n",
        ),
        (
            b"A = 1 # \xe2\x80\xa8\x0c\nimport json\nclass Book:\n    a: int\n",
            b"A = 1 # \xe2\x80\xa8\x0c\nimport json\nIMPORT\nclass Book:\n    a: int\n    NEW\n",
        ),
        (
            b"\xef\xbb\xbfimport json\nclass Book:\n    a: int\nimport csv\n",
            b"\xef\xbb\xbfimport json\nIMPORT\nclass Book:\n    a: int\n    NEW\nimport csv\n",
        ),
        (
            b"# coding: latin-1\nimport json\nclass Book:\n    a: str = '\xe9'\n",
            b"# coding: latin-1\nimport json\nIMPORT\nclass Book:\n    a: str = '\xe9'\n    NEW\n",
        ),
        (
            b"import json\nclass Book:\n    @property\n    def a(self): ...\n",
            b"import json\nIMPORT\nclass Book:\n    NEW\n    @property\n    def a(self): ...\n",
        ),
    ],
    ids=["comments", "line ends and tabs", "docstring", "odd separators", "mark", "coding", "decorators"],
)
def test_a_line_stands_behind_its_kind_and_nothing_else_moves(
    written: Written, tmp_path: Path, before: bytes, after: bytes
) -> None:
    modules = Modules(tmp_path)
    modules.declare(written(before).Book, "new: int", behind=ast.AnnAssign, needs=[DECIMAL])
    modules.write()
    after = after.replace(b"NEW", b"new: int").replace(b"IMPORT", b"from decimal import Decimal")
    assert (tmp_path / "shelf.py").read_bytes() == after

    modules.take_back()
    assert (tmp_path / "shelf.py").read_bytes() == before


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (b"import json\nclass Book: a: int = 1\n", "stands on the line of its class"),
        (b"import json\nif json:\n    class Book:\n        a: int\n", "does not stand in it once"),
        (b"import json\nDecimal = json\nclass Book:\n    a: int\n", "Decimal is something else there"),
        (b"class Book:\n    a: int\n", "there are no imports above its classes"),
    ],
)
def test_a_class_without_a_place_for_the_line_is_refused(
    written: Written, tmp_path: Path, source: bytes, error: str
) -> None:
    book = written(source).Book
    with pytest.raises(DeclarationError, match=error):
        Modules(tmp_path).declare(book, "new: int", behind=ast.AnnAssign, needs=[DECIMAL])


def test_a_class_of_somebody_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"Modules is declared in .*rewrite\.py, which is not in"):
        Modules(tmp_path).declare(Modules, "new: int", behind=ast.AnnAssign)


def test_lines_that_are_no_python_are_not_written(written: Written, tmp_path: Path) -> None:
    source = b"import json\nclass Book:\n    a: int\n"
    modules = Modules(tmp_path)
    modules.declare(written(source).Book, "new: :", behind=ast.AnnAssign)

    with pytest.raises(DeclarationError, match="it would be no Python"):
        modules.write()
    assert (tmp_path / "shelf.py").read_bytes() == source
