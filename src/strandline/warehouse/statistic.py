"""Statistics: what the planner remembers of a table's values, which outlives them where no row is left.

ANALYZE of an empty table changes nothing: the most common values and the bounds of the histogram stay as they
were when somebody, or autovacuum at a moment of its own, last looked at the table with rows.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

CAN_CLEAR: Final = (18,)
"""Since this version there is a function for it."""

CLEAR: Final = text("""
    SELECT pg_clear_attribute_stats(s.schemaname, s.tablename, s.attname, s.inherited)
    FROM pg_stats AS s
        JOIN pg_namespace AS n ON n.nspname = s.schemaname
        JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = s.tablename
    WHERE (
        c.oid = CAST(:name AS regclass)
        OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = CAST(:name AS regclass))
    ) AND has_table_privilege(CAST(:name AS regclass), 'MAINTAIN')
""")

COLUMNS: Final = text("""
    SELECT string_agg(
        format(
            'ALTER %I TYPE %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> t.typcollation
                THEN ' COLLATE ' || CAST(CAST(a.attcollation AS regcollation) AS text) ELSE '' END
        ), ', '
    )
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE a.attrelid = CAST(:name AS regclass) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND pg_has_role(c.relowner, 'USAGE')
        AND EXISTS (
            SELECT FROM pg_stats AS s
            WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
        )
        AND NOT EXISTS (
            SELECT FROM pg_depend AS d WHERE d.classid = CAST('pg_rewrite' AS regclass)
                AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
        )
""")
"""To give a column the type that it has takes its statistics away, and rewrites nothing; what a view shows
cannot be given one."""


def forget(connection: Connection, table: str) -> None:
    """Take from the planner what it remembers of a table in which no row is left; others it learns anew."""
    if connection.scalar(text(f"SELECT EXISTS (SELECT FROM {table})")):  # noqa: S608  # it is quoted
        return
    if (connection.dialect.server_version_info or CAN_CLEAR) >= CAN_CLEAR:
        connection.execute(CLEAR, {"name": table})
        return
    retyped = connection.scalar(COLUMNS, {"name": table})
    if retyped:
        connection.exec_driver_sql(f"ALTER TABLE {table} {retyped}".replace("%", "%%"))
