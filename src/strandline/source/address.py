"""Hosts: which are the source's own, and which others may be asked, though without credentials."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import httpx

from strandline.errors import DeclarationError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"(\*\.)?[^\s/:@*?#.]+(\.[^\s/:@*?#.]+)*\.?(:\d+)?")


def check_base(base_url: str, said_by: str) -> httpx.URL:
    """The address of a source. Raises DeclarationError where it cannot be one."""
    hint = f"Correct {said_by}; it looks like https://api.example.com/v1."
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        # Not shown: what cannot be taken apart may have a password in any part.
        raise DeclarationError("base_url is no URL", hint=hint) from error
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        shown = str(url.copy_with(username=None, password=None))
        raise DeclarationError(f"base_url {shown!r} is no http:// or https:// URL", hint=hint)
    return url


def check_hosts(hosts: Collection[str], *, where: str) -> None:
    """Raises DeclarationError for what is no host: a URL, a text in the place of a list, too wide a star."""
    for host in [hosts] if isinstance(hosts, str) else hosts:
        is_wide = host.startswith("*.") and "." not in host[2:].rstrip(".")
        if isinstance(hosts, str) or is_wide or not _HOST.fullmatch(host):
            raise DeclarationError(
                f"{where}(…, hosts={hosts!r}): give hosts, with a port where there is one, and no URL",
                hint='hosts=("files.example.com", "*.s3.amazonaws.com")',
            )


def is_own(url: httpx.URL, base: httpx.URL) -> bool:
    """Whether it is the source's host, on its port, or securely where the base is not."""
    is_secured = (base.scheme, url.scheme) == ("http", "https")
    return url.host == base.host and (_origin(url) == _origin(base) or is_secured)


def is_open(url: httpx.URL, hosts: Collection[str], *, base: httpx.URL) -> bool:
    """Whether it is one of these hosts, and as secure as the source itself."""
    if url.scheme not in ("https", base.scheme):
        return False
    return any(_fits(url, host.lower()) for host in hosts)


def named(url: httpx.URL) -> str:
    """The host, with its port where it is none of the usual."""
    return f"{url.host}:{url.port}" if url.port else url.host


def bare(url: httpx.URL) -> str:
    """The address without whatever may let somebody in: of another host's link that is the query."""
    shown = str(url.copy_with(username=None, password=None, query=None, fragment=None))
    return f"{shown}?…" if url.query else shown


def secrets_of(url: httpx.URL) -> list[str]:
    """What a link to another host may let somebody in with."""
    return [url.password, *(value for _, value in url.params.multi_items())]


def _fits(url: httpx.URL, host: str) -> bool:
    name, _, port = host.partition(":")
    wanted = int(port) if port else _DEFAULT_PORTS[url.scheme]
    if _origin(url)[1] != wanted:
        return False
    return url.host.endswith(name[1:]) if name.startswith("*.") else url.host == name.rstrip(".")


def _origin(url: httpx.URL) -> tuple[str, int | None]:
    return url.scheme, url.port or _DEFAULT_PORTS.get(url.scheme)
