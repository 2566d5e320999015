"""Outriggers: a dimension's attribute that names a member of another dimension, and that member's durable
key beside it.

A durable key stays for as long as its member is known, so it is looked up when the version is written, and
never has to follow anything. Whoever is named and not there yet is inferred, also by a record that another
one has superseded: then it does not matter which of them came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, case, func, not_, or_, select, update

from strandline.model.column import NOT_APPLICABLE_KEY, ROLE, UNKNOWN_KEY, Outrigger
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.warehouse import audit, key
from strandline.warehouse.database import Database
from strandline.warehouse.event import differ


@dataclass(frozen=True)
class Touched:
    """The members of a dimension that have staged records, and who writes."""

    dimension: type[Dimension]
    staged: Table
    source_system: str
    run_id: int

    def members(self) -> Select[Any]:
        """Their natural keys."""
        return select(self.staged.c.source_id)

    def named(self, attribute: str) -> Select[Any]:
        """The natural keys that their staged records name."""
        s = self.staged.c
        return select(s[attribute]).where(s[attribute].is_not(None), not_(s.is_deleted))

    def stamps(self) -> dict[str, Any]:
        """The audit columns of a row that is written."""
        version = self.dimension.__schema_version__
        return {
            "updated_at": func.now(),
            "run_id": self.run_id,
            "audit_key": audit.key(),
            "schema_version": version,
        }


def attach(
    database: Database,
    connection: Connection,
    touched: Touched,
    *,
    sources: Mapping[str, str],
    waiting: Sequence[type[Fact]],
) -> int:
    """Make whoever the staged records name be there, and fill the durable keys of the members that were
    touched; how many have been inferred.

    `sources` says, by attribute, whose natural keys it holds where that is another source than the record's;
    `waiting` are the facts that may wait for somebody who is inferred here.
    """
    inferred = 0
    for column in touched.dimension.companions(Outrigger):
        meaning: Outrigger = column.info[ROLE]
        source = sources.get(meaning.of, touched.source_system)
        new = _infer(database, connection, touched, meaning, source=source)
        if new:
            _welcome(connection, touched, meaning, source=source, waiting=waiting)
        connection.execute(_fill(touched, column.name, meaning, source))
        inferred += new
    return inferred


def _infer(
    database: Database, connection: Connection, touched: Touched, meaning: Outrigger, *, source: str
) -> int:
    return key.infer(
        database,
        connection,
        dimension=meaning.dimension,
        source_system=source,
        members=touched.named(meaning.of),
        run_id=touched.run_id,
    )


def _welcome(
    connection: Connection,
    touched: Touched,
    meaning: Outrigger,
    *,
    source: str,
    waiting: Sequence[type[Fact]],
) -> None:
    for fact in waiting:
        key.welcome(
            connection,
            fact=fact,
            dimension=meaning.dimension,
            source_system=source,
            members=touched.named(meaning.of),
            run_id=touched.run_id,
        )


def _fill(touched: Touched, companion: str, meaning: Outrigger, source: str) -> Any:
    """Write the durable key to every version of the touched members where it is another one."""
    table = touched.dimension.table()
    found = _found(touched, meaning, source)
    return (
        update(table)
        .where(
            touched.dimension.key_column() == found.c.version_key,
            differ([table.c[companion]], [found.c.durable_key]),
        )
        .values(**{companion: found.c.durable_key, **touched.stamps()})
    )


def _found(touched: Touched, meaning: Outrigger, source: str) -> Any:
    """Each version of the touched members with the durable key that it should have."""
    version, other = touched.dimension.table().alias("version"), meaning.dimension.table().alias("other")
    named = version.c[meaning.of]
    durable = other.c[meaning.dimension.durable_key_column().name]
    value = case(
        (version.c.is_inferred, UNKNOWN_KEY),
        (named.is_(None), NOT_APPLICABLE_KEY),
        else_=func.coalesce(durable, UNKNOWN_KEY),
    )
    is_latest = or_(other.c.is_current, other.c.is_deleted)
    return (
        select(
            version.c[touched.dimension.key_column().name].label("version_key"), value.label("durable_key")
        )
        .outerjoin(other, and_(other.c.source_system == source, other.c.source_id == named, is_latest))
        .where(
            version.c.source_system == touched.source_system,
            version.c.source_id.in_(touched.members()),
        )
        .subquery("found")
    )
