"""Where credentials that change are kept between runs: a sealed text for each name, which one run at a time
may change.

A vault sees ciphertext only: what it is given to keep was encrypted with STRANDLINE_SECRET_KEY, which is
kept elsewhere. A pipeline gives its sources a vault in the warehouse; a source that is read by itself keeps
files under STRANDLINE_HOME.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec
from pydantic import SecretStr

from strandline import disk
from strandline.errors import DeclarationError, SettingsMissing, VaultUnavailable
from strandline.settings import Settings
from strandline.source import prefetch

VARIABLE = "STRANDLINE_SECRET_KEY"
PATIENCE_SECONDS = 120.0
"""A lock is held for a request or two."""
POLL_SECONDS = 0.05

_MAKE_ONE = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


class TokenVault(Protocol):
    """Keeps a sealed text for each name."""

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Be the only one, on all machines, that reads and changes what is kept under this name."""

    def load(self, name: str) -> bytes | None:
        """What was saved last; None where nothing was."""

    def save(self, name: str, sealed: bytes) -> None:
        """Keep this from now on; when it returns, it outlives the machine's fall."""


class KeepsCredentials:
    """A source whose credentials may change; where it has no vault, a run gives it one in the warehouse."""

    vault: TokenVault | None = None


class FileVault:
    """Files that only their owner may read, for one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock on a file beside it; it ends with the process that has it."""
        with self._named_errors(name):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path(name, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            wait_for(lambda: disk.try_lock(handle), what=f"{self._path(name)}")
            yield
        finally:
            os.close(handle)

    def load(self, name: str) -> bytes | None:
        """What the file holds."""
        with self._named_errors(name):
            try:
                return self._path(name).read_bytes()
            except FileNotFoundError:
                return None

    def save(self, name: str, sealed: bytes) -> None:
        """Write another file and put it in the place of the one before, so that either is there whole."""
        with self._named_errors(name):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._path(name, ".new")
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | disk.BINARY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path(name))
            disk.settle(self.folder)

    def remove(self, name: str) -> None:
        """Keep it no longer."""
        with self._named_errors(name):
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str, ending: str = "") -> Path:
        return self.folder / f"{quote(name, safe='')}{ending}"

    @contextmanager
    def _named_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise VaultUnavailable(
                f"{self._path(name)}: {error.strerror}",
                hint="Credentials are kept there: let it be written, or set another STRANDLINE_HOME.",
            ) from error


def default_vault() -> FileVault:
    """Files under STRANDLINE_HOME."""
    return FileVault(Settings.load().home / "credentials")


class TryLock(Protocol):
    """Takes a lock if nobody has it."""

    def __call__(self) -> bool:
        """Whether it was taken."""


def wait_for(take: TryLock, *, what: str) -> None:
    """Take the lock when it is free, or raise VaultUnavailable when that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not take():
        if time.monotonic() > deadline:
            raise VaultUnavailable(
                f"{what}: another run has held it for {PATIENCE_SECONDS:.0f} s",
                hint="Wait until that run has ended, then run again.",
            )
        prefetch.pause(POLL_SECONDS)


class _Envelope(msgspec.Struct):
    name: str
    content: bytes


class Seal:
    """Encrypts what is kept, by the first of the keys; what any of them has encrypted can be read."""

    def __init__(self, keys: SecretStr | None) -> None:
        if keys is None or not keys.get_secret_value().strip(", "):
            raise SettingsMissing(
                f"not set: {VARIABLE}, with which credentials that change are encrypted before they are kept",
                hint=f"Make one, and keep it where you keep passwords: {_MAKE_ONE}",
            )
        # The rest of a run needs no cryptography, and should not wait for it.
        from cryptography.fernet import Fernet, MultiFernet

        try:
            self._fernet = MultiFernet(
                [Fernet(key.strip()) for key in keys.get_secret_value().split(",") if key.strip()]
            )
        except ValueError as error:
            raise DeclarationError(
                f"{VARIABLE}: not a key, or several with commas between them", hint=f"Make one: {_MAKE_ONE}"
            ) from error

    def close(self, name: str, content: bytes) -> bytes:
        """Encrypt it; it can be opened under this name only."""
        return self._fernet.encrypt(msgspec.json.encode(_Envelope(name, content)))

    def open(self, name: str, sealed: bytes) -> bytes:
        """Decrypt it."""
        from cryptography.fernet import InvalidToken

        try:
            envelope = msgspec.json.decode(self._fernet.decrypt(sealed), type=_Envelope)
        except InvalidToken as error:
            raise DeclarationError(
                f"{name}: what is kept of these credentials was encrypted with another {VARIABLE}",
                hint=f'Put the former key behind the new one, with a comma: {VARIABLE}="new,former".',
            ) from error
        if envelope.name != name:
            raise DeclarationError(f"{name}: what is kept there belongs to {envelope.name}")
        return envelope.content
