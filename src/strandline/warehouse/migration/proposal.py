"""What a revision would have to do: models and views compared with the database that stands at the head."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, Table, select, text
from sqlalchemy.schema import sort_tables

from strandline.errors import DeclarationError
from strandline.model.base import OWN, snake_case
from strandline.model.path import nearest
from strandline.warehouse import state
from strandline.warehouse.database import Database
from strandline.warehouse.migration import compare, render, shape
from strandline.warehouse.migration.compare import Change, Hints, Pair
from strandline.warehouse.migration.render import call
from strandline.warehouse.migration.shape import Shape
from strandline.warehouse.migration.wanted import OF_CURRENT, OF_LOG, Fills, View, Wanted, managed_schemas
from strandline.warehouse.migration.work import quote

VIEWS: Final = text("""
    SELECT n.nspname AS schema, c.relname AS name, obj_description(c.oid, 'pg_class') AS comment,
        pg_get_viewdef(c.oid) AS query
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname = ANY(:schemas)
    ORDER BY n.nspname, c.relname
""")
Key = tuple[str, str]
"""Layer, or schema, and name."""


@dataclass(frozen=True)
class Proposal:
    """The steps that are due, in their order, and what is left as it is."""

    changes: Sequence[Change] = ()
    left: Sequence[str] = ()
    unfilled: Sequence[str] = field(default=())

    @property
    def told(self) -> list[str]:
        """The differences in words."""
        return [it.what for it in self.changes if it.what]

    def lines(self, *, is_upgrade: bool) -> list[str]:
        """The steps as Python."""
        if is_upgrade:
            return [line for it in self.changes for line in it.up]
        back = [*reversed(self.changes)]
        back.sort(key=lambda it: -it.rank if it.back is None else -it.back)
        return [line for it in back for line in it.down]

    def loses(self, *, is_upgrade: bool) -> list[str]:
        """What data goes."""
        found = [it.loses if is_upgrade else it.loses_back for it in self.changes]
        return [it for it in found if it is not None]


def propose(
    database: Database,
    connection: Connection,
    wanted: Wanted,
    *,
    hints: Hints | None = None,
    is_first: bool = False,
    has_made: Mapping[str, str] | None = None,
) -> Proposal:
    """What is due, where the database stands at the head; the first revision makes everything. The connection
    has no transaction. `has_made` is the text of the revisions by file: what they name is ours to drop.

    Raises DeclarationError for a hint that fits nothing.
    """
    comparison = Comparison(database, wanted, hints or Hints(), is_first=is_first, has_made=has_made or {})
    return comparison.proposal(connection)


class Comparison:
    """One comparison of models and database."""

    def __init__(
        self,
        database: Database,
        wanted: Wanted,
        hints: Hints,
        *,
        is_first: bool,
        has_made: Mapping[str, str],
    ) -> None:
        self.database = database
        self.wanted = wanted
        self.hints = hints
        self.is_first = is_first
        self.written = "\n".join(has_made.values())
        self.names = database.schemas.model_dump()
        self.left: list[str] = []
        self.unfilled: list[str] = []
        self.touched: set[Key] = set()
        """The tables of which no view may be there while they change."""
        self.before: dict[Key, str] = {}
        """What renamed tables were called."""
        self.noted: list[str] = []
        """The names of models that runs have noted."""

    def proposal(self, connection: Connection) -> Proposal:
        """What is due."""
        shapes = shape.declared(connection, self.wanted.tables)
        with connection.begin():
            schemas, there = self._read(connection)
            views = [] if self.is_first else self._views_there(connection)
            self.noted = self._noted(connection, there)
        self._check_hints(shapes, there)
        changes = [*self._schemas(schemas), *self._tables(shapes, there)]
        changes += self._views(views)
        changes.sort(key=lambda it: it.rank)
        return Proposal(changes, self.left, self.unfilled)

    def _read(self, connection: Connection) -> tuple[set[str], dict[Key, Shape]]:
        there: dict[Key, Shape] = {}
        schemas = set(connection.scalars(text("SELECT nspname FROM pg_namespace")))
        if self.is_first:
            return set(), {}
        for layer in managed_schemas(self.wanted.tables):
            actual = self.names.get(layer, layer)
            known = [it for it in shape.tables_in(connection, actual) if self._is_known(layer, it)]
            for name, it in shape.read(connection, actual, known).items():
                there[layer, name] = self._with_layers(it)
        return schemas, there

    def _noted(self, connection: Connection, there: Mapping[Key, Shape]) -> list[str]:
        if (OWN, state.inception.name) not in there:
            return []
        return list(connection.scalars(select(state.inception.c.model)))

    def _is_known(self, layer: str, name: str) -> bool:
        """Whether it is in the models, or in a revision; what others have made is theirs."""
        wanted = any(it.name == name and it.schema == layer for it in self.wanted.tables)
        return wanted or f'"{name}"' in self.written

    def _with_layers(self, found: Shape) -> Shape:
        """With the layers' names in what refers to other tables."""
        rules = {
            name: self._bare(it) if it.startswith("FOREIGN KEY") else it
            for name, it in found.constraints.items()
        }
        return replace(found, constraints=rules)

    def _bare(self, written: str) -> str:
        for layer, actual in self.names.items():
            written = re.sub(rf"(?<![\w.\"]){re.escape(quote(actual))}\.", f"{{{layer}}}.", written)
        return written

    def _check_hints(self, shapes: Mapping[Key, Shape], there: Mapping[Key, Shape]) -> None:
        for told, new in self.hints.renames.items():
            table, _, column = told.partition(".")
            before = {name: it for (_, name), it in there.items()}
            now = {name: it for (_, name), it in shapes.items()}
            known = before[table].columns if column and table in before else before
            if (column or table) not in known:
                raise DeclarationError(
                    f"--rename {told}:{new}: there is no {told}", hint=nearest(column or table, known)
                )
            kept = now.get(self.hints.renames.get(table, table))
            becomes = (kept.columns if kept else {}) if column else now
            if new not in becomes:
                raise DeclarationError(
                    f"--rename {told}:{new}: no model has {new}", hint=nearest(new, becomes)
                )
        for told in self.hints.fills:
            table, _, column = told.partition(".")
            if not any(name == table and column in it.columns for (_, name), it in shapes.items()):
                raise DeclarationError(f"--fill {told}: no model has it", hint="--fill fact_order.discount=0")

    def _schemas(self, there: set[str]) -> Iterator[Change]:
        for layer in managed_schemas(self.wanted.tables):
            if self.names.get(layer, layer) not in there:
                name = render.schema(layer)
                yield Change(compare.SCHEMA, f"schema {layer} is not there", (call("create_schema", name),))

    def _tables(self, shapes: Mapping[Key, Shape], there: dict[Key, Shape]) -> Iterator[Change]:
        for table in sort_tables(self.wanted.tables):
            key = str(table.schema), table.name
            yield from self._renamed_table(table, there)
            if key in there:
                yield from self._pair(table, shapes[key], there[key])
            else:
                yield _new_table(key, shapes[key])
        wanted = {(str(it.schema), it.name) for it in self.wanted.tables}
        for key, it in there.items():
            if key not in wanted:
                yield from self._gone_table(key, it)

    def _renamed_table(self, table: Table, there: dict[Key, Shape]) -> Iterator[Change]:
        layer, name = key = str(table.schema), table.name
        for old, new in self.hints.renames.items():
            if new != name or (layer, old) not in there:
                continue
            there[key] = there.pop((layer, old))
            self.touched |= {(layer, old), key}
            self.before[key] = old
            calls = [
                call("rename_table", first, second, schema=render.schema(layer))
                for first, second in ((old, new), (new, old))
            ]
            model = self.wanted.models.get(table)
            if model is not None:
                was = self._model_of(old)
                calls[0] += "\n" + call("rename_model", was, model)
                calls[1] += "\n" + call("rename_model", model, was)
            yield Change(compare.RENAME, f"{layer}.{old} is called {new}", (calls[0],), (calls[1],))

    def _model_of(self, table: str) -> str:
        """What the model of this table was called, by what runs have noted, or by its name."""
        noted = (it for it in self.noted if snake_case(it) == table)
        return next(noted, "".join(part.title() for part in table.split("_")))

    def _pair(self, table: Table, wanted: Shape, there: Shape) -> Iterator[Change]:
        fills = self.wanted.fills.get(table, Fills())
        key = str(table.schema), table.name
        pair = Pair(
            *key,
            there,
            wanted,
            self.hints,
            fills.values,
            fills.not_applicable,
            self.wanted.models.get(table),
            self.before.get(key),
        )
        pair, changes = compare.renamed(pair)
        changes += compare.table_changes(pair)
        self.unfilled += compare.unfilled(pair)
        if not self.hints.drops:
            gone = [name for name in pair.there.columns if name not in wanted.columns]
            self.left += [f"{pair.at}.{name} is in no model" for name in gone]
        if any(it.rank in (compare.RENAME, compare.DROP) or it.loses or it.loses_back for it in changes):
            self.touched.add((pair.layer, pair.name))
        yield from changes

    def _gone_table(self, key: Key, it: Shape) -> Iterator[Change]:
        layer, name = key
        if not self.hints.drops:
            self.left.append(f"{layer}.{name} is in no model")
            return
        self.touched.add(key)
        drop = call("drop_table", name, schema=render.schema(layer))
        loses = f"drops the table {layer}.{name}"
        made = render.table(layer, name, it)
        yield Change(compare.DROP_TABLE, f"{layer}.{name} is in no model", (drop,), (made,), loses=loses)

    def _views_there(self, connection: Connection) -> list[View]:
        layers = {actual: layer for layer, actual in self.names.items()}
        found = []
        for it in connection.execute(VIEWS, {"schemas": list(layers)}):
            if it.comment and (says := re.fullmatch(r"(.+) \([0-9a-f]{16}\)", it.comment)):
                query = " ".join(self._bare(it.query).removesuffix(";").split())
                found.append(_Made(layers[it.schema], it.name, query, says[1], "", it.comment))
        return [it for it in found if _is_ours(it)]

    def _views(self, there: Iterable[View]) -> Iterator[Change]:
        known = {(it.layer, it.name): it for it in there}
        wanted = {(it.layer, it.name): it for it in self.wanted.views}
        if any(it.layer == "raw" for it in wanted.values()) and not any(layer == "raw" for layer, _ in known):
            yield Change(
                compare.TABLE, "the functions of raw logs are not there", (call("raw_log_functions"),)
            )
        for key, view in wanted.items():
            old = known.get(key)
            is_touched = (view.layer, view.of) in self.touched
            if old is None or old.comment != view.comment or is_touched:
                yield from _changed_view(old, view, is_touched=is_touched)
        for key, old in known.items():
            if key not in wanted:
                yield Change(
                    compare.GONE,
                    f"view {old.layer}.{old.name} is in no model",
                    (_dropped(old),),
                    (_made(old),),
                )


@dataclass(frozen=True)
class _Made(View):
    """A view that is there."""

    made_from: str = ""

    @property
    def comment(self) -> str:
        return self.made_from


def _is_ours(view: View) -> bool:
    patterns = (re.escape(it).replace(r"\{\}", ".+") for it in (OF_CURRENT, OF_LOG))
    return any(re.fullmatch(it, view.says) for it in patterns)


def _changed_view(old: View | None, view: View, *, is_touched: bool) -> Iterator[Change]:
    """A table whose columns change lets no view stand on it meanwhile; else one takes the other's place."""
    what = f"view {view.layer}.{view.name} is {'not there' if old is None else 'another one'}"
    if old is not None and is_touched:
        yield Change(compare.GONE, what, (_dropped(old),), (_made(old),))
        yield Change(compare.VIEW, "", (_made(view),), (_dropped(view),))
    else:
        yield Change(compare.VIEW, what, (_made(view),), (_dropped(view) if old is None else _made(old),))


def _made(view: View) -> str:
    schema = render.schema(view.layer)
    return call("create_view", view.name, view.query, comment=view.comment, schema=schema)


def _dropped(view: View) -> str:
    return call("drop_view", view.name, schema=render.schema(view.layer))


def _new_table(key: Key, wanted: Shape) -> Change:
    layer, name = key
    drop = call("drop_table", name, schema=render.schema(layer))
    return Change(
        compare.TABLE,
        f"{layer}.{name} is not there",
        (render.table(layer, name, wanted),),
        (drop,),
        loses_back=f"drops the table {layer}.{name}",
    )
