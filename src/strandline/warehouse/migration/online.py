"""What a revision can do to a warehouse that is in use: nobody who reads waits longer than the patience says.

Each of these is a step that is done once, however often its revision is typed. Schemas come from `schemas`;
in texts `{raw}`, `{staging}`, `{warehouse}`, `{analytics}` and `{strandline}` stand for what they are called.
"""

from __future__ import annotations

from strandline.warehouse.migration.batch import fill, update
from strandline.warehouse.migration.bookkeeping import rename_model
from strandline.warehouse.migration.column import (
    add_column,
    change_type,
    drop_column,
    release_column,
    rename_column,
    require_column,
    set_default,
)
from strandline.warehouse.migration.comment import comment_column, comment_table
from strandline.warehouse.migration.relation import create_schema, create_table, drop_table, rename_table
from strandline.warehouse.migration.rule import (
    add_constraint,
    create_index,
    drop_constraint,
    drop_index,
    rename_constraint,
    rename_index,
)
from strandline.warehouse.migration.view import create_view, drop_view, raw_log_functions

__all__ = [
    "add_column",
    "add_constraint",
    "change_type",
    "comment_column",
    "comment_table",
    "create_index",
    "create_schema",
    "create_table",
    "create_view",
    "drop_column",
    "drop_constraint",
    "drop_index",
    "drop_table",
    "drop_view",
    "fill",
    "raw_log_functions",
    "release_column",
    "rename_column",
    "rename_constraint",
    "rename_index",
    "rename_model",
    "rename_table",
    "require_column",
    "set_default",
    "update",
]
