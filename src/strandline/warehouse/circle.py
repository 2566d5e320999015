"""Circles in a hierarchy: the members that stand above themselves, and their rejects.

They are noted for the hierarchy and not for the dimension: their records are right in everything else, and
stay in the members' histories. When the source has mended the circle, the rejects go.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Select,
    Text,
    and_,
    delete,
    func,
    select,
)

from strandline.model.hierarchy import Hierarchy
from strandline.warehouse import quarantine, state, temporary
from strandline.warehouse.late import Log
from strandline.warehouse.quarantine import Reject
from strandline.warehouse.raw import RETURN, UPSERT
from strandline.warehouse.staging import latest_first

RULE: Final = "hierarchy"
SHOWN: Final = 10
"""So many members of a circle are named."""

Told = tuple[str, str, bytes]
"""(natural key, reason, hash of the payload): what is told of a member. The same record, sent again, tells
nothing new.
"""

NODE = temporary.table(
    "hierarchy_node",
    Column("durable_key", BigInteger, primary_key=True, autoincrement=False),
    Column("source_id", Text),
    Column("parent_key", BigInteger, comment="the durable key of the parent, if it is there"),
    Column("is_there", Boolean),
    Column("is_affected", Boolean, comment="below one whose place has changed; the others stand above them"),
    Column("is_cut", Boolean, comment="stands above itself"),
)
"""The members whose rows are worked out, and everybody above them."""


def members() -> Select[Any]:
    """The members whose way up leads back to them. A way ends where it comes to a place for the second
    time.
    """
    reached = (
        select(NODE.c.durable_key.label("lower"), NODE.c.parent_key.label("upper"))
        .where(NODE.c.parent_key.is_not(None))
        .cte("reached", recursive=True)
    )
    node = NODE.alias("step")
    reached = reached.union(
        select(reached.c.lower, node.c.parent_key)
        .select_from(reached.join(node, node.c.durable_key == reached.c.upper))
        .where(node.c.parent_key.is_not(None), reached.c.lower != reached.c.upper)
    )
    return select(reached.c.lower).where(reached.c.lower == reached.c.upper)


def note(connection: Connection, hierarchy: type[Hierarchy], *, log: Log, run_id: int) -> int:
    """Note who is cut off, and forget who is so no more; how many are new."""
    noted, entry = state.reject.c, log.raw.c
    wanted = _rejects(connection, hierarchy, log)
    affected = select(NODE.c.source_id).where(NODE.c.is_affected)
    found = connection.execute(
        select(noted.reject_id, noted.source_id, noted.reason, entry.payload_hash)
        .outerjoin(log.raw, entry.raw_id == noted.raw_id)
        .where(noted.stream == log.stream, noted.target == hierarchy.__name__, noted.source_id.in_(affected))
    ).all()
    standing = {(it.source_id, it.reason, it.payload_hash): it.reject_id for it in found}
    healed = [reject_id for told, reject_id in standing.items() if told not in wanted]
    if healed:
        connection.execute(delete(state.reject).where(noted.reject_id.in_(healed)))
    new = [reject for told, reject in wanted.items() if told not in standing]
    quarantine.keep(connection, stream=log.stream, rejects=new, run_id=run_id)
    return len(new)


def _rejects(connection: Connection, hierarchy: type[Hierarchy], log: Log) -> dict[Told, Reject]:
    """A reject for each affected member that is cut off: few, and so they may pass through here."""
    node, parent, entry = NODE, NODE.alias("parent"), log.raw
    newest = func.row_number().over(
        partition_by=entry.c.source_id, order_by=[entry.c.effective_at.desc(), *latest_first(entry)]
    )
    latest = (
        select(entry.c.source_id, entry.c.raw_id, entry.c.payload_hash, newest.label("place"))
        .join(node, node.c.source_id == entry.c.source_id)
        .where(node.c.is_cut, node.c.is_affected, log.accepted(entry))
        .where(entry.c.operation.in_([UPSERT, RETURN]))
        .subquery("latest")
    )
    found = connection.execute(
        select(
            node.c.source_id, parent.c.source_id.label("parent_id"), latest.c.raw_id, latest.c.payload_hash
        )
        .select_from(
            node.join(parent, parent.c.durable_key == node.c.parent_key).outerjoin(
                latest, and_(latest.c.source_id == node.c.source_id, latest.c.place == 1)
            )
        )
        .where(node.c.is_cut, node.c.is_affected)
    ).all()
    parents = {it.source_id: it.parent_id for it in found}
    where = f"{hierarchy.dimension.__name__}.{hierarchy.parent}"
    rejects: dict[Told, Reject] = {}
    for it in found:
        if it.raw_id is not None:  # else this stream has never sent it
            why = f"{where}: {_circle(it.source_id, parents)} stands above itself"
            reject = Reject(it.raw_id, it.source_id, hierarchy.__name__, hierarchy.parent, RULE, why)
            rejects[it.source_id, why, it.payload_hash] = reject
    return rejects


def _circle(member: str, parents: dict[str, str]) -> str:
    """The way from a member up to itself, as far as it can be read."""
    way = [member]
    while (above := parents[way[-1]]) != member and len(way) < SHOWN:
        way.append(above)
    return " → ".join([*way, *(["…"] if above != member else []), member])
