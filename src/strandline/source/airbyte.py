"""An Airbyte connector as a source: one run of it for each stream, whose STATE is the stream's read mark.

discover ─▶ catalog, one stream configured ─▶ read ─▶ RECORD ─▶ page ─┬▶ raw log
                                                   └▶ STATE ─▶ page ─┴▶ read mark
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final, Literal

import msgspec
from pydantic_core import to_json

from strandline.errors import SourceUnavailable
from strandline.source import lenient
from strandline.source.config import Config
from strandline.source.generator import paged
from strandline.source.offer import Offered, unknown
from strandline.source.page import Pages
from strandline.source.process import Process
from strandline.source.program import ProgramSource
from strandline.source.state import State
from strandline.source.vault import KeepsCredentials, TokenVault

SyncMode = Literal["incremental", "full_refresh"]

LOUD: Final = ("FATAL", "ERROR", "WARN")


NOTHING: Final = msgspec.Raw(b"")
"""Where a message has no such part. None would do as little as any union: msgspec reads it as no Raw."""


class Sent(msgspec.Struct):
    """A record of a stream."""

    stream: str
    data: msgspec.Raw


class Message(msgspec.Struct):
    """What a line of a connector says, its parts as they were sent."""

    type: str
    record: Sent | None = None
    state: msgspec.Raw = NOTHING
    log: dict[str, Any] | None = None
    trace: dict[str, Any] | None = None
    control: dict[str, Any] | None = None
    catalog: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Message).decode


class AirbyteSource(ProgramSource, KeepsCredentials):
    """An Airbyte connector that is read as streams: a stream's method returns `self.pages("name", since)`."""

    vault: TokenVault | None = None
    """Where a config is kept that the connector has changed; in a pipeline the warehouse, unless set."""

    _catalog: list[dict[str, Any]] | None = None

    @cached_property
    def told(self) -> Config:
        """What the connector is told, by the settings or by itself."""
        given = super().config()
        return Config(self.name, given, vault=lambda: self.vault, redaction=self.redaction)

    def config(self) -> bytes:
        """What the connector is told, as JSON."""
        return self.told.now

    def pages(
        self,
        stream: str,
        since: str | None = None,
        *,
        sync_mode: SyncMode | None = None,
        cursor_field: Sequence[str] = (),
        size: int = 1_000,
    ) -> Pages:
        """What the connector sends of this stream from this state on.

        Incrementally where it can, unless `sync_mode` says otherwise; `cursor_field` names the field that
        orders changes, outside in, where the connector lets one choose. A full refresh has no state.
        """
        return paged(self._sent(stream, since, sync_mode, list(cursor_field)), size=size)

    def catalog(self) -> list[dict[str, Any]]:
        """The streams that the connector can read, as it says by discover; it is asked once."""
        with self._discovering:
            if self._catalog is None:
                found: dict[str, Any] | None = None
                with self.running("discover", files={"--config": self.config()}) as process:
                    talk = Talk(self, process)
                    for line in process.lines():
                        message = talk.message(line)
                        found = found if message is None or message.catalog is None else message.catalog
                    talk.finish()
                if found is None or not isinstance(found.get("streams"), list):
                    raise self.unreadable(b"", "discover gave no catalog")
                self._catalog = found["streams"]
        return self._catalog

    def offered(self) -> list[Offered]:
        """The streams that there are, as they can be declared."""
        return [
            Offered(
                name=it["name"],
                schema=it.get("json_schema") or {},
                key=tuple(path[0] for path in it.get("source_defined_primary_key") or () if path),
            )
            for it in self.catalog()
        ]

    def _sent(
        self, stream: str, since: str | None, sync_mode: SyncMode | None, cursor_field: list[str]
    ) -> Iterator[bytes | State]:
        configured = self._configured(stream, sync_mode, cursor_field)
        keeps_state = configured["sync_mode"] == "incremental"
        files = {"--config": self.config(), "--catalog": to_json({"streams": [configured]})}
        if since is not None and keeps_state:
            files["--state"] = _as_input(since)
        with self.running("read", files=files) as process:
            talk = Talk(self, process, stream)
            for line in process.lines():
                message = talk.message(line)
                if message is None:
                    continue
                if message.record is not None:
                    if message.record.stream == stream:
                        yield bytes(message.record.data)
                elif keeps_state and (state := bytes(message.state)) and _is_of(state, stream):
                    yield State(state.decode(errors="surrogateescape"))
            talk.finish()

    def _configured(self, stream: str, sync_mode: SyncMode | None, cursor_field: list[str]) -> dict[str, Any]:
        known = {it["name"]: it for it in self.catalog()}
        if stream not in known:
            raise unknown(f"{self._where}: the connector", stream, list(known))
        found = known[stream]
        modes = found.get("supported_sync_modes") or ["full_refresh"]
        mode = sync_mode or ("incremental" if "incremental" in modes else "full_refresh")
        return {
            "stream": found,
            "sync_mode": mode,
            "cursor_field": cursor_field or found.get("default_cursor_field") or [],
            "primary_key": found.get("source_defined_primary_key") or [],
            "destination_sync_mode": "append",
        }

    def reconfigured(self, control: dict[str, Any]) -> None:
        """Tell the connector from now on what it says that it is to be told."""
        config = (control.get("connectorConfig") or {}).get("config")
        if isinstance(config, dict):
            self.told.change(config)


class Talk:
    """What one process of a connector says, message by message."""

    def __init__(self, source: AirbyteSource, process: Process, stream: str | None = None) -> None:
        self._source = source
        self._process = process
        self._stream = stream
        self._why = ""
        self._is_transient = False

    def message(self, line: bytes) -> Message | None:
        """The message of a line; None where it is said and done with."""
        if not line.lstrip().startswith(b"{"):
            self._say(line.decode(errors="replace").rstrip())  # a print, which the protocol takes for a log
            return None
        message = self._decoded(line)
        if message.log is not None:
            level, text = str(message.log.get("level")), str(message.log.get("message"))
            self._say(text if level == "INFO" else f"{level}: {text}", is_last_word=level in LOUD)
        elif message.trace is not None:
            self._trace(message.trace)
        elif message.control is not None:
            self._source.reconfigured(message.control)
        elif message.type in ("RECORD", "STATE") and message.record is None and not bytes(message.state):
            raise self._source.unreadable(line, f"a {message.type} that cannot be read")
        return message

    def _decoded(self, line: bytes) -> Message:
        try:
            return _decode(line)
        except (msgspec.DecodeError, RecursionError):  # for an oddity inside the record, perhaps
            return self._decoded_leniently(line)

    def _decoded_leniently(self, line: bytes) -> Message:
        try:
            kind = lenient.value(line, ("type",))
            stream = lenient.value(line, ("record", "stream"))
            data, state = lenient.cut(line, ("record", "data")), lenient.cut(line, ("state",))
        except (lenient.Truncated, lenient.Unreadable) as error:
            raise self._source.unreadable(line, f"a line that is no message ({error})") from error
        if not isinstance(kind, str):
            raise self._source.unreadable(line, "a line that is no message")
        if data is not None and isinstance(stream, str):
            return Message(kind, record=Sent(stream, msgspec.Raw(data)))
        return Message(kind, state=msgspec.Raw(state or b""))

    def _trace(self, trace: dict[str, Any]) -> None:
        if isinstance(error := trace.get("error"), dict):
            self._why = str(error.get("message"))
            inside = error.get("internal_message")
            self._say(f"ERROR: {inside or self._why}", is_last_word=True)
            self._is_transient = error.get("failure_type") == "transient_error"
        status = trace.get("stream_status")
        if isinstance(status, dict) and status.get("status") == "INCOMPLETE":
            self._why = self._why or "it says that the stream is incomplete"

    def _say(self, text: str, *, is_last_word: bool = False) -> None:
        if text:
            self._source.heard(text)
        if is_last_word:
            self._process.note(text.splitlines()[0] if text else "")

    def finish(self) -> None:
        """Wait for its end. Raises what it has ended with."""
        if self._is_transient:
            self._process.result()
            said = self._source.scrubbed(self._why)
            raise SourceUnavailable(f"{self._source.name}: {said}", hint="Run again later.")
        self._source.check(self._process, why=self._why)


def _is_of(state: bytes, stream: str) -> bool:
    """Whether the state tells of the stream: its own, or one that is everybody's."""
    named = lenient.value(state, ("stream", "stream_descriptor", "name"))
    return named is lenient.ABSENT or named == stream


def _as_input(state: str) -> bytes:
    """A state as the connector takes it: in a list, or, as older ones have it, what it holds."""
    content = state.encode()
    if lenient.value(content, ("type",)) in ("STREAM", "GLOBAL"):
        return b"[" + content + b"]"
    return lenient.cut(content, ("data",)) or content
