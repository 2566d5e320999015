"""Which text of a class its version is made of: that of this very class, wherever it is written."""

import ast
import inspect
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from textwrap import dedent
from threading import Barrier
from time import sleep
from typing import Any

import pytest

from strandline.model.revision import _once, _written


def _marked(cls: type[Any]) -> type[Any]:
    return cls


class Plain:
    """A class at the top."""

    value = 1

    class Inner:
        """One within."""

        value = 2


@_marked
class Decorated:
    """One with a decorator."""

    value = 3


with nullcontext():

    class Otherwise:
        """One in a block."""

        value = 4


def _made() -> type[Any]:
    class Within:
        """One in a function."""

        value = 5

    return Within


@pytest.mark.parametrize("cls", [Plain, Plain.Inner, Decorated, Otherwise, _made()])
def test_a_class_is_found_as_it_is_written(cls: type[Any]) -> None:
    assert _written(cls) == ast.unparse(ast.parse(dedent(inspect.getsource(cls))))


@pytest.mark.parametrize("cls", [type("Nowhere", (), {}), int])
def test_a_class_that_is_written_nowhere_has_no_text(cls: type[Any]) -> None:
    assert _written(cls) == ""


def test_threads_that_ask_at_once_have_a_class_read_once() -> None:
    """Streams that are read side by side share contracts and modules; a parser of CPython 3.11 fails beside
    another one.
    """
    everybody, read = Barrier(4), list[type[Any]]()

    @_once
    def look(cls: type[Any]) -> str:
        read.append(cls)
        sleep(0.02)
        return cls.__name__

    def ask(_: int) -> list[str]:
        everybody.wait()
        return [look(int), look(str)]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [["int", "str"]] * 4
    assert read == [int, str]
