"""The way to a source: client certificates, private authorities and proxies, from its settings."""

import base64
import ssl
import threading
import traceback
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from tests.bank import Bank, BankSettings, read

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable
from strandline.testing.server import ScriptedApi

PASSWORD = "canary-7f3a"
WRONG = "canary-other"


class Authority:
    """Makes certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own authority")])
        self.bundle = folder / "authority.pem"
        certificate = self._sign(self.key, self.name, is_authority=True)
        self.bundle.write_bytes(certificate)

    def issue(self, name: str, *, password: str | None = None) -> tuple[Path, Path]:
        """A certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(self._sign(key, subject, is_authority=False))
        sealed = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        private.write_bytes(key.private_bytes(*kinds, sealed))
        return certificate, private

    def _sign(self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, *, is_authority: bool) -> bytes:
        now = datetime.now(UTC)
        host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        public = key.public_key()
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .add_extension(host, critical=False)
        )
        return built.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Answer(BaseHTTPRequestHandler):
    """An account."""

    def do_GET(self) -> None:  # http.server's name
        """Show it."""
        self.send_response(200)
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b'[{"id":"1"}]')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        """Silent."""


def serving(server: ThreadingHTTPServer) -> Iterator[ThreadingHTTPServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class Quiet(ThreadingHTTPServer):
    """Says nothing of those whom it does not let in."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def bank(authority: Authority) -> Iterator[str]:
    """A server that speaks to who has a certificate of the authority's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(authority.bundle)
    context.verify_mode = ssl.CERT_REQUIRED
    server = Quiet(("127.0.0.1", 0), Answer)
    # Not at once: a handshake that fails would end the loop that accepts.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    for running in serving(server):
        yield f"https://127.0.0.1:{running.server_address[1]}"


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_client_certificate_is_shown(bank: str, authority: Authority, password: str | None) -> None:
    certificate, key = authority.issue("us", password=password)
    settings = {
        "ca_bundle": authority.bundle,
        "client_certificate": certificate,
        "client_key": key,
        "client_key_password": SecretStr(password) if password else None,
    }

    assert read(bank, **settings) == [b'{"id":"1"}']


def test_without_one_nothing_is_shown(bank: str, authority: Authority) -> None:
    with pytest.raises(SourceUnavailable):
        read(bank, ca_bundle=authority.bundle)


class Depot(Answer):
    """Notes who shows a certificate."""

    shown: ClassVar[list[Any]] = []

    def do_GET(self) -> None:  # http.server's name
        """Show it, and note what was shown."""
        self.shown.append(cast("ssl.SSLSocket", self.connection).getpeercert())
        super().do_GET()


@pytest.fixture
def depot(authority: Authority) -> Iterator[str]:
    """A host of files that would take a certificate."""
    Depot.shown = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("depot"))
    context.load_verify_locations(authority.bundle)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = Quiet(("127.0.0.1", 0), Depot)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    for running in serving(server):
        yield f"127.0.0.1:{running.server_address[1]}"


def test_a_certificate_is_shown_to_no_other_host(bank: str, depot: str, authority: Authority) -> None:
    """Which is checked by the same bundle, also where the source itself is not checked."""
    certificate, key = authority.issue("us")
    settings: dict[str, Any] = {
        "ca_bundle": authority.bundle,
        "client_certificate": certificate,
        "client_key": key,
    }
    for verify in (True, False):
        settled = BankSettings(base_url=bank, **settings)
        with type("Bank", (Bank,), {"verify": verify})(settings=settled) as source:
            pages = source.pages(f"https://{depot}/file", hosts=[depot])
            assert [page.records for page in pages] == [[b'{"id":"1"}']]
    assert Depot.shown == [None, None]
    read(f"https://{depot}", **settings)
    assert Depot.shown[-1]

    unsettled = BankSettings(base_url=bank, client_certificate=certificate, client_key=key)
    with type("Bank", (Bank,), {"verify": False})(settings=unsettled) as source:
        with pytest.raises(SourceUnavailable, match="no secure connection"):
            list(source.pages(f"https://{depot}/file", hosts=[depot]))


def test_an_authority_that_nobody_knows_is_not_trusted(bank: str) -> None:
    with pytest.raises(SourceUnavailable, match="no secure connection"):
        read(bank)


@pytest.mark.parametrize("given", ["wrong password", "no password", "no file", "no pem"])
def test_a_certificate_that_cannot_be_read_is_told(authority: Authority, tmp_path: Path, given: str) -> None:
    certificate, key = authority.issue("us", password=PASSWORD)
    every: dict[str, dict[str, Any]] = {
        "wrong password": {"client_key_password": SecretStr(WRONG)},
        "no password": {},
        "no file": {"client_certificate": tmp_path / "nowhere.pem"},
        "no pem": {"client_certificate": tmp_path / "text.pem"},
    }
    (tmp_path / "text.pem").write_text("canary")
    settings: dict[str, Any] = {"client_certificate": certificate, "client_key": key, **every[given]}

    with pytest.raises(DeclarationError, match="STRANDLINE_BANK__CLIENT_CERTIFICATE: ") as caught:
        read("https://127.0.0.1:9", **settings)
    assert "canary" not in str(caught.value)


def test_an_authority_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"STRANDLINE_BANK__CA_BUNDLE: .*No such file"):
        read("https://127.0.0.1:9", ca_bundle=tmp_path / "nowhere.pem")


class Gate(BaseHTTPRequestHandler):
    """A proxy that lets through who knows the password."""

    passed: ClassVar[list[str]] = []

    def do_GET(self) -> None:  # http.server's name
        """Fetch what is asked for."""
        given = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given) != f"us:{PASSWORD}".encode():
            self.send_error(407, f"no: {given}")
            return
        self.passed.append(self.path)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.path) as answer:
            body = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:  # http.server's name
        """Nobody gets through to a host with a secret of its own."""
        self.send_error(407, f"no: {self.headers.get('Proxy-Authorization', '')}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        """Silent."""


@pytest.fixture
def gate() -> Iterator[tuple[str, list[str]]]:
    """Its address, and what went through it."""
    Gate.passed = []
    for running in serving(ThreadingHTTPServer(("127.0.0.1", 0), Gate)):
        yield f"127.0.0.1:{running.server_address[1]}", Gate.passed


def test_a_proxy_is_asked_with_its_password(api: ScriptedApi, gate: tuple[str, list[str]]) -> None:
    api.respond("/accounts", b'[{"id":"1"}]')
    address, passed = gate

    assert read(api.url, proxy=SecretStr(f"http://us:{PASSWORD}@{address}")) == [b'{"id":"1"}']
    assert passed == [f"{api.url}/accounts"]


@pytest.mark.parametrize("address", ["", "https://127.0.0.1:9"], ids=["http", "https"])
def test_a_proxy_that_refuses_is_told_without_the_password(
    api: ScriptedApi, gate: tuple[str, list[str]], caplog: pytest.LogCaptureFixture, address: str
) -> None:
    """It is not asked again, and its own words are not repeated."""
    caplog.set_level(0)
    with pytest.raises(CredentialsRejected, match="407 Proxy Authentication Required to the proxy") as caught:
        read(address or api.url, proxy=SecretStr(f"http://us:{WRONG}@{gate[0]}"))

    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint) + caplog.text
    assert WRONG not in told
    assert base64.b64encode(f"us:{WRONG}".encode()).decode() not in told


@pytest.mark.parametrize("url", ["ftp://canary", "http://", "http://us:canary@host:port", "canary"])
def test_what_is_no_proxy_is_refused_unseen(url: str) -> None:
    with pytest.raises(DeclarationError, match="STRANDLINE_BANK__PROXY is no address of a proxy") as caught:
        read("http://127.0.0.1:9", proxy=SecretStr(url))
    assert "canary" not in str(caught.value)
