"""A page of a stream, and how its bytes are cut into the exact bytes of its records.

msgspec cuts at C speed and takes the paginator's tokens out of the same pass. It refuses a whole page for
one oddity inside one record, a lone surrogate say; then the page goes through `lenient`, which only counts
quotes and brackets, so that one bad record reaches the quarantine and the others their table.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

import msgspec

from strandline.source import lenient

Path = str | tuple[str, ...] | None
"""Keys down to a value: "data.items", or a tuple where a key itself contains a dot; None is the body
itself."""

_ESCAPED = re.compile(r'["\\\x00-\x1f]')

BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Page:
    """What one request brought: each record's exact bytes, and where and when they came from."""

    records: list[bytes]
    number: int
    """1 for a walk's first page."""
    request: str
    """Method and URL, secrets taken out."""
    status: int
    fetched_at: datetime
    """Aware, UTC; when the answer was complete."""
    size: int
    """Bytes of the body."""
    state: str | None = None
    """How far the source has been read with this page, in its own words: the next run's `since`. It vouches
    for the records of this page and of those before it, and is stored with them.
    """


AHEAD: Final = 2 * 1024 * 1024
"""So many bytes of pages are fetched ahead, for the time in which a chunk is stored."""

LIGHTEST: Final = AHEAD // 4
"""So many bytes a page counts at least: however small they are, few wait."""


def weight(page: Page) -> int:
    """How many bytes of what is fetched ahead it counts."""
    return max(page.size, LIGHTEST)


Pages = Iterator[Page]

Sift = Callable[[Sequence[bytes], int], Iterable[tuple[int, bytes]]]
"""(records, the number of the first) → those to go on with, each with its number"""


class Cut(msgspec.Struct, frozen=True):
    """A body cut up: its records, and what was wanted beside them (a path that is absent has no entry)."""

    records: list[bytes]
    found: Mapping[Path, Any]
    rest: Generator[bytes, None, None] | None = None
    """All records instead, of a body that is too large to be cut at once."""


def keys(path: Path) -> tuple[str, ...]:
    """The path as keys from the outside in."""
    if path is None:
        return ()
    return tuple(path.split(".")) if isinstance(path, str) else path


def split(body: bytes, records_at: Path = None, *, wanted: Sequence[Path] = ()) -> Cut:
    """Cut a body into its records' bytes.

    Raises `lenient.Truncated` if the body ends too early, and `lenient.Unreadable` if it is no JSON, or has
    no array at the path.
    """
    return _splitter(records_at, tuple(wanted))(body)


@cache
def _splitter(records_at: Path, wanted: tuple[Path, ...]) -> Callable[[bytes], Cut]:
    at = keys(records_at)
    places = {path: keys(path) for path in wanted}
    if any(_ESCAPED.search(key) for place in (at, *places.values()) for key in place):
        return lambda body: _cut_leniently(body.removeprefix(BOM), at, places)  # msgspec has no such names
    decode = msgspec.json.Decoder(_shape(at, list(places.values()))).decode

    def cut(body: bytes) -> Cut:
        content = body.removeprefix(BOM)
        try:
            decoded = decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # so deep that brackets are counted
            return _cut_leniently(content, at, places)
        raws = _follow(decoded, at)
        if not isinstance(raws, list):
            return _cut_leniently(content, at, places)
        return Cut(list(map(bytes, raws)), _found(decoded, places))

    return cut


def _cut_leniently(content: bytes, at: tuple[str, ...], places: Mapping[Path, tuple[str, ...]]) -> Cut:
    found = {path: lenient.value(content, place) for path, place in places.items()}
    return Cut(
        lenient.array(content, at),
        {path: value for path, value in found.items() if value is not lenient.ABSENT},
    )


def _found(decoded: object, places: Mapping[Path, tuple[str, ...]]) -> Mapping[Path, Any]:
    if not places:
        return {}
    found = {path: _follow(decoded, place) for path, place in places.items()}
    return {path: value for path, value in found.items() if value is not msgspec.UNSET}


def _follow(decoded: object, place: tuple[str, ...]) -> Any:
    for key in place:
        if isinstance(decoded, msgspec.Struct):
            decoded = getattr(decoded, _attribute(key))
        elif isinstance(decoded, dict):
            decoded = decoded.get(key, msgspec.UNSET)
        else:
            return msgspec.UNSET
    return decoded


def _shape(records_at: tuple[str, ...], wanted: Sequence[tuple[str, ...]]) -> Any:
    """The msgspec type of a body: a struct per object on the way to the records, anything beside it."""
    if not records_at:
        return list[msgspec.Raw]
    next_key = records_at[0]
    types: dict[str, Any] = {place[0]: Any for place in wanted if place}
    types[next_key] = _shape(
        records_at[1:], [place[1:] for place in wanted if place and place[0] == next_key]
    )
    return msgspec.defstruct(
        "Body",
        [(_attribute(key), _optional(inner), msgspec.UNSET) for key, inner in types.items()],
        rename={_attribute(key): key for key in types},
    )


def _optional(inner: Any) -> Any:
    return inner if inner is Any else inner | msgspec.UnsetType


def _attribute(key: str) -> str:
    # A key may be anything ("@odata.nextLink"); an attribute of a struct must be an identifier.
    return "at_" + key.encode().hex()
