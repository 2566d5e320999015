"""Rows that are changed a batch at a time, each in a transaction of its own, and none of them twice.

How far it is stands in the journal, moved in the transaction of the batch. So what is broken off goes on
there, also where a second time would not give the same as once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from strandline.errors import DeclarationError
from strandline.warehouse.migration import journal
from strandline.warehouse.migration.work import Place, Work, current, literal, quote, run

KEY: Final = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attnum = k.attnum
    WHERE i.indrelid = to_regclass(:table) AND i.indisprimary AND a.attrelid = i.indrelid
    ORDER BY k.place
"""

Key = Sequence[tuple[str, str]]
"""The columns of a primary key, with their types."""


def fill(table: str, column: str, value: str, *, schema: str, where: str | None = None) -> None:
    """Give the rows that have nothing in the column this value, in SQL; of them only `where`."""
    work, at = current(), Place(schema, table)
    with work.step(f"fill {at}.{column}") as is_due:
        if is_due:
            is_empty = f"{quote(column)} IS NULL"
            write(work, at, {column: value}, where=f"({where}) AND {is_empty}" if where else is_empty)


def update(table: str, values: Mapping[str, str], *, schema: str, where: str = "true") -> None:
    """Give these columns of the rows, or of those `where`, these values, in SQL; each row once."""
    work, at = current(), Place(schema, table)
    with work.step(f"update {at}: {', '.join(values)}") as is_due:
        if is_due:
            write(work, at, values, where=where)


def write(work: Work, at: Place, values: Mapping[str, str], *, where: str) -> None:
    """Write them in the order of the table's primary key, on from where an earlier attempt ended."""
    becomes = ", ".join(f"{quote(name)} = {value}" for name, value in values.items())
    if work.database is None:
        work.short(f"UPDATE {at.sql} SET {becomes} WHERE {where}", on=at)  # noqa: S608  # as the revision says
        return
    key = [(it.name, it.type) for it in work.ask(KEY, table=at.sql)]
    if not key:
        raise DeclarationError(
            f"{at} has no primary key, by which its rows could be changed in batches",
            hint="Change them by op.execute(…), in one transaction.",
        )
    change = f"UPDATE {at.sql} SET {becomes} WHERE ({where})"  # noqa: S608  # as the revision says
    while work.write(lambda connection: _go_on(work, connection, at, key, change), on=at):
        pass


def _go_on(work: Work, connection: Connection, at: Place, key: Key, change: str) -> bool:
    """Change one more batch; whether there was any."""
    begin = journal.position(connection, work.revision, work.number)
    behind = "true" if begin is None else f"{_row(key)} > {_values(key, begin)}"
    names = ", ".join(quote(name) for name, _ in key)
    ordered = f"SELECT {names} FROM {at.sql} WHERE {behind} ORDER BY {names} LIMIT {work.patience.batch}"  # noqa: S608  # of the catalog's names
    last = ", ".join(f"{quote(name)}::text" for name, _ in key)
    downwards = ", ".join(f"{quote(name)} DESC" for name, _ in key)
    end = run(connection, f"SELECT {last} FROM ({ordered}) AS batch ORDER BY {downwards} LIMIT 1").first()  # noqa: S608  # the same
    if end is None:
        return False
    changed = run(connection, f"{change} AND {behind} AND {_row(key)} <= {_values(key, end)}").rowcount
    journal.move(connection, work.revision, work.number, position=list(end), rows=changed)
    return True


def _row(key: Key) -> str:
    return f"({', '.join(quote(name) for name, _ in key)})"


def _values(key: Key, values: Sequence[str]) -> str:
    typed = (f"{literal(value)}::{type_}" for value, (_, type_) in zip(values, key, strict=True))
    return f"({', '.join(typed)})"
