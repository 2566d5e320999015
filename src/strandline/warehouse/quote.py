"""Quotes: values of records in errors, hints, requests, marks and reasons of the ledger, withheld."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote, quote_plus

from sqlalchemy import Column, Connection, Table, Text, and_, exists, func, or_, select, update

from strandline.warehouse import mark, raw, state

WITHHELD: Final = "[erased]"
"""What stands in a message instead of a value."""

AT_ONCE: Final = 100
"""So many spellings are looked for by one query."""

TEXT_MARK: Final = "str:"
"""How the mark of a cursor field with texts begins."""

STATE: Final = "state:"
"""How a mark begins that is the source's own word, of which the ledger has the beginning."""


def without(message: str, values: Iterable[str]) -> str:
    """The message without these values, where they are words of it."""
    forms = {form for it in values for form in _spellings(it)}
    words = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", WITHHELD, message) if forms else message


def _spellings(value: str) -> set[str]:
    shown = {json.dumps(value)[1:-1], repr(value)[1:-1]}
    return {value, quote(value), quote(value, safe=""), quote_plus(value), *shown}


def withhold(connection: Connection, streams: Sequence[str], values: Collection[str]) -> dict[str, int]:
    """Withhold these values in all that is noted of these streams; how many rows, by table."""
    read = select(state.run_stream.c.run_id).where(state.run_stream.c.stream.in_(streams))
    found = {"strandline.run": _withhold(connection, state.run.c.error, state.run.c.run_id.in_(read), values)}
    for column in (
        *(state.run_stream.c[name] for name in ("error", "hint")),
        state.request.c.request,
        *(state.reject.c[name] for name in ("reason", "discard_reason")),
        state.expectation.c.detail,
    ):
        theirs = column.table.c.stream.in_(streams)
        _add(found, column, _withhold(connection, column, theirs, values))
    for column in (state.run_stream.c.mark_before, state.run_stream.c.mark_after):
        is_text = or_(column.startswith(TEXT_MARK), column.startswith(STATE))
        texts = and_(column.table.c.stream.in_(streams), is_text)
        _add(found, column, _withhold(connection, column, texts, values))
    return found


def _add(found: dict[str, int], column: Column[Any], rows: int) -> None:
    name = f"strandline.{column.table.name}"
    found[name] = found.get(name, 0) + rows


def _withhold(connection: Connection, column: Column[Any], where: Any, values: Collection[str]) -> int:
    changed = 0
    forms = sorted({form for it in values for form in _spellings(it)})
    for first in range(0, len(forms), AT_ONCE):
        some = forms[first : first + AT_ONCE]
        holds = or_(*(column.contains(it, autoescape=True) for it in some))
        for message in connection.scalars(select(column).where(where, holds).distinct()).all():
            now = {column.name: without(message, values)}
            if now[column.name] != message:
                mine = update(column.table).where(where, column == message)
                changed += connection.execute(mine.values(now)).rowcount
    return changed


def streams_of(connection: Connection, source: str) -> list[str]:
    """The streams of a source of which anything is noted."""
    beginning, found = f"{source}.", set[str]()
    for noted in (state.run_stream.c.stream, state.field.c.stream, state.reject.c.stream):
        theirs = select(noted).where(noted.startswith(beginning, autoescape=True)).distinct()
        found |= set(connection.scalars(theirs))
    return sorted(found)


def retreat(connection: Connection, stream: str, log: Table, *, leaving: Any, run_id: int) -> int:
    """Set a read mark that is a text of entries that are `leaving` back to the highest one of the others, so
    that what came since is read again; how many marks.
    """
    value = log.c.cursor_value
    known = mark.read_up_to(connection, stream) or ""
    if not isinstance(value.type, Text) or not known.startswith(TEXT_MARK):
        return 0
    text = known.removeprefix(TEXT_MARK)
    if not connection.scalar(select(exists().where(leaving, value == text))):
        return 0
    order = "BINARY" if connection.dialect.name == "sqlite" else "C"  # as Python compares them
    others = select(func.max(value.collate(order))).where(~leaving, log.c.operation != raw.ERASED)
    highest = connection.scalar(others)
    back = None if highest is None else f"{TEXT_MARK}{highest}"
    mark.put_read_back(connection, stream, mark=back, run_id=run_id)
    return 1
