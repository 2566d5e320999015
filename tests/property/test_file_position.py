"""A large file that was not read to its end is gone on with behind the last row that was stored."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.drop import csv, numbers, read, zipped
from tests.effort import cases

from strandline.source import Csv, Format, JsonLines, Page, Xml
from strandline.source.file.reader import Reader

ROWS = 4
Writing = Callable[[list[int]], bytes]


def lines(ids: list[int]) -> bytes:
    return b"".join(b'{"id": %d, "name": "n"}\n' % it for it in ids)


def markup(ids: list[int]) -> bytes:
    return b"<a>" + b"".join(b"<b><id>%d</id><name>n</name></b>" % it for it in ids) + b"</a>"


def in_two(ids: list[int]) -> bytes:
    middle = len(ids) // 2
    return zipped(csv(*ids[:middle]), csv(*ids[middle:]))


KINDS: list[Any] = [
    pytest.param(Csv(), lambda ids: csv(*ids), id="csv"),
    pytest.param(Csv(), lambda ids: gzip.compress(csv(*ids), mtime=0), id="gz"),
    pytest.param(Csv(), in_two, id="zip"),
    pytest.param(JsonLines(), lines, id="ndjson"),
    pytest.param(Xml("a/b"), markup, id="xml"),
]
ids = st.lists(st.integers(1, 9), min_size=3 * ROWS, max_size=30)
"""A key stands in a file more than once."""


@pytest.fixture(scope="module", autouse=True)
def _small_pages() -> Iterator[None]:
    """A page of four rows, a state with each."""
    before = Reader.page_rows, Reader.settles
    Reader.page_rows, Reader.settles = ROWS, 1
    yield
    Reader.page_rows, Reader.settles = before


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drop")


def write(folder: Path, content: bytes, *, at: int = 1) -> None:
    (folder / "a").write_bytes(content)
    os.utime(folder / "a", (at, at))


def cut(pages: list[Page], after: int) -> tuple[list[Page], str]:
    """The pages up to one with a position, and that; what is stored when the run is killed then."""
    within = [place for place, it in enumerate(pages) if "within" in str(it.state)]
    place = within[after % len(within)]
    return pages[: place + 1], str(pages[place].state)


@pytest.mark.parametrize(("kind", "written"), KINDS)
@given(ids, st.integers(0, 20))
@cases(10)
def test_what_was_stored_is_not_sent_again_and_the_rest_is(
    folder: Path, kind: Format, written: Writing, sent: list[int], after: int
) -> None:
    write(folder, written(sent))
    pages = read(folder, format=kind)
    stored, since = cut(pages, after)
    resumed = read(folder, since, format=kind)
    assert numbers(stored) + numbers(resumed) == numbers(pages) == sent
    assert [it.request for it in stored + resumed] == [it.request for it in pages]
    assert resumed[-1].state == pages[-1].state


@pytest.mark.parametrize(("kind", "written"), KINDS)
@pytest.mark.parametrize("new_by", ["time", "name", "content"])
@given(ids, st.integers(0, 20), st.integers(0, 9), st.booleans())
@cases(5)
def test_a_file_that_is_another_is_read_from_its_start(
    folder: Path,
    kind: Format,
    written: Writing,
    new_by: str,
    sent: list[int],
    after: int,
    where: int,
    is_newer: bool,
) -> None:
    """Also where size and time are those of before: a row that was stored is another one now."""
    options: dict[str, Any] = {"format": kind, "given": {"new_by": new_by}}
    write(folder, written(sent))
    stored, since = cut(read(folder, **options), after)
    row = where % len(numbers(stored))
    changed = [*sent[:row], sent[row] % 9 + 1, *sent[row + 1 :]]
    write(folder, written(changed), at=2 if is_newer else 1)
    assert numbers(read(folder, since, **options)) == changed


def test_a_file_that_was_touched_is_read_from_its_start(folder: Path) -> None:
    sent = list(range(10))
    write(folder, csv(*sent))
    _, since = cut(read(folder), 0)
    write(folder, csv(*sent), at=2)
    assert numbers(read(folder, since)) == sent


def test_positions_of_files_that_are_gone_are_forgotten(folder: Path) -> None:
    write(folder, csv(*range(10)))
    _, since = cut(read(folder), 0)
    (folder / "a").rename(folder / "b")
    assert numbers(pages := read(folder, since)) == list(range(10))
    assert json.loads(str(pages[-1].state)).keys() == {"files"}
    (folder / "b").unlink()
