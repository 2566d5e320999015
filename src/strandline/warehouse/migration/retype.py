"""A column that becomes of another type while its table is in use.

PostgreSQL writes all rows anew for most changes of a type, and keeps everybody out meanwhile. So a table that
is large gets a second column beside it, which is written in batches, and by a trigger where somebody else
writes meanwhile; indexes and constraints are built for it, and in the end it takes the first one's place,
with their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from strandline.warehouse.migration import batch, catalog, rule
from strandline.warehouse.migration.comment import comment_on
from strandline.warehouse.migration.work import Place, Work, quote, run, twin
from strandline.warehouse.spelling import TEXT, is_free, narrows

SIZE: Final = "SELECT pg_table_size(to_regclass(:table)) AS bytes"
FOREIGN: Final = """
    SELECT FROM pg_constraint n, pg_attribute a
    WHERE n.contype = 'f' AND a.attrelid = to_regclass(:table) AND a.attname = :column AND (
        (n.conrelid = a.attrelid AND a.attnum = ANY(n.conkey))
        OR (n.confrelid = a.attrelid AND a.attnum = ANY(n.confkey)))
"""
ASSIGNED: Final = """
    SELECT FROM pg_attribute a
    WHERE a.attrelid = to_regclass(:table) AND a.attname = :column AND (
        a.atttypid = to_regtype(:kind)
        OR EXISTS (SELECT FROM pg_cast WHERE castsource = a.atttypid AND casttarget = to_regtype(:kind)
            AND castcontext IN ('a', 'i')))
"""
COMMENT: Final = """
    SELECT col_description(attrelid, attnum) AS comment FROM pg_attribute
    WHERE attrelid = to_regclass(:table) AND attname = :column
"""
# Constraints that an index keeps are told as constraints.
RULES: Final = text("""
    SELECT n.conname AS name, pg_get_constraintdef(n.oid) AS definition, n.contype IN ('p', 'u') AS by_index,
        true AS is_constraint
    FROM pg_constraint n JOIN pg_attribute a ON a.attrelid = n.conrelid AND a.attnum = ANY(n.conkey)
    WHERE n.conrelid = to_regclass(:table) AND a.attname = :column AND n.contype IN ('p', 'u', 'c', 'x')
    UNION ALL
    SELECT x.relname, pg_get_indexdef(x.oid), i.indisunique, false
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = to_regclass(:table)
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = x.oid AND contype IN ('p', 'u', 'x'))
        AND EXISTS (
            SELECT FROM pg_depend d, pg_attribute a
            WHERE d.objid = x.oid AND d.refobjid = i.indrelid
                AND a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attname = :column)
""")


@dataclass(frozen=True)
class Rule:
    """An index or a constraint that the column is part of, told of the column beside it."""

    name: str
    definition: str
    is_constraint: bool
    by_index: bool


def change(work: Work, at: Place, column: str, becomes: str, *, using: str | None) -> None:
    """Change it."""
    there = catalog.columns(work, at).get(column)
    if there is not None and there.type == becomes:
        return
    if there is not None and narrows(there.type, becomes):
        work.destroy(f"narrows {at}.{column} from {there.type} to {becomes}")
    value = using or _value(work, at, column, becomes)
    if there is None or _is_quick(work, at, there, becomes, using=using):
        how = "" if value == quote(column) else f" USING {value}"
        work.short(f"ALTER TABLE {at.sql} ALTER COLUMN {quote(column)} TYPE {becomes}{how}", on=at)
        return
    _Beside(work, at, there, becomes).take_place(value)


def _value(work: Work, at: Place, column: str, becomes: str) -> str:
    """What is assigned, where that can be done; a cast would cut a text that is too long without a word."""
    kind = becomes.partition("(")[0].strip()
    is_assigned = kind in TEXT or work.ask(ASSIGNED, table=at.sql, column=column, kind=kind)
    return quote(column) if is_assigned else f"{quote(column)}::{becomes}"


def _is_quick(work: Work, at: Place, there: Any, becomes: str, *, using: str | None) -> bool:
    """Whether it takes no time, or the table is small, or there is no other way."""
    if using is None and is_free(there.type, becomes):
        return True
    has_others = there.has_identity or bool(work.ask(FOREIGN, table=at.sql, column=there.name))
    (size,) = work.ask(SIZE, table=at.sql)
    return has_others or bool(size.bytes <= work.patience.small)


class _Beside:
    """The column that is built beside another one."""

    def __init__(self, work: Work, at: Place, there: Any, becomes: str) -> None:
        self.work = work
        self.at = at
        self.there = there
        self.becomes = becomes
        self.name = twin(there.name)
        self.alter = f"ALTER TABLE {at.sql}"
        self.follower = Place(at.schema, twin(f"{at.name}_{there.name}")).sql

    def take_place(self, value: str) -> None:
        """Build it, and let it take the other one's place."""
        work, at, old = self.work, self.at, str(self.there.name)
        if self.name not in catalog.columns(work, at):
            add = f"{self.alter} ADD COLUMN {quote(self.name)} {self.becomes}"
            work.short(add, *self._followed(value), on=at)
        batch.write(work, at, {self.name: value}, where=f"{quote(old)} IS NOT NULL")
        if self.there.is_required:
            rule.require(work, at, self.name)
        rules = work.glance(self._rules, on=at)
        for it in rules:
            self._build(it)
        (comment,) = work.ask(COMMENT, table=at.sql, column=old)
        work.short(
            f"DROP FUNCTION IF EXISTS {self.follower}() CASCADE",  # with its trigger
            f"{self.alter} DROP COLUMN {quote(old)}",
            f"{self.alter} RENAME COLUMN {quote(self.name)} TO {quote(old)}",
            *self._default(is_assigned=value == quote(old)),
            *(statement for it in rules for statement in self._named(it)),
            *([comment_on(at, comment.comment, column=old)] if comment.comment else []),
            on=at,
        )

    def _followed(self, value: str) -> list[str]:
        """What others write meanwhile is written to the new column too."""
        name = quote(self.name)
        body = f"BEGIN NEW.{name} := (SELECT {value} FROM (SELECT NEW.*) AS it); RETURN NEW; END"  # noqa: S608  # as the revision says
        returns = "RETURNS trigger LANGUAGE plpgsql"
        fires = "FOR EACH ROW EXECUTE FUNCTION"
        return [
            f"CREATE OR REPLACE FUNCTION {self.follower}() {returns} AS $follow$ {body} $follow$",
            f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {self.at.sql} {fires} {self.follower}()",
        ]

    def _rules(self, connection: Connection) -> Sequence[Rule]:
        """What the column is part of: PostgreSQL tells it of the new name itself, once it has that for a
        moment.
        """
        old = str(self.there.name)
        run(connection, f"{self.alter} RENAME COLUMN {quote(self.name)} TO {quote(twin(self.name))}")
        run(connection, f"{self.alter} RENAME COLUMN {quote(old)} TO {quote(self.name)}")
        found = connection.execute(RULES, {"table": self.at.sql, "column": self.name}).all()
        return [
            Rule(
                it.name,
                it.definition.removesuffix(catalog.NOT_VALID)
                if it.is_constraint
                else catalog.index_definition(it.definition, is_unique=it.by_index),
                it.is_constraint,
                it.by_index,
            )
            for it in found
        ]

    def _build(self, it: Rule) -> None:
        if not it.is_constraint:
            rule.build_index(self.work, self.at, twin(it.name), it.definition)
        elif it.by_index:
            rule.build_index(self.work, self.at, twin(it.name), rule.index_of(it.definition))
        elif it.definition.startswith("CHECK"):
            rule.add(self.work, self.at, twin(it.name), it.definition)

    def _named(self, it: Rule) -> list[str]:
        name, built = quote(it.name), quote(twin(it.name))
        if not it.is_constraint:
            return [f"ALTER INDEX {Place(self.at.schema, twin(it.name)).sql} RENAME TO {name}"]
        if it.by_index:
            return [f"{self.alter} ADD {rule.by_index(it.name, it.definition, index=twin(it.name))}"]
        if it.definition.startswith("CHECK"):
            return [f"{self.alter} RENAME CONSTRAINT {built} TO {name}"]
        return [f"{self.alter} ADD CONSTRAINT {name} {it.definition}"]

    def _default(self, *, is_assigned: bool) -> list[str]:
        if self.there.default is None:
            return []
        default = self.there.default if is_assigned else f"({self.there.default})::{self.becomes}"
        return [f"{self.alter} ALTER COLUMN {quote(self.there.name)} SET DEFAULT {default}"]
