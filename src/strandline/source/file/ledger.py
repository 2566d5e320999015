"""Which files of a stream have been read, and how far another one: its state, stored with their rows, and the
next run's `since`.

A position in a file is a number of rows, with a digest of them. Whoever goes on from there has gone through
them once more, and knows by the digest that they are those that are stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec
from xxhash import xxh3_128

from strandline.errors import UnexpectedResponse

NewBy = Literal["time", "name", "content"]
"""What makes a file a new one: size and time of its last change, its name alone, or what it contains."""


class Position(msgspec.Struct, frozen=True):
    """How far a file has been read whose end has not come."""

    stamp: str
    """Or hash, that the file had."""
    rows: int
    digest: str
    """Of these rows."""


class Ledger(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What was read, by name."""

    files: dict[str, str] = {}
    """Whole files, with the stamp or hash that each had."""
    within: dict[str, Position] = {}
    """The others."""

    @classmethod
    def of(cls, state: str | None, *, where: str) -> Ledger:
        """What the state says. Raises UnexpectedResponse if it is none of such a stream."""
        if state is None:
            return cls()
        try:
            return msgspec.json.decode(state, type=cls)
        except msgspec.DecodeError as error:
            raise UnexpectedResponse(
                f"{where}: its mark is no state of such a stream: {error}",
                hint="Run once with --full to start a new mark.",
            ) from error

    def forget_others(self, names: Collection[str]) -> None:
        """Remember only files that are still there, so that the state does not grow for ever."""
        self.files = {name: stamp for name, stamp in self.files.items() if name in names}
        self.within = {name: it for name, it in self.within.items() if name in names}

    def end(self, name: str, stamp: str) -> None:
        """The file is read."""
        self.files[name] = stamp
        self.within.pop(name, None)

    def position(self, name: str, stamp: str) -> Position | None:
        """How far the file has been read, if it is still the same."""
        known = self.within.get(name)
        return known if known is not None and known.stamp == stamp else None

    @property
    def state(self) -> str:
        """The same as a state."""
        return msgspec.json.encode(self).decode()


class Progress:
    """How far one file has been read, row by row."""

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self.begin_again()

    def begin_again(self) -> None:
        """Nothing of it has been read."""
        self._rows = 0
        self._digest = xxh3_128()

    @property
    def position(self) -> Position:
        """It, to be gone on from."""
        return Position(self.stamp, self._rows, self._digest.hexdigest())

    def add(self, rows: Sequence[bytes]) -> None:
        """These have been read behind the others."""
        self._rows += len(rows)
        self._digest.update(b"\n".join([*rows, b""]))

    def go_to(self, position: Position, batches: Iterable[Sequence[bytes]]) -> None:
        """Read these, until as many rows as there have been read."""
        for rows in batches:
            self.add(rows)
            if self._rows >= position.rows:
                return
