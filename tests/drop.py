"""A folder of price lists, as tests of files read it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pyarrow as pa
import pyarrow.parquet
from pydantic import Field

from strandline.source import (
    Csv,
    FileSource,
    Format,
    Page,
    Pages,
    Record,
    stream,
)


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


def zipped(*contents: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        archive.writestr("__MACOSX/folder/._0.csv", b"\0\5\x16\7")
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
