"""Files in other formats than text with commas, in other encodings, and in archives."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.drop import csv, numbers, read, workbook, zipped

from strandline.errors import (
    UnexpectedResponse,
)
from strandline.source import (
    Csv,
    Excel,
    FixedWidth,
    Parquet,
)


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
