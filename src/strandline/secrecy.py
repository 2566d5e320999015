"""What nobody is to see: secrets, in whatever form they stand in a text, and what is said of persons.

Whoever knows a secret tells it here, and no line of the log has it from then on.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_plus

HIDDEN: Final = "***"

HIDDEN_ANYWHERE: Final = 4
"""What has fewer characters is hidden where it stands by itself: to take each `s` out of a text blackens half
of it, and tells what the secret is.
"""

NEVER_PERSONAL: Final = frozenset(
    {"event", "level", "timestamp", "logger", "pipeline", "run_id", "stream", "batch"}
)
"""What a line says of itself, however a model's columns are called."""


def forms(secret: str) -> set[str]:
    """The secret as it is written in URLs, in JSON and in base64."""
    escaped = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    # As JSON writes it, and JSON within JSON.
    for plain in (False, True):
        once = json.dumps(secret, ensure_ascii=plain)[1:-1]
        escaped |= {once, json.dumps(once, ensure_ascii=plain)[1:-1]}
    # A source that puts it into a link unescaped makes another value of it.
    unescaped = unquote_plus(secret)
    encoded = {encode(secret.encode()).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return {secret, unescaped, *escaped, *encoded}


def longest_first(written: Iterable[str]) -> list[str]:
    """In this order they are hidden, lest a secret within another leaves the rest of it readable."""
    return sorted(written, key=len, reverse=True)


def hide_in(text: str, written: Iterable[str]) -> str:
    """The text without these."""
    for it in written:
        if it in text:
            text = text.replace(it, HIDDEN) if len(it) >= HIDDEN_ANYWHERE else _alone(it).sub(HIDDEN, text)
    return text


@lru_cache(maxsize=100)
def _alone(short: str) -> re.Pattern[str]:
    before = r"(?<!\w)" if re.match(r"\w", short) else ""
    behind = r"(?!\w)" if re.search(r"\w\Z", short) else ""
    return re.compile(f"{before}{re.escape(short)}{behind}")


class Secrecy:
    """What this process knows to be secret or personal."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._passing: deque[str] = deque(maxlen=100)
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these values for as long as the process lives."""
        with self._lock:
            self._secrets.update(it for it in secrets if it)

    def hide_for_now(self, secrets: Iterable[str]) -> None:
        """Hide these until many others have come: a token lasts for a while, a signature for a request."""
        with self._lock:
            self._passing.extend(it for it in secrets if it and it not in self._passing)

    def hide_named(self, names: Iterable[str]) -> None:
        """Hide whatever is said under these names."""
        with self._lock:
            self._names |= {it.lower() for it in names} - NEVER_PERSONAL

    def secrets(self) -> tuple[str, ...]:
        """The values that are hidden for good."""
        with self._lock:
            return tuple(self._secrets)

    def scrub(self, text: str) -> str:
        """The text with every known secret hidden."""
        with self._lock:
            known = frozenset((*self._secrets, *self._passing))
        return hide_in(text, _written(known))

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Forget at the end of the block what was told within it: a test's secrets are no other test's."""
        with self._lock:
            before = set(self._secrets), list(self._passing), set(self._names)
        try:
            yield
        finally:
            with self._lock:
                self._secrets, self._names = before[0], before[2]
                self._passing.clear()
                self._passing.extend(before[1])

    def masked(self, value: Any) -> Any:
        """The value with secrets hidden, and in mappings what is personal."""
        match value:
            case str():
                return self.scrub(value)
            case Mapping():
                return {name: self._under(name, it) for name, it in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.masked(it) for it in value]
            case None | bool() | int() | float():
                return value
        return self.scrub(str(value))

    def _under(self, name: Any, value: Any) -> Any:
        return HIDDEN if str(name).lower() in self._names else self.masked(value)


@lru_cache(maxsize=4)
def _written(secrets: frozenset[str]) -> list[str]:
    return longest_first({form for secret in secrets for form in forms(secret)})


KNOWN: Final = Secrecy()
"""What this process knows."""
