"""Whom a source trusts: read when a secure connection wants it, and not taken for granted then."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.integration.http.conftest import Crm

from strandline.errors import SourceUnavailable
from strandline.testing.server import Response, ScriptedApi

BODY = b'{"data": [{"id": "1", "updated_at": "2026-03-04T05:06:07Z"}]}'


class Answers(http.server.BaseHTTPRequestHandler):
    """The same page for whoever asks."""

    def do_GET(self) -> None:
        """Send it."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "host.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    """A host that speaks TLS; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_host_whose_certificate_nobody_vouches_for_is_not_read(
    open_crm: Callable[..., Crm], secure: str
) -> None:
    with pytest.raises(SourceUnavailable, match=r"no secure connection: .*CERTIFICATE_VERIFY_FAILED"):
        open_crm(secure).read()


def test_a_certificate_that_the_environment_names_is_trusted(
    open_crm: Callable[..., Crm], secure: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert [len(page.records) for page in open_crm(secure).read()] == [1]
    assert [len(page.records) for page in open_crm(secure).read()] == [1]


def test_from_plain_http_to_https_the_certificate_is_asked_for(
    open_crm: Callable[..., Crm], api: ScriptedApi, secure: str
) -> None:
    api.serve("/customers", [])
    api.fail("/customers", Response(b"", status=302, headers={"Location": f"{secure}/customers"}))
    with pytest.raises(SourceUnavailable, match="no secure connection"):
        open_crm().read()
