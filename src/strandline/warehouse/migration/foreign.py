"""A revision for an Alembic environment that is a user's own, and knows nothing of strandline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.autogenerate import render_python_code
from alembic.operations.ops import AddColumnOp, DowngradeOps, DropColumnOp, UpgradeOps
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import Column, Table
from sqlalchemy.types import TypeDecorator

from strandline.warehouse.database import Database


def add_column(
    environment: ScriptDirectory, database: Database, *, message: str, table: Table, column: Column[Any]
) -> Path:
    """Write a revision behind the head that gives a table which is there already this column; its file."""
    schema, name = database.schema_of(table), column.name
    plain: Column[Any] = Column(name, _plain(database, column))
    made = environment.generate_revision(
        rev_id(),
        message,
        upgrades=_written(UpgradeOps([AddColumnOp(table.name, plain, schema=schema)])),
        downgrades=_written(DowngradeOps([DropColumnOp(table.name, name, schema=schema)])),
        imports="",
    )
    assert made is not None  # only hooks of a user's own env.py may drop a revision, and none are asked here
    return Path(made.path)


def _plain(database: Database, column: Column[Any]) -> Any:
    """The type as SQLAlchemy has it: a revision outlives the classes of today."""
    type_ = column.type
    if isinstance(type_, TypeDecorator):
        return type_.load_dialect_impl(database.engine.dialect)
    return type_


def _written(operations: UpgradeOps | DowngradeOps) -> str:
    """The operations as Python, without Alembic's remarks that they are a guess."""
    lines = render_python_code(operations).splitlines()
    return "\n".join(it for it in lines if not it.strip().startswith("#")).strip()
