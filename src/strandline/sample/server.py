"""Serves a sample world over HTTP on loopback: the CRM under /crm, the shop under /shop, both read-only.

Each request sees the world as it is at that moment, so a day may go by while a client is between two pages.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Final, Self, TextIO
from urllib.parse import urlsplit

from strandline.errors import StrandlineError
from strandline.sample import crm, shop
from strandline.sample.reply import BadRequest, Reply, refusal
from strandline.sample.world import Changes, Day, SampleWorld

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: what answers it, and the header that a client must send."""

    answer: Callable[[Day, str], Reply]
    header: str
    credential: str
    challenge: str


ROUTES = {
    "/crm/customers": Route(crm.customers, crm.KEY_HEADER, crm.KEY, "ApiKey"),
    "/shop/products": Route(shop.products, "Authorization", f"Bearer {shop.TOKEN}", "Bearer"),
    "/shop/orders": Route(shop.orders, "Authorization", f"Bearer {shop.TOKEN}", "Bearer"),
}


class SampleServer:
    """The sample world on a port of its own choosing, from entering the context to leaving it.

    Each reply waits for `latency`. Leaving closes the port and every connection.
    """

    crm_key: Final = crm.KEY
    shop_token: Final = shop.TOKEN

    def __init__(
        self, world: SampleWorld | None = None, *, port: int = 0, latency: timedelta = timedelta()
    ) -> None:
        self.world = world or SampleWorld()
        self._http = _listen(port)
        self._http.world = self.world
        self._http.latency = latency
        self._thread = Thread(
            target=self._http.serve_forever, args=(0.02,), name="sample server", daemon=True
        )

    @property
    def url(self) -> str:
        """The server's address, without a slash at its end."""
        return f"http://{HOST}:{self._http.server_port}"

    @property
    def crm_url(self) -> str:
        """The CRM's base URL."""
        return f"{self.url}/crm"

    @property
    def shop_url(self) -> str:
        """The shop's base URL."""
        return f"{self.url}/shop"

    def advance(self) -> Changes:
        """Let a day go by in the world that is served."""
        return self.world.advance()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    """Knows its open connections, so that closing does not wait for clients that keep theirs alive."""

    daemon_threads = False
    request_queue_size = 128
    world: SampleWorld
    latency: timedelta

    def __init__(self, port: int) -> None:
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        self.closing = Event()
        super().__init__((HOST, port), _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._lock:
            self._connections.discard(request if isinstance(request, socket.socket) else request[1])
        super().close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle of a reply is no error of the server's."""

    def hang_up(self) -> None:
        """End every open connection and every wait; their threads end by themselves."""
        self.closing.set()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    server_version = "strandline-sample"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def do_GET(self) -> None:
        self._send(self._answer())

    def do_HEAD(self) -> None:
        self._send(self._answer())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """In JSON, also what the standard library refuses: any other method, or a request that is no HTTP.

        A body that came along is not read, so the connection ends.
        """
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            message = f"{self.command} is not allowed: this API is read-only"
            self._send(refusal(405, "method_not_allowed", message=message, headers={"Allow": "GET, HEAD"}))
        else:
            self._send(refusal(code, "bad_request", message=message or explain or ""))

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the client says what it asked for."""

    def _answer(self) -> Reply:
        target = urlsplit(self.path)
        route = ROUTES.get(target.path)
        if route is None:
            message = f"there is nothing at {target.path}; there is {', '.join(ROUTES)}"
            return refusal(404, "not_found", message=message)
        if self.headers.get(route.header) != route.credential:
            message = f"the header {route.header} is missing or does not hold a valid credential"
            return refusal(
                401, "unauthorized", message=message, headers={"WWW-Authenticate": route.challenge}
            )
        try:
            return route.answer(self.server.world.today, target.query)
        except BadRequest as error:
            return refusal(400, "bad_request", message=str(error))

    def _send(self, reply: Reply) -> None:
        self.server.closing.wait(self.server.latency.total_seconds())
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.next_query is not None:
            path = urlsplit(self.path).path
            link = f"http://{HOST}:{self.server.server_port}{path}?{reply.next_query}"
            self.send_header("Link", f'<{link}>; rel="next"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


def serve(
    server: SampleServer | None = None, *, keys: Iterable[str] | None = None, out: TextIO | None = None
) -> None:
    """Say where the sample systems are, then serve until Ctrl-C; each line of the keys (Enter) is a day.

    Without arguments it serves the default world and talks to the terminal.
    """
    server, keys, out = server or SampleServer(), keys or sys.stdin, out or sys.stdout
    with server, suppress(KeyboardInterrupt):
        out.write(_greeting(server))
        out.flush()
        for _ in keys:
            out.write(_day_told(server.advance(), server.world.today))
            out.flush()
        Event().wait()  # no terminal to press Enter on: serve on


def _listen(port: int) -> _Http:
    try:
        return _Http(port)
    except OSError as error:
        raise StrandlineError(
            f"sample server: port {port} on {HOST} cannot be used: {error.strerror}",
            hint="Give another port, or 0 for any that is free.",
        ) from error


def _greeting(server: SampleServer) -> str:
    return f"""\
CRM   {server.crm_url}/customers    {crm.KEY_HEADER}: {server.crm_key}
Shop  {server.shop_url}/products    Authorization: Bearer {server.shop_token}
      {server.shop_url}/orders

It is {server.world.today.now:%Y-%m-%d}. Enter: a day goes by. Ctrl-C: stop.
"""


def _day_told(changes: Changes, day: Day) -> str:
    return (
        f"It is {day.now:%Y-%m-%d}: {len(changes.customers_changed)} customers changed,"
        f" {len(changes.customers_added)} are new, {len(changes.customers_fixed)} fixed;"
        f" {len(changes.orders_added)} orders are new, {len(changes.orders_moved)} moved on;"
        f" {len(changes.products_repriced)} products have another price category.\n"
    )
