"""An index of some of the rows, on both databases.

`sqlite_where` would do as well, but SQLAlchemy loads the dialect to see whether it knows that word, and every
start would wait for it.
"""

from typing import Any

from sqlalchemy import ColumnElement, Index
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.compiler import DDLCompiler


class PartialIndex(Index):
    """An index of the rows of which the condition is true."""

    def __init__(
        self, name: str | None, *columns: Any, where: ColumnElement[bool], unique: bool = False
    ) -> None:
        super().__init__(name, *columns, unique=unique, postgresql_where=where)


@compiles(CreateIndex, "sqlite")
def _on_sqlite(create: CreateIndex, compiler: DDLCompiler, **options: Any) -> str:
    index = create.element
    if isinstance(index, PartialIndex):
        index.dialect_options["sqlite"]["where"] = index.dialect_options["postgresql"]["where"]
    return str(compiler.visit_create_index(create, **options))  # type: ignore[no-untyped-call]
