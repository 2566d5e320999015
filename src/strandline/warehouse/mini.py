"""Mini-dimensions: the key of the combination beside each version of its history, and, for type 5, the
present one on every version of the base.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, func, not_, or_, select, update

from strandline.model.column import UNKNOWN_KEY
from strandline.model.combination import COMBINATION
from strandline.model.mini import History, MiniDimension
from strandline.warehouse import combination
from strandline.warehouse.event import Batch, differ, written


def attach(connection: Connection, batch: Batch, history: type[History]) -> None:
    """Make the staged combinations be there, and give their keys to the versions of the touched members."""
    mini, staged = history.mini, batch.staged.c
    said = select(staged[COMBINATION]).where(not_(staged.is_deleted))
    combination.ensure(connection, dimension=mini, combinations=said, run_id=batch.run_id)
    connection.execute(_fill(batch, mini))


def _fill(batch: Batch, mini: type[MiniDimension]) -> Any:
    table, combined, key = batch.table, mini.table(), mini.key_column()
    version = table.alias("version")
    found = (
        select(
            version.c[batch.key.name].label("version_key"), func.coalesce(key, UNKNOWN_KEY).label("combined")
        )
        .outerjoin(combined, combined.c[COMBINATION] == version.c[COMBINATION])
        .where(version.c.source_system == batch.source_system)
        .where(version.c.source_id.in_(select(batch.event.c.source_id)))
        .subquery("found")
    )
    return (
        update(table)
        .where(batch.key == found.c.version_key, differ([table.c[key.name]], [found.c.combined]))
        .values(**{key.name: found.c.combined, **written(batch)})
    )


def refresh(
    connection: Connection,
    *,
    mini: type[MiniDimension],
    source_system: str,
    members: Select[Any],
    run_id: int,
) -> int:
    """Give every version of these members of the base the combination that the member has now, or had last;
    how many were written.
    """
    base, name = mini.base.table(), mini.key_column().name
    version, latest, key = base.alias("version"), mini.history.table(), mini.base.key_column()
    is_latest = or_(latest.c.is_current, latest.c.is_deleted)
    found = (
        select(
            version.c[key.name].label("version_key"),
            func.coalesce(latest.c[name], UNKNOWN_KEY).label("combined"),
        )
        .outerjoin(
            latest,
            and_(
                latest.c.source_system == version.c.source_system,
                latest.c.source_id == version.c.source_id,
                is_latest,
            ),
        )
        .where(version.c.source_system == source_system, version.c.source_id.in_(members))
        .subquery("found")
    )
    write = (
        update(base)
        .where(key == found.c.version_key, differ([base.c[name]], [found.c.combined]))
        .values(**{name: found.c.combined, "updated_at": func.now(), "run_id": run_id})
    )
    return connection.execute(write).rowcount
