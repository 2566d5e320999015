"""A Singer tap as a source: one run of the tap for each stream, whose STATE is the stream's read mark.

tap --discover ─▶ catalog, with one stream selected ─▶ tap ─▶ RECORD ─▶ page ─┬▶ raw log
                                                           └▶ STATE ─▶ page ─┴▶ read mark
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from pydantic_core import to_json

from strandline.source import lenient
from strandline.source.generator import paged
from strandline.source.offer import Offered, unknown
from strandline.source.page import Pages
from strandline.source.program import ProgramSource
from strandline.source.state import State

NOTHING: Final = msgspec.Raw(b"")
"""Where a message has no such part. None would do as little as any union: msgspec reads it as no Raw."""


class Message(msgspec.Struct):
    """What a line of a tap says, its parts as they were sent."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = NOTHING
    value: msgspec.Raw = NOTHING


_decode = msgspec.json.Decoder(Message).decode


class SingerSource(ProgramSource):
    """A Singer tap that is read as streams: a stream's method returns `self.pages("name", since)`."""

    catalog_option: ClassVar[str] = "--catalog"
    """By which the tap is told what to read; older ones call it --properties."""
    state_option: ClassVar[str] = "--state"

    def pages(
        self,
        stream: str,
        since: str | None = None,
        *,
        replication_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        size: int = 1_000,
    ) -> Pages:
        """What the tap sends of this stream, its `tap_stream_id` or its name, from this state on.

        With a `replication_key` the tap is asked for what is new by it; otherwise as its catalog has it, and
        for everything where that says nothing. `metadata` is what else the catalog is to say of the stream,
        in the tap's words.
        """
        said = {} if replication_key is None else {"replication-method": "INCREMENTAL"}
        said |= {} if replication_key is None else {"replication-key": replication_key}
        return paged(self._sent(stream, since, {**said, **(metadata or {})}), size=size)

    def catalog(self) -> dict[str, Any]:
        """What the tap can read, as it says by --discover; it is asked once."""
        with self._discovering:
            if self._catalog is None:
                with self.running("--discover", files={"--config": self.config()}) as process:
                    said = b"\n".join(process.lines())
                    self.check(process)
                self._catalog = self._parsed(said)
        return self._catalog

    _catalog: dict[str, Any] | None = None

    def _parsed(self, said: bytes) -> dict[str, Any]:
        try:
            found = msgspec.json.decode(said)
            _ = [it["schema"] for it in found["streams"]]
        except (msgspec.DecodeError, TypeError, KeyError) as error:
            raise self.unreadable(said, f"--discover gave no catalog ({error})") from error
        return dict(found)

    def offered(self) -> list[Offered]:
        """The streams that there are, as they can be declared."""
        return [
            Offered(
                name=it.get("tap_stream_id") or it["stream"],
                schema=it["schema"],
                key=tuple(it.get("key_properties") or _keys(it)),
            )
            for it in self.catalog()["streams"]
        ]

    def _sent(self, stream: str, since: str | None, metadata: Mapping[str, Any]) -> Iterator[bytes | State]:
        wanted = self._entry(stream)
        files = {"--config": self.config(), self.catalog_option: self._selection(wanted, metadata)}
        if since is not None:
            files[self.state_option] = since.encode()
        sent_by, unasked = None, self._others(wanted)
        with self.running(files=files) as process:
            for line in process.lines():
                message = self._message(line)
                if message.type == "RECORD" and (record := bytes(message.record)):
                    if message.stream in unasked:  # some taps select nothing, or whole families of streams
                        continue
                    if sent_by not in (None, message.stream):
                        raise self.unreadable(line, f"records of {sent_by} and of {message.stream}")
                    sent_by = message.stream
                    yield record
                elif message.type == "STATE" and (value := bytes(message.value)):
                    yield State(value.decode(errors="surrogateescape"))
                elif message.type in ("RECORD", "STATE", "BATCH"):
                    raise self.unreadable(line, f"a {message.type} that cannot be read")
            self.check(process)

    def _message(self, line: bytes) -> Message:
        try:
            return _decode(line)
        except (msgspec.DecodeError, RecursionError):  # for an oddity inside the record, perhaps
            return self._message_leniently(line)

    def _message_leniently(self, line: bytes) -> Message:
        try:
            kind, stream = (lenient.value(line, (name,)) for name in ("type", "stream"))
            record, value = (lenient.cut(line, (name,)) for name in ("record", "value"))
        except (lenient.Truncated, lenient.Unreadable) as error:
            raise self.unreadable(line, f"a line that is no message ({error})") from error
        if not isinstance(kind, str):
            raise self.unreadable(line, "a line that is no message")
        return Message(
            kind,
            stream if isinstance(stream, str) else None,
            msgspec.Raw(record or b""),
            msgspec.Raw(value or b""),
        )

    def _selection(self, wanted: Mapping[str, Any], metadata: Mapping[str, Any]) -> bytes:
        """The catalog with one stream selected, all of its fields, and nothing else."""
        known = self.catalog()["streams"]
        selected = [_selected(it, metadata) if it is wanted else _deselected(it) for it in known]
        return to_json({"streams": selected})

    def _others(self, wanted: Mapping[str, Any]) -> set[str | None]:
        """The names of all other streams, as their records may have them."""
        others = [it for it in self.catalog()["streams"] if it is not wanted]
        return {name for it in others for name in _names(it)} - set(_names(wanted))

    def _entry(self, stream: str) -> Mapping[str, Any]:
        """What the catalog has of the stream."""
        known = self.catalog()["streams"]
        wanted = [it for it in known if stream == it.get("tap_stream_id")]
        wanted = wanted or [it for it in known if stream == it.get("stream")]
        if len(wanted) != 1:
            names = [str(it.get("tap_stream_id") or it["stream"]) for it in known]
            raise unknown(f"{self._where}: the tap", stream, names)
        found: Mapping[str, Any] = wanted[0]
        return found


def _names(entry: Mapping[str, Any]) -> list[str | None]:
    return [it for it in (entry.get("tap_stream_id"), entry.get("stream")) if it]


def _keys(entry: Mapping[str, Any]) -> list[str]:
    root = _said(entry, ())
    found: list[str] = root.get("table-key-properties") or root.get("view-key-properties") or []
    return found


def _said(entry: Mapping[str, Any], breadcrumb: tuple[str, ...]) -> dict[str, Any]:
    """What the catalog says of a stream, or of one of its fields."""
    for it in entry.get("metadata") or ():
        if tuple(it.get("breadcrumb") or ()) == breadcrumb:
            return dict(it.get("metadata") or {})
    return {}


def _selected(entry: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    root = {**_said(entry, ()), "selected": True, **metadata}
    method = root.get("replication-method") or root.get("forced-replication-method")
    method = method or entry.get("replication_method") or "FULL_TABLE"
    root["replication-method"] = method
    key = root.get("replication-key") or entry.get("replication_key")
    fields = entry["schema"].get("properties") or {}
    said = [_field(entry, name) for name in fields]
    top: dict[str, Any] = {"replication_method": method, "selected": True}
    if key is not None:
        root["replication-key"] = top["replication_key"] = key
    return {
        **entry,
        **top,
        "schema": {**entry["schema"], "selected": True},
        "metadata": [{"breadcrumb": [], "metadata": root}, *said],
    }


def _field(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    said = _said(entry, ("properties", name))
    is_wanted = said.get("inclusion") != "unsupported"
    return {"breadcrumb": ["properties", name], "metadata": {**said, "selected": is_wanted}}


def _deselected(entry: Mapping[str, Any]) -> dict[str, Any]:
    root = {**_said(entry, ()), "selected": False}
    others = [it for it in entry.get("metadata") or () if it.get("breadcrumb")]
    schema = {name: value for name, value in entry["schema"].items() if name != "selected"}
    metadata = [{"breadcrumb": [], "metadata": root}, *others]
    return {**entry, "selected": False, "schema": schema, "metadata": metadata}
