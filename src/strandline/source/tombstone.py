"""What can be known of a record without its contract: a rejected one's key and cursor value, and a
deletion's.

Sources announce a deletion by a record that often carries nothing but a key, a time and a flag, and so
fails the contract. It is recognised by the flag's name among its bytes, then by the flag's value.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Self

import msgspec
from msgspec.structs import replace
from pydantic import BaseModel, TypeAdapter, ValidationError

from strandline.errors import DeclarationError, RecordRejected
from strandline.natural_key import NaturalKeys
from strandline.source.contract import Record, read_boolean, show
from strandline.source.cursor import CursorValue


class Described(msgspec.Struct, frozen=True):
    """As much of a record's identity and place in time as could be read; None for what could not."""

    natural_key: str | None
    cursor_value: CursorValue | None
    effective_at: datetime | None
    tie_break: CursorValue | None = None


NOTHING = Described(None, None, None)

CURSOR_VALUES = (datetime, date, int, str)


class Sketch:
    """Reads key, cursor, effective time and tie-break from loose JSON, under a contract's names and types for
    them.
    """

    def __init__(
        self,
        model: type[Record],
        *,
        key: tuple[str, ...],
        keys: NaturalKeys,
        cursor: str | None,
        effective_at: str | None,
        tie_break: str | None,
    ) -> None:
        self._model = model
        self._key = key
        self._keys = keys
        self._tie_break = tie_break
        self._cursor = cursor
        self._effective_at = effective_at
        named = (cursor, effective_at, tie_break)
        names = dict.fromkeys([*key, *(name for name in named if name)])
        self._readers = {name: _reader(model, name, is_key=name in key) for name in names}
        self._names = {name: (alias_of(model, name), name) for name in names}

    def describe(self, raw: bytes) -> Described:
        """Best effort, never an error."""
        try:
            loose = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return NOTHING
        return self.read(loose) if isinstance(loose, dict) else NOTHING

    def read(self, loose: Mapping[str, Any]) -> Described:
        """What can be read from the decoded record."""
        cursor = self._value(loose, self._cursor)
        effective_at = self._value(loose, self._effective_at)
        tie_break = self._value(loose, self._tie_break)
        return Described(
            natural_key=self._natural_key(loose),
            cursor_value=cursor if isinstance(cursor, CURSOR_VALUES) else None,
            effective_at=effective_at if isinstance(effective_at, datetime) else None,
            tie_break=tie_break if isinstance(tie_break, CURSOR_VALUES) else None,
        )

    def _natural_key(self, loose: Mapping[str, Any]) -> str | None:
        parts = [self._value(loose, name) for name in self._key]
        try:
            return self._keys.encode(parts[0] if len(parts) == 1 else parts)
        except ValueError:
            return None

    def _value(self, loose: Mapping[str, Any], name: str | None) -> Any:
        if name is None:
            return None
        alias, own = self._names[name]
        value = self._readers[name](loose.get(alias, loose.get(own)))
        return None if isinstance(value, datetime) and value.tzinfo is None else value


class Flag(str):
    """The field that says that a record is gone by values of its own: `Flag("status", "archived")`. With any
    other value the record is there.
    """

    __slots__ = ("values",)
    values: tuple[str | int, ...]

    def __new__(cls, field: str, *values: str | int) -> Self:
        """Raises DeclarationError where no value is named."""
        if not values:
            raise DeclarationError(
                f"Flag({field!r}): no value says that a record is gone",
                hint='Name them as in Flag("status", "archived", "trash"); for yes and no a field is enough.',
            )
        flag = super().__new__(cls, field)
        flag.values = values
        return flag

    def __repr__(self) -> str:
        return f"Flag({', '.join(map(repr, (str(self), *self.values)))})"


class Tombstones:
    """Recognises the deletions of one stream."""

    def __init__(self, sketch: Sketch, *, model: type[Record], flag: str) -> None:
        self._sketch = sketch
        self._model = model
        self._flag = alias_of(model, flag) if flag in model.model_fields else flag
        self._values = flag.values if isinstance(flag, Flag) else None
        self._mark = json.dumps(self._flag).encode()
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def find(self, raw: bytes) -> Described | None:
        """The deletion that the bytes announce, or None if they announce none.

        Raises RecordRejected for a flag that is neither yes, no nor a time, and for a deletion without a key.
        """
        if self._mark not in raw:
            return None
        try:
            loose = self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not self._is_deleted(loose.get(self._flag)):
            return None
        described = self._sketch.read(loose)
        if described.natural_key is None:
            raise self._rejected("says that something was deleted, but not what", loose, rule="tombstone_key")
        return _timed(described, loose[self._flag])

    def _is_deleted(self, value: object) -> bool:
        if self._values is not None:
            return value in self._values
        if value is None or value == "":
            return False
        try:
            return read_boolean(value)
        except ValueError:
            if _time(value):
                return True
        raise self._rejected("is neither yes, no nor a time", value, rule="tombstone_flag")

    def _rejected(self, what: str, value: object, *, rule: str) -> RecordRejected:
        return RecordRejected(
            f"{self._model.__name__}.{self._flag}: {what}, got {show(value)}", field=self._flag, rule=rule
        )


def alias_of(model: type[BaseModel], name: str) -> str:
    """The name that a contract's field has in the source."""
    field = model.model_fields[name]
    alias = field.validation_alias or field.alias
    return alias if isinstance(alias, str) else name


def _reader(model: type[Record], name: str, *, is_key: bool) -> Callable[[Any], Any]:
    field = model.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())

    def read(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError:
            # A key of another type still names the record: better than a reject that nobody can find.
            return value if is_key and isinstance(value, str | int) and not isinstance(value, bool) else None

    return read


def _timed(gone: Described, flag: object) -> Described:
    """A flag that is a later moment than the record's own says since when: it changes nothing else there."""
    since = _time(flag)
    if gone.effective_at is None or since is None or since.tzinfo is None or since <= gone.effective_at:
        return gone
    return replace(gone, effective_at=since)


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None
