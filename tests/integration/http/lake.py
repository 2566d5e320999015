"""Bodies of any size over HTTP: a server in a process of its own, which makes them as it sends them, and a
reader that tells how much memory it took.

    python -m tests.integration.http.lake csv 2147483648
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import parse_qs, urlsplit

from strandline.source import Csv, Format, HttpSource, Json, JsonLines, Pages, Record, Xml, stream

MIB: Final = 1024 * 1024
TEXT: Final = "a line that is as long as many are; with a number in it and a name "

FORMATS: Final[dict[str, tuple[Format, str, str, str]]] = {
    "csv": (Csv(), "id,name,text\n", "{0},name-{0},{1}\n", ""),
    "gzip": (Csv(), "id,name,text\n", "{0},name-{0},{1}\n", ""),
    "ndjson": (JsonLines(), "", '{{"id":"{0}","name":"name-{0}","text":"{1}"}}\n', ""),
    "json": (Json("data"), '{"data":[{"id":0}', ',\n{{"id":"{0}","text":"{1}"}}', "]}"),
    "xml": (Xml("rows/row"), "<rows>\n", "<row><id>{0}</id><text>{1}</text></row>\n", "</rows>\n"),
}
"""Format, beginning, record, end; JSON begins with a record, so that every other one begins with a comma."""


def lines(name: str, size: int) -> Iterator[bytes]:
    """Records, so many that they have that many bytes together."""
    row, number, sent = FORMATS[name][2], 0, 0
    while sent < size:
        line = row.format(number, TEXT * 12).encode()
        number, sent = number + 1, sent + len(line)
        yield line


def blocks(name: str, size: int) -> Iterator[bytes]:
    """The body, in blocks."""
    _, start, _, end = FORMATS[name]
    held = [start.encode()]
    for number, line in enumerate(lines(name, size)):
        held.append(line)
        if number % 1000 == 999:
            yield b"".join(held)
            held = []
    yield b"".join([*held, end.encode()])


def packed(content: Iterator[bytes]) -> Iterator[bytes]:
    """The same as a gzip file."""
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    for block in content:
        yield packer.compress(block)
    yield packer.flush()


class Lake(BaseHTTPRequestHandler):
    """Sends what is asked for, /csv?size=1000, in chunks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # http.server's name
        """Send it."""
        parts = urlsplit(self.path)
        name = parts.path.strip("/")
        content = blocks(name, int(parse_qs(parts.query)["size"][0]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for block in packed(content) if name == "gzip" else content:
            if block:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        """Silent."""


def serve(told: Connection) -> None:
    """Serve until the process is ended, after the port has been told."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lake)
    told.send(server.server_address[1])
    server.serve_forever()


class Row(Record):
    """One of very many."""

    id: int


class Lakes(HttpSource):
    """Reads one."""

    timeout = 60.0

    @stream(Row, key="id")
    def rows(self) -> Pages:
        """By the arguments of the program."""
        return self.pages(
            f"/{sys.argv[1]}", params={"size": int(sys.argv[2])}, format=FORMATS[sys.argv[1]][0]
        )


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Read one, and tell what it took."""
    mine, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    Lakes.base_url = f"http://127.0.0.1:{mine.recv()}"
    with Lakes() as lakes:
        list(
            lakes.pages("/csv", params={"size": MIB}, format=Csv())
        )  # whatever is loaded then is not counted
        before, begun = peak(), time.monotonic()
        records = size = 0
        for page in Lakes.rows.read(lakes):
            records += len(page.records)
            size += page.size
        seconds = round(time.monotonic() - begun, 1)
    server.terminate()
    server.join()
    told = {"records": records, "size": size, "before": before, "grown": peak() - before, "seconds": seconds}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
