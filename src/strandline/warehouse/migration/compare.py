"""How a table that is there becomes what its model says, and back: steps of a revision."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from strandline.warehouse.migration import render
from strandline.warehouse.migration.render import Code, call
from strandline.warehouse.migration.shape import ColumnShape, Shape
from strandline.warehouse.spelling import narrows

SCHEMA, GONE, RENAME, TABLE, COLUMN, ALTER, RULE, UNRULE, DROP, DROP_TABLE, VIEW = range(11)
"""The order of steps on the way up; on the way down it is the other way round."""

OURS: Final = ("pk", "uq", "ix", "ck", "fk")
"""How the names of our constraints and indexes begin."""


@dataclass(frozen=True)
class Change:
    """One difference, as words and as steps."""

    rank: int
    what: str
    up: tuple[str, ...]
    down: tuple[str, ...] = ()
    loses: str | None = None
    """Which data it takes away."""
    loses_back: str | None = None
    """Which data taking it back takes away."""
    back: float | None = None
    """Its place on the way down, where that is not the one on the way up."""


@dataclass(frozen=True)
class Hints:
    """What a comparison cannot know."""

    renames: Mapping[str, str] = field(default_factory=dict)
    """From `table` or `table.column` to the name that it has now."""
    fills: Mapping[str, str] = field(default_factory=dict)
    """From `table.column` to what the rows that are there get, in SQL."""
    drops: bool = False
    """Whether what no model has any more is dropped."""


@dataclass(frozen=True)
class Pair:
    """A table as it is, and as it is to be."""

    layer: str
    name: str
    there: Shape
    wanted: Shape
    hints: Hints
    fills: Mapping[str, str]
    """What the rows that are there get in columns that are new, where the model knows."""
    not_applicable: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What the member -2 gets in them, and by which condition it is found."""
    model: str | None = None
    before: str | None = None
    """What the table was called."""

    @property
    def at(self) -> str:
        """As it is told."""
        return f"{self.layer}.{self.name}"

    @property
    def schema(self) -> Code:
        """As it is written."""
        return render.schema(self.layer)

    def step(self, name: str, *values: Any, **named: Any) -> str:
        """A step on the table."""
        return call(name, self.name, *values, **named, schema=self.schema)

    def rule(self, name: str, *values: Any) -> str:
        """A step on a constraint or index of the table, which stands behind its name."""
        first, *rest = values
        return call(name, first, *rest, schema=self.schema)


def renamed(pair: Pair) -> tuple[Pair, list[Change]]:
    """The pair after the columns, constraints and indexes have got the names that they are to have."""
    changes = []
    for old, new in _renames(pair):
        changes.append(
            Change(
                RENAME,
                f"{pair.at}.{old} is called {new}",
                (pair.step("rename_column", old, new, model=pair.model),),
                (pair.step("rename_column", new, old, model=pair.model),),
            )
        )
        pair = replace(pair, there=_with_name(pair.there, old, new))
    for kind in ("constraint", "index"):
        there, wanted = _rules(pair.there, kind), _rules(pair.wanted, kind)
        for old, new in _same_rules(there, wanted):
            up, down = (
                call(f"rename_{kind}", first, second, pair.name, schema=pair.schema)
                for first, second in ((old, new), (new, old))
            )
            changes.append(Change(RENAME, f"{old} of {pair.at} is called {new}", (up,), (down,)))
            there = {new if name == old else name: it for name, it in there.items()}
        pair = replace(pair, there=_with_rules(pair.there, kind, there))
    return pair, changes


def _renames(pair: Pair) -> Iterator[tuple[str, str]]:
    """What is told to be renamed, and what belongs to it: `name` takes `previous_name` along."""
    for told, new in pair.hints.renames.items():
        table, _, old = told.partition(".")
        if table in (pair.name, pair.before) and old:
            for spelled in ("{}", "previous_{}", "{}_changed_at", "current_{}"):
                before, after = spelled.format(old), spelled.format(new)
                if _is_renamed(pair.there.columns, pair.wanted.columns, before, after):
                    yield before, after


def _is_renamed(there: Container[str], wanted: Container[str], before: str, after: str) -> bool:
    return before in there and after in wanted and before not in wanted and after not in there


def _with_name(shape: Shape, old: str, new: str) -> Shape:
    token = re.compile(rf"(?<![\w$\"']){re.escape(old)}(?![\w$\"'(])|\"{re.escape(old)}\"")
    columns = {
        new if name == old else name: replace(it, name=new) if name == old else it
        for name, it in shape.columns.items()
    }
    constraints = {name: token.sub(new, it) for name, it in shape.constraints.items()}
    indexes = {name: token.sub(new, it) for name, it in shape.indexes.items()}
    return replace(shape, columns=columns, constraints=constraints, indexes=indexes)


def _rules(shape: Shape, kind: str) -> dict[str, str]:
    return dict(shape.constraints if kind == "constraint" else shape.indexes)


def _with_rules(shape: Shape, kind: str, rules: Mapping[str, str]) -> Shape:
    return replace(shape, constraints=rules) if kind == "constraint" else replace(shape, indexes=rules)


def _same_rules(there: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    spare = {name: it for name, it in there.items() if name not in wanted}
    for new, definition in wanted.items():
        if new not in there and (old := next((n for n, it in spare.items() if it == definition), None)):
            del spare[old]
            yield old, new


def table_changes(pair: Pair) -> Iterator[Change]:
    """Every difference, once names are the same."""
    there, wanted = pair.there, pair.wanted
    for name, it in wanted.columns.items():
        if name in there.columns:
            yield from _column_changes(pair, there.columns[name], it)
        else:
            yield _new_column(pair, it)
    for name, it in there.columns.items():
        if name not in wanted.columns:
            yield from _gone_column(pair, it)
    for kind in ("constraint", "index"):
        yield from _rule_changes(pair, kind)
    if there.comment != wanted.comment:
        up, down = (
            pair.step("comment_table", it.comment) if it.comment else pair.step("comment_table", Code("None"))
            for it in (wanted, there)
        )
        yield Change(ALTER, f"{pair.at} has another comment", (up,), (down,))


def unfilled(pair: Pair) -> list[str]:
    """The columns that are new, must be filled, and of which nobody knows with what."""
    return [
        f"{pair.name}.{it.name}"
        for it in pair.wanted.columns.values()
        if it.name not in pair.there.columns
        and (it.is_required or it.name in pair.fills)
        and it.default is None
        and not (it.identity or it.generated)
        and _fill(pair, it.name) is None
    ]


def _fill(pair: Pair, column: str) -> str | None:
    return pair.hints.fills.get(f"{pair.name}.{column}") or pair.fills.get(column) or None


def _new_column(pair: Pair, it: ColumnShape) -> Change:
    fill = _fill(pair, it.name)
    up = [pair.step("add_column", render.column(it), fill=fill)]
    if it.name in pair.not_applicable and fill == pair.fills.get(it.name):
        word, where = pair.not_applicable[it.name]
        up.append(pair.step("update", {it.name: word}, where=where))
    return Change(
        COLUMN,
        f"{pair.at}.{it.name} is not there",
        tuple(up),
        (pair.step("drop_column", it.name),),
        loses_back=f"drops the column {pair.at}.{it.name}",
    )


def _gone_column(pair: Pair, it: ColumnShape) -> Iterator[Change]:
    if pair.hints.drops:
        is_asked_for = any(f"{it.name} IS NOT NULL" in rule for rule in pair.there.constraints.values())
        fill = stand_in(it.type) if (it.is_required and it.default is None) or is_asked_for else None
        yield Change(
            DROP,
            f"{pair.at}.{it.name} is in no model",
            (pair.step("drop_column", it.name),),
            (pair.step("add_column", render.column(it), fill=fill),),
            loses=f"drops the column {pair.at}.{it.name}",
        )
    elif it.is_required and it.default is None:
        what = f"{pair.at}.{it.name} must be filled, and no model has it"
        step = pair.step("release_column", it.name)
        yield Change(ALTER, what, (step,), (pair.step("require_column", it.name),))


STAND_INS: Final = {
    "boolean": "false",
    "date": "'1900-01-01'",
    "jsonb": "'{}'",
    "json": "'{}'",
    "bytea": "''",
}


def stand_in(type_: str) -> str:
    """What stands in a column that must be filled, where what was in it is lost."""
    if type_.startswith(("character", "text")):
        length = re.search(r"\((\d+)\)", type_)
        return f"'{'Unknown'[: int(length[1])] if length else 'Unknown'}'"
    if type_.startswith("timestamp"):
        return "'1900-01-01'"
    return STAND_INS.get(type_, "0")


def _column_changes(pair: Pair, there: ColumnShape, wanted: ColumnShape) -> Iterator[Change]:
    name, at = wanted.name, f"{pair.at}.{wanted.name}"
    if there.type != wanted.type:
        lost, lost_back = (
            f"narrows {at} from {old} to {new}" if narrows(old, new) else None
            for old, new in ((there.type, wanted.type), (wanted.type, there.type))
        )
        up, down = (pair.step("change_type", name, render.type_(it)) for it in (wanted, there))
        what = f"{at} is {there.type} and not {wanted.type}"
        # Checks and indexes are told in terms of the type, so they come behind it in both directions.
        yield Change(ALTER, what, (up,), (down,), loses=lost, loses_back=lost_back, back=DROP - 0.5)
    if there.is_required != wanted.is_required:
        yield _required(pair, name, is_required=wanted.is_required)
    if there.default != wanted.default and not wanted.generated:
        up, down = (
            pair.step("set_default", name, Code("None") if it.default is None else it.default)
            for it in (wanted, there)
        )
        yield Change(ALTER, f"{at} has another default", (up,), (down,))
    if there.comment != wanted.comment:
        up, down = (
            pair.step("comment_column", name, Code("None") if it.comment is None else it.comment)
            for it in (wanted, there)
        )
        yield Change(ALTER, f"{at} has another comment", (up,), (down,))


def _required(pair: Pair, name: str, *, is_required: bool) -> Change:
    require, release = pair.step("require_column", name), pair.step("release_column", name)
    fill = pair.hints.fills.get(f"{pair.name}.{name}")
    if not is_required:
        return Change(ALTER, f"{pair.at}.{name} may be empty", (release,), (require,))
    first = [] if fill is None else [pair.step("fill", name, fill)]
    return Change(ALTER, f"{pair.at}.{name} must be filled", (*first, require), (release,))


def _rule_changes(pair: Pair, kind: str) -> Iterator[Change]:
    there, wanted = _rules(pair.there, kind), _rules(pair.wanted, kind)
    make = "add_constraint" if kind == "constraint" else "create_index"

    def made(name: str, definition: str) -> str:
        return call(make, name, pair.name, definition, schema=pair.schema)

    def dropped(name: str) -> str:
        return call(f"drop_{kind}", name, pair.name, schema=pair.schema)

    for name, definition in wanted.items():
        before = there.get(name)
        if before is None:
            yield Change(
                RULE, f"{name} of {pair.at} is not there", (made(name, definition),), (dropped(name),)
            )
        elif before != definition:
            what = f"{name} of {pair.at} is {before} and not {definition}"
            yield Change(RULE, what, (made(name, definition),), (made(name, before),))
        elif name in pair.there.unproven:
            yield Change(RULE, f"{name} of {pair.at} was left half done", (made(name, definition),))
    for name, definition in there.items():
        if name not in wanted and _is_ours(name, pair.name):
            what = f"{name} of {pair.at} is in no model"
            yield Change(UNRULE, what, (dropped(name),), (made(name, definition),))


def _is_ours(name: str, table: str) -> bool:
    """What an administrator has added stays."""
    return any(name.startswith(f"{kind}_{table}") for kind in OURS)
