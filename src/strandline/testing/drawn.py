r"""Drawn tables: a test draws the rows that it expects, and is shown the difference as a drawing.

    assert_drawn(connection, DimCustomer, '''
        | customer_name | segment | valid_from | valid_to   |
        | Acme          | bronze  | 2024-01-01 | 2025-03-01 |
        | Acme          | gold    | 2025-03-01 |            |
    ''')

The columns drawn are the columns compared. An empty cell, or ∅, is NULL, and '' is the empty text; a pipe
within a text is written \|. Times are UTC, and a midnight is drawn as its date. Numbers and times compare as
such, so 10.5 equals 10.50. The idea is pygrametl's.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation

from sqlalchemy import Connection, Executable, FromClause, inspect, select

Source = Executable | FromClause | type[object]
"""What can be drawn: a query, a table, or a mapped class."""


@dataclass(frozen=True)
class Drawing:
    """A header and rows of cells, as texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> "Drawing":
        """Read a drawing; lines such as |---|---| only decorate it."""
        lines = [_cells(line) for line in text.splitlines() if line.strip()]
        lines = [cells for cells in lines if not all(re.fullmatch(":?-+:?", cell) for cell in cells)]
        if not lines:
            raise ValueError("A drawing needs a line with the names of its columns: | name | … |")
        for cells in lines:
            if len(cells) != len(lines[0]):
                raise ValueError(
                    f"A line of the drawing has {len(cells)} cells, its header {len(lines[0])}: {cells}"
                )
        return cls(lines[0], tuple(lines[1:]))

    def __str__(self) -> str:
        return "\n".join(_lines([self.columns, *self.rows]))


def drawn(connection: Connection, source: Source, *, columns: Sequence[str] = ()) -> str:
    """Draw what is in a table, a mapped class or a query; a table is drawn in the order of its rows' text."""
    names, values = _fetch(connection, source, columns)
    rows = [tuple(_show(value) for value in row) for row in values]
    return str(Drawing(names, tuple(rows if isinstance(source, Executable) else sorted(rows))))


def assert_drawn(connection: Connection, source: Source, drawing: str, *, ordered: bool = False) -> None:
    """Fail with both drawings laid over each other unless the rows are those drawn.

    Their order matters only where `ordered` says so, which makes sense for a query that sorts.
    """
    expected = Drawing.parse(drawing)
    names, values = _fetch(connection, source, expected.columns)
    found = [tuple(_show(value) for value in row) for row in values]
    wanted = _alike(expected.rows, values)
    if not ordered:
        found, wanted = sorted(found), sorted(wanted)
    if found != wanted:
        raise AssertionError(_difference(names, wanted, found))


def _fetch(
    connection: Connection, source: Source, columns: Sequence[str]
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    statement: Executable
    if isinstance(source, Executable):
        statement = source
    else:
        table = source if isinstance(source, FromClause) else inspect(source).selectable
        statement = select(*(table.c[name] for name in columns or table.c.keys()))
    result = connection.execute(statement)
    names = tuple(columns or result.keys())
    return names, [tuple(row[name] for name in names) for row in result.mappings()]


def _show(value: object) -> str:
    match value:
        case None:
            return ""
        case "":
            return "''"
        case str():
            return value.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n")
        case bool():
            return str(value).lower()
        case Decimal() if value.is_finite():
            return format(value.normalize(), "f")
        case datetime():
            return _show_time(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str).replace("|", "\\|")
        case bytes():
            return value.hex()
        case _:
            return str(value)


def _show_time(moment: datetime) -> str:
    if moment.time() == time():
        return moment.date().isoformat()
    return moment.isoformat(" ", "minutes" if not (moment.second or moment.microsecond) else "auto")


def _alike(rows: Sequence[Sequence[str]], values: Sequence[Sequence[object]]) -> list[tuple[str, ...]]:
    """Write drawn cells as the column's values are shown, so that 10.50 meets Decimal("10.5")."""
    kinds = [
        next((type(value) for value in column if value is not None), str)
        for column in zip(*values, strict=True)
    ]
    kinds = kinds or [str] * (len(rows[0]) if rows else 0)
    return [tuple(_rewrite(cell, kind) for cell, kind in zip(row, kinds, strict=True)) for row in rows]


def _rewrite(cell: str, kind: type[object]) -> str:
    if cell in ("", "∅"):
        return ""
    try:
        if issubclass(kind, Decimal):
            return _show(Decimal(cell))
        if issubclass(kind, datetime):
            return _show(datetime.fromisoformat(cell))
    except (ValueError, InvalidOperation):
        return cell  # it will show as a difference, as it was drawn
    return cell


def _difference(
    names: Sequence[str], wanted: Sequence[tuple[str, ...]], found: Sequence[tuple[str, ...]]
) -> str:
    """Draw all rows once: those that are missing marked with -, those too many with +."""
    drawn_rows, found_rows = Counter(wanted), Counter(found)
    if drawn_rows == found_rows:
        both = [Drawing(tuple(names), tuple(rows)) for rows in (wanted, found)]
        return "The rows are those drawn, in another order. Drawn:\n{}\nFound:\n{}".format(*both)
    marked = [(row, "-") for row in (drawn_rows - found_rows).elements()]
    marked += [(row, "+") for row in (found_rows - drawn_rows).elements()]
    marked += [(row, " ") for row in (found_rows & drawn_rows).elements()]
    marked = [(tuple(names), " "), *sorted(marked)]
    lines = _lines([row for row, _ in marked])
    body = "\n".join(f"{mark} {line}" for (_, mark), line in zip(marked, lines, strict=True))
    return (
        f"The rows differ from the drawing: - was drawn and is missing, + is there and was not drawn.\n{body}"
    )


def _cells(line: str) -> tuple[str, ...]:
    stripped = line.strip()
    if not (stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 1):
        raise ValueError(
            f"A line of a drawing begins and ends with a pipe, and this one does not: {stripped!r}"
        )
    return tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", stripped[1:-1]))


def _lines(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
