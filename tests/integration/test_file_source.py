"""Files as sources: what is new is read once, what is not whole is noticed, and every row knows its file."""

import gzip
import io
import json
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
import zstandard
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Mapped

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
    FileSource,
    FixedWidth,
    Format,
    Json,
    JsonLines,
    Page,
    Pages,
    Parquet,
    Record,
    Xml,
    stream,
)
from strandline.warehouse import state
from strandline.warehouse.database import Database


class Price(Record):
    """A line of a price list."""

    number: int = Field(alias="id")
    name: str


class Drop(FileSource):
    """A folder into which somebody puts price lists."""

    format: ClassVar[Format] = Csv()
    given: ClassVar[dict[str, Any]] = {}
    pattern: ClassVar[str] = "*"

    @stream(Price, key="number")
    def prices(self, since: str | None) -> Pages:
        """What is new."""
        return self.files(self.pattern, format=self.format, since=since, **self.given)

    @stream(Price, key="number")
    def all_prices(self) -> Pages:
        """Everything, each time."""
        return self.files(self.pattern, format=self.format)


class DimPrice(Dimension):
    """A thing with a price."""

    name: Mapped[str] = attribute()


class DropPrice(Mapper[Price, DimPrice]):
    """Prices."""

    name = mapped("name")


drop = Pipeline("drop")
drop.sync(Drop.prices, DropPrice)


def opened(root: Path | str, **given: Any) -> Drop:
    cls: type[Drop] = type("Drop", (Drop,), {"root": str(root), **given})
    return cls()


def read(root: Path | str, since: str | None = None, **given: Any) -> list[Page]:
    with opened(root, **given) as source:
        return list(Drop.prices.read(source, since))


def numbers(pages: list[Page]) -> list[Any]:
    return [int(json.loads(it)["id"]) for page in pages for it in page.records]


def state_of(pages: list[Page]) -> str:
    found = [page.state for page in pages if page.state is not None]
    assert found
    return found[-1]


def csv(*ids: int) -> bytes:
    return b"id,name\n" + b"".join(f"{it},n{it}\n".encode() for it in ids)


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


def zipped(*contents: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for number, content in enumerate(contents):
            archive.writestr(f"folder/{number}.csv", content)
    return packed.getvalue()


def parquet() -> bytes:
    packed = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"id": [1], "name": ["n1"]}), packed)
    return packed.getvalue()


def workbook(*rows: tuple[Any, ...]) -> bytes:
    packed = io.BytesIO()
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(packed)
    book.close()
    return packed.getvalue()


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
        first = next(pages)
        path.write_bytes(csv(*range(60_001)))
        with pytest.raises(SourceUnavailable, match="it was changed while it was read"):
            list(pages)

    assert first.state is None
    assert len(numbers(read(tmp_path))) == 60_001


def test_several_files_in_an_archive_are_read_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(csv(1, 2), csv(3)))

    pages = read(tmp_path)

    assert numbers(pages) == [1, 2, 3]
    assert pages[1].request == f"{tmp_path}/a.zip: folder/1.csv: rows 1 to 1"


def test_an_encoding_is_guessed_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "Müller Größe Straße Käse Öl Überfluß weiß süß Äpfel früher schön"
    (tmp_path / "a.csv").write_bytes(f"id,name\n1,{names}\n".encode("cp1252"))
    (tmp_path / "b.csv").write_bytes(f"id,name\n2,{names}\n".encode())
    (tmp_path / "c.csv").write_bytes(f"id,name\n3,{names}\n".encode("utf-16"))

    pages = read(tmp_path)

    assert {json.loads(page.records[0])["name"] for page in pages} == {names}
    assert ", taken for cp125" in pages[0].request
    assert "encoding guessed" in capsys.readouterr().err
    assert ["taken" in page.request for page in pages] == [True, False, False]


def test_bytes_that_are_none_of_the_encoding_reject_their_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,name\n1,a\n2,\xff\n3,c\n")

    (page,) = read(tmp_path, format=Csv(encoding="utf-8"))

    assert json.loads(page.records[1])[0] == {
        "malformed": "bytes that are none of the encoding's",
        "row": 2,
        "file": f"{tmp_path}/a.csv",
    }
    assert len(page.records) == 3


def test_fixed_width_is_cut_at_its_places(tmp_path: Path) -> None:
    lines = "id  name  \n1   one   \n2   two\n\n3\n4   four  5\n5   NULL\n"
    (tmp_path / "a.txt").write_text(lines)

    (page,) = read(tmp_path, format=FixedWidth({"id": 4, "name": 6}, skip=1, null=["NULL"]))

    assert page.records[:2] == [b'{"id":"1","name":"one"}', b'{"id":"2","name":"two"}']
    assert [json.loads(it)[0]["row"] for it in page.records[2:4]] == [3, 4]
    assert page.records[4] == b'{"id":"5","name":null}'


def test_a_sheet_is_read_cell_by_cell(tmp_path: Path) -> None:
    moment = datetime(2026, 3, 1, 12, 30)  # noqa: DTZ001  # a workbook knows no zones
    rows = [("Prices",), ("id", "name", "price", "at", None), (1, "Müsli", 1.5, moment), (None,), (2, "n", 7)]
    (tmp_path / "a.xlsx").write_bytes(workbook(*rows, (3, "c", 1, None, "more")))

    (page,) = read(tmp_path, format=Excel(skip=1))

    assert [it.decode() for it in page.records[:2]] == [
        '{"id":1,"name":"Müsli","price":1.5,"at":"2026-03-01T12:30:00"}',
        '{"id":2,"name":"n","price":7,"at":null}',
    ]
    assert json.loads(page.records[2])[0]["row"] == 3
    with pytest.raises(UnexpectedResponse, match="there is no sheet 'Other': it has Sheet"):
        read(tmp_path, format=Excel("Other"))


def test_a_parquet_file_is_told_exactly(tmp_path: Path) -> None:
    moments = pa.array([1_772_366_400_000_000_001], pa.timestamp("ns", "UTC"))
    table = pa.table(
        {
            "id": [1],
            "amount": pa.array([Decimal("12345678901234567.89")], pa.decimal128(20, 2)),
            "day": [date(2026, 3, 1)],
            "at": [datetime(2026, 3, 1, 12, tzinfo=UTC)],
            "exact": moments,
            "bytes": [b"\0\xff"],
            "list": [[1, None]],
            "rate": [float("nan")],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")

    (page,) = read(tmp_path, format=Parquet())

    assert page.records[0].decode() == (
        '{"id":1,"amount":12345678901234567.89,"day":"2026-03-01","at":"2026-03-01T12:00:00Z",'
        '"exact":"2026-03-01 12:00:00.000000001Z","bytes":"00ff","list":[1,null],"rate":NaN}'
    )


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
