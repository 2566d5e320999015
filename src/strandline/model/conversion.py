"""A mapper compiled into one function: no path is interpreted and no dict is built for a record.

The source of that function is written here, a line or two a column, and compiled once. It gives the row as a
tuple ready for COPY: every column type has converted its value exactly as it does through the ORM. When it
fails, the same steps are taken again one by one, to say which column it was and with which value.

Where a record gives a row for each of its lines, what is the record's is worked out once, and a loop does the
rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct
from pydantic import BaseModel
from sqlalchemy import Column, Dialect, String
from sqlalchemy.types import TypeDecorator

from strandline.errors import RecordRejected
from strandline.model.allocation import share_between
from strandline.model.bridge import composer
from strandline.model.column import Grain, Reference, role
from strandline.model.combination import COMBINATION, Combination, combine, part_of
from strandline.model.fact import Fact
from strandline.model.field import UNSET
from strandline.model.mapper import Mapped, Mapper, is_parent, mappable, must_fill, names_group, names_member
from strandline.model.milestone import predecessors
from strandline.model.mini import MiniDimension
from strandline.model.path import Step
from strandline.model.period import DELETED_IN, PeriodicSnapshot
from strandline.model.prepared import Prepared
from strandline.model.type import Exact, UtcDateTime, exactly
from strandline.natural_key import LONGEST, NaturalKeys, identifier

FAILURES: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a mapper raises when a record is not as it expects. Anything else is a fault of the program and ends
the run."""

Row = tuple[Any, ...]
Convert = Callable[[BaseModel, int, str, datetime, datetime], Row]
"""(record, raw_id, source_id, effective_at, synced_at) → (raw_id, source_id, effective_at, synced_at, False,
*values); of a mapper with each=, a tuple of such rows"""

SHOWN: Final = 80
SINGLE: Final = "record, begun, effective_at"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

EXACT: Final = NaturalKeys()
NO_SOURCES: Final[Mapping[str, NaturalKeys]] = MappingProxyType({})


class Conversion(Struct, frozen=True):
    """What a mapper compiles to: the columns of a row in order, and the function that makes it."""

    mapper: type[Mapper[Any, Any]]
    columns: tuple[Column[Any], ...]
    convert: Convert
    source_code: str
    has_lines: bool
    """A record gives a row for each of its lines."""
    _single: dict[str, Callable[[BaseModel, list[int], datetime], Any]]
    """(record, numbers of the lines that were begun, effective_at) → value"""
    _combined: dict[str, Conversion]
    _moments: dict[str, Callable[[datetime], Any]]

    @property
    def combined(self) -> list[Conversion]:
        """What the mappers of combinations compile to."""
        return list(self._combined.values())

    def at_deletion(self, moment: datetime) -> dict[str, Any]:
        """What the row of a deletion says of its moment, by column. Raises RecordRejected."""
        said = {}
        for name, tell in self._moments.items():
            try:
                said[name] = tell(moment)
            except FAILURES as error:
                raise self._reject(name, (), error) from error
        return said

    def explain(self, record: BaseModel, effective_at: datetime = EPOCH) -> RecordRejected:
        """Why `convert` failed on this record: the first column that fails, and with which value."""
        for name, single in self._single.items():
            begun: list[int] = []
            try:
                single(record, begun, effective_at)
            except FAILURES as error:
                inner = self._combined.get(name)
                is_whole = inner is not None and not begun
                return inner.explain(record) if inner and is_whole else self._reject(name, begun, error)
        raise AssertionError(f"{self.mapper.__name__}: every column of {record!r} converts by itself")

    def _reject(self, name: str, begun: Sequence[int], error: Exception) -> RecordRejected:
        return RecordRejected(
            f"{self.mapper.__name__}.{name}{self._came_from(name, begun)}: {_words(error)}",
            field=name,
            rule=error.rule if isinstance(error, Misordered) else type(error).__name__,
        )

    def _came_from(self, name: str, begun: Sequence[int]) -> str:
        mapped = self.mapper.mapped.get(name)
        path = mapped.declared.path if mapped and mapped.declared else ""
        if begun and self.mapper.lines:
            at_line = path if mapped and not mapped.allocation else ""
            path = ".".join(filter(None, (f"{self.mapper.lines.path}[{begun[-1]}]", at_line)))
        return f" (from {path})" if path else ""


class Empty(ValueError):
    """A column that must be filled got nothing."""


class Misordered(ValueError):
    """A milestone lies before one that comes first."""

    rule = "milestone"

    def __init__(self, moment: object, name: str, first: object) -> None:
        super().__init__(f"{moment} lies before {name}, which is {first}")


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
    arguments = "record, raw_id, source_id, effective_at, synced_at"
    if issubclass(mapper.model, Combination):
        author.names["combine"] = combine
        values = f", combine(({values.removeprefix(', ')},))"
    result = f"(raw_id, source_id, effective_at, synced_at, False{values})"
    body = author.body(names)
    if mapper.lines:
        body = ["rows = []", *body, f"    rows.append({result})"]
        result = "tuple(rows)"
    single = {name: author.build(name, SINGLE, author.single_body(name), f"v_{name}") for name in names}
    convert = author.build("convert", arguments, body, result)
    code = author.write("convert", arguments, body, result)
    has_lines = mapper.lines is not None
    return Conversion(
        mapper, _filled(mapper, author), convert, code, has_lines, single, author.combined, author.moments()
    )


def _filled(mapper: type[Mapper[Any, Any]], author: _Author) -> tuple[Column[Any], ...]:
    """The columns of the row: a mini-dimension's mapper makes the combination for its history."""
    if issubclass(mapper.model, MiniDimension):
        return (mapper.model.history.table().c[COMBINATION],)
    return tuple(author.columns)


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
        self.parts: dict[str, list[str]] = {}
        """What comes before the loop for a column that differs from line to line."""
        self.in_loop: set[str] = set()
        self.needs: dict[str, str] = {}
        self.columns: list[Column[Any]] = []
        self.combined: dict[str, Conversion] = {}
        for name, column in mappable(mapper.model).items():
            mapped = mapper.mapped.get(name)
            if mapped is not None and mapped.combined is not None:
                self._write_combination(name, mapped, mapped.combined)
            else:
                self._write(name, column, mapped)
        if issubclass(mapper.model, PeriodicSnapshot):
            self._write_period(mapper.model)
        if issubclass(mapper.model, Fact):
            for name, reference in mapper.model.date_references().items():
                self._write_date(name, mapper.model.table().c[name], reference)

    def moments(self) -> dict[str, Callable[[datetime], Any]]:
        """What tells the moment of a deletion, by column."""
        model = self.mapper.model
        names = model.at_deletion() if issubclass(model, Fact) else ()
        return {name: self.names.get(f"moment_{name}", self._as_it_is) for name in names}

    def _as_it_is(self, moment: datetime) -> Any:
        return UtcDateTime().process_bind_param(moment, self.dialect)

    def body(self, names: Sequence[str], *, start: str = "") -> list[str]:
        """What works out these columns, one after the other, and those of the lines in a loop at its end."""
        once = [line for name in names if name not in self.in_loop for line in self.lines[name]]
        if not self.mapper.lines or not (start == "" or self.in_loop.intersection(names)):
            return once
        parts = [line for name in names for line in self.parts.get(name, ())]
        each = [line for name in names if name in self.in_loop for line in self.lines[name]]
        loop = ["for number, line in enumerate(lines, 1):", *(f"    {it}" for it in (start, *each) if it)]
        find = [*self._find("lines", self.mapper.lines.steps, root="record"), "if lines is None: lines = ()"]
        return [*once, *find, *parts, *loop]

    def single_body(self, name: str) -> list[str]:
        """What works out one column, with those that it needs; the lines that it begins are noted."""
        names = [name]
        while (needed := self.needs.get(names[0])) is not None:
            names.insert(0, needed)
        return [f"v_{name} = None", *self.body(names, start="begun.append(number)")]  # of no lines at all

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
        if mapped is not None and mapped.is_line:
            self.in_loop.add(name)
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
        lines += self._keep_short(value, column)
        if must_fill(column):
            lines.append(f"if {value} is None: raise Empty('nothing there, and the column must be filled')")
        if issubclass(self.mapper.model, Combination):
            self.names[f"part_{name}"] = part_of(column)
            lines.append(f"{value} = part_{name}({value})")
        lines += self._keep_order(name)
        self.lines[name] = lines
        self.columns.append(column)

    def _keep_short(self, value: str, column: Column[Any]) -> list[str]:
        """What refuses a text of the grain that the index on it could not hold."""
        model = self.mapper.model
        if not issubclass(model, Fact) or not isinstance(role(column), Grain):
            return []
        texts = [it for it in model.grain() if isinstance(it.type, String)]
        if not isinstance(column.type, String):
            return []
        self.names["short"] = partial(identifier, most=LONGEST // len(texts))
        return [f"if {value} is not None: {value} = short({value})"]

    def _keep_order(self, name: str) -> list[str]:
        """What refuses a milestone that lies before one that comes first."""
        first = predecessors(self.mapper.model.table(), name)
        if first:
            self.names["Misordered"] = Misordered
            self.needs[name] = first[0]
        return [
            f"if v_{name} is not None and v_{it} is not None and v_{name} < v_{it}:"
            f" raise Misordered(v_{name}, {it!r}, v_{it})"
            for it in first
        ]

    def _write_combination(self, name: str, mapped: Mapped, mapper: type[Mapper[Any, Any]]) -> None:
        conversion = compile_mapper(mapper, self.dialect, keys=self.keys, keys_of=self.keys_of)
        self.combined[name] = conversion
        self.names[f"combine_{name}"] = conversion.convert
        of = "line" if mapped.is_line else "record"
        self.lines[name] = [f"v_{name} = combine_{name}({of}, 0, '', None, None)[-1]"]
        if mapped.is_line:
            self.in_loop.add(name)
        self.columns.append(mapped.column)

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
            self.names[f"method_{value}"] = _bind(mapped.method, self.mapper)
            return [f"{value} = method_{value}({'record, line' if mapped.is_line else 'record'})"]
        if mapped.allocation is not None:
            self.parts[mapped.column.name] = self._share_out(value, mapped)
            return [f"{value} = parts_{value}[number - 1]"]
        if mapped.declared is None:
            return [f"{value} = number"]
        root = "line" if mapped.is_line else "record"
        return self._find(value, mapped.steps, root=root) + self._finish(value, mapped)

    def _find(self, value: str, steps: Sequence[Step], *, root: str) -> list[str]:
        """Follow the steps from the root; None on the way is None at the end."""
        lines = [f"{value} = {root}"]
        maybe_none = False
        for step in steps:
            get = f"{value}.get({step.name!r})" if step.is_key else f"{value}.{step.name}"
            lines.append(f"{f'if {value} is not None: ' if maybe_none else ''}{value} = {get}")
            maybe_none = maybe_none or step.optional
        if steps:
            lines[:2] = [lines[1].replace(f"= {value}.", f"= {root}.")]
        return lines

    def _share_out(self, value: str, mapped: Mapped) -> list[str]:
        """The parts of an amount, for all lines at once."""
        assert mapped.allocation is not None
        assert isinstance(mapped.column.type, Exact)
        weigh = self.build("weigh", "line", self._find("weight", mapped.weight, root="line"), "weight")
        self.names[f"share_{value}"] = share_between(
            None if mapped.allocation.by is None else weigh, scale=mapped.column.type.scale
        )
        found = self._find(value, mapped.steps, root="record") + self._finish(value, mapped)
        return [*found, f"parts_{value} = share_{value}({value}, lines)"]

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

    def _write_period(self, model: type[PeriodicSnapshot]) -> None:
        column = model.period_column()
        self.names[f"moment_{column.name}"] = model.period_of()
        self.lines[column.name] = [f"v_{column.name} = moment_{column.name}(effective_at)"]
        self.columns.append(column)
        if model.__fill__:  # which the merge works out
            self.lines[DELETED_IN] = [f"v_{DELETED_IN} = None"]
            self.columns.append(model.table().c[DELETED_IN])

    def _write_date(self, name: str, column: Column[Any], reference: Reference) -> None:
        assert reference.on is not None
        assert issubclass(reference.dimension, Prepared)
        self.names[f"moment_{name}"] = reference.dimension.finder(zone=reference.zone)
        self.needs[name] = reference.on
        if reference.on in self.in_loop:
            self.in_loop.add(name)
        self.lines[name] = [f"v_{name} = moment_{name}(v_{reference.on})"]
        self.columns.append(column)


def _bind(method: Any, mapper: Mapper[Any, Any]) -> Callable[..., Any]:
    """The mapper's method; its name may have become one of ours."""
    bound: Callable[..., Any] = method.__get__(mapper) if hasattr(method, "__get__") else method
    return bound


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
