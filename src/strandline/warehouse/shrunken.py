"""Shrunken rollup dimensions, kept up with their base: the combinations that its versions have, and the key
of each version's own.

Values are compared as what they are, and NULL equals NULL. That alone could not be joined by hashing, so the
text of the values is compared first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    select,
    type_coerce,
    update,
)

from strandline.model.column import UNKNOWN_KEY
from strandline.model.combination import stored_type
from strandline.model.shrunken import ShrunkenDimension
from strandline.warehouse import combination
from strandline.warehouse.event import differ


def refresh(
    connection: Connection,
    shrunken: type[ShrunkenDimension],
    *,
    touched: ColumnElement[bool],
    run_id: int,
) -> int:
    """Bring the rollup up to the touched versions (a condition on the base's table); how many of these got
    another key.
    """
    _ensure(connection, shrunken, touched=touched, run_id=run_id)
    base, key = shrunken.base.table(), shrunken.key_column()
    version, row = base.alias("version"), shrunken.table().alias("rolled_up")
    names = [column.name for column in shrunken.attributes()]
    is_there = _same([version.c[name] for name in names], [row.c[name] for name in names])
    inferred = version.c.is_inferred
    found = case((inferred, UNKNOWN_KEY), else_=func.coalesce(row.c[key.name], UNKNOWN_KEY))
    base_key = shrunken.base.key_column()
    wanted = (
        select(version.c[base_key.name].label("version_key"), found.label("rolled_up_key"))
        .outerjoin(row, and_(row.c[key.name] > 0, is_there))
        .where(version.c[base_key.name].in_(select(base_key).where(touched, base_key > 0)))
        .subquery("wanted")
    )
    write = (
        update(base)
        .where(base_key == wanted.c.version_key, differ([base.c[key.name]], [wanted.c.rolled_up_key]))
        .values({key.name: wanted.c.rolled_up_key, "updated_at": func.now(), "run_id": run_id})
    )
    return connection.execute(write).rowcount


def _ensure(
    connection: Connection,
    shrunken: type[ShrunkenDimension],
    *,
    touched: ColumnElement[bool],
    run_id: int,
) -> None:
    """Add the combinations of the touched versions that are not there; only these pass through Python."""
    base, row = shrunken.base.table(), shrunken.table()
    columns = shrunken.attributes()
    said = (
        select(*(base.c[column.name] for column in columns))
        .where(touched, not_(base.c.is_inferred), shrunken.base.key_column() > 0)
        .distinct()
        .subquery("said")
    )
    is_there = _same(list(said.c), [row.c[column.name] for column in columns])
    known = select(literal(1)).where(shrunken.key_column() > 0, is_there).exists()
    bare = (type_coerce(said.c[it.name], stored_type(it.type)).label(it.name) for it in columns)
    combination.add(
        connection,
        dimension=shrunken,
        combinations=[shrunken.text_of(values) for values in connection.execute(select(*bare).where(~known))],
        run_id=run_id,
    )


def _same(one: Sequence[ColumnElement[Any]], other: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    texts = (_text(left) == _text(right) for left, right in zip(one, other, strict=True))
    return and_(*texts, not_(differ(one, other)))


def _text(value: ColumnElement[Any]) -> ColumnElement[str]:
    return func.coalesce(cast(value, Text), "")
