"""Files as sources: what is new is read once, what is not whole is noticed, and every row knows its file."""

import gzip
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
import zstandard
from sqlalchemy import select
from sqlalchemy.orm import Mapped
from tests.drop import Drop, Price, csv, numbers, opened, parquet, read, state_of, workbook, zipped

from strandline.errors import (
    DeclarationError,
    SourceUnavailable,
    UnexpectedResponse,
)
from strandline.model import Dimension, Mapper, attribute
from strandline.model import field as mapped
from strandline.pipeline import Pipeline, run
from strandline.source import (
    Csv,
    Excel,
    Format,
    Json,
    JsonLines,
    Page,
    Parquet,
    Xml,
)
from strandline.warehouse import state
from strandline.warehouse.database import Database


class DimPrice(Dimension):
    """A thing with a price."""

    name: Mapped[str] = attribute()


class DropPrice(Mapper[Price, DimPrice]):
    """Prices."""

    name = mapped("name")


class DimListed(Dimension):
    """A thing on a list that is read anew each time."""

    name: Mapped[str] = attribute()


class DropListed(Mapper[Price, DimListed]):
    """What is listed."""

    name = mapped("name")


drop = Pipeline("drop")
drop.sync(Drop.prices, DropPrice)

lists = Pipeline("lists")
lists.sync(Drop.all_prices, DropListed)


def test_a_run_reads_each_file_once_and_tells_rows_and_files(tmp_path: Path, warehouse: Database) -> None:
    (tmp_path / "b.csv").write_bytes(csv(3, 4))
    (tmp_path / "a.csv").write_bytes(csv(1, 2) + b"5\n6,n6\n")
    with opened(tmp_path) as source:
        report = run(drop, warehouse, sources={"drop": source})
        assert (report.status, report.streams[0].records, report.streams[0].rejected) == ("partial", 6, 1)
        (tmp_path / "c.csv").write_bytes(csv(7))
        assert run(drop, warehouse, sources={"drop": source}).streams[0].records == 1
        assert run(drop, warehouse, sources={"drop": source}).streams[0].records == 0

    with warehouse.begin() as connection:
        asked = list(connection.scalars(select(state.request.c.request).order_by("run_id", "number")))
        reason = connection.scalar(select(state.reject.c.reason))
        names = set(connection.scalars(select(DimPrice.table().c.name)))
    assert asked[:2] == [f"{tmp_path}/a.csv: rows 1 to 4", f"{tmp_path}/b.csv: rows 1 to 2"]
    assert "a.csv: row 3: 1 field, where there are 2 columns" in str(reason)
    assert {"n1", "n2", "n3", "n4", "n6", "n7"} <= names


def test_a_file_that_was_written_anew_is_new_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(csv(1))
    (tmp_path / "b.csv").write_bytes(csv(2))
    since = state_of(read(tmp_path))
    (tmp_path / "a.csv").write_bytes(csv(1, 3))
    os.utime(tmp_path / "b.csv", (1, 1))

    assert numbers(read(tmp_path, since)) == [1, 3, 2]
    assert numbers(read(tmp_path)) == [1, 3, 2]
    with opened(tmp_path) as source:
        assert numbers(list(Drop.all_prices.read(source))) == [1, 3, 2]


def test_a_stream_that_is_told_no_state_reads_every_file_each_time(
    tmp_path: Path, warehouse: Database
) -> None:
    (tmp_path / "a.csv").write_bytes(csv(*range(5_000)))
    with opened(tmp_path) as source:
        assert run(lists, warehouse, sources={"drop": source}).streams[0].stored == 5_000
        (tmp_path / "a.csv").write_bytes(csv(*range(5_001)))
        report = run(lists, warehouse, sources={"drop": source})

    assert (report.status, report.streams[0].records, report.streams[0].stored) == ("done", 5_001, 1)


@pytest.mark.parametrize(("new_by", "found"), [("name", {2, 3}), ("content", {1, 3})])
def test_new_can_be_told_by_name_or_by_content(tmp_path: Path, new_by: str, found: set[int]) -> None:
    (tmp_path / "a.csv").write_bytes(csv(1))
    (tmp_path / "b.csv").write_bytes(csv(2))
    given: dict[str, Any] = {"given": {"new_by": new_by}}
    since = state_of(read(tmp_path, **given))
    (tmp_path / "a.csv").write_bytes(csv(1, 3))
    os.utime(tmp_path / "b.csv", (1, 1))
    (tmp_path / "b.csv").rename(tmp_path / "a2.csv")
    (tmp_path / "c.csv").write_bytes(csv(3))

    assert set(numbers(read(tmp_path, since, **given))) == found


def test_what_is_gone_is_forgotten_and_what_is_empty_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(csv(1))
    (tmp_path / "b.csv").touch()
    since = state_of(read(tmp_path, given={"new_by": "name"}))
    assert list(json.loads(since)["files"]) == ["a.csv"]

    (tmp_path / "a.csv").unlink()
    (tmp_path / "b.csv").write_bytes(csv(2))

    pages = read(tmp_path, since, given={"new_by": "name"})
    assert numbers(pages) == [2]
    assert list(json.loads(state_of(pages))["files"]) == ["b.csv"]


def test_a_file_at_which_somebody_writes_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_bytes(csv(1))
    given: dict[str, Any] = {"given": {"at_rest": timedelta(minutes=5)}}

    assert numbers(read(tmp_path, **given)) == []
    assert "left for a later run" in capsys.readouterr().err
    os.utime(tmp_path / "a.csv", (1, 1))
    assert numbers(read(tmp_path, **given)) == [1]


WHOLE = json.dumps([{"id": 1, "name": "n1"}]).encode()
ROWS = b'{"id": 1, "name": "n1"}\n{"id": 2, "name": "n2"}\n'


PACKED = [
    pytest.param(Csv(), gzip.compress(csv(1)), id="gz"),
    pytest.param(Csv(), zstandard.compress(csv(1)), id="zst"),
    pytest.param(Csv(), zipped(csv(1)), id="zip"),
    pytest.param(Json(), WHOLE, id="json"),
    pytest.param(JsonLines(), ROWS[:23], id="ndjson"),
    pytest.param(Xml("a/b"), b"<a><b><id>1</id><name>n1</name></b></a>", id="xml"),
    pytest.param(Parquet(), parquet(), id="parquet"),
    pytest.param(Excel(), workbook(("id", "name"), (1, "n1")), id="xlsx"),
]


@pytest.mark.parametrize(("kind", "content"), PACKED)
def test_a_file_that_is_cut_short_fails_and_is_read_when_it_is_whole(
    tmp_path: Path, kind: Format, content: bytes
) -> None:
    (tmp_path / "a").write_bytes(content[: len(content) - 2])
    (tmp_path / "b").write_bytes(content)
    pages: list[Page] = []

    with opened(tmp_path, format=kind) as source, pytest.raises(SourceUnavailable) as caught:
        pages.extend(Drop.prices.read(source, None))

    assert f"drop.prices: {tmp_path}/a: it is cut short" in caught.value.message
    since = state_of(pages)
    assert list(json.loads(since)["files"]) == ["b"]
    (tmp_path / "a").write_bytes(content)
    assert numbers(read(tmp_path, since, format=kind)) == [1]


def test_the_others_are_read_before_a_file_that_is_broken_fails_the_stream(
    tmp_path: Path, warehouse: Database
) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(csv(1, 2))[:-4])
    (tmp_path / "b.gz").write_bytes(gzip.compress(csv(3)))
    (tmp_path / "c.gz").write_bytes(b"<!doctype html>")
    with opened(tmp_path) as source:
        report = run(drop, warehouse, sources={"drop": source})
        told = report.streams[0]
        assert (told.status, told.stored) == ("failed", 1)
        assert "a.gz: it is cut short: the gzip stream has no end (and 1 more: drop.prices" in str(told.error)

        (tmp_path / "a.gz").write_bytes(gzip.compress(csv(1, 2)))
        (tmp_path / "c.gz").unlink()
        report = run(drop, warehouse, sources={"drop": source})

    assert (report.status, report.streams[0].records, report.streams[0].stored) == ("done", 2, 2)
    with warehouse.begin() as connection:
        assert set(connection.scalars(select(DimPrice.table().c.name))) >= {"n1", "n2", "n3"}


def test_a_file_that_is_replaced_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv(*range(60_000)))
    with opened(tmp_path) as source:
        pages = Drop.prices.read(source, None)
        noted = next(page for page in pages if page.state)
        path.write_bytes(csv(*range(60_001)))
        with pytest.raises(SourceUnavailable, match="it was changed while it was read"):
            list(pages)

    since = str(noted.state)
    assert json.loads(since).keys() == {"within"}
    assert len(numbers(read(tmp_path, since))) == 60_001


@pytest.mark.parametrize("pattern", ["", "/etc/*.csv", "prices**.csv"])
def test_a_pattern_that_means_no_files_of_the_folder_is_told(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(DeclarationError, match="a pattern is relative to the root") as it:
        read(tmp_path, pattern=pattern)
    assert '"**/*.csv"' in str(it.value.hint)


@pytest.fixture
def cloud() -> Iterator[Any]:
    """A file system that is on no disk."""
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/drop", recursive=True)


def test_files_elsewhere_are_read_as_those_here(cloud: Any, tmp_path: Path) -> None:
    cloud.pipe("/drop/2026/a.csv.gz", gzip.compress(csv(1)))
    (tmp_path / "a.csv").write_bytes(csv(1))
    pages = read("memory://drop", pattern="**/*.csv.gz")
    assert numbers(pages) == [1]
    assert pages[0].request == "memory://drop/2026/a.csv.gz: rows 1 to 1"
    since = state_of(pages)
    assert numbers(read("memory://drop", since, pattern="**/*.csv.gz")) == []

    cloud.pipe("/drop/2026/a.csv.gz", gzip.compress(csv(1, 2)))

    assert numbers(read("memory://drop", since, pattern="**/*.csv.gz")) == [1, 2]
    assert numbers(read(f"file://{tmp_path}")) == [1]


def test_a_place_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="there is no folder"):
        read(tmp_path / "missing")
    with pytest.raises(DeclarationError, match="has no root"):
        read("")
    with pytest.raises(DeclarationError, match="cannot be read from there"):
        read("nosuch://drop")
    with pytest.raises(UnexpectedResponse, match="its mark is no state of such a stream"):
        read(tmp_path, "2026-03-01")


def test_a_server_that_is_not_reached_is_told_when_it_is_read() -> None:
    """Not when the source is opened: the streams of others go on."""
    with opened("ftp://us:nightjar@127.0.0.1:1/drop") as source:
        with pytest.raises(SourceUnavailable, match=r"^ftp://…: .*refused") as caught:
            list(Drop.prices.read(source))
    assert "nightjar" not in caught.value.message


def test_an_address_that_is_none_is_told_without_it() -> None:
    """A password with a slash in it is not one part of the address."""
    with pytest.raises(DeclarationError, match=r"ftp://… is no address") as caught:
        opened("ftp://us:night/jar@127.0.0.1:1/drop").__enter__()
    assert "night" not in caught.value.message
