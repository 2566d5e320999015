"""Promise 9 at the source's edge: what may be shown of a URL or a text that could hold a secret."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote

import httpx

from strandline.secrecy import HIDDEN, KNOWN, forms, hide_in, longest_first

_PARTS_OF_A_LINE = 5
"""What httpx logs of an answer: method, URL, version, status and reason."""
_SHORTEST = 8
"""What is obtained on the way and shorter is no secret, and hiding it would blacken half of a message."""
_REMEMBERED = 100
"""So many of them: a token lasts for thousands of requests, a signature for one."""

# Parameters that are secrets in any API, declared or not.
ALWAYS = frozenset(
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
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    }
)


class Redaction:
    """Hides what one client knows to be secret: query parameters by name, and secret values wherever
    they stand.
    """

    def __init__(self, *, parameters: Iterable[str] = (), secrets: Iterable[str] = ()) -> None:
        self._parameters = ALWAYS | {name.lower() for name in parameters}
        given = [it for it in secrets if it]
        KNOWN.hide(given)
        self._given = {form for secret in given for form in forms(secret)}
        self._learned: deque[str] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()
        self._secrets = longest_first(self._given)

    def learn(self, *secrets: str | None) -> None:
        """From now on hide these as well: tokens, cookies and signatures that were not known before."""
        new = [it for it in secrets if it and len(it) >= _SHORTEST]
        KNOWN.hide_for_now(new)
        with self._lock:
            self._learned.extend(it for it in new if it not in self._learned)
            # A new list: another thread may be scrubbing by the old one.
            self._secrets = longest_first(
                self._given.union(form for secret in self._learned for form in forms(secret))
            )

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
        return hide_in(text, self._secrets)


class _HideUrls(logging.Filter):
    """httpx logs each URL as it is sent, credentials included; its lines are kept without the query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_bare(part) if isinstance(part, httpx.URL) else part for part in record.args)
            if len(record.args) == _PARTS_OF_A_LINE and isinstance(code := record.args[3], int):
                # The reason is the source's own text.
                record.args = (*record.args[:4], httpx.codes.get_reason_phrase(code))
        return True


def _bare(url: httpx.URL) -> str:
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


class _HideHeaders(logging.Filter):
    """httpcore logs the headers of each answer, cookies included, what it could not read of one, and what a
    SOCKS proxy is told; its lines are kept without them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        told = record.getMessage()
        for beginning in (" return_value=(", " exception=", " auth="):
            told, found, _ = told.partition(beginning)
            if found:
                record.msg, record.args = told, None
        return True


_hide_urls = _HideUrls()
_hide_headers = _HideHeaders()


def guard_httpx_log() -> None:
    """From now on the log lines of httpx and httpcore hold no query, no header and no password; doing it
    again changes nothing.
    """
    logging.getLogger("httpx").addFilter(_hide_urls)
    # Filters are not inherited by the loggers below.
    for part in ("connection", "http11", "http2", "proxy", "socks"):
        logging.getLogger(f"httpcore.{part}").addFilter(_hide_headers)
