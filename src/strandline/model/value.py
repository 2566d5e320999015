"""Values that a program gives for a column: checked as the column's type has it, and in the form in which the
database hands them back.

A load has a contract before it and PostgreSQL behind it. What an application gives has neither until it is
written, so what PostgreSQL would refuse, or convert without a word, is refused here: a number for a text, a
text that is too long, a NUL, a float for money, a moment without a zone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from strandline.model.type import exactly, fits_in_utc

BITS: Final[dict[type[Integer], int]] = {SmallInteger: 15, BigInteger: 63, Integer: 31}
"""How large a number is at most, the sign apart; what is derived from another comes before it."""


class _InPython(PGDialect):
    """PostgreSQL as far as its values go: what is bound stays what a program gives and gets."""

    supports_statement_cache = True
    supports_native_decimal = True


DIALECT: Final[Dialect] = _InPython(json_serializer=lambda value: value)  # type: ignore[no-untyped-call]  # SQLAlchemy's
"""For the conversions of column types, where nothing is sent to a database."""


def checked(column: Column[Any], value: Any) -> Any:
    """The value as the column would hand it back. ValueError with the value where it would not hold it."""
    if value is None:
        if column.nullable and not column.info.get("required", False):
            return None
        raise ValueError("it must be filled")
    type_ = exactly(column.type)
    if isinstance(type_, TypeDecorator):
        value = type_.process_bind_param(value, DIALECT)
        type_ = type_.impl_instance
        if value is None:  # an empty e-mail address, say
            return checked(column, None)
    for kind, check in CHECKS.items():
        if isinstance(type_, kind):
            return check(type_, value)
    return value


def restored(column: Column[Any], bound: Any) -> Any:
    """The value of a column as it is read, from what `DIALECT` would have bound of it."""
    type_ = column.type
    if isinstance(type_, Enum) and bound is not None:
        read = type_.result_processor(DIALECT, None)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        return bound if read is None else read(bound)
    if isinstance(bound, datetime) and bound.tzinfo is not None:
        return bound.astimezone(UTC)
    return bound


def _text(type_: Any, value: Any) -> str:
    _of_kind(value, str, "a text")
    if "\x00" in value:
        raise ValueError(f"{value!r} has a NUL in it, which PostgreSQL cannot hold")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{value!r} has half of a surrogate pair in it") from None
    if type_.length is not None and len(value) > type_.length:
        raise ValueError(f"{value!r} has {len(value)} characters, and {type_.length} is the most")
    return str(value)


def _choice(type_: Enum, value: Any) -> Any:
    known = type_.enum_class or type_.enums
    if type_.enum_class is not None and isinstance(value, str) and not isinstance(value, type_.enum_class):
        value = type_.enum_class.__members__.get(value, value)
    if value not in list(known):
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, type_.enums))}")
    return value


def _truth(_type: Any, value: Any) -> bool:
    return bool(_of_kind(value, bool, "a truth value"))


def _whole(type_: Integer, value: Any) -> int:
    _of_kind(value, int, "a whole number")
    bits = next(bits for kind, bits in BITS.items() if isinstance(type_, kind))
    if not -(2**bits) <= value < 2**bits:
        raise ValueError(f"{value} is too large: it lies between -2^{bits} and 2^{bits} - 1")
    return int(value)


def _float(_type: Any, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is {_kind(value)}, not a number")
    return float(value)


def _number(_type: Any, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{value!r} is {_kind(value)}; an exact number is a Decimal or an int")
    return Decimal(value)


def _moment(type_: DateTime, value: Any) -> datetime:
    _of_kind(value, datetime, "a moment")
    if not type_.timezone:
        if value.tzinfo is not None:
            raise ValueError(f"{value.isoformat()} has a time zone, and the column keeps none")
        return value  # type: ignore[no-any-return]  # checked above
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone")
    if not fits_in_utc(value):
        raise ValueError(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC")
    return value.astimezone(UTC)  # type: ignore[no-any-return]  # checked above


def _json(_type: Any, value: Any) -> Any:
    try:
        json.dumps(value, default=_decimal, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} has no form in JSON: {error}") from None
    return value


def _decimal(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    raise TypeError(f"{_kind(value)} is none of its values")


def _plain(kind: type, name: str) -> Callable[[Any, Any], Any]:
    return lambda _type, value: _of_kind(value, kind, name)


def _of_kind(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{value!r} is {_kind(value)}, not {name}")
    return value


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


CHECKS: Final[dict[type[TypeEngine[Any]], Callable[[Any, Any], Any]]] = {
    Enum: _choice,
    String: _text,
    Boolean: _truth,
    Integer: _whole,
    Float: _float,
    Numeric: _number,
    DateTime: _moment,
    Time: _plain(time, "a time of day"),
    Interval: _plain(timedelta, "a span of time"),
    Uuid: _plain(UUID, "a UUID"),
    LargeBinary: _plain(bytes, "bytes"),
    JSON: _json,
}
"""By kind of column; what is derived from another comes before it."""
