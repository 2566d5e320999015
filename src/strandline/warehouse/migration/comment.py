"""Steps of a revision that say what tables and columns are."""

from __future__ import annotations

from strandline.warehouse.migration.work import Place, current, literal, quote


def comment_on(at: Place, comment: str | None, *, column: str | None = None) -> str:
    """The statement that says what a table or its column is."""
    said = "NULL" if comment is None else literal(comment)
    what = f"TABLE {at.sql}" if column is None else f"COLUMN {at.sql}.{quote(column)}"
    return f"COMMENT ON {what} IS {said}"


def comment_table(name: str, comment: str | None, *, schema: str) -> None:
    """Say what the table is."""
    work, at = current(), Place(schema, name)
    with work.step(f"comment of {at}") as is_due:
        if is_due:
            work.short(comment_on(at, comment), on=at)


def comment_column(table: str, column: str, comment: str | None, *, schema: str) -> None:
    """Say what the column is."""
    work, at = current(), Place(schema, table)
    with work.step(f"comment of {at}.{column}") as is_due:
        if is_due:
            work.short(comment_on(at, comment, column=column), on=at)
