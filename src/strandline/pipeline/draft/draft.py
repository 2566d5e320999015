"""A stream before it is written as code: its shape, its key, its cursor, its pages, and what is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strandline.errors import DeclarationError
from strandline.pipeline.draft.shape import FEW_CHOICES, Shape, of_node
from strandline.source.offer import attribute_name
from strandline.source.profile import naming
from strandline.source.profile.finding import Finding
from strandline.source.profile.keys import FEW
from strandline.source.profile.place import USUAL
from strandline.source.profile.profile import Profile

MOST_SAMPLED = 20


@dataclass
class StreamDraft:
    """What is known of one stream."""

    name: str
    """As the method is called."""
    shape: Shape
    key: list[str]
    key_finding: Finding | None
    cursor: str | None
    """The field, as the source calls it; with a dot where it stands in an object."""
    cursor_finding: Finding | None
    samples: Sequence[Mapping[str, Any]]
    """Records that the contract must accept."""
    seen: Sequence[Mapping[str, Any]] = ()
    """All records that were looked at, where there are real ones."""
    doc: str = ""
    path: str = ""
    path_note: str = ""
    records: str | tuple[str, ...] | None = None
    records_note: str = ""
    is_single: bool = False
    """The whole body is the one record."""
    paginator: str = ""
    paginator_name: str = ""
    paginator_note: str = ""
    params: dict[str, str] = field(default_factory=dict)
    """Parameters that always go along: names, and Python for the values."""
    since_param: str = ""
    since_note: str = ""
    file_format: str = ""
    """Python for the format, of a file that is no JSON."""
    shape_note: str = ""
    query: str = ""
    """Of a stream that posts one: GraphQL."""

    @property
    def entity(self) -> str:
        """The word for one record."""
        return naming.singular(self.name)


@dataclass
class SourceDraft:
    """What is known of a source."""

    name: str
    streams: list[StreamDraft]
    doc: str = ""
    base_url: str | None = None
    auth: str = ""
    """bearer, basic, header:X-API-Key, query:key; empty where nobody knows."""
    auth_note: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """Further settings, with what they are for."""
    is_file: bool = False
    left_out: list[str] = field(default_factory=list)
    """Streams of the document that were not written."""
    untold: list[str] = field(default_factory=list)
    """Streams of the document of whose fields it tells nothing."""


def of_profile(found: Profile, *, name: str | None) -> StreamDraft:
    """The stream of a sample."""
    is_text = found.format == "CSV"
    key, fields = _key(found)
    cursor = found.cursor if found.cursor and found.cursor.rank < 2 else None
    shape = of_node(found.root, is_text_only=is_text)
    _require(shape, fields, cursor)
    made = StreamDraft(
        name=attribute_name(name or _name(found)),
        shape=shape,
        key=fields,
        key_finding=key,
        cursor=cursor.what if cursor else None,
        cursor_finding=cursor or found.cursor,
        samples=list(found.records[:MOST_SAMPLED]),
        seen=found.records,
    )
    if len(found.records) < FEW:
        many = "1 record was" if len(found.records) == 1 else f"{len(found.records)} records were"
        made.shape_note = f"only {many} seen; what each of them has is required here"
    if found.place is not None:
        made.records, made.is_single = found.place.path, found.place.is_single
        made.records_note = found.place.finding.why if found.place.finding.rank == 2 else ""
    _page(made, found)
    return made


def _key(found: Profile) -> tuple[Finding | None, list[str]]:
    if found.key is not None:
        return found.key, found.key.what.split(", ") if found.key.what not in found.root.children else [
            found.key.what
        ]
    plain = [name for name, it in found.root.children.items() if it.told in (["text"], ["integer"])]
    if not plain:
        raise DeclarationError(
            f"{found.where}: no field of its records could be a key: none is a text or a whole number",
            hint="Look for the endpoint that lists them with their identifiers.",
        )
    why = "no field is filled and distinct in all records"
    return Finding(plain[0], "unsure", why), [plain[0]]


def _require(shape: Shape, fields: Sequence[str], cursor: Finding | None) -> None:
    """What identifies a record has a value in each."""
    for name in fields:
        shape.fields[name].is_required = True
        shape.fields[name].shape.is_choice = False
    if cursor is not None and cursor.what in shape.fields:
        shape.fields[cursor.what].is_required = True


def _name(found: Profile) -> str:
    """Called as the list is, or as the address or the file."""
    way = [it.removesuffix("[]") for it in found.place.way] if found.place else []
    for it in reversed(way):
        if it.lower() not in USUAL | {"*", "node"}:
            return it
    received = found.sample.received.name if found.sample else found.where
    return received.partition(".")[0] or "records"


def _page(made: StreamDraft, found: Profile) -> None:
    paging, received = found.paging, found.sample.received if found.sample else None
    own = paging.params if paging else frozenset()
    if paging is not None and paging.name != "SinglePage":
        made.paginator, made.paginator_name = paging.code, paging.name
    if paging is not None and paging.finding.rank == 2:
        made.paginator_note = paging.finding.why
    for name, value in (received.params if received else {}).items():
        if name not in own:
            made.params[name] = value


__all__ = ["FEW_CHOICES", "MOST_SAMPLED", "SourceDraft", "StreamDraft", "of_profile"]
