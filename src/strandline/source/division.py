"""What a stream is read for, one after the other: partitions, each with a mark of its own, or the records of
another stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from strandline.errors import DeclarationError


class Division:
    """What the method of a stream is told first."""


@dataclass(frozen=True)
class Partitions(Division):
    """Accounts, regions, shops: `values` is the source's method that names them. Each is read by itself, and
    from a mark of its own.
    """

    values: Callable[..., Iterable[str]]

    def of(self, source: object, *, where: str) -> list[str]:
        """Those that there are now, each once. Raises DeclarationError for one that is no text."""
        found = list(dict.fromkeys(self.values(source)))
        for it in found:
            if not it or "\0" in it or any("\ud800" <= letter <= "\udfff" for letter in it):
                raise DeclarationError(
                    f"{where}: {it!r} names no partition", hint=f"Let {self.values.__name__} return texts."
                )
        return found


def name_of(stream: str, partition: str | None) -> str:
    """What the mark of a partition is called: `crm.orders[eu]`."""
    return stream if partition is None else f"{stream}[{partition}]"


def stream_of(name: str) -> str:
    """Whose mark it is."""
    return name.partition("[")[0] if name.endswith("]") else name
