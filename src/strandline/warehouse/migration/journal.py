"""What has been done of a revision that is not through: so that typing it again goes on where it stopped.

A revision that changes tables in use takes several transactions, and may end between two of them. Its steps
are noted here until it is through; then they are forgotten together with the move of the version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from strandline.model.base import NAMING, OWN
from strandline.warehouse.database import Database

STEP: Final = Table(
    "migration_step",
    MetaData(schema=OWN, naming_convention=NAMING),
    Column("revision", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="Of the step within it"),
    Column("is_upgrade", Boolean, nullable=False),
    Column("what", Text, nullable=False, comment="In words"),
    Column("position", JSONB, comment="The key of the last row that was changed"),
    Column("rows", BigInteger, nullable=False, server_default="0", comment="How many were changed"),
    Column("began_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True), comment="NULL: it was not done to its end"),
    comment="What has been done of a migration that is not through",
)


def create(connection: Connection) -> None:
    """Let the table be there."""
    STEP.create(connection, checkfirst=True)


def unfinished(database: Database, connection: Connection) -> list[dict[str, Any]]:
    """The steps of the revision that is half applied, in their order; none: there is no such revision."""
    if not inspect(connection).has_table(STEP.name, schema=database.schema_of(STEP)):
        return []
    return [dict(row) for row in connection.execute(select(STEP).order_by(STEP.c.number)).mappings()]


def find(connection: Connection, revision: str, number: int, *, what: str) -> Any | None:
    """What is known of the step, if it is still the same one."""
    same = (STEP.c.revision == revision, STEP.c.number == number, STEP.c.what == what)
    return connection.execute(select(STEP).where(*same)).one_or_none()


def position(connection: Connection, revision: str, number: int) -> list[str] | None:
    """How far the step is; None: at its beginning."""
    found: list[str] | None = connection.scalar(select(STEP.c.position).where(*_one(revision, number)))
    return found


def told(connection: Connection, revision: str, *, what: str) -> list[str]:
    """What another step of the revision has left for later ones."""
    theirs = (STEP.c.revision == revision, STEP.c.what == what)
    return list(connection.scalar(select(STEP.c.position).where(*theirs)) or ())


def begin(connection: Connection, revision: str, number: int, *, what: str, is_upgrade: bool) -> None:
    """Note that the step is being done, whatever was noted of its number before."""
    row = {"revision": revision, "number": number, "what": what, "is_upgrade": is_upgrade}
    afresh = {**row, "position": None, "rows": 0, "began_at": func.now(), "ended_at": None}
    statement = insert(STEP).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=list(STEP.primary_key), set_=afresh))


def move(connection: Connection, revision: str, number: int, *, position: Sequence[Any], rows: int) -> None:
    """Note how far the step is, in the transaction that went there."""
    moved = {"position": list(position), "rows": STEP.c.rows + rows}
    connection.execute(STEP.update().where(*_one(revision, number)).values(**moved))


def end(connection: Connection, revision: str, number: int) -> None:
    """Note that the step is done."""
    connection.execute(STEP.update().where(*_one(revision, number)).values(ended_at=func.clock_timestamp()))


def forget(connection: Connection, revision: str) -> None:
    """The revision is through."""
    connection.execute(delete(STEP).where(STEP.c.revision == revision))


def _one(revision: str, number: int) -> tuple[Any, Any]:
    return STEP.c.revision == revision, STEP.c.number == number
