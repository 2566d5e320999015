"""Column types that turn what sources send into what the warehouse keeps, or refuse it.

Every type converts on the way into the database, through the ORM and through COPY alike, and raises
ValueError with the value in the message when it would have to guess. None stays NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Boolean, Date, DateTime, Dialect, Numeric, String
from sqlalchemy.types import TypeDecorator, TypeEngine

TRUE_WORDS = frozenset({"yes", "true", "1", "y", "t"})
FALSE_WORDS = frozenset({"no", "false", "0", "n", "f"})


class BooleanStringType(TypeDecorator[bool]):
    """A boolean that sources spell yes/no, true/false, 1/0, Y/N or T/F, in any case and with spaces around
    it.

    Anything else, the empty string too, is an error and never False.
    """

    impl = Boolean
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> bool | None:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, int | str):
            word = str(value).strip().lower()
            if word in TRUE_WORDS:
                return True
            if word in FALSE_WORDS:
                return False
        raise ValueError(f"{value!r} is neither yes/no, true/false, 1/0, Y/N nor T/F")


class ReferenceType(TypeDecorator[str]):
    """The readable part of a reference such as `{"id": "1", "name": "USD"}`: its name, else display_name,
    else id.

    Takes a mapping, an object with these attributes (a contract's `Reference`) or a plain string.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        if value is None or isinstance(value, str):
            return value
        # What nearly every record answers, asked first: the loop takes twice as long.
        if name := getattr(value, "name", None):
            return str(name)
        for part in ("name", "display_name", "displayName", "id"):
            found = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
            if found is not None and found != "":
                return str(found)
        raise ValueError(f"{value!r} has neither name, display_name nor id")


class NormalizedEmail(TypeDecorator[str]):
    """An e-mail address in lower case without spaces around it; an empty one is NULL."""

    impl = String
    cache_ok = True

    def __init__(self, length: int = 320) -> None:
        super().__init__(length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no e-mail address")
        address = value.strip().lower()
        if not address:
            return None
        name, _, host = address.partition("@")
        if not name or not host or "@" in host:
            raise ValueError(f"{value!r} is no e-mail address")
        return address


def fits_in_utc(moment: datetime) -> bool:
    """Whether it lies in the years 1 to 9999 in UTC too; others PostgreSQL could store, and not hand back."""
    if 1 < moment.year < 9999:
        return True
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; a naive datetime is refused, for its moment is anybody's guess."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if type(value) is datetime and value.tzinfo and 1 < value.year < 9999 and dialect.name != "sqlite":
            return value  # what follows would say the same, and nearly every value is such a one
        if not isinstance(value, datetime):
            raise ValueError(f"{value!r} is no datetime")
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; declare the zone of the source")
        if not fits_in_utc(value):
            raise ValueError(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC")
        if dialect.name == "sqlite":
            return value.astimezone(UTC)  # SQLite drops the offset, so it must be zero
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Day(TypeDecorator[date]):
    """A date; a moment is refused, for which day it falls on depends on the zone."""

    impl = Date
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> Any:
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        raise ValueError(f"{value!r} is no date; of a moment say in which zone, with using=…")


class DecimalText(String):
    """An exact number as SQLite keeps it: text with this many decimals, or as many as there are."""

    def __init__(self, scale: int | None = None) -> None:
        super().__init__()
        self.scale = scale

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        spelled = "f" if self.scale is None else f".{self.scale}f"
        return lambda value: value if value is None else format(Decimal(value), spelled)


class Exact(TypeDecorator[Decimal]):
    """A decimal number that is stored as it is or refused: no float, no rounding, no overflow.

    SQLite knows no such numbers and would round them to floats; there they are kept as text.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int = 18, scale: int = 6) -> None:
        super().__init__(precision, scale)
        self.precision = precision
        self.scale = scale
        self._context = Context(prec=precision)
        self._unit = Decimal(1).scaleb(-scale)
        self._whole = precision - scale
        """Digits before the point."""

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return (
            dialect.type_descriptor(DecimalText(self.scale))
            if dialect.name == "sqlite"
            else self.impl_instance
        )

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return value if value is None or isinstance(value, Decimal) else Decimal(str(value))

    def process_bind_param(self, value: Decimal | int | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if type(value) is not Decimal:
            if type(value) is not int:
                raise ValueError(
                    f"{value!r} is a {type(value).__name__}; an exact number is a Decimal or an int"
                )
            value = Decimal(value)
        if value.same_quantum(self._unit) and value.adjusted() < self._whole:
            return value  # what follows would say the same in twice the time: most have just these places
        try:
            stored = self._context.quantize(value, self._unit)
        except InvalidOperation:
            raise ValueError(f"{value} does not fit numeric({self.precision}, {self.scale})") from None
        if stored != value:
            raise ValueError(f"{value} has more than {self.scale} decimal places, or is no number")
        return value


class Money(Exact):
    """An amount of money, exact to `scale` places (2 unless told, as in most currencies)."""

    cache_ok = True

    def __init__(self, precision: int = 18, scale: int = 2) -> None:
        super().__init__(precision, scale)


def exactly(type_: Any) -> Any:
    """The exact form of a plain Numeric with a precision and of a plain Date; any other type as it is.

    PostgreSQL rounds what has too many places without a word, and money must not be rounded. It also takes
    the day of a moment, in whatever zone that happens to be told.
    """
    if type(type_) is Numeric and type_.asdecimal and (type_.precision, type_.scale) != (None, None):
        return Exact(type_.precision or 1000, type_.scale or 0)
    return Day() if type(type_) is Date else type_
