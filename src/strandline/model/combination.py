"""Dimensions of combinations: one row for each distinct set of values, with no history and no natural key.

A junk dimension is one. It keeps the flags of a fact that are too many to have a dimension each: a row is a
combination of flags that some fact has had. It is found by its `combination`, the JSON array of its values as
the column types have bound them, in one spelling for each value, so that the same values are one row.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    Identity,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    or_,
)
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from strandline.errors import DeclarationError
from strandline.model.base import Base, BigKey, refuse_reserved, snake_case
from strandline.model.column import ROLE, UNKNOWN_KEY, Attribute, CombinationKey, role
from strandline.model.dimension import SPECIAL_MEMBERS, placeholder

COMBINATION: Final = "combination"
OVERWRITTEN: Final = (1,)


class Combination(Base):
    """What dimensions of combinations share: the key, the text that a row is found by, and who added it."""

    __abstract__ = True
    dimension_name: ClassVar[str]

    combination: Mapped[str] = mapped_column(
        Text(), unique=True, sort_order=900, comment="The JSON array of the values, by which it is found"
    )
    created_at: Mapped[datetime] = mapped_column(sort_order=901, comment="When it was first met")
    run_id: Mapped[int] = mapped_column(sort_order=906, comment="The run that met it first")

    def __init_subclass__(cls, **arguments: Any) -> None:
        if not cls.__dict__.get("__abstract__", False):
            cls.dimension_name = snake_case(cls.__name__.removeprefix("Dim"))
            key = mapped_column(
                BigKey, Identity(start=1), primary_key=True, sort_order=-99, comment="Surrogate key"
            )
            setattr(cls, f"{cls.dimension_name}_key", key)
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _check(cls)
            _constrain(cls)

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def key_column(cls) -> Column[Any]:
        """`<name>_key`."""
        return cls.table().c[f"{cls.dimension_name}_key"]

    @classmethod
    def attributes(cls) -> list[Column[Any]]:
        """The columns that are combined, in order."""
        return [column for column in cls.table().c if isinstance(role(column), Attribute)]

    @classmethod
    def text_of(cls, values: Sequence[Any]) -> str:
        """The combination of these values, as the column types have bound them."""
        parts = zip(cls.attributes(), values, strict=True)
        return combine(tuple(part_of(column)(value) for column, value in parts))

    @classmethod
    def values(cls, combination: str) -> dict[str, Any]:
        """The values of a combination by column, as the database keeps them."""
        parts = zip(cls.attributes(), json.loads(combination), strict=True)
        return {it.name: None if part is None else _kind(it.type).restore(part) for it, part in parts}


def foreign_key(cls: type[Combination], comment: str) -> MappedColumn[Any]:
    """A column of a dimension for the key of a combination; -1 until it is found."""
    return mapped_column(
        BigInteger(),
        nullable=False,
        server_default=str(UNKNOWN_KEY),
        info={ROLE: CombinationKey(cls)},
        sort_order=1,
        comment=comment,
    )


def add_key(cls: type[Combination], *, to: type[Any], comment: str) -> None:
    """Give a dimension that is there already a column for the key of a combination."""
    name = cls.key_column().name
    if name in to.table().c:
        raise DeclarationError(
            f"{cls.__name__}: {to.__name__} has a column {name!r} already",
            hint=f"Call {cls.__name__} something else.",
        )
    setattr(to, name, foreign_key(cls, comment))


class JunkDimension(Combination):
    """Flags of a fact, combined. Subclass it and declare `attribute` columns; the name starts with Dim.

    The values come from a mapper of the same record, `Mapper[Order, DimOrderFlags]`, which the fact's own
    mapper names: `order_flags_key = combination(ShopOrderFlags)`.
    """

    __abstract__ = True


def special_combinations(cls: type[Combination]) -> list[dict[str, object]]:
    """The rows of the members -1 and -2: their words in every text column that must be filled."""
    return [
        {
            cls.key_column().name: key,
            COMBINATION: word.lower(),
            **{column.name: placeholder(column, word=word) for column in cls.attributes()},
        }
        for key, word in SPECIAL_MEMBERS.items()
    ]


combine: Final[Callable[[tuple[Any, ...]], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":")
).encode
"""The text of a combination, of values that `part_of` has spelt."""


def part_of(column: Column[Any]) -> Callable[[Any], Any]:
    """A function from a bound value of this column to what stands for it in the combination; ValueError for
    what the column cannot hold.
    """
    spell, type_ = _kind(column.type).spell, stored_type(column.type)
    return lambda value: None if value is None else spell(type_, value)


def stored_type(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type that takes a value as a decorator has converted it."""
    return stored_type(type_.impl_instance) if isinstance(type_, TypeDecorator) else type_


class _Kind(NamedTuple):
    spell: Callable[[Any, Any], Any]
    restore: Callable[[Any], Any]


def _text(type_: Any, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is a {type(value).__name__}, not text")
    if "\x00" in value:
        raise ValueError(f"{value!r} holds a NUL character, which PostgreSQL cannot store")
    if type_.length is not None and len(value) > type_.length:
        raise ValueError(f"{value!r} is {len(value)} characters long, and the column holds {type_.length}")
    value.encode()  # half of a surrogate pair is no text
    return value


def _whole(type_: Any, value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is a {type(value).__name__}, not a whole number")
    bits = 16 if isinstance(type_, SmallInteger) else 64 if isinstance(type_, BigInteger) else 32
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{value} is outside a {bits}-bit integer")
    return int(value)


def _exact(_type: Any, value: Any) -> str:
    if isinstance(value, str):  # SQLite has no such numbers
        value = Decimal(value)
    if not isinstance(value, int | Decimal):
        raise ValueError(f"{value!r} is a {type(value).__name__}, not an exact number")
    return format((Decimal(value) or Decimal(0)).normalize(), "f")


def _moment(type_: Any, value: Any) -> str:
    if isinstance(value, str):  # as SQLite has it
        return value
    if not isinstance(value, datetime) or (value.tzinfo is not None) != bool(type_.timezone):
        raise ValueError(f"{value!r} is no moment {'with' if type_.timezone else 'without'} a time zone")
    return (value.astimezone(UTC) if type_.timezone else value).isoformat()


def _day(_type: Any, value: Any) -> str:
    return value if isinstance(value, str) else str(value.isoformat())


def _truth(_type: Any, value: Any) -> bool:
    return bool(value)


_KINDS: Final[tuple[tuple[type[TypeEngine[Any]], _Kind], ...]] = (
    (String, _Kind(_text, str)),
    (Boolean, _Kind(_truth, bool)),
    (Integer, _Kind(_whole, int)),
    (DateTime, _Kind(_moment, datetime.fromisoformat)),
    (Date, _Kind(_day, date.fromisoformat)),
    (Numeric, _Kind(_exact, Decimal)),
)


def _kind(type_: TypeEngine[Any]) -> _Kind:
    stored = stored_type(type_)
    if not isinstance(stored, Float):
        for of, kind in _KINDS:
            if isinstance(stored, of):
                return kind
    raise LookupError(stored)


def _check(cls: type[Combination]) -> None:
    columns = cls.attributes()
    if not columns:
        raise DeclarationError(
            f"{cls.__name__} has no attribute", hint="Declare one: is_gift: Mapped[bool] = attribute()."
        )
    refuse_reserved(cls, (column.name for column in columns))
    for column in columns:
        where, meaning = f"{cls.__name__}.{column.name}", role(column)
        assert isinstance(meaning, Attribute)
        if meaning.scd != OVERWRITTEN or meaning.outrigger is not None:
            raise DeclarationError(
                f"{where}: a combination has no history and names nobody",
                hint="Leave scd= and outrigger= out.",
            )
        try:
            _kind(column.type)
        except LookupError:
            raise DeclarationError(
                f"{where}: values of {column.type!r} cannot be told apart in a combination",
                hint="Take text, a whole or exact number, a truth value, a date or a moment.",
            ) from None


def _constrain(cls: type[Combination]) -> None:
    for column in cls.attributes():
        column.info["required"] = not column.nullable
        column.nullable = True
    required = [column for column in cls.attributes() if column.info["required"]]
    if required:
        filled = and_(*(column.is_not(None) for column in required))
        cls.table().append_constraint(CheckConstraint(or_(cls.key_column() < 0, filled), name="required"))
