"""Archives: entries of a raw log as Parquet files, written before they are pruned, and read again.

A file has the entries that were read in one month, with all columns of the log, compressed with zstd. It is
written under another name, flushed to the disk and read back before it gets its own, which says what is in
it: the stream, the month, the first and the last entry, and a hash. So the same entries give the same file
again, and no file is ever overwritten by another.

pyarrow is asked for only here, and only when a file is written or read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    Text,
    select,
)
from xxhash import xxh3_64

from strandline import disk
from strandline.errors import DeclarationError, WarehouseError
from strandline.warehouse import raw
from strandline.warehouse.prune import Chosen, Cut

STREAM: Final = b"strandline.stream"
"""Where a file knows whose entries it has."""

GROUP_ROWS: Final = 50_000
GROUP_BYTES: Final = 32 * 1024 * 1024
READ_ROWS: Final = 5_000


@dataclass(frozen=True)
class Archive:
    """A file that was written."""

    path: Path
    entries: int


def require() -> Any:
    """pyarrow, or a DeclarationError that says how to get it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DeclarationError(
            "Parquet: pyarrow is not installed", hint="Type: pip install 'strandline[parquet]'"
        ) from error
    return pyarrow


def write(connection: Connection, cut: Cut, found: Chosen, *, folder: Path) -> list[Archive]:
    """Write what is about to be pruned into files in this folder. Raises WarehouseError for one that cannot
    be written or is not as it was written.
    """
    pyarrow = require()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with connection.execute(_entries(cut), execution_options=_by_size(found)) as rows:
            months = groupby(rows, key=lambda it: it.fetched_at.astimezone(UTC).strftime("%Y-%m"))
            return [_write(pyarrow, cut, entries, folder=folder, month=month) for month, entries in months]
    except OSError as error:
        raise WarehouseError(
            f"{cut.stream}: {folder} could not be written: {error}; nothing was pruned",
            hint="Make room or give another folder, and prune again.",
        ) from error


def _entries(cut: Cut) -> Any:
    entry, chosen = cut.log.c, cut.chosen
    return select(*entry).join(chosen, chosen.c.raw_id == entry.raw_id).order_by(entry.raw_id)


def _by_size(found: Chosen) -> dict[str, Any]:
    """As many entries at once as fit into memory whatever their size."""
    average = max(found.bytes // max(found.entries, 1), 1)
    return {"yield_per": min(max(GROUP_BYTES // average // 4, 1), 10_000)}


def _write(pyarrow: Any, cut: Cut, entries: Iterable[Any], *, folder: Path, month: str) -> Archive:
    name = raw.table_name(cut.stream)
    unnamed = folder / f".{name}-{month}.{os.getpid()}.part"
    schema = pyarrow.schema(
        [pyarrow.field(it.name, _type(pyarrow, it)) for it in cut.log.c],
        metadata={STREAM: cut.stream.encode()},
    )
    told, first, last, digest = 0, 0, 0, xxh3_64()
    try:
        with pyarrow.parquet.ParquetWriter(unnamed, schema, compression="zstd") as sink:
            for group in _groups(entries):
                columns = dict(zip(schema.names, zip(*group, strict=True), strict=True))
                sink.write_table(pyarrow.table(columns, schema=schema))
                first, last = first or group[0].raw_id, group[-1].raw_id
                told += len(group)
                for it in group:
                    _count(digest, it.raw_id, it.payload_hash)
        disk.settle(unnamed)
        _read_back(pyarrow, unnamed, entries=told, digest=digest.hexdigest())
        final = folder / f"{name}-{month}-{first}-{last}-{digest.hexdigest()}.parquet"
        unnamed.replace(final)
    finally:
        unnamed.unlink(missing_ok=True)
    disk.settle(folder)
    return Archive(final, told)


def _groups(entries: Iterable[Any]) -> Iterator[list[Any]]:
    group, size = list[Any](), 0
    for it in entries:
        group.append(it)
        size += len(it.payload)
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _type(pyarrow: Any, column: Column[Any]) -> Any:
    match column.type:
        case BigInteger():
            return pyarrow.int64()
        case Integer():
            return pyarrow.int32()
        case DateTime():
            return pyarrow.timestamp("us", tz="UTC")
        case Date():
            return pyarrow.date32()
        case LargeBinary():
            return pyarrow.binary()
        case Text():
            return pyarrow.string()
    raise AssertionError(column.type)


def _count(digest: Any, raw_id: int, payload_hash: bytes) -> None:
    digest.update(raw_id.to_bytes(8, "big"))
    digest.update(payload_hash)


def _read_back(pyarrow: Any, path: Path, *, entries: int, digest: str) -> None:
    found, seen = 0, xxh3_64()
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["raw_id", "payload_hash"]):
            found += batch.num_rows
            for raw_id, payload_hash in zip(*(it.to_pylist() for it in batch.columns), strict=True):
                _count(seen, raw_id, payload_hash)
    if (found, seen.hexdigest()) != (entries, digest):
        raise WarehouseError(
            f"{path}: {found} entries were read back of {entries} that were written; nothing was pruned",
            hint="Look at the disk, or give another folder, and prune again.",
        )


def find(folder: Path) -> dict[str, list[Path]]:
    """The files of a folder, oldest entries first, by stream. Raises DeclarationError where there are none,
    or one is something else.
    """
    pyarrow = require()
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            told = pyarrow.parquet.read_schema(path).metadata or {}
        except (OSError, pyarrow.ArrowInvalid) as error:
            raise DeclarationError(
                f"{path}: it is no Parquet file: {error}", hint="Copy it again, or take it out of the folder."
            ) from error
        if STREAM in told:
            first = int(path.name.removesuffix(".parquet").split("-")[-3])
            found.setdefault(told[STREAM].decode(), []).append((first, path))
    if not found:
        raise DeclarationError(
            f"{folder}: there are no files of strandline prune --export in it",
            hint="Name the folder that was exported to; strandline.prune.exported_to has it.",
        )
    return {stream: [path for _, path in sorted(paths)] for stream, paths in found.items()}


def read(path: Path, table: Table) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The entries of a file, in the order of the table's columns, batch by batch; a column that the file has
    not is empty.
    """
    pyarrow = require()
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=READ_ROWS):
            said = dict(zip(batch.schema.names, (it.to_pylist() for it in batch.columns), strict=True))
            nothing = [None] * batch.num_rows
            yield list(zip(*(said.get(it.name, nothing) for it in table.c), strict=True))
