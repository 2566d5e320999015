"""A SOCKS proxy before a source: one of a few lines, which a source goes through, or is told why not."""

import gc
import os
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr
from tests import bank

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable
from strandline.testing.server import ScriptedApi

PASSWORD = "canary-51f0"
WRONG = "canary-other"
VERSION, NOBODY, BY_PASSWORD, NO_WAY = 5, 0, 2, 255
NAMES = {1: 4, 4: 16}
"""Bytes of an address of either kind; a name has its own length."""


@pytest.fixture(autouse=True)
def _unclosed() -> Iterator[None]:
    """The library leaves the connection to a proxy that refuses to the garbage collector, which warns."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def read(url: str, proxy: str | None = None) -> list[bytes]:
    return bank.read(url, proxy=SecretStr(proxy) if proxy else None)


class Socks(BaseRequestHandler):
    """Version 5, as RFC 1928 and 1929 have it: who knows the password is brought where he likes."""

    wants_password: ClassVar[bool] = True

    def handle(self) -> None:
        """Let in, connect, and carry bytes both ways."""
        with suppress(ConnectionError):
            if self._lets_in():
                self._carry(self._connected())

    def _lets_in(self) -> bool:
        _, count = self._take(2)
        method = BY_PASSWORD if self.wants_password else NOBODY
        if method not in self._take(count):
            self.request.sendall(bytes([VERSION, NO_WAY]))
            return False
        self.request.sendall(bytes([VERSION, method]))
        if not self.wants_password:
            return True
        user = self._take(self._take(2)[1])
        is_known = (user, self._take(self._take(1)[0])) == (b"us", PASSWORD.encode())
        self.request.sendall(bytes([1, not is_known]))
        return is_known

    def _asked(self) -> tuple[str, int]:
        kind = self._take(4)[3]
        raw = self._take(NAMES.get(kind) or self._take(1)[0])
        host = raw.decode() if kind not in NAMES else socket.inet_ntop(socket.AF_INET, raw)
        return host, int.from_bytes(self._take(2))

    def _connected(self) -> socket.socket:
        host, port = self._asked()
        there = socket.create_connection(("127.0.0.1" if host == "bank.internal" else host, port))
        self.request.sendall(bytes([VERSION, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
        return there

    def _carry(self, there: socket.socket) -> None:
        back = Thread(target=_copy, args=(there, self.request), daemon=True)
        back.start()
        _copy(self.request, there)
        there.close()
        back.join()

    def _take(self, count: int) -> bytes:
        taken = self.request.recv(count, socket.MSG_WAITALL)
        if len(taken) < count:
            raise ConnectionAbortedError
        return bytes(taken)


class Deaf(BaseRequestHandler):
    """Answers as an HTTP proxy does."""

    def handle(self) -> None:
        """To whatever it is asked."""
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def _copy(here: socket.socket, there: socket.socket) -> None:
    with suppress(OSError):
        while block := here.recv(65536):
            there.sendall(block)
        there.shutdown(socket.SHUT_WR)


Proxy = Callable[..., str]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A function that starts one, and tells its address."""
    running = list[ThreadingTCPServer]()

    def start(handler: type[BaseRequestHandler] = Socks, **said: Any) -> str:
        server = ThreadingTCPServer(("127.0.0.1", 0), type("Handler", (handler,), said))
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("wants_password", [True, False])
def test_a_source_is_read_through_it(
    api: ScriptedApi, proxy: Proxy, scheme: str, wants_password: bool
) -> None:
    """Which resolves the host's name: nobody here knows this one."""
    api.respond("/accounts", b'[{"id":"1"}]')
    address = proxy(wants_password=wants_password)
    who = f"us:{PASSWORD}@" if wants_password else ""
    port = api.url.rpartition(":")[2]

    assert read(f"http://bank.internal:{port}", f"{scheme}://{who}{address}") == [b'{"id":"1"}']


@pytest.mark.parametrize("who", [f"us:{WRONG}@", ""], ids=["wrong password", "no password"])
def test_one_that_lets_nobody_in_is_told_without_the_password(
    api: ScriptedApi, proxy: Proxy, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    caplog.set_level(0)
    with pytest.raises(CredentialsRejected, match="the SOCKS proxy says no to the proxy's user") as caught:
        read(api.url, f"socks5://{who}{proxy()}")

    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint) + caplog.text
    assert WRONG not in told


def test_no_secret_is_logged_on_the_way(
    api: ScriptedApi, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    api.respond("/accounts", b'[{"id":"1"}]')

    read(api.url, f"socks5://us:{PASSWORD}@{proxy()}")
    assert caplog.text
    assert PASSWORD not in caplog.text


def test_what_is_no_socks_proxy_is_told(api: ScriptedApi, proxy: Proxy) -> None:
    with pytest.raises(SourceUnavailable, match="the proxy: it does not answer as a SOCKS proxy does"):
        read(api.url, f"socks5://{proxy(Deaf)}")


def test_a_host_that_it_does_not_reach_is_told(proxy: Proxy) -> None:
    class Lost(Socks):
        """It reaches nobody."""

        def _connected(self) -> socket.socket:
            self._asked()
            self.request.sendall(bytes([VERSION, 4, 0, 1, 0, 0, 0, 0, 0, 0]))
            raise ConnectionAbortedError

    with pytest.raises(SourceUnavailable, match="the proxy: Proxy Server could not connect: Host unreach"):
        read("http://bank.internal", f"socks5://{proxy(Lost, wants_password=False)}")


PROGRAM = """
import sys
from tests.integration.http.test_http_socks import read
if "alone" in sys.argv:
    sys.modules["socksio"] = None  # as where it is not installed
try:
    print(read(sys.argv[1]))
except Exception as error:
    print(f"{type(error).__name__}: {error} | {error.hint}")
"""


def _read_elsewhere(*arguments: str, **environment: str) -> str:
    """What a process says whose environment names a proxy."""
    known = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        command, capture_output=True, text=True, env=known | environment, cwd=root, check=True
    )
    return ran.stdout.strip()


def test_one_that_the_environment_names_is_used(api: ScriptedApi, proxy: Proxy) -> None:
    api.respond("/accounts", b'[{"id":"1"}]')
    url = api.url.replace("127.0.0.1", "bank.internal")

    assert _read_elsewhere(url, ALL_PROXY=f"socks5://us:{PASSWORD}@{proxy()}") == """[b'{"id":"1"}']"""


@pytest.mark.parametrize(
    ("proxy_url", "words", "said"),
    [
        ("socks://127.0.0.1:9", [], "ALL_PROXY is no address of a proxy | It looks like http://"),
        ("http://us:canary@host:port", [], "ALL_PROXY is no address of a proxy | It looks like http://"),
        ("socks5://127.0.0.1:9", ["alone"], "ALL_PROXY: a SOCKS proxy needs a package more | pip install"),
    ],
)
def test_one_of_the_environment_that_cannot_be_used_is_told(
    api: ScriptedApi, proxy_url: str, words: list[str], said: str
) -> None:
    """The first is what desktops set; nobody who wants none of it is asked."""
    api.respond("/accounts", b'[{"id":"1"}]')
    told = _read_elsewhere(api.url, *words, ALL_PROXY=proxy_url)
    assert told.startswith(f"{DeclarationError.__name__}: {said}")
    assert "canary" not in told
    assert _read_elsewhere(api.url, *words, ALL_PROXY=proxy_url, NO_PROXY="*") == """[b'{"id":"1"}']"""
