"""What a connector is told: the settings' config, or what the connector itself has made of it.

A connector that exchanges a token for a new one says its whole config anew. That one is kept in the vault,
sealed, and holds until the settings say something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from pydantic_core import to_json

from strandline.log import warn
from strandline.settings import Settings
from strandline.source.redaction import Redaction
from strandline.source.vault import VARIABLE, Seal, TokenVault, default_vault


class _Kept(msgspec.Struct):
    config: msgspec.Raw
    seed: str
    """Of which config of the settings it was made."""


class Config:
    """The config of one source."""

    def __init__(
        self, source: str, given: bytes, *, vault: Callable[[], TokenVault | None], redaction: Redaction
    ) -> None:
        self._source = source
        self._name = f"{source}.config"
        self._vault = vault
        self._redaction = redaction
        self._seed = hashlib.sha256(given).hexdigest()
        self._now = self._kept() or given
        self._learn(msgspec.json.decode(self._now), known=msgspec.json.decode(given))

    @property
    def now(self) -> bytes:
        """As the connector is told it."""
        return self._now

    def change(self, config: dict[str, Any]) -> None:
        """Tell it this from now on, and keep it for the next run."""
        known = msgspec.json.decode(self._now)
        if config == known:
            return
        self._learn(config, known=known)
        self._now = to_json(config)
        key = Settings.load().secret_key
        if key is None:
            changed = sorted(name for name in config if config[name] != known.get(name))
            warn(
                f"the connector has changed its settings for this run only: {VARIABLE} is not set,"
                " with which they would be kept",
                source=self._source,
                settings=changed,
            )
            return
        kept = msgspec.json.encode(_Kept(msgspec.Raw(self._now), self._seed))
        vault = self._vault() or default_vault()
        with vault.locked(self._name):
            vault.save(self._name, Seal(key).close(self._name, kept))

    def _kept(self) -> bytes | None:
        key = Settings.load().secret_key
        if key is None:
            return None
        vault = self._vault() or default_vault()
        sealed = vault.load(self._name)
        if sealed is None:
            return None
        kept = msgspec.json.decode(Seal(key).open(self._name, sealed), type=_Kept)
        return bytes(kept.config) if kept.seed == self._seed else None

    def _learn(self, config: dict[str, Any], *, known: dict[str, Any]) -> None:
        """Whatever is new in it may be a secret."""
        self._redaction.learn(
            *(it for name, value in config.items() if value != known.get(name) for it in _texts(value))
        )


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for it in value for text in _texts(it)]
    return [value] if isinstance(value, str) else []
