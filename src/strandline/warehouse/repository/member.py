"""What application code says of members, merged as a load's records are: by the same statements, in the same
order, with the facts, hierarchies, outriggers and aggregates that follow.

Beside a load there is no raw log, so nothing is late, nothing is replayed, and no run has written it:
`run_id` is 0, and the audit dimension says that no load is behind the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Connection, DateTime, Table, Text, and_, insert, select

from strandline.model.column import NOT_APPLICABLE_KEY
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact, facts_of
from strandline.model.hierarchy import hierarchies_of
from strandline.model.mini import outriggers_of
from strandline.model.shrunken import shrunken_of
from strandline.warehouse import (
    audit,
    bridge,
    custom,
    document,
    event,
    hierarchy,
    key,
    mini,
    outrigger,
    scd,
    shrunken,
    temporary,
    touched,
)
from strandline.warehouse.database import Database
from strandline.warehouse.late import LATE_MEMBER
from strandline.warehouse.repository.protocol import Staged

NO_RUN: Final = 0
"""The run of rows that no run has written."""


def merge(
    database: Database,
    connection: Connection,
    dimension: type[Dimension],
    *,
    source: str,
    staged: Sequence[Staged],
) -> None:
    """Bring the dimension up to what is said, in the caller's transaction, who holds what this touches."""
    stage = _stage(connection, dimension, staged)
    LATE_MEMBER.create(connection)  # nobody is late
    audit.CURRENT.create(connection)
    connection.execute(insert(audit.CURRENT).values(audit_key=NOT_APPLICABLE_KEY))
    watch = touched.watch(database, connection, dimension, staged=stage, source_system=source, sources={})
    batch = event.open_batch(
        connection,
        dimension=dimension,
        staged=stage,
        stream="",
        source_system=source,
        run_id=NO_RUN,
        is_first=False,
        has_late=False,
        records=len(staged),
    )
    scd.merge(database, connection, batch)
    _write_custom_fields(connection, batch, staged)
    _carry_on(database, connection, batch, stage)
    watch.renew(run_id=NO_RUN)
    temporary.drop_all(connection)


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def _stage_table(dimension: Any) -> Table:
    custom_fields = [Column(CUSTOM_FIELDS, Text())] if CUSTOM_FIELDS in dimension.table().c else []
    return temporary.table(
        "application_stage",
        Column("raw_id", BigInteger),
        Column("source_id", Text),
        Column("effective_at", DateTime(timezone=True)),
        Column("synced_at", DateTime(timezone=True)),
        Column("is_deleted", Boolean),
        *(Column(it.name, it.type) for it in dimension.attributes()),
        *custom_fields,
    )


def _stage(connection: Connection, dimension: type[Dimension], staged: Sequence[Staged]) -> Table:
    table = _stage_table(dimension)
    nothing = dict.fromkeys(column.name for column in table.c)
    table.create(connection)
    rows = [
        {
            **nothing,
            **_spelled(it.values),
            "raw_id": number,
            "source_id": it.source_id,
            "effective_at": it.effective_at,
            "synced_at": it.synced_at,
            "is_deleted": it.is_deleted,
        }
        for number, it in enumerate(staged, 1)
    ]
    connection.execute(insert(table), rows)
    return table


def _spelled(values: dict[str, Any]) -> dict[str, Any]:
    fields = values.get(CUSTOM_FIELDS)
    return values if fields is None else {**values, CUSTOM_FIELDS: document.write(fields)}


def _write_custom_fields(connection: Connection, batch: event.Batch, staged: Iterable[Staged]) -> None:
    """Let all versions of a member show the fields that it has now."""
    if not custom.has_custom_fields(batch.dimension):
        return
    now = {it.source_id: it.values.get(CUSTOM_FIELDS) for it in staged if not it.is_deleted}
    if now:
        custom.MEMBER_FIELDS.create(connection)
        rows = [{"source_id": source_id, "fields": fields} for source_id, fields in now.items()]
        connection.execute(insert(custom.MEMBER_FIELDS), rows)
        custom.write(connection, batch)


def _carry_on(database: Database, connection: Connection, batch: event.Batch, stage: Table) -> None:
    """Bring up to it what follows from the dimension, as the merge of a load does."""
    dimension, source = batch.dimension, batch.source_system
    members = select(stage.c.source_id)
    for tree in hierarchies_of(dimension):
        hierarchy.refresh(connection, tree, source_system=source, members=members, run_id=NO_RUN)
    theirs = and_(batch.table.c.source_system == source, batch.table.c.source_id.in_(members))
    for rollup in shrunken_of(dimension):
        shrunken.refresh(connection, rollup, touched=theirs, run_id=NO_RUN)
    for profile in outriggers_of(dimension):
        mini.refresh(connection, mini=profile, source_system=source, members=members, run_id=NO_RUN)
    for fact in database.present(connection, facts_of(dimension)):
        key.follow(
            connection,
            fact=fact,
            dimension=dimension,
            event=batch.event,
            source_system=source,
            retired=None,
            run_id=NO_RUN,
        )
    _name_others(database, connection, batch, stage)


def _name_others(database: Database, connection: Connection, batch: event.Batch, stage: Table) -> None:
    """Find whom the attributes name; who is not there yet is inferred."""
    named = outrigger.Touched(batch.dimension, stage, batch.source_system, NO_RUN)
    led_to = [*batch.dimension.outriggers(), *(it.dimension for it in batch.dimension.bridges())]
    facts: dict[type[Fact], None] = dict.fromkeys(it for other in led_to for it in facts_of(other))
    waiting = database.present(connection, facts)
    outrigger.attach(database, connection, named, sources={}, waiting=waiting)
    bridge.attach(database, connection, named, sources={}, waiting=waiting)
