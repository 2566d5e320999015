"""Parquet: the rows of a file, read batch by batch, with nothing rounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Final

from strandline.errors import DeclarationError
from strandline.source.lenient import Truncated, Unreadable
from strandline.source.row import compile_writer

BATCH: Final = 5_000


@dataclass(frozen=True)
class Parquet:
    """The rows of a Parquet file. A decimal is a number with all its digits, bytes are hexadecimal, a time is
    ISO 8601 with the zone that the file gives it; one with nanoseconds is a text that has them all.
    """

    is_container: ClassVar[bool] = True
    """It is compressed in parts, and not as a whole."""

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "Parquet"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each row as a JSON object."""
        try:
            import pyarrow as arrow  # an extra
            from pyarrow import parquet
        except ModuleNotFoundError as error:
            raise DeclarationError(
                "Parquet files need the library pyarrow",
                hint="Install it: pip install 'strandline[parquet]'.",
            ) from error
        try:
            opened = parquet.ParquetFile(file)
            write = compile_writer(opened.schema_arrow.names, where="Parquet")
            for batch in opened.iter_batches(batch_size=BATCH):
                columns = [_values(arrow, column) for column in batch.columns]
                yield from write(list(zip(*columns, strict=True)))
        except arrow.ArrowInvalid as error:  # its directory stands at its end
            raise Truncated(f"the Parquet file has no end, or is none: {error}") from error
        except (arrow.ArrowException, OSError) as error:
            raise Unreadable(f"the Parquet file cannot be read: {error}") from error


def _values(arrow: Any, column: Any) -> list[Any]:
    kind = column.type
    if arrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(arrow.string())
    values: list[Any] = column.to_pylist()
    return values
