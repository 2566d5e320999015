"""The certificates that hosts are checked against, read when a connection wants them and not before.

Reading the list of those that a machine trusts takes longer than a run with nothing new may, and an API that
speaks plain HTTP, behind a gateway or beside us, never wants it.
"""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import Any

import httpx


class LateContext(ssl.SSLContext):
    """As httpx sets a context up by itself, `SSL_CERT_FILE` and `SSL_CERT_DIR` included, at the first
    connection that is to be secure.
    """

    _protocols: list[str] | None = None

    def __new__(cls) -> LateContext:
        """One that trusts nobody itself."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """Note what the client can speak."""
        self._protocols = list(alpn_protocols)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
        """Secure a connection, by the certificates."""
        return self._read.wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
        """Secure a connection within one, as through a proxy, by the certificates."""
        return self._read.wrap_bio(*args, **kwargs)

    @cached_property
    def _read(self) -> ssl.SSLContext:
        context = httpx.create_ssl_context()
        if self._protocols:
            context.set_alpn_protocols(self._protocols)
        return context
