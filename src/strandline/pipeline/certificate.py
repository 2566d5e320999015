"""Certificates: what an erasure tells of itself, and what facts have of whom was erased still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, select

from strandline.model.dimension import Dimension
from strandline.model.fact import Fact, facts_of
from strandline.pipeline.target import Target
from strandline.warehouse import key
from strandline.warehouse.database import Database
from strandline.warehouse.erasure import Meant


@dataclass(frozen=True)
class Certificate:
    """What an erasure has changed; with `is_dry`, what it would."""

    erasure_id: int | None
    stream: str
    reason: str
    until: datetime | None
    erased_at: datetime
    erased_by: str
    run_id: int
    key_hash: str
    """SHA-256 of the salt and the natural key."""
    salt: str
    """Kept nowhere: whoever has it can show later whose certificate it is."""
    counts: Mapping[str, int]
    """Rows that were changed or removed, by table."""
    kept: Mapping[str, int]
    """Rows of facts that refer to the member, by column, and those of its own records, by table."""
    is_dry: bool
    only_pii: bool = False
    """Only what is personal went."""
    pseudonymised: bool = False
    """The natural key is another one now, of which nothing tells which it was."""
    exported_to: Sequence[str] = ()
    """Folders with files of what was pruned before: these are as they were."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def kept(
    database: Database, connection: Connection, meant: Meant, targets: Iterable[Target]
) -> dict[str, int]:
    """How many rows of facts refer to the member, by column, and are made of its records, by table."""
    found: dict[str, int] = {}
    for model in (it.sync.model for it in targets):
        c = model.table().c
        if issubclass(model, Dimension):
            found |= _referring(database, connection, meant, model)
        else:
            mine = (c.source_system == meant.source_name, c.source_id == meant.source_id)
            found[model.table().name] = connection.scalar(select(func.count()).where(*mine)) or 0
    return {name: rows for name, rows in found.items() if rows}


def _referring(
    database: Database, connection: Connection, meant: Meant, dimension: type[Dimension]
) -> dict[str, int]:
    found = dict[str, int]()
    member = dimension.table().alias("member")
    mine = (member.c.source_system == meant.source_name, member.c.source_id == meant.source_id)
    for fact in database.present(connection, facts_of(dimension)):
        table = fact.table()
        for name in _roles(fact, dimension):
            points = exists().where(*mine, key.points_at(fact, name, member))
            rows = select(func.count()).select_from(table).where(points)
            found[f"{table.name}.{name}"] = connection.scalar(rows) or 0
    return found


def _roles(fact: type[Fact], dimension: type[Dimension]) -> list[str]:
    return [name for name, it in fact.references().items() if it.dimension is dimension]
