"""A scripted HTTP API on a real port: datasets in pages, faults on request, and a record of what was asked.

    with ScriptedApi() as api:
        api.serve("/customers", customers, page_size=100, style="link_header", since_field="updatedAt")
        api.fail("/customers", Status(429, retry_after=1), request=2)
        …
        assert [request.query["page"] for request in api.requests_to("/customers")] == ["1", "2", "2", "3"]

Nothing is faked below HTTP: connections are kept alive, cut or reset on real sockets of the loopback
interface.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from strandline.testing.dataset import Dataset, RawRecord, Style

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it came in. Header names are in lower case."""

    number: int
    """Among the requests to its path, from 1."""
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float
    """`time.monotonic()` when it had been read."""


@dataclass(frozen=True)
class Response:
    """An answer in full."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True)
class Status:
    """An error status, with Retry-After (seconds, or an HTTP date) if given."""

    code: int
    retry_after: int | str | None = None
    body: bytes = b'{"error": "scripted"}'


@dataclass(frozen=True)
class Latency:
    """The usual answer, late."""

    seconds: float


@dataclass(frozen=True)
class Truncated:
    """The usual answer, of which only the first part arrives before the connection closes."""

    share: float = 0.5
    content_length: bool = True
    """False says nothing of the length, so that only the JSON shows that something is missing."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset (RST) instead of an answer."""


@dataclass(frozen=True)
class Html:
    """A web page where JSON is expected, as a proxy or a login wall sends it."""

    body: bytes = b"<!doctype html><html><body>Please sign in</body></html>"
    status: int = 200


@dataclass(frozen=True)
class Hang:
    """No answer, until the client gives up or the API is closed."""


Fault = Response | Status | Latency | Truncated | Reset | Html | Hang
Answering = Callable[[ReceivedRequest], Response]


class ScriptedApi:
    """An HTTP API in a thread, on a free port of 127.0.0.1; use it in a `with` block."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self._routes: dict[str, Answering] = {}
        self._faults: dict[str, dict[int | None, Fault]] = defaultdict(dict)
        self._counts: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(self)
        # A short poll: closing waits for it.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="scripted-api", daemon=True
        )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it listens: "http://127.0.0.1:43210"."""
        return f"http://127.0.0.1:{self.address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer nothing more; hanging requests end and every connection is closed."""
        self.closing.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def serve(
        self,
        path: str,
        records: Iterable[RawRecord],
        *,
        page_size: int = 100,
        style: Style = "page",
        records_at: str | None = "data",
        since_field: str | None = None,
        since_param: str = "since",
    ) -> Dataset:
        """Serve the records in pages; again for the same path replaces them. `Dataset` tells what each
        style looks like.

        With a `since_field`, `?since=…`, or what `since_param` calls it, leaves out records whose value there
        is lower.
        """
        dataset = Dataset(
            records,
            page_size=page_size,
            style=style,
            records_at=records_at,
            since_field=since_field,
            since_param=since_param,
        )

        def answer(request: ReceivedRequest) -> Response:
            page = dataset.page(request.query, url=f"{self.url}{path}")
            return Response(page.body, headers=page.headers)

        self._routes[path] = answer
        return dataset

    def respond(self, path: str, answer: Response | bytes | Answering) -> None:
        """Answer with these bytes, this response, or whatever the function returns."""
        if callable(answer):
            self._routes[path] = answer
        else:
            response = Response(answer) if isinstance(answer, bytes) else answer
            self._routes[path] = lambda _: response

    def fail(self, path: str, fault: Fault, *, request: int | Iterable[int] | None = None) -> None:
        """Let the request of that number (from 1, several, or all if None) to the path meet the fault."""
        numbers = [request] if request is None or isinstance(request, int) else request
        self._faults[path].update(dict.fromkeys(numbers, fault))

    def recover(self, path: str) -> None:
        """Take back every fault of the path."""
        self._faults.pop(path, None)

    def requests_to(self, path: str) -> list[ReceivedRequest]:
        """What came in for one path, in order."""
        return [request for request in self.requests if request.path == path]

    def receive(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes
    ) -> ReceivedRequest:
        """Record a request; called by the server."""
        parts = urlsplit(target)
        with self._lock:
            self._counts[parts.path] += 1
            request = ReceivedRequest(
                number=self._counts[parts.path],
                method=method,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers=headers,
                body=body,
                at=time.monotonic(),
            )
            self.requests.append(request)
        return request

    def fault_of(self, request: ReceivedRequest) -> Fault | None:
        """The fault that the request is to meet, if any."""
        faults = self._faults.get(request.path, {})
        return faults.get(request.number, faults.get(None))

    def answer(self, request: ReceivedRequest) -> Response:
        """The usual answer."""
        route = self._routes.get(request.path)
        if route is None:
            return Response(b'{"error": "no such path"}', status=404)
        return route(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connection threads end when their sockets are shut down; waiting for them would wait for sleeping ones.
    block_on_close = False

    def __init__(self, api: ScriptedApi) -> None:
        self.api = api
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self._open.add(connection)
        self.api.connections += 1
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The client was faster.
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle of an answer is what many tests want."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        request = self.server.api.receive(
            self.command,
            self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
        )
        self._meet(self.server.api.fault_of(request), request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _meet(self, fault: Fault | None, request: ReceivedRequest) -> None:
        api = self.server.api
        match fault:
            case None:
                self._send(api.answer(request))
            case Response():
                self._send(fault)
            case Status():
                wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                self._send(Response(fault.body, status=fault.code, headers=wait))
            case Html():
                self._send(Response(fault.body, status=fault.status, content_type="text/html; charset=utf-8"))
            case Latency():
                api.closing.wait(fault.seconds)
                self._send(api.answer(request))
            case Truncated():
                self._send_part(api.answer(request), fault)
            case Reset():
                self._reset()
            case Hang():
                api.closing.wait()
                self.close_connection = True

    def _send(self, response: Response) -> None:
        self._write(response, {"Content-Length": str(len(response.body))}, response.body)

    def _send_part(self, response: Response, fault: Truncated) -> None:
        length = {"Content-Length": str(len(response.body))} if fault.content_length else {}
        part = response.body[: int(len(response.body) * fault.share)]
        self._write(response, {**length, "Connection": "close"}, part)
        self.close_connection = True

    def _write(self, response: Response, extra: Mapping[str, str], body: bytes) -> None:
        lines = {
            "Content-Type": response.content_type,
            **response.headers,
            **extra,
            "Date": self.date_time_string(),
        }
        reason = HTTPStatus(response.status).phrase if response.status in _KNOWN else "Scripted"
        head = f"HTTP/1.1 {response.status} {reason}\r\n" + "".join(
            f"{name}: {text}\r\n" for name, text in lines.items()
        )
        content = b"" if self.command == "HEAD" else body
        # One write, so that no half-filled packet waits for the client's acknowledgement.
        self.wfile.write(head.encode("latin-1") + b"\r\n" + content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close_connection = True
        # Closed below Python's own bookkeeping, which would say goodbye (FIN) first.
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:  # the parent's name for it
        """Silent: `ScriptedApi.requests` is the log."""


_KNOWN = frozenset(status.value for status in HTTPStatus)
