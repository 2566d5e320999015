"""SQLite as a warehouse for unit tests: how our statements read there, and what it keeps our types as.

The schemas are attached databases of their own: in memory, or files beside the one that the URL names
(`shop.db` has `shop.raw.db`, `shop.warehouse.db` …). SQLite has neither moments nor exact numbers. A moment
is kept as text in UTC, always with six decimals of a second, so that texts compare as moments do. An exact
number is kept as text with all its decimals, compared by a collation, and added up by an aggregate of ours.
Temporary tables are dropped by every commit, as PostgreSQL does with ON COMMIT DROP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    Float,
    Numeric,
    StaticPool,
    String,
    create_engine,
    event,
    func,
    literal_column,
    select,
    sql,
    true,
    types,
)
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import DATETIME, SQLiteCompiler, SQLiteDDLCompiler, SQLiteTypeCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from strandline.model.type import DecimalText, Exact, exactly
from strandline.warehouse import document

COLLATION: Final = "exact"
EXACT_SUM: Final = "strandline_sum"
NOW: Final = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
USING: Final = "WHERE EXISTS (SELECT 1 AS is_there FROM"
"""DELETE … USING, where there is only a condition."""

registry.register("sqlite.strandline", "strandline.warehouse.sqlite", "SqliteDialect")


def create(url: URL, *, schemas: dict[str, str]) -> Engine:
    """An engine whose connections see every schema as an attached database."""
    in_memory = not url.database or url.database == ":memory:"
    # All of a database in memory is in one connection, so that is all there may be.
    pool: dict[str, Any] = {"poolclass": StaticPool} if in_memory else {}
    engine = create_engine(
        url,
        json_serializer=document.write,
        hide_parameters=True,  # they are what sources have sent, and would stand in the log
        execution_options={"schema_translate_map": schemas},
        connect_args={"isolation_level": None, "check_same_thread": False},
        **pool,
    )
    file = None if in_memory else Path(url.database or "")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.create_collation(COLLATION, compare)
        connection.create_function("strandline_is_text", 1, is_text, deterministic=True)
        connection.create_function("strandline_in_order", 1, document.in_order, deterministic=True)
        connection.create_aggregate(EXACT_SUM, 1, ExactSum)
        connection.execute("PRAGMA synchronous = OFF")  # what a test writes need not outlive the machine
        there = () if file is None else file.parent.glob(f"{file.stem}.*{file.suffix}")
        found = {it.name.removeprefix(f"{file.stem}.").removesuffix(file.suffix) for it in there if file}
        for schema in sorted({*schemas.values(), *found}):
            connection.execute("ATTACH DATABASE ? AS ?", (location(file, schema), schema))

    return engine


def location(file: Path | None, schema: str) -> str:
    """Where a schema of this database lies."""
    return ":memory:" if file is None else str(file.with_suffix(f".{schema}{file.suffix}"))


def attach(connection: Connection, schema: str) -> None:
    """Make this schema be there too."""
    files = {row.name: row.file for row in connection.exec_driver_sql("PRAGMA database_list")}
    lies_in = location(Path(files["main"]) if files["main"] else None, schema)
    connection.exec_driver_sql("ATTACH DATABASE ? AS ?", (lies_in, schema))


def columns(connection: Connection) -> Iterator[tuple[str, Any, Any, Any]]:
    """What the database holds, as (schema, table, column, type); a schema without tables too."""
    found = [row.name for row in connection.exec_driver_sql("PRAGMA database_list")]
    for schema in found:
        if schema == "temp":
            continue
        yield schema, None, None, None
        there = sql.table("sqlite_master", sql.column("name"), sql.column("type"), schema=schema)
        of = func.pragma_table_info(there.c.name, schema).table_valued("name", "type", name="of")
        query = select(there.c.name, of.c.name, of.c.type).where(there.c.type == "table")
        query = query.select_from(there.join(of, true()))
        # The schemas are told by their names here, and need no translation.
        for table, column, type_ in connection.execute(query, execution_options={"schema_translate_map": {}}):
            yield schema, table, column, type_.lower().replace(", ", ",")


def compare(one: str, other: str) -> int:
    """The order of two exact numbers that are kept as text."""
    if one == other:
        return 0
    left, right = Decimal(one), Decimal(other)
    return (left > right) - (left < right)


def is_text(payload: bytes) -> bool:
    """Whether these bytes are text to their end: SQLite looks neither at bytes nor behind a NUL."""
    try:
        return "\0" not in payload.decode()
    except UnicodeDecodeError:
        return False


class ExactSum:
    """An aggregate that adds exact numbers up; of nothing it is NULL.

    It is not called sum(): Python's window functions crash on a frame without rows, and ours must not be one.
    """

    def __init__(self) -> None:
        self.total: Decimal | None = None

    def step(self, value: Any) -> None:
        """Take a value in."""
        if value is not None:
            self.total = (self.total or Decimal(0)) + Decimal(value)

    def finalize(self) -> str | None:
        """The sum as text."""
        return None if self.total is None else format(self.total, "f")


class Moment(DATETIME):
    """A moment as text: in UTC where it has a zone."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        write: Any = super().bind_processor(dialect)

        def process(value: datetime | None) -> Any:
            if value is not None and value.tzinfo is not None:
                value = value.astimezone(UTC).replace(tzinfo=None)
            return write(value)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        read: Any = super().result_processor(dialect, coltype)

        def process(text: str | None) -> Any:
            value = read(text)
            return value.replace(tzinfo=UTC) if value is not None and self.timezone else value

        return process


class CollatedText(DecimalText):
    """An exact number as text, compared as a number."""

    def __init__(self, scale: int | None = None) -> None:
        super().__init__(scale)
        self.collation = COLLATION


class AnyNumber(Numeric[Any]):
    """A numeric without a precision, kept as the same text."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return CollatedText().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return lambda value: value if value is None else Decimal(str(value))


def _is_exact(type_: Any) -> bool:
    return isinstance(exactly(type_), Exact | Numeric) and not isinstance(type_, Float)


def _is_zoned(type_: Any) -> bool:
    if isinstance(type_, types.TypeDecorator):
        return _is_zoned(type_.impl_instance)
    return isinstance(type_, DateTime) and type_.timezone


class Compiler(SQLiteCompiler):
    """Writes what SQLite calls differently."""

    is_in_window = False
    is_in_filter = False

    def visit_now_func(self, fn: Any, **kw: Any) -> str:
        return NOW  # CURRENT_TIMESTAMP has no fractions, and would not compare with those that have

    def visit_clock_timestamp_func(self, fn: Any, **kw: Any) -> str:
        return NOW

    def visit_concat_func(self, fn: Any, **kw: Any) -> str:
        return " || ".join(f"coalesce({self.process(it, **kw)}, '')" for it in fn.clauses)

    def visit_sum_func(self, fn: Any, **kw: Any) -> str:
        added = self.process(fn.clause_expr, **kw)
        if self.is_in_window or not _is_exact(fn.type):
            return f"sum{added}"
        return f"{EXACT_SUM}{added}" if self.is_in_filter else f"{EXACT_SUM}{added} COLLATE {COLLATION}"

    def visit_funcfilter(self, funcfilter: Any, **kw: Any) -> str:
        self.is_in_filter = True
        written: str = super().visit_funcfilter(funcfilter, **kw)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        self.is_in_filter = False
        return f"{written} COLLATE {COLLATION}" if EXACT_SUM in written else written

    def visit_over(self, over: Any, **kw: Any) -> str:
        self.is_in_window = True
        written: str = super().visit_over(over, **kw)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        self.is_in_window = False
        return written

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        if isinstance(cast.type, String) and _is_zoned(cast.clause.type):  # as PostgreSQL spells it
            return f"(rtrim(rtrim({self.process(cast.clause, **kw)}, '0'), '.') || '+00')"
        written: str = super().visit_cast(cast, **kw)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        exact = f"VARCHAR COLLATE {COLLATION})"
        return written.replace(exact, "NUMERIC)") if _is_exact(cast.type) else written

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        if extract.field != "epoch":
            return super().visit_extract(extract, **kw)  # type: ignore[no-any-return, no-untyped-call]  # SQLAlchemy's
        moment = self.process(extract.expr, **kw)  # SQLite's own has no fractions of a second
        return f"(strftime('%s', {moment}) + ('0' || substr({moment}, 20)))"

    def visit_insert(self, insert_stmt: Any, *args: Any, **kw: Any) -> str:
        if insert_stmt.select is not None and insert_stmt._post_values_clause is not None:
            # ON CONFLICT after FROM would be read as the ON of a join: a WHERE has to stand between them.
            rows, always = insert_stmt.select.subquery("rows"), literal_column("1") == literal_column("1")
            insert_stmt = insert_stmt._generate()
            insert_stmt.select = select(rows).where(always)
        return super().visit_insert(insert_stmt, *args, **kw)  # type: ignore[no-any-return, no-untyped-call]  # SQLAlchemy's

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        written: str = super().visit_delete(delete_stmt, visiting_cte, **kw)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        return f"{written})" if USING in written else written

    def delete_extra_from_clause(
        self, delete_stmt: Any, from_table: Any, extra_froms: Any, from_hints: Any, **kw: Any
    ) -> str:
        others = ", ".join(
            it._compiler_dispatch(self, asfrom=True, fromhints=from_hints, **kw) for it in extra_froms
        )
        return f"{USING} {others}"  # its conditions follow


class DdlCompiler(SQLiteDDLCompiler):
    """Writes tables without what SQLite does not know of them."""

    def visit_create_table(self, create: Any, **kw: Any) -> str:
        options = create.element.dialect_options["sqlite"]
        given = options["autoincrement"]
        # Or numbers would go on from the highest there is, which is -1 where only special members are.
        options["autoincrement"] = given or any(it.identity for it in create.element.primary_key)
        try:
            return self._without_unlogged(create, **kw)
        finally:
            options["autoincrement"] = given

    def _without_unlogged(self, create: Any, **kw: Any) -> str:
        written: str = super().visit_create_table(create, **kw)  # type: ignore[no-untyped-call]  # SQLAlchemy's
        return written.replace("CREATE UNLOGGED TABLE", "CREATE TABLE", 1)


class TypeCompiler(SQLiteTypeCompiler):
    """Writes the types of columns."""

    def visit_NUMERIC(self, type_: Any, **kw: Any) -> str:
        return f"VARCHAR COLLATE {COLLATION}"


class SqliteDialect(SQLiteDialect_pysqlite):
    """SQLite with transactions that hold DDL too, and temporary tables that end with them."""

    driver = "strandline"
    supports_statement_cache = True
    statement_compiler = Compiler
    ddl_compiler = DdlCompiler
    type_compiler_cls = TypeCompiler
    colspecs: Any = {  # noqa: RUF012  # SQLAlchemy's own has no ClassVar either
        **SQLiteDialect_pysqlite.colspecs,
        DateTime: Moment,
        types.TIMESTAMP: Moment,
        DecimalText: CollatedText,
        Numeric: AnyNumber,
        Float: Float,
    }

    def do_begin(self, dbapi_connection: Any) -> None:
        # In so many words: the driver would wait for the first INSERT.
        dbapi_connection.cursor().execute("BEGIN")

    def do_commit(self, dbapi_connection: Any) -> None:
        """Drop the temporary tables, as PostgreSQL does by ON COMMIT DROP, and commit."""
        cursor = dbapi_connection.cursor()
        cursor.execute(
            "SELECT name FROM sqlite_temp_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TABLE temp."{name}"')
        dbapi_connection.commit()
