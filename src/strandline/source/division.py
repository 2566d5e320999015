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
        values: object = self.values(source)
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise self._refused(values, where)
        found = list(dict.fromkeys(values))
        for it in found:
            if not _is_name(it):
                raise self._refused(it, where)
        return found

    def _refused(self, value: object, where: str) -> DeclarationError:
        return DeclarationError(
            f"{where}: {value!r} names no partition",
            hint=f"Let {self.values.__name__} return a list of texts, numbers as str(…).",
        )


def _is_name(it: object) -> bool:
    """Whether a mark can be called so."""
    if not isinstance(it, str) or not it or "\0" in it:
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in it)


def name_of(stream: str, partition: str | None) -> str:
    """What the mark of a partition is called: `crm.orders[eu]`."""
    return stream if partition is None else f"{stream}[{partition}]"


def stream_of(name: str) -> str:
    """Whose mark it is."""
    return name.partition("[")[0] if name.endswith("]") else name
