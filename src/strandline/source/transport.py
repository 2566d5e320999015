"""The way to a source: by which proxy, and with which certificates, from its settings."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, TypeVar
from urllib.request import getproxies

import httpx
from msgspec import Struct
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from strandline.errors import DeclarationError
from strandline.source.settings import SourceSettings, env_prefix

T = TypeVar("T")

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")


class HttpSettings(SourceSettings):
    """Settings of an API, with those of the way to it: STRANDLINE_<SOURCE>__PROXY and so on.

    A settings class of one's own may also declare single fields of these names.
    """

    # Built when a source is made, which most runs never do of this class.
    model_config = SettingsConfigDict(defer_build=True)

    proxy: SecretStr | None = None
    """http://user:password@host:port; also https, socks5 and socks5h."""
    ca_bundle: Path | None = None
    """A PEM with the certificates to trust, in the place of those that everybody trusts."""
    client_certificate: Path | None = None
    """A PEM with our own certificate, and with its key unless that has a file of its own."""
    client_key: Path | None = None
    client_key_password: SecretStr | None = None


class Way(Struct, frozen=True):
    """What the client is made with."""

    verify: bool | ssl.SSLContext = True
    proxy: httpx.Proxy | None = None
    secrets: tuple[str, ...] = ()
    verify_others: bool | ssl.SSLContext = True
    """For hosts that are not the source's own: with no certificate of ours, and never without a check."""


DIRECT: Final = Way()
_UNOPENED: Final = "the password does not open it, or it is damaged"


def way_of(settings: SourceSettings, *, verify: bool | ssl.SSLContext, source: str) -> Way:
    """The way that the settings say, `verify` being what the source class says."""
    prefix = env_prefix(source)
    proxy = _proxy(settings, prefix)
    return Way(
        _verify(settings, verify, prefix),
        proxy,
        tuple(_secrets_of_proxies(proxy)),
        verify_others=_trusted(settings, prefix) or True,
    )


def _proxy(settings: SourceSettings, prefix: str) -> httpx.Proxy | None:
    given = getattr(settings, "proxy", None)
    if not given:
        _check_environment()
        return None
    url = given.get_secret_value() if isinstance(given, SecretStr) else str(given)
    _check_proxy(url, f"{prefix}PROXY")
    return httpx.Proxy(url)


def _check_environment() -> None:
    """Whether httpx can take the environment's proxies, which it does where no other is given."""
    known = getproxies()
    if "*" in (it.strip() for it in known.get("no", "").split(",")):
        return
    for name in ("http", "https", "all"):
        if url := known.get(name):
            _check_proxy(url if "://" in url else f"http://{url}", f"{name.upper()}_PROXY")


def _check_proxy(url: str, variable: str) -> None:
    """Raises DeclarationError, which never shows it: it may have a password in any part."""
    wrong = DeclarationError(
        f"{variable} is no address of a proxy",
        hint="It looks like http://user:password@proxy.example.com:3128; also https, socks5 and socks5h.",
    )
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise wrong from error
    if parsed.scheme not in _SCHEMES or not parsed.host:
        raise wrong
    if parsed.scheme.startswith("socks"):
        _check_socks(variable)


def _check_socks(variable: str) -> None:
    try:
        import_module("socksio")  # httpx loads it
    except ImportError as error:
        raise DeclarationError(
            f"{variable}: a SOCKS proxy needs a package more", hint='pip install "strandline[socks]"'
        ) from error


def socks_errors() -> tuple[type[Exception], ...]:
    """What is raised where a SOCKS proxy answers as none does, which httpx passes on as it is."""
    loaded = sys.modules.get("socksio")
    return () if loaded is None else (loaded.ProtocolError,)


def _secrets_of_proxies(proxy: httpx.Proxy | None) -> list[str]:
    """Those of the environment's proxies too, which httpx takes where no other is given."""
    known = list[httpx.URL]()
    for url in getproxies().values():
        with suppress(httpx.InvalidURL):  # which is told where it would be used
            known.append(httpx.URL(url if "://" in url else f"http://{url}"))
    pairs = [(it.username, it.password) for it in known]
    if proxy is not None and proxy.raw_auth is not None:
        pairs.append((proxy.raw_auth[0].decode(), proxy.raw_auth[1].decode()))
    return [it for user, password in pairs if password for it in (password, f"{user}:{password}")]


def _verify(settings: SourceSettings, verify: bool | ssl.SSLContext, prefix: str) -> bool | ssl.SSLContext:
    bundle: Path | None = getattr(settings, "ca_bundle", None)
    certificate: Path | None = getattr(settings, "client_certificate", None)
    if bundle is None and certificate is None:
        return verify
    context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
    if verify is True and (trusted := _trusted(settings, prefix)) is not None:
        context = trusted
    if certificate is not None:
        key: Path | None = getattr(settings, "client_key", None)
        password: SecretStr | None = getattr(settings, "client_key_password", None)
        # A function, or OpenSSL would ask whoever sits at the terminal.
        told = password.get_secret_value() if password else ""
        _read(
            lambda: context.load_cert_chain(certificate, key, password=lambda: told),
            f"{prefix}CLIENT_CERTIFICATE",
            certificate,
        )
    return context


def _trusted(settings: SourceSettings, prefix: str) -> ssl.SSLContext | None:
    """What trusts the bundle, if there is one."""
    bundle: Path | None = getattr(settings, "ca_bundle", None)
    if bundle is None:
        return None
    return _read(lambda: ssl.create_default_context(cafile=bundle), f"{prefix}CA_BUNDLE", bundle)


def _read(read: Callable[[], T], variable: str, path: Path) -> T:
    try:
        return read()
    except (ssl.SSLError, OSError) as error:
        # OpenSSL names no reason where a password opens nothing.
        said = (error.reason if isinstance(error, ssl.SSLError) else error.strerror) or _UNOPENED
        raise DeclarationError(
            f"{variable}: {path} cannot be read: {said}",
            hint="It is a PEM file; a key with a password wants CLIENT_KEY_PASSWORD as well.",
        ) from error
