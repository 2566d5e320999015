"""Bodies of a declared format: their records, those of a large one as they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Final

from strandline.errors import DeclarationError
from strandline.source import compression, lenient
from strandline.source.format import Format, Xml
from strandline.source.page import Cut, Path
from strandline.source.refusal import Refusing
from strandline.source.spool import Body

EAGER: Final = 16 * 1024 * 1024
"""Bytes of payloads that are read before anybody is given one: so much is asked for again where it ends too
early.
"""


def reading(
    format_: Format, *, wanted: Sequence[Path], refusing: Refusing | None, sees_records: bool
) -> Callable[[Body, str | None], Cut]:
    """The function that reads such bodies; raises DeclarationError where the paginator wants to see what they
    do not hold.
    """
    if wanted and not isinstance(format_, Xml):
        raise DeclarationError(
            f"pages(…, format={format_!r}): the paginator looks for {', '.join(map(repr, wanted))} in the"
            f" body, but {format_.name} holds records only",
            hint="Declare a paginator that reads a header, or one that ends at an empty page.",
        )
    return _Formatted(format_, wanted=wanted, refusing=refusing, sees_records=sees_records).read


@dataclass(frozen=True)
class _Formatted:
    """Reads bodies of a format."""

    format: Format
    wanted: Sequence[Path]
    refusing: Refusing | None
    sees_records: bool

    def read(self, body: Body, charset: str | None) -> Cut:
        """The records, those of a large body as they are asked for."""
        if self.refusing is not None and not body.is_large:
            self._refuse(self.refusing, body, charset)
        if self.wanted:
            content = Body.of(body.whole())
            cut = list(self._records(content, charset))
            return Cut(cut, self._find(content, self.wanted, charset))
        records = self._records(body, charset)
        return Cut(list(records), {}) if self.sees_records else _begun(records)

    def _records(self, body: Body, charset: str | None) -> Generator[bytes, None, None]:
        with body.open() as file:
            is_archive = compression.kind_of(body.start) == "zip" and not _is_container(self.format)
            content = compression.unpacked(file) if is_archive else file
            yield from self.format.records(content, charset=charset)

    def _find(self, body: Body, wanted: Sequence[Path], charset: str | None) -> Mapping[Path, Any]:
        if not isinstance(self.format, Xml):
            return {}
        with body.open() as file:
            return self.format.find(file, wanted, charset=charset)

    def _refuse(self, refusing: Refusing, body: Body, charset: str | None) -> None:
        """An error is JSON where something else was asked for, or stands in the XML."""
        if body.start.lstrip()[:1] == b"{":
            refusing.check_body(body.whole())
        elif isinstance(self.format, Xml):
            found: Mapping[Path, Any] = {}
            with suppress(lenient.Truncated, lenient.Unreadable):  # which is told when it is read
                found = self._find(body, refusing.declared.places, charset)
            refusing.check(found)


def _begun(records: Generator[bytes, None, None]) -> Cut:
    first, size = list[bytes](), 0
    for payload in records:
        first.append(payload)
        size += len(payload)
        if size >= EAGER:
            return Cut([], {}, _all(deque(first), records))
    return Cut(first, {})


def _all(first: deque[bytes], records: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """What has been read already, each given away for good, and then the rest."""
    with closing(records):
        while first:
            yield first.popleft()
        yield from records


def _is_container(format_: Format) -> bool:
    return bool(getattr(format_, "is_container", False))
