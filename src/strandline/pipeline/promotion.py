"""A custom field promoted to a column: the lines of contract, model and mapper that this takes.

The type follows from what the records in the raw log say, all of them, or is given. What is declared may be
empty, since nobody promised that the field comes. The lines are written by `rewrite`; the database is altered
by whoever runs the statement or the revision that comes with them, and the next run fills the column from the
raw log, without new versions.
"""

from __future__ import annotations

import ast
import datetime
import keyword
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pydantic
import sqlalchemy
from sqlalchemy import Column
from sqlalchemy.types import TypeDecorator, TypeEngine

import strandline.model
from strandline.errors import DeclarationError
from strandline.model.dimension import Dimension
from strandline.model.path import nearest
from strandline.pipeline.definition import Pipeline, Sync
from strandline.pipeline.rewrite import Modules, Name
from strandline.source.extra import names_of
from strandline.source.personal import looks_personal
from strandline.warehouse.occurrence import Occurrence

LENGTHS: Final = (10, 20, 40, 80, 200, 400, 1000)
"""Text gets the first of these that holds twice the longest value, and no limit beyond."""

SCD_TYPES: Final = (0, 1, 2)
ANNOTATIONS: Final[dict[type, str]] = {
    str: "str",
    int: "int",
    bool: "bool",
    Decimal: "Decimal",
    datetime.date: "date",
    datetime.datetime: "datetime",
}
COLUMN: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
TYPE: Final = re.compile(r"[A-Z]\w*(\(\s*\d+\s*(,\s*\d+\s*)?\))?")


@dataclass(frozen=True)
class Promotion:
    """What is promoted to what, and the lines that say so."""

    sync: Sync
    field: str
    column: str
    type: str
    annotation: str
    scd: int
    is_personal: bool

    @property
    def contract_line(self) -> str:
        """The field of the contract."""
        kind = "AwareDatetime" if self.annotation == "datetime" else self.annotation
        if self.field == self.column and not self.sync.stream.contract.model_config.get("alias_generator"):
            return f"{self.column}: {kind} | None = None"
        return f"{self.column}: {kind} | None = Field(default=None, alias={_quoted(self.field)})"

    @property
    def model_line(self) -> str:
        """The column of the model."""
        arguments = self.type + f", scd={self.scd}" * (self.scd != 1) + ", pii=True" * self.is_personal
        return f"{self.column}: Mapped[{self.annotation} | None] = attribute({arguments})"

    @property
    def declared(self) -> Column[Any]:
        """The column as the database has it."""
        return Column(self.column, _type_of(self.type))

    @property
    def mapper_line(self) -> str:
        """The field of the mapper."""
        return f'{self.column} = field("{self.column}")'

    def declare(self, modules: Modules) -> None:
        """Add the lines to the classes of the project. Raises DeclarationError where one has no place."""
        mapper = self.sync.mapper
        modules.declare(
            self.sync.stream.contract,
            self.contract_line,
            behind=ast.AnnAssign,
            needs=[*_needed(self.contract_line, _CONTRACT_NAMES)],
        )
        modules.declare(
            mapper.model,
            self.model_line,
            behind=ast.AnnAssign,
            needs=[*_needed(self.model_line, _MODEL_NAMES), *_needed_types(self.type)],
        )
        modules.declare(
            mapper, self.mapper_line, behind=ast.Assign, needs=[*_needed(self.mapper_line, _MAPPER_NAMES)]
        )


_CONTRACT_NAMES: Final = (
    Name("decimal", "Decimal", Decimal),
    Name("datetime", "date", datetime.date),
    Name("pydantic", "AwareDatetime", pydantic.AwareDatetime),
    Name("pydantic", "Field", pydantic.Field),
)
_MODEL_NAMES: Final = (
    Name("decimal", "Decimal", Decimal),
    Name("datetime", "date", datetime.date),
    Name("datetime", "datetime", datetime.datetime),
    Name("sqlalchemy.orm", "Mapped", sqlalchemy.orm.Mapped),
    Name("strandline", "attribute", strandline.model.attribute),
)
_MAPPER_NAMES: Final = (Name("strandline", "field", strandline.model.field),)


def choose(pipelines: Sequence[Pipeline], stream: str, *, model: str | None) -> tuple[Pipeline, Sync]:
    """How the stream fills a dimension, and in which pipeline. Raises DeclarationError unless it does."""
    syncs = [(pipeline, it) for pipeline in pipelines for it in pipeline.syncs]
    theirs = [it for it in syncs if it[1].stream.qualified_name == stream]
    if not theirs:
        raise DeclarationError(
            f"no pipeline reads {stream!r}",
            hint=nearest(stream, {it.stream.qualified_name for _, it in syncs}),
        )
    targets = dict.fromkeys(it.target for _, it in theirs)
    found = {it[1].target: it for it in theirs if issubclass(it[1].model, Dimension)}
    dimensions = list(found)
    if model is not None:
        found = {name: it for name, it in found.items() if name == model}
    if len(found) == 1:
        return next(iter(found.values()))
    raise DeclarationError(
        f"{stream} fills {', '.join(targets)}" + (f", and no dimension {model!r}" if model else ""),
        hint=f"Choose a dimension: --model {dimensions[0]}"
        if dimensions
        else "A field is promoted to a column of a dimension; add a fact's by hand, and replay it.",
    )


def plan(
    sync: Sync,
    field: str,
    *,
    column: str,
    type_: str | None,
    scd: int,
    is_personal: bool | None,
    seen: Sequence[Occurrence],
) -> Promotion:
    """How the field becomes the column. Raises DeclarationError for a name that is taken, a field that was
    never there, and values that no one type holds.

    Unless told, what looks personal by its name is declared with pii=True: an erasure looks for such values
    in what other streams say as well.
    """
    _check_names(sync, field, column)
    if scd not in SCD_TYPES:
        raise DeclarationError(
            f"--scd {scd}: not one of {', '.join(map(str, SCD_TYPES))}",
            hint="Other types bring further columns along: add those by hand.",
        )
    if not seen and type_ is None:
        raise DeclarationError(
            f"{sync.stream.qualified_name}: no record in the raw log carries {field!r}",
            hint=f"strandline fields list {sync.stream.qualified_name} --unknown shows which do;"
            " with --type it is declared all the same.",
        )
    spelled = _propose(field, seen) if type_ is None else _checked(type_)
    if is_personal is None:
        is_personal = looks_personal(field) or looks_personal(column)
    return Promotion(sync, field, column, spelled, _annotation(spelled), scd, is_personal)


def _check_names(sync: Sync, field: str, column: str) -> None:
    contract, model = sync.stream.contract, sync.mapper.model
    if field in set(names_of(contract)):
        raise DeclarationError(
            f"{contract.__name__} names {field!r} already", hint="Map it: it is no custom field."
        )
    if keyword.iskeyword(column) or not COLUMN.fullmatch(column):
        raise DeclarationError(
            f"--to {column}: not a name for a column", hint="Lower case letters, digits and _."
        )
    for owner, names in (
        (contract, contract.model_fields),
        (model, model.table().c.keys()),
        (sync.mapper, vars(sync.mapper)),
    ):
        if column in names or hasattr(owner, column):
            raise DeclarationError(
                f"{owner.__name__} has a {column!r} already", hint="Choose another name with --to."
            )


def _propose(field: str, seen: Sequence[Occurrence]) -> str:
    kinds = {it.type: it for it in seen}
    if len(kinds) > 1 or not kinds.keys() <= {"string", "number", "boolean"}:
        told = ", ".join(f"{it.type} in {it.records:,}" for it in seen)
        raise DeclarationError(
            f"{field} has been {told} of the records, which no one type holds as it is",
            hint="Choose one with --type; the records that do not fit it are rejected."
            if kinds.keys() & {"string", "number", "boolean"}
            else "Declare what is in it by hand: a model in the contract, and a path in the mapper.",
        )
    (kind,) = kinds.values()
    if kind.type == "boolean":
        return "Boolean"
    if kind.type == "number":
        return "BigInteger" if kind.is_whole and kind.longest <= 18 else "Numeric"
    length = next((it for it in LENGTHS if it >= 2 * kind.longest), None)
    return "Text" if length is None else f"String({length})"


def _checked(type_: str) -> str:
    spelled = type_.strip()
    if not TYPE.fullmatch(spelled) or _type_class(spelled) in (None, sqlalchemy.DateTime):
        raise DeclarationError(
            f"--type {type_}: no type that is known here",
            hint="One of SQLAlchemy's or ours, such as String(40), Numeric(18, 2), Date or UtcDateTime.",
        )
    return spelled


def _type_class(spelled: str) -> type[TypeEngine[Any]] | None:
    name = spelled.partition("(")[0]
    for place in (strandline.model, sqlalchemy):
        found = getattr(place, name, None)
        if isinstance(found, type) and issubclass(found, TypeEngine):
            return found
    return None


def _type_of(spelled: str) -> TypeEngine[Any]:
    cls = _type_class(spelled)
    assert cls is not None
    return cls(*(int(it) for it in re.findall(r"\d+", spelled.partition("(")[2])))


def _annotation(spelled: str) -> str:
    type_ = _type_of(spelled)
    python = (type_.impl_instance if isinstance(type_, TypeDecorator) else type_).python_type
    if python not in ANNOTATIONS:
        raise DeclarationError(
            f"--type {spelled}: holds {python.__name__}, which no JSON value becomes by itself",
            hint="Declare the field by hand.",
        )
    return ANNOTATIONS[python]


def _needed(line: str, names: Sequence[Name]) -> Iterator[Name]:
    return (it for it in names if re.search(rf"\b{it.name}\b", line.partition("alias=")[0]))


def _needed_types(spelled: str) -> Iterator[Name]:
    cls, name = _type_class(spelled), spelled.partition("(")[0]
    if cls is not None:
        yield Name("strandline.model" if hasattr(strandline.model, name) else "sqlalchemy", name, cls)


def _quoted(name: str) -> str:
    """As the house style spells it."""
    return repr(name) if '"' in name or "\\" in name else f'"{name}"'
