"""Which streams are read behind which: children behind their parents."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol, TypeVar

from strandline.errors import DeclarationError
from strandline.source.parent import Parents
from strandline.source.stream import Stream


def parent_of(stream: Stream) -> Stream | None:
    """The stream for whose records this one is read, if it is."""
    return stream.per.of(stream.source) if isinstance(stream.per, Parents) else None


class Read(Protocol):
    """A stream, with whatever it fills."""

    @property
    def stream(self) -> Stream:
        """The stream."""


R = TypeVar("R", bound=Read)


def parents(read: Iterable[R], child: Read) -> list[R]:
    """What has to be read before this one."""
    parent = parent_of(child.stream)
    return [it for it in read if it.stream is parent]


def depth(stream: Stream, read: Collection[str], *, where: str) -> int:
    """How many streams have to be read before it. Raises DeclarationError where one of them is not `read`."""
    parent = parent_of(stream)
    if parent is None:
        return 0
    if parent.qualified_name not in read:
        raise DeclarationError(
            f"{where}: {stream.qualified_name} is read for the records of {parent.qualified_name}, which the"
            " pipeline does not read",
            hint="Let it read those, too: pipeline.sync(…).",
        )
    return 1 + depth(parent, read, where=where)
