"""Mappers: how a record of one contract becomes a row of one model, declared and checked before any I/O.

    class CrmCustomer(Mapper[Customer, DimCustomer]):
        customer_name = field("company_name")
        currency = field("currency.name", default="EUR")

        def tier(self, record: Customer) -> str | None:
            return "gold" if record.credit_limit > 100_000 else None

A column is filled by a `field`, or by a method of its name where a path is not enough. When the class is
created, every path must exist in the contract, every name must be a column of the model, and every column
that must be filled must be mapped. A mapper has no state: the same record always gives the same row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar, get_args, get_origin

from pydantic import BaseModel
from sqlalchemy import Column

from strandline.errors import DeclarationError
from strandline.model.column import Attribute, Degenerate, EventTime, Grain, Measure, Reference, role
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.path import Step, nearest, resolve
from strandline.natural_key import NaturalKeys

UNSET: Final[Any] = object()

Model = type[Dimension] | type[Fact] | type[Combination]

R = TypeVar("R", bound=BaseModel)
M = TypeVar("M", bound=Dimension | Fact | Combination)


class Named(Protocol):
    """A source, or whatever else has a source's name."""

    name: ClassVar[str]
    natural_keys: ClassVar[NaturalKeys]


@dataclass(frozen=True)
class Field:
    """A column filled from a path of the record."""

    path: str
    default: Any
    using: Callable[[Any], Any] | None
    source: str | None
    keys: NaturalKeys | None
    """How that source spells its keys, where it is known."""


def field(
    path: str,
    /,
    *,
    default: Any = UNSET,
    using: Callable[[Any], Any] | None = None,
    source: str | type[Named] | None = None,
) -> Any:
    """Fill a column from a dotted path of the record, `currency.name`.

    None anywhere on the way, or at its end, gives `default`. `using` converts a value that is not None. On a
    reference to a dimension, or an attribute with an outrigger, the path gives the natural key of the member,
    as `source` calls it: the source of the record itself unless told.
    """
    if source is None or isinstance(source, str):
        return Field(path, default, using, source, None)
    return Field(path, default, using, source.name, source.natural_keys)


@dataclass(frozen=True)
class Combined:
    """A reference to a combination, whose values another mapper takes from the same record."""

    mapper: type[Mapper[Any, Any]]


def combination(mapper: type[Mapper[Any, Any]], /) -> Any:
    """Fill the key of a junk dimension with the combination that this mapper makes of the same record."""
    return Combined(mapper)


@dataclass(frozen=True)
class Mapped:
    """How one column is filled: by steps from the record, by a method of the mapper, or by another mapper."""

    column: Column[Any]
    steps: tuple[Step, ...] = ()
    declared: Field | None = None
    method: Callable[[Any], Any] | None = None
    combined: type[Mapper[Any, Any]] | None = None

    @property
    def source(self) -> str | None:
        """Whose natural key a reference gives; None: the record's own source."""
        return self.declared.source if self.declared else None


class Mapper(Generic[R, M]):
    """From a contract to a model. Subclass `Mapper[Contract, Model]`."""

    contract: ClassVar[type[BaseModel]]
    model: ClassVar[Model]
    mapped: ClassVar[dict[str, Mapped]]

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls.contract, cls.model = _parameters(cls)
        columns = mappable(cls.model)
        names = [
            name for name in cls.__dict__ if not name.startswith("_") and name not in ("contract", "model")
        ]
        cls.mapped = {name: _map(cls, name, columns) for name in names}
        _check_filled(cls, columns)


def mappable(model: Model) -> dict[str, Column[Any]]:
    """The columns that a mapper fills, in the order of the model."""
    meant = (Attribute, Grain, Degenerate, EventTime, Measure, Reference)
    found = {column.name: column for column in model.table().c if isinstance(role(column), meant)}
    calculated = model.date_references() if issubclass(model, Fact) else {}
    return {name: column for name, column in found.items() if name not in calculated}


def names_member(column: Column[Any]) -> bool:
    """Whether the mapper gives the natural key of a member of a dimension for this column."""
    meaning = role(column)
    return isinstance(meaning, Reference) or (
        isinstance(meaning, Attribute) and bool(meaning.outrigger or meaning.bridge)
    )


def is_combination(column: Column[Any]) -> bool:
    """Whether another mapper makes the combination that this column refers to."""
    meaning = role(column)
    return isinstance(meaning, Reference) and issubclass(meaning.dimension, Combination)


def must_fill(column: Column[Any]) -> bool:
    """Whether a row without this column is no row: a required attribute, or a fact's column that is NOT NULL.

    A reference may be empty: it is the not-applicable member then.
    """
    meaning = role(column)
    if isinstance(meaning, Attribute):
        return bool(column.info["required"])
    return not column.nullable and not isinstance(meaning, Reference)


def _parameters(cls: type[Mapper[Any, Any]]) -> tuple[type[BaseModel], Model]:
    for base in cls.__dict__.get("__orig_bases__", ()):
        given = get_args(base) if get_origin(base) is Mapper else ()
        if len(given) == 2 and all(isinstance(it, type) for it in given):
            return given[0], given[1]
    raise DeclarationError(
        f"{cls.__name__} does not say what it maps",
        hint=f"class {cls.__name__}(Mapper[<contract>, <dimension or fact>]): ...",
    )


def _map(cls: type[Mapper[Any, Any]], name: str, columns: dict[str, Column[Any]]) -> Mapped:
    where = f"{cls.__name__}.{name}"
    if name not in columns:
        raise DeclarationError(
            f"{where}: {cls.model.__name__} has no column {name!r}", hint=nearest(name, columns)
        )
    declared = cls.__dict__[name]
    if is_combination(columns[name]) or isinstance(declared, Combined):
        return _map_combination(cls, columns[name], declared, where=where)
    if isinstance(declared, Field):
        if declared.source is not None and not names_member(columns[name]):
            raise DeclarationError(
                f"{where}: source= is for a reference to a dimension", hint="Leave it out."
            )
        steps = resolve(cls.contract, declared.path, where=where)
        return Mapped(columns[name], steps=tuple(steps), declared=declared)
    if callable(declared):
        return Mapped(columns[name], method=declared)
    raise DeclarationError(
        f"{where} is {declared!r}, neither a field nor a method",
        hint=f'{name} = field("<path in the record>")',
    )


def _map_combination(
    cls: type[Mapper[Any, Any]], column: Column[Any], declared: object, *, where: str
) -> Mapped:
    dimension = getattr(role(column), "dimension", None)
    if not isinstance(declared, Combined) or declared.mapper.model is not dimension:
        wanted = dimension.__name__ if isinstance(dimension, type) else "no combination"
        raise DeclarationError(
            f"{where} is {_shown(declared)}, and {cls.model.__name__}.{column.name} refers to {wanted}",
            hint=f"{column.name} = combination(<a Mapper[{cls.contract.__name__}, {wanted}]>)"
            if isinstance(dimension, type) and issubclass(dimension, Combination)
            else f'{column.name} = field("<path in the record>")',
        )
    if not issubclass(cls.contract, declared.mapper.contract):
        raise DeclarationError(
            f"{where}: {declared.mapper.__name__} takes {declared.mapper.contract.__name__}, and the record"
            f" is {cls.contract.__name__}",
            hint=f"Write a Mapper[{cls.contract.__name__}, {declared.mapper.model.__name__}].",
        )
    return Mapped(column, combined=declared.mapper)


def _shown(declared: object) -> str:
    return f"combination({declared.mapper.__name__})" if isinstance(declared, Combined) else repr(declared)


def _check_filled(cls: type[Mapper[Any, Any]], columns: dict[str, Column[Any]]) -> None:
    unfilled = [
        name
        for name, column in columns.items()
        if name not in cls.mapped and (must_fill(column) or isinstance(role(column), Reference))
    ]
    if unfilled:
        raise DeclarationError(
            f"{cls.__name__} leaves columns of {cls.model.__name__} empty that must be filled:"
            f" {', '.join(unfilled)}",
            hint=f"Add {unfilled[0]} = {_fill(columns[unfilled[0]])}",
        )


def _fill(column: Column[Any]) -> str:
    """What fills the column, as one would type it."""
    if is_combination(column):
        return "combination(<mapper>)."
    return 'field("…"), or a method of that name.'
