"""Files of any size, read by a process of its own that tells how much memory it took.

python -m tests.integration.silo json 157286400 gz /tmp/drop
"""

from __future__ import annotations

import gzip
import json
import sys
import time
import zipfile
from pathlib import Path
from typing import IO, Any, cast

from tests.integration.http.lake import FORMATS, MIB, Row, blocks, peak

from strandline.source import FileSource, Pages, stream


class Silo(FileSource):
    """Reads what it is told to."""

    root = sys.argv[4] if len(sys.argv) > 4 else "."

    @stream(Row, key="id")
    def rows(self, since: str | None) -> Pages:
        """Of the file of that size."""
        return self.files(f"{sys.argv[2]}.*", format=FORMATS[sys.argv[1]][0], since=since)

    @stream(Row, key="id")
    def few(self, since: str | None) -> Pages:
        """Of a small one."""
        return self.files(f"{MIB}.*", format=FORMATS[sys.argv[1]][0], since=since)


def write(folder: Path, size: int, *, name: str, packing: str) -> None:
    """A file with records of that many bytes, plain or packed."""
    path = folder / f"{size}.{packing}"
    if packing == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("export", "w", force_zip64=True) as file:
                _fill(file, name, size)
        return
    with gzip.open(path, "wb", compresslevel=1) if packing == "gz" else path.open("wb") as file:
        _fill(cast("IO[bytes]", file), name, size)


def _fill(file: IO[bytes], name: str, size: int) -> None:
    for block in blocks(name, size):
        file.write(block)


def read(stream_: Any, silo: Silo, since: str | None) -> tuple[int, list[str]]:
    """How many records it has, and each state that came with them."""
    records, states = 0, list[str]()
    for page in stream_.read(silo, since):
        records += len(page.records)
        states += [page.state] if page.state else []
    return records, states


def main() -> None:
    """Write, read, read the second half again, and tell what it took."""
    name, size, packing, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    write(folder, MIB, name=name, packing=packing)
    write(folder, size, name=name, packing=packing)
    with Silo() as silo:
        read(Silo.few, silo, None)  # whatever is loaded then is not counted
        before, begun = peak(), time.monotonic()
        records, states = read(Silo.rows, silo, None)
        rest, _ = read(Silo.rows, silo, states[len(states) // 2])
    seconds = round(time.monotonic() - begun, 1)
    told = {"records": records, "rest": rest, "grown": peak() - before, "seconds": seconds}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
