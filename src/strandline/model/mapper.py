"""Mappers: how a record of one contract becomes a row of one model, declared and checked before any I/O.

    class CrmCustomer(Mapper[Customer, DimCustomer]):
        customer_name = field("company_name")
        currency = field("currency.name", default="EUR")

        def tier(self, record: Customer) -> str | None:
            return "gold" if record.credit_limit > 100_000 else None

A column is filled by a `field`, or by a method of its name where a path is not enough. When the class is
created, every path must exist in the contract, every name must be a column of the model, and every column
that must be filled must be mapped. A mapper has no state: the same record always gives the same row.

With `each="lines"` a record gives a row of a fact for every line in that list (see `field`); a method may
then take the line as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from msgspec import Struct
from pydantic import BaseModel
from sqlalchemy import Column

from strandline.errors import DeclarationError
from strandline.model.bridge import Bridge
from strandline.model.column import (
    Attribute,
    Degenerate,
    EventTime,
    Grain,
    Measure,
    Milestone,
    Reference,
    role,
)
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.field import Allocation, Field, LineNumber
from strandline.model.header import Lines, check_amount, check_number, find_lines, takes_line
from strandline.model.path import Step, nearest, resolve

Model = type[Dimension] | type[Fact] | type[Combination]

R = TypeVar("R", bound=BaseModel)
M = TypeVar("M", bound=Dimension | Fact | Combination)


class Combined(Struct, frozen=True):
    """A reference to a combination, whose values another mapper takes from the same record."""

    mapper: type[Mapper[Any, Any]]


def combination(mapper: type[Mapper[Any, Any]], /) -> Any:
    """Fill the key of a junk dimension with the combination that this mapper makes of the same record."""
    return Combined(mapper)


class Mapped(Struct, frozen=True):
    """How one column is filled: by steps from the record or its line, by a method of the mapper, by another
    mapper, by the line's number, or by its part of an amount.
    """

    column: Column[Any]
    steps: tuple[Step, ...] = ()
    declared: Field | None = None
    method: Callable[[Any], Any] | None = None
    combined: type[Mapper[Any, Any]] | None = None
    is_line: bool = False
    """It differs from line to line."""
    allocation: Allocation | None = None
    weight: tuple[Step, ...] = ()
    """The steps, in the line, to what the amount is shared out by."""

    @property
    def source(self) -> str | None:
        """Whose natural key a reference gives; None: the record's own source."""
        return self.declared.source if self.declared else None


class Mapper(Generic[R, M]):
    """From a contract to a model. Subclass `Mapper[Contract, Model]`; give `each="lines"` for a row of each
    line.
    """

    contract: ClassVar[type[BaseModel]]
    model: ClassVar[Model]
    mapped: ClassVar[dict[str, Mapped]]
    lines: ClassVar[Lines | None]

    def __init_subclass__(cls, *, each: str | None = None, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        # Taken first, for a column may be called as one of ours is.
        declared = {name: it for name, it in cls.__dict__.items() if not name.startswith("_")}
        cls.contract, cls.model = _parameters(cls)
        cls.lines = None if each is None else _find_lines(cls, each)
        columns = mappable(cls.model)
        cls.mapped = {name: _map(cls, name, it, columns) for name, it in declared.items()}
        _check_filled(cls, columns)
        _check_lines(cls)


def mappers_of(model: type[Any]) -> list[type[Mapper[Any, Any]]]:
    """The mappers of this model that have been declared, in that order."""
    return [it for it in Mapper.__subclasses__() if vars(it).get("model") is model]


def mappable(model: Model) -> dict[str, Column[Any]]:
    """The columns that a mapper fills, in the order of the model."""
    meant = (Attribute, Grain, Degenerate, EventTime, Measure, Milestone, Reference)
    found = {column.name: column for column in model.table().c if isinstance(role(column), meant)}
    calculated = model.date_references() if issubclass(model, Fact) else {}
    return {name: column for name, column in found.items() if name not in calculated}


def names_member(column: Column[Any]) -> bool:
    """Whether the mapper gives the natural key of a member of a dimension for this column."""
    meaning = role(column)
    return isinstance(meaning, Reference) or (
        isinstance(meaning, Attribute) and bool(meaning.outrigger or meaning.bridge)
    )


def names_group(column: Column[Any]) -> bool:
    """Whether the mapper gives several natural keys for this column."""
    meaning = role(column)
    if isinstance(meaning, Reference):
        return issubclass(meaning.dimension, Bridge)
    return isinstance(meaning, Attribute) and meaning.bridge is not None


def is_parent(column: Column[Any]) -> bool:
    """Whether it holds the natural key of a member above, in the same dimension and of the same source."""
    meaning = role(column)
    return isinstance(meaning, Attribute) and meaning.is_parent


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


def _map(cls: type[Mapper[Any, Any]], name: str, declared: object, columns: dict[str, Column[Any]]) -> Mapped:
    where = f"{cls.__name__}.{name}"
    if name not in columns:
        raise DeclarationError(
            f"{where}: {cls.model.__name__} has no column {name!r}", hint=nearest(name, columns)
        )
    if is_combination(columns[name]) or isinstance(declared, Combined):
        return _map_combination(cls, columns[name], declared, where=where)
    match declared:
        case Field():
            return _map_field(cls, columns[name], declared, where=where)
        case LineNumber():
            return _map_number(cls, columns[name], where=where)
        case Allocation():
            return _map_allocation(cls, columns[name], declared, where=where)
    if callable(declared):
        is_line = cls.lines is not None and takes_line(declared, where=where)
        return Mapped(columns[name], method=declared, is_line=is_line)
    raise DeclarationError(
        f"{where} is {declared!r}, neither a field nor a method",
        hint=f'{name} = field("<path in the record>")',
    )


def _map_field(cls: type[Mapper[Any, Any]], column: Column[Any], declared: Field, *, where: str) -> Mapped:
    if declared.source is not None and not names_member(column):
        raise DeclarationError(f"{where}: source= is for a reference to a dimension", hint="Leave it out.")
    if declared.is_line:
        steps = _lines_of(cls, where=where).resolve(declared.path, where=where)
        return Mapped(column, steps, declared, is_line=True)
    return Mapped(column, _resolve(cls, column, declared.path, where=where), declared)


def _resolve(cls: type[Mapper[Any, Any]], column: Column[Any], path: str, *, where: str) -> tuple[Step, ...]:
    inner = cls.lines.inner(path) if cls.lines else None
    if inner is not None:
        raise DeclarationError(
            f"{where}: {path!r} is in a line, and the record is read here",
            hint=f'{column.name} = line("{inner}")',
        )
    return tuple(resolve(cls.contract, path, where=where))


def _map_number(cls: type[Mapper[Any, Any]], column: Column[Any], *, where: str) -> Mapped:
    _lines_of(cls, where=where)
    check_number(column, where=where)
    return Mapped(column, is_line=True)


def _map_allocation(
    cls: type[Mapper[Any, Any]], column: Column[Any], declared: Allocation, *, where: str
) -> Mapped:
    lines = _lines_of(cls, where=where)
    check_amount(column, where=where)
    steps = _resolve(cls, column, declared.amount.path, where=where)
    weight = () if declared.by is None else lines.resolve(declared.by, where=f"{where}: by=")
    return Mapped(column, steps, declared.amount, is_line=True, allocation=declared, weight=weight)


def _lines_of(cls: type[Mapper[Any, Any]], *, where: str) -> Lines:
    if cls.lines is None:
        raise DeclarationError(
            f"{where} is about a line, and {cls.__name__} gives one row a record",
            hint=f'class {cls.__name__}(Mapper[…], each="<list in the record>"): ...',
        )
    return cls.lines


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
    if cls.lines and cls.lines.contract and issubclass(cls.lines.contract, declared.mapper.contract):
        return Mapped(column, combined=declared.mapper, is_line=True)
    if not issubclass(cls.contract, declared.mapper.contract):
        raise DeclarationError(
            f"{where}: {declared.mapper.__name__} takes {declared.mapper.contract.__name__}, and the record"
            f" is {cls.contract.__name__}",
            hint=f"Write a Mapper[{cls.contract.__name__}, {declared.mapper.model.__name__}].",
        )
    return Mapped(column, combined=declared.mapper)


def _find_lines(cls: type[Mapper[Any, Any]], path: str) -> Lines:
    where = f'{cls.__name__}(each="{path}")'
    if not issubclass(cls.model, Fact):
        raise DeclarationError(
            f"{where}: lines are rows of a fact, and {cls.model.__name__} is none",
            hint="Leave each= out, or map the lines to a fact.",
        )
    if cls.model.restates_history:
        raise DeclarationError(
            f"{where}: {cls.model.__name__} has one row a record, made of all that was said of it",
            hint="Map the lines to a Fact.",
        )
    return find_lines(cls.contract, path, where=where)


def _check_lines(cls: type[Mapper[Any, Any]]) -> None:
    """All lines of a record would be one row if nothing in the grain told them apart."""
    if cls.lines is None or not issubclass(cls.model, Fact):
        return
    grain = [column.name for column in cls.model.grain()]
    if not any(cls.mapped[name].is_line for name in grain):
        raise DeclarationError(
            f'{cls.__name__}(each="{cls.lines.path}"): the lines of a record are all at one grain,'
            f" {', '.join(grain)}",
            hint="Add line_number: Mapped[int] = grain(Integer) to the fact, and line_number = line_number()"
            " here.",
        )


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
