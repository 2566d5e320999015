"""Excel: the rows of one sheet of a workbook, read one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, BinaryIO, ClassVar
from zipfile import BadZipFile

from strandline.errors import DeclarationError
from strandline.source.format.protocol import as_null
from strandline.source.lenient import Truncated, Unreadable
from strandline.source.malformed import malformed
from strandline.source.row import compile_writer


@dataclass(frozen=True)
class Excel:
    """The rows of a sheet: `Excel("Prices")`, the first one where none is named; .xlsx and .xlsm only.

    The first row names the columns, unless `columns` does. `skip` rows before that are passed over. A cell is
    what Excel has in it: a text, a number, a truth value, or a time without a zone; of a formula it is the
    value that was last saved. Rows without any value are none, texts in `null` become null, and a row with
    values beyond the last column is a reject.
    """

    is_container: ClassVar[bool] = True
    """It is a zip archive itself, which is not to be unpacked."""

    sheet: str | None = None
    _: KW_ONLY
    columns: Sequence[str] | None = None
    skip: int = 0
    null: Collection[str] = ()

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "Excel"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each row as a JSON object."""
        rows = self._sheet(file)
        for _ in range(self.skip):
            next(rows, None)
        columns = self.columns if self.columns is not None else self._header(rows)
        width, write, null, number = len(columns), _writer(columns), as_null(self.null), 0
        for row in rows:
            if all(it is None for it in row):
                continue
            number += 1
            if any(it is not None for it in row[width:]):
                yield malformed(f"values beyond the {width} columns", row=number, text=repr(row))
                continue
            values = [None if isinstance(it, str) and it in null else it for it in row[:width]]
            yield from write([[*values, *[None] * (width - len(values))]])

    def _header(self, rows: Iterator[Sequence[Any]]) -> list[str]:
        found = next((row for row in rows if any(it is not None for it in row)), None)
        if found is None:
            raise Unreadable("the sheet is empty, it has not even a header")
        names = ["" if it is None else str(it).strip() for it in found]
        while names and not names[-1]:
            names.pop()
        if "" in names:
            raise Unreadable("its header lacks a name, so Excel(columns=…, skip=1) should name them all")
        return names

    def _sheet(self, file: BinaryIO) -> Iterator[Sequence[Any]]:
        try:
            from openpyxl import load_workbook  # an extra
            from openpyxl.utils.exceptions import InvalidFileException
        except ModuleNotFoundError as error:
            raise DeclarationError(
                "Excel files need the library openpyxl", hint="Install it: pip install 'strandline[excel]'."
            ) from error
        try:
            book = load_workbook(file, read_only=True, data_only=True)
        except BadZipFile as error:  # its directory stands at its end
            raise Truncated(f"the workbook has no end, or is none: {error}") from error
        except (InvalidFileException, KeyError, ValueError) as error:
            raise Unreadable(f"it is no workbook: {error}") from error
        if self.sheet is not None and self.sheet not in book.sheetnames:
            raise Unreadable(f"there is no sheet {self.sheet!r}: it has {', '.join(book.sheetnames)}")
        sheet = book[self.sheet] if self.sheet is not None else book.worksheets[0]
        sheet.reset_dimensions()  # which some programs write wrongly
        try:
            yield from sheet.iter_rows(values_only=True)
        finally:
            book.close()


def _writer(columns: Sequence[str]) -> Any:
    return compile_writer(columns, where="Excel")
