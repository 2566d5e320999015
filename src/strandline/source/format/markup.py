"""XML: each element at a path becomes a JSON object.

What entities can do to a reader, grow a kilobyte to gigabytes or fetch files, begins in a document type
declaration, so a body with one is refused whole. The rest is what expat tells: one event after the other, so
that a feed of gigabytes takes the memory of its largest record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from strandline.errors import DeclarationError
from strandline.source.format.protocol import check_encoding, choose_encoding, encode
from strandline.source.lenient import Truncated, Unreadable
from strandline.source.page import Path, keys

DEEPEST: Final = 200
"""Elements within each other; what is deeper was made to do harm."""

_BLOCK: Final = 64 * 1024
_SEPARATOR: Final = "}"  # which no name and no namespace may have
_NIL: Final = "http://www.w3.org/2001/XMLSchema-instance}nil"
# The codes of <expat.h>, which Python names by their texts alone: what a body that is cut short ends with.
_CUT_SHORT: Final = frozenset(
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


@dataclass(frozen=True)
class Xml:
    """The elements at a path: `Xml("feed/entry")`, or `Xml("//entry")` for any depth; `*` is any name.

    An element without attributes and children is its text. Else it is an object: an attribute stands in it
    as "@name", a child by its name, one that is repeated as a list, and text beside them as "#text". Name in
    `lists` the children that may be repeated, so that one alone is a list too. Texts in `null` become null,
    and so does what says xsi:nil.

    Namespaces are left out of names, but for those that `namespaces` gives a prefix:
    `namespaces={"g": "http://base.google.com/ns/1.0"}` makes "g:price". The path is written likewise. The
    `encoding`, where it is not declared here, is what the transport says, else what the document says.
    A body with a DTD is refused, and so is one that is not well-formed.
    """

    at: str
    lists: Collection[str] = field(default=(), kw_only=True)
    namespaces: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    null: Collection[str] = field(default=(), kw_only=True)
    encoding: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not all(self._names):
            raise DeclarationError(
                f"Xml({self.at!r}): is no path to an element", hint='Write it as "feed/entry" or "//entry".'
            )
        if isinstance(self.lists, str) or isinstance(self.null, str):
            raise DeclarationError("Xml(lists=…, null=…): give lists of texts, not one text")
        check_encoding(self.encoding, where="Xml")

    @property
    def name(self) -> str:
        """As it is named in messages."""
        return "XML"

    def records(self, file: BinaryIO, *, charset: str | None = None) -> Iterator[bytes]:
        """Each element as JSON."""
        return map(encode, self._read(file, charset=charset))

    def find(self, file: BinaryIO, wanted: Sequence[Path], *, charset: str | None = None) -> dict[Path, Any]:
        """What stands beside the records, for a paginator: "feed.next" is the path from the root on."""
        whole = Xml("*", namespaces=self.namespaces, encoding=self.encoding)
        for root in whole._read(file, charset=charset, named=True):
            found = {path: _follow(root, keys(path)) for path in wanted}
            return {path: value for path, value in found.items() if value is not None}
        return {}

    @property
    def _names(self) -> list[str]:
        return self.at.removeprefix("//").split("/")

    def _read(self, file: BinaryIO, *, charset: str | None, named: bool = False) -> Iterator[Any]:
        block = file.read(_BLOCK)
        if not block.strip():
            raise Unreadable("the body is empty")
        if block.lstrip()[:15].lower() == b"<!doctype html>":  # of which expat says that it is a syntax error
            raise Unreadable("it is no XML but a web page")
        builder = _Builder(self, is_anywhere=self.at.startswith("//"), names=self._names, named=named)
        parser = _parser(builder, self._encoding(block, charset))
        try:
            while block:
                parser.Parse(block, False)  # noqa: FBT003  # its parameter has no name
                yield from builder.take()
                block = file.read(_BLOCK)
            parser.Parse(b"", True)  # noqa: FBT003  # its parameter has no name
        except expat.ExpatError as error:
            raise _explain(error, is_end=not block) from error
        except (LookupError, ValueError) as error:  # what expat says of an encoding of several bytes
            raise Unreadable(f"its encoding cannot be read: {error}") from error
        yield from builder.take()

    def _encoding(self, start: bytes, charset: str | None) -> str | None:
        if self.encoding is None and charset is None:
            return None  # the document tells it
        return choose_encoding(self.encoding, charset=charset, start=start).removesuffix("-sig")


def _parser(builder: _Builder, encoding: str | None) -> expat.XMLParserType:
    parser = expat.ParserCreate(encoding, _SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(name: str, *_: object) -> None:
    if name.lower() == "html":
        raise Unreadable("it is no XML but a web page")
    raise Unreadable(f"it has a document type declaration (of {name!r}), which is never read")


class _Builder:
    """Makes values of events, of the elements at the path only."""

    def __init__(self, declared: Xml, *, is_anywhere: bool, names: Sequence[str], named: bool) -> None:
        self._names = names
        self._is_anywhere = is_anywhere
        self._named = named
        self._lists = frozenset(declared.lists)
        self._null = frozenset(declared.null)
        self._prefixes = {uri: prefix for prefix, uri in declared.namespaces.items()}
        self._known: dict[str, str] = {}
        self._path: list[str] = []
        self._open: list[_Element] = []
        self._done: list[Any] = []

    def take(self) -> list[Any]:
        """What has been finished since the last time."""
        done, self._done = self._done, []
        return done

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        own = self._known.get(name) or self._name(name)
        self._path.append(own)
        if len(self._path) > DEEPEST:
            raise Unreadable(f"its elements stand more than {DEEPEST} deep in each other")
        if self._open or self._is_record():
            self._open.append(self._element(own, attributes))
        elif len(self._path) == 1 and not self._is_anywhere and self._names[0] not in ("*", own):
            raise Unreadable(f"its root is <{own}>, not <{self._names[0]}>")

    def end(self, _: str) -> None:
        """An element ends."""
        self._path.pop()
        if not self._open:
            return
        element = self._open.pop()
        value = self._value(element)
        if self._open:
            self._open[-1].add(element.name, value, always_list=element.name in self._lists)
        else:
            self._done.append({element.name: value} if self._named else self._record(value))

    def text(self, text: str) -> None:
        """Characters, as many as expat has."""
        if self._open:
            self._open[-1].texts.append(text)

    def _is_record(self) -> bool:
        path = self._path[-len(self._names) :] if self._is_anywhere else self._path
        return len(path) == len(self._names) and all(
            wanted in ("*", name) for wanted, name in zip(self._names, path, strict=True)
        )

    def _element(self, name: str, attributes: dict[str, str]) -> _Element:
        is_nil = attributes.pop(_NIL, "") in ("true", "1")
        values = {f"@{self._name(it)}": self._read(text) for it, text in attributes.items()}
        return _Element(name, values, is_nil=is_nil)

    def _value(self, element: _Element) -> Any:
        text = "".join(element.texts)
        if element.is_nil and not element.values:
            return None
        if not element.values:
            return self._read(text)
        if stripped := text.strip():
            element.values["#text"] = self._read(stripped)
        return element.values

    def _record(self, value: Any) -> Any:
        """A record is an object, also where its element has nothing but text."""
        return value if isinstance(value, dict) else {"#text": value} if value else {}

    def _read(self, text: str) -> str | None:
        return None if text in self._null else text

    def _name(self, name: str) -> str:
        uri, _, local = name.rpartition(_SEPARATOR)
        prefix = self._prefixes.get(uri)
        own = self._known[name] = f"{prefix}:{local}" if prefix else local
        return own


class _Element:
    """One that has begun and not yet ended."""

    __slots__ = ("is_nil", "name", "texts", "values")

    def __init__(self, name: str, values: dict[str, Any], *, is_nil: bool) -> None:
        self.name = name
        self.values = values
        self.texts: list[str] = []
        self.is_nil = is_nil

    def add(self, name: str, value: Any, *, always_list: bool) -> None:
        """A child that has ended; the second of a name makes a list."""
        if name not in self.values:
            self.values[name] = [value] if always_list else value
        elif isinstance(self.values[name], list):  # a value is never a list itself
            self.values[name].append(value)
        else:
            self.values[name] = [self.values[name], value]


def _explain(error: expat.ExpatError, *, is_end: bool) -> Truncated | Unreadable:
    said = f"the XML is not well-formed: {error}"
    return Truncated(said) if is_end and error.code in _CUT_SHORT else Unreadable(said)


def _follow(value: Any, place: Sequence[str]) -> Any:
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value.get("#text") if isinstance(value, dict) else value
