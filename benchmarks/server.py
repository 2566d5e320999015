"""The API of the benchmark: a process of its own that only sends bytes that it has encoded before.

    GET /<total>/customers?offset=0&limit=1000&modifiedSince=…

`python -m benchmarks.server 20000 200000` prints its address when every page is ready, and ends when its
standard input does. With `--latency 0.01` every answer begins so many seconds late.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Final
from urllib.parse import parse_qs, urlsplit

from benchmarks import customer

PAGE: Final = 1_000


class Server(ThreadingTCPServer):
    """Holds the pages of every size, encoded."""

    daemon_threads = True

    def __init__(self, totals: list[int], *, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency = latency
        self.pages = {
            (total, first): customer.page(first, min(first + PAGE, total), total=total)
            for total in totals
            for first in range(0, total, PAGE)
        }


class Handler(StreamRequestHandler):
    """Answers with a page, or with what was modified since a moment; each connection stays open.

    Of the request it reads the first line only: whatever it did more would take a core away from those who
    are measured.
    """

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        """Send a page for each request."""
        while request := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            target = urlsplit(request.split()[1].decode())
            query = {name: values[0] for name, values in parse_qs(target.query).items()}
            total = int(target.path.split("/")[1])
            body = self._page(total, int(query["offset"]), query.get("modifiedSince"))
            time.sleep(self.server.latency)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self.connection.sendall(head.encode())
            self.connection.sendall(body)

    def _page(self, total: int, offset: int, since: str | None) -> bytes:
        if since is None:
            return self.server.pages[total, offset]
        begin = offset + max(
            0, int((datetime.fromisoformat(since) - customer.FIRST_MODIFIED).total_seconds())
        )
        return customer.page(begin, min(begin + PAGE, total), total=total)


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("totals", nargs="+", type=int, metavar="TOTAL", help="customers")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="before an answer")
    options = parser.parse_args()
    server = Server(options.totals, latency=options.latency)
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
