"""Extras: the fields of a record that its contract does not name, as the JSON text that the source sent.

Values are cut out of the payload and not taken from the validated record, so that a number keeps all its
digits. What PostgreSQL's jsonb cannot hold, NUL and numbers beyond its own, is replaced by something that a
person can read, with `"altered": true` beside it; the raw log has the exact bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from pydantic import AliasChoices, AliasPath, BaseModel

from strandline.source.contract import Record

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_UNSURE: Final = re.compile(rb"\\u0000|[eE][+-]?\d{4}")


class Extras:
    """Takes the extras out of payloads of one contract; `ignored` are further names that are known."""

    def __init__(self, contract: type[Record], *, ignored: Collection[str] = ()) -> None:
        self._named = {*names_of(contract), *ignored}

    def __call__(self, payload: bytes, effective_at: datetime) -> str | None:
        """The fields with their lifecycle so far, as JSON text: all were seen at this moment; None if there
        are none.
        """
        try:
            fields = _DECODE(payload)
        except msgspec.DecodeError:  # what Pydantic accepts and msgspec does not: nothing is lost, see above
            return None
        named = self._named
        extras = [it for it in fields.items() if it[0] not in named]
        if not extras:
            return None
        moment = effective_at.astimezone(UTC).isoformat(timespec="microseconds")
        if _UNSURE.search(payload):
            tail = f',"first_seen":"{moment}","last_seen":"{moment}","deprecated":false}}'
            return "{" + ",".join(_carefully(name, bytes(value), tail) for name, value in extras) + "}"
        return _ENCODE({name: _Seen(value, moment, moment) for name, value in extras}).decode()


class _Seen(msgspec.Struct):
    """A field in a record."""

    value: msgspec.Raw
    first_seen: str
    last_seen: str
    deprecated: bool = False


def _carefully(name: str, value: bytes, tail: str) -> str:
    """The same for a value that jsonb may not hold."""
    text = value.decode()
    told, is_altered = _holdable(text)
    mark = ',"altered":true' if is_altered else ""
    return f'{json.dumps(_readable(name))}:{{"value":{told}{mark}{tail}'


def _holdable(text: str) -> tuple[str, bool]:
    if not _UNSURE.search(text.encode()):
        return text, False
    if re.search(r"[eE][+-]?\d{4}", text):
        decoded = json.loads(text, parse_float=str, parse_int=str)
        return json.dumps(_readable(decoded), ensure_ascii=False), True
    decoded = json.loads(text)
    readable = _readable(decoded)
    return (text, False) if readable == decoded else (json.dumps(readable, ensure_ascii=False), True)


def _readable(value: Any) -> Any:
    """The value with NUL spelled out."""
    if isinstance(value, str):
        return value.replace("\0", "\\0")
    if isinstance(value, list):
        return [_readable(it) for it in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(it) for name, it in value.items()}
    return value


def names_of(contract: type[BaseModel]) -> Iterator[str]:
    """Every name that a field of the contract may have in the source."""
    for name in contract.model_fields:
        yield from spellings_of(contract, name)


def spellings_of(contract: type[BaseModel], name: str) -> Iterator[str]:
    """Every name that this field may have in the source, its own last."""
    info = contract.model_fields[name]
    for alias in (info.validation_alias, info.alias):
        yield from _spellings(alias)
    if info.alias is None or contract.model_config.get("populate_by_name"):
        yield name


def _spellings(alias: str | AliasPath | AliasChoices | None) -> Iterator[str]:
    if isinstance(alias, str):
        yield alias
    elif isinstance(alias, AliasPath):
        yield str(alias.path[0])
    elif isinstance(alias, AliasChoices):
        for choice in alias.choices:
            yield from _spellings(choice)
