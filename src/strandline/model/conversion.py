"""A mapper compiled into one function: no path is interpreted and no dict is built for a record.

The source of that function is written here, a line or two a column, and compiled once. It gives the row as a
tuple ready for COPY: every column type has converted its value exactly as it does through the ORM. When it
fails, the same steps are taken again one by one, to say which column it was and with which value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import Column, Dialect
from sqlalchemy.types import TypeDecorator

from strandline.errors import RecordRejected
from strandline.model.bridge import Bridge, composer
from strandline.model.calendar import Calendar, date_key
from strandline.model.column import NOT_APPLICABLE_KEY, Attribute, Reference, role
from strandline.model.combination import COMBINATION, Combination, combine, part_of
from strandline.model.fact import Fact
from strandline.model.mapper import UNSET, Mapped, Mapper, mappable, must_fill, names_member
from strandline.model.mini import MiniDimension
from strandline.model.type import exactly
from strandline.natural_key import NaturalKeys

FAILURES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a mapper raises when a record is not as it expects. Anything else is a fault of the program and ends
the run."""

Row = tuple[Any, ...]
Convert = Callable[[BaseModel, int, str, datetime, datetime], Row]
"""(record, raw_id, source_id, effective_at, synced_at) → (raw_id, source_id, effective_at, synced_at, False,
*values)"""

SHOWN: Final = 80

EXACT: Final = NaturalKeys()
NO_SOURCES: Final[Mapping[str, NaturalKeys]] = MappingProxyType({})


@dataclass(frozen=True)
class Conversion:
    """What a mapper compiles to: the columns of a row in order, and the function that makes it."""

    mapper: type[Mapper[Any, Any]]
    columns: tuple[Column[Any], ...]
    convert: Convert
    source_code: str
    _single: dict[str, Callable[[BaseModel], Any]]
    _combined: dict[str, Conversion]

    def explain(self, record: BaseModel) -> RecordRejected:
        """Why `convert` failed on this record: the first column that fails, and with which value."""
        for name, single in self._single.items():
            try:
                single(record)
            except FAILURES as error:
                inner = self._combined.get(name)
                return inner.explain(record) if inner else self._reject(name, record, error)
        raise AssertionError(f"{self.mapper.__name__}: every column of {record!r} converts by itself")

    def _reject(self, name: str, record: BaseModel, error: Exception) -> RecordRejected:
        mapped = self.mapper.mapped.get(name)
        came_from = f" (from {mapped.declared.path})" if mapped and mapped.declared else ""
        return RecordRejected(
            f"{self.mapper.__name__}.{name}{came_from}: {_words(error)}",
            field=name,
            rule=type(error).__name__,
        )


class Empty(ValueError):
    """A column that must be filled got nothing."""


def compile_mapper(
    mapper: type[Mapper[Any, Any]],
    dialect: Dialect,
    *,
    keys: NaturalKeys = EXACT,
    keys_of: Mapping[str, NaturalKeys] = NO_SOURCES,
) -> Conversion:
    """Compile a mapper for the column types as this dialect binds them.

    `keys` says how the source of its records spells natural keys, `keys_of` how other sources do, by name.
    """
    author = _Author(mapper, dialect, keys=keys, keys_of=keys_of)
    names = list(author.lines)
    values = "".join(f", v_{name}" for name in names)
    body = [line for lines in author.lines.values() for line in lines]
    arguments = "record, raw_id, source_id, effective_at, synced_at"
    if issubclass(mapper.model, Combination):
        author.names["combine"] = combine
        values = f", combine(({values.removeprefix(', ')},))"
    result = f"(raw_id, source_id, effective_at, synced_at, False{values})"
    single = {name: author.build(name, "record", _with_needed(name, author), f"v_{name}") for name in names}
    convert = author.build("convert", arguments, body, result)
    code = author.write("convert", arguments, body, result)
    return Conversion(mapper, _filled(mapper, author), convert, code, single, author.combined)


def _filled(mapper: type[Mapper[Any, Any]], author: _Author) -> tuple[Column[Any], ...]:
    """The columns of the row: a mini-dimension's mapper makes the combination for its history."""
    if issubclass(mapper.model, MiniDimension):
        return (mapper.model.history.table().c[COMBINATION],)
    return tuple(author.columns)


def _with_needed(name: str, author: _Author) -> list[str]:
    needed = author.needs.get(name)
    return [*(author.lines[needed] if needed else []), *author.lines[name]]


class _Author:
    """Writes the lines that fill each column, and keeps what they refer to."""

    def __init__(
        self,
        mapper: type[Mapper[Any, Any]],
        dialect: Dialect,
        *,
        keys: NaturalKeys,
        keys_of: Mapping[str, NaturalKeys],
    ) -> None:
        self.mapper = mapper()
        self.dialect = dialect
        self.keys = keys
        self.keys_of = keys_of
        self.names: dict[str, Any] = {"Empty": Empty}
        self.lines: dict[str, list[str]] = {}
        self.needs: dict[str, str] = {}
        self.columns: list[Column[Any]] = []
        self.combined: dict[str, Conversion] = {}
        for name, column in mappable(mapper.model).items():
            mapped = mapper.mapped.get(name)
            if mapped is not None and mapped.combined is not None:
                self._write_combination(name, column, mapped.combined)
            else:
                self._write(name, column, mapped)
        if issubclass(mapper.model, Fact):
            for name, reference in mapper.model.date_references().items():
                self._write_date(name, mapper.model.table().c[name], reference)

    def write(self, name: str, arguments: str, body: list[str], result: str) -> str:
        return "\n    ".join([f"def {name}({arguments}):", *body, f"return {result}"]) + "\n"

    def build(self, name: str, arguments: str, body: list[str], result: str) -> Callable[..., Any]:
        scope = dict(self.names)
        exec(  # noqa: S102  # our own lines, from names that were checked when the mapper was declared
            compile(self.write(name, arguments, body, result), f"<{type(self.mapper).__name__}>", "exec"),
            scope,
        )
        built: Callable[..., Any] = scope[name]
        return built

    def _write(self, name: str, column: Column[Any], mapped: Mapped | None) -> None:
        value = f"v_{name}"
        lines = self._fetch(value, mapped)
        if names_group(column):
            self.names[f"group_{name}"] = composer(self._keys_of(mapped))
            lines.append(f"{value} = group_{name}({value})")
        elif names_member(column) or is_parent(column):
            self.names[f"member_{name}"] = self._keys_of(mapped).encode
            lines.append(f"{value} = member_{name}({value})")
        elif (direct := self._decorator(column)) is not None:
            self.names[f"bind_{name}"], self.names["dialect"] = direct, self.dialect
            lines.append(f"{value} = bind_{name}({value}, dialect)")
        elif (bind := self._binder(column)) is not None:
            self.names[f"bind_{name}"] = bind
            lines.append(f"{value} = bind_{name}({value})")
        if must_fill(column):
            lines.append(f"if {value} is None: raise Empty('nothing there, and the column must be filled')")
        if issubclass(self.mapper.model, Combination):
            self.names[f"part_{name}"] = part_of(column)
            lines.append(f"{value} = part_{name}({value})")
        self.lines[name] = lines
        self.columns.append(column)

    def _write_combination(self, name: str, column: Column[Any], mapper: type[Mapper[Any, Any]]) -> None:
        conversion = compile_mapper(mapper, self.dialect, keys=self.keys, keys_of=self.keys_of)
        self.combined[name] = conversion
        self.names[f"combine_{name}"] = conversion.convert
        self.lines[name] = [f"v_{name} = combine_{name}(record, 0, '', None, None)[-1]"]
        self.columns.append(column)

    def _keys_of(self, mapped: Mapped | None) -> NaturalKeys:
        """How the source that a reference names spells its keys."""
        declared = mapped.declared if mapped else None
        if declared is None or declared.source is None:
            return self.keys
        return declared.keys or self.keys_of.get(declared.source, EXACT)

    def _fetch(self, value: str, mapped: Mapped | None) -> list[str]:
        if mapped is None:
            return [f"{value} = None"]
        if mapped.method is not None:
            self.names[f"method_{value}"] = getattr(self.mapper, mapped.column.name)
            return [f"{value} = method_{value}(record)"]
        lines = [f"{value} = record"]
        maybe_none = False
        for step in mapped.steps:
            get = f"{value}.get({step.name!r})" if step.is_key else f"{value}.{step.name}"
            lines.append(f"{f'if {value} is not None: ' if maybe_none else ''}{value} = {get}")
            maybe_none = maybe_none or step.optional
        lines[:2] = [lines[1].replace(f"= {value}.", "= record.")]
        return lines + self._finish(value, mapped)

    def _finish(self, value: str, mapped: Mapped) -> list[str]:
        lines = []
        assert mapped.declared is not None
        if mapped.declared.using is not None:
            self.names[f"using_{value}"] = mapped.declared.using
            lines.append(f"if {value} is not None: {value} = using_{value}({value})")
        if mapped.declared.default is not UNSET:
            self.names[f"default_{value}"] = mapped.declared.default
            lines.append(f"if {value} is None: {value} = default_{value}")
        return lines

    def _decorator(self, column: Column[Any]) -> Callable[[Any, Dialect], Any] | None:
        """The conversion of a TypeDecorator itself, where that is all: it saves a call for every value."""
        type_ = exactly(column.type).dialect_impl(self.dialect)
        if (
            not isinstance(type_, TypeDecorator)
            or type(type_).bind_processor is not TypeDecorator.bind_processor
        ):
            return None
        overrides = type(type_).process_bind_param is not TypeDecorator.process_bind_param
        plain = type_.impl_instance.bind_processor(self.dialect) is None
        return type_.process_bind_param if overrides and plain else None

    def _binder(self, column: Column[Any]) -> Callable[[Any], Any] | None:
        return exactly(column.type).dialect_impl(self.dialect).bind_processor(self.dialect)  # type: ignore[no-any-return]  # typed Any there

    def _write_date(self, name: str, column: Column[Any], reference: Reference) -> None:
        assert reference.on is not None
        assert issubclass(reference.dimension, Calendar)
        self.names[f"date_{name}"] = day_finder(reference.dimension, zone=reference.zone)
        self.needs[name] = reference.on
        self.lines[name] = [f"v_{name} = date_{name}(v_{reference.on})"]
        self.columns.append(column)


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


def day_finder(calendar: type[Calendar], *, zone: str) -> Callable[[datetime | date | None], int]:
    """A function from a moment to the key of its day in the zone; ValueError outside the calendar."""
    tz = ZoneInfo(zone)

    def find(moment: datetime | date | None) -> int:
        if moment is None:
            return NOT_APPLICABLE_KEY
        day = moment.astimezone(tz).date() if isinstance(moment, datetime) else moment
        if day not in calendar.span:
            raise ValueError(
                f"{day} lies outside {calendar.__name__} ({calendar.span.first} to {calendar.span.last});"
                f" widen it with {calendar.__name__}.cover(...)"
            )
        return date_key(day)

    return find


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
