"""Which files of a stream have been read: its state, stored with their rows, and the next run's `since`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from strandline.errors import UnexpectedResponse

NewBy = Literal["time", "name", "content"]
"""What makes a file a new one: size and time of its last change, its name alone, or what it contains."""


class Ledger(msgspec.Struct, forbid_unknown_fields=True):
    """What was read, by name: the stamp or hash that the file had."""

    files: dict[str, str] = {}

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

    @property
    def state(self) -> str:
        """The same as a state."""
        return msgspec.json.encode(self).decode()
