"""Promise 9 at the source's edge: what may be shown of a URL or a text that could hold a secret."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote_plus

import httpx

HIDDEN = "***"

# Parameters that are secrets in any API, declared or not.
_ALWAYS = frozenset(
    {
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "auth",
        "client_secret",
        "key",
        "password",
        "secret",
        "sig",
        "signature",
        "token",
    }
)


class Redaction:
    """Hides what one client knows to be secret: query parameters by name, and secret values wherever
    they stand.
    """

    def __init__(self, *, parameters: Iterable[str] = (), secrets: Iterable[str] = ()) -> None:
        self._parameters = _ALWAYS | {name.lower() for name in parameters}
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        # The longest first, lest a secret within another leaves the rest of it readable.
        self._secrets = sorted(forms, key=len, reverse=True)

    def show_url(self, url: httpx.URL | str) -> str:
        """The URL without user, password, fragment and secrets."""
        full = httpx.URL(url)
        bare = full.copy_with(username=None, password=None, query=None, fragment=None)
        # Scrubbed as it is meant, then as it is written: a value may be escaped in more than one way.
        shown = bare.copy_with(path=self.scrub(bare.path)) if bare.path else bare
        pairs = "&".join(self._show_parameter(name, value) for name, value in full.params.multi_items())
        return self.scrub(f"{shown}?{pairs}" if pairs else str(shown))

    def _show_parameter(self, name: str, value: str) -> str:
        hidden = name.lower() in self._parameters
        return f"{quote(name, safe='[]$')}={HIDDEN if hidden else quote(self.scrub(value), safe=':,/*')}"

    def show_token(self, token: str | None) -> str:
        """A page's token or link, as it may stand in a message."""
        if token is None:
            return "none"
        return self.show_url(token) if token.startswith(("http://", "https://")) else self.scrub(token)

    def scrub(self, text: str) -> str:
        """The text with every known secret value hidden."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _forms(secret: str) -> set[str]:
    escaped = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    # A source that puts it into a link unescaped makes another value of it.
    unescaped = unquote_plus(secret)
    return {secret, unescaped, *escaped, base64.b64encode(secret.encode()).decode()}


class _HideUrls(logging.Filter):
    """httpx logs each URL as it is sent, credentials included; its lines are kept without the query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_bare(part) if isinstance(part, httpx.URL) else part for part in record.args)
        return True


def _bare(url: httpx.URL) -> str:
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


_hide_urls = _HideUrls()


def guard_httpx_log() -> None:
    """From now on httpx's own log lines hold no query; doing it again changes nothing."""
    logging.getLogger("httpx").addFilter(_hide_urls)
