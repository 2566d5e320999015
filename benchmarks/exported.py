"""The file that `volume` loads: customers by their number, one after the other, until it is large enough.

python -m benchmarks.exported /tmp/customers.ndjson 2147483648
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import customer

BLOCK: Final = 1_000
"""Customers that are written at once."""
REMARK: Final = "Delivers at low tide only; ask for the harbour master, and see the note of last year. " * 2


def write(path: Path, *, size: int) -> int:
    """Write so many customers that they have that many bytes; how many. The name says in which format."""
    start, encode, between, end = _FORMATS[path.suffix]
    records = written = 0
    with path.open("wb") as file:
        file.write(start)
        while written < size:
            block = encode([flat(number) for number in range(records, records + BLOCK)])
            written += file.write((between if records else b"") + block)
            records += BLOCK
        file.write(end)
    return records


def flat(number: int) -> dict[str, Any]:
    """The customer of this number, its fields side by side."""
    whole = customer.record(number)
    address = whole.pop("billingAddress")
    for left_out in ("currency", "salesRep", "custentity_region", "custentity_newsletter"):
        del whole[left_out]
    return {"id": whole.pop("internalId"), **whole, **address, "remark": f"{number}: {REMARK}"}


def _as_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(row.values() for row in rows)
    return text.getvalue().encode()


def _as_elements(rows: Sequence[dict[str, Any]]) -> bytes:
    return b",\n".join(map(msgspec.json.encode, rows))


_FORMATS: Final[dict[str, tuple[bytes, Callable[[Sequence[dict[str, Any]]], bytes], bytes, bytes]]] = {
    ".csv": (",".join(flat(0)).encode() + b"\n", _as_csv, b"", b""),
    ".ndjson": (b"", msgspec.json.Encoder().encode_lines, b"", b""),
    ".json": (b'{"data": [\n', _as_elements, b",\n", b"\n]}\n"),
}
"""By suffix: the beginning, how records are written, what stands between blocks of them, the end."""


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), size=int(sys.argv[2])))
