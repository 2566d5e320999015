"""What a stream names of its contract: the fields that identify, order, time and settle, each of a type that
can.
"""

from __future__ import annotations

import difflib
from datetime import datetime

from strandline.errors import DeclarationError
from strandline.source.contract import Record
from strandline.source.cursor import Cursor
from strandline.source.field import kind_of
from strandline.source.moment import EffectiveTime


def check_field(contract: type[Record], field: str, *, role: str, where: str) -> None:
    """Raise DeclarationError for a name that is no field's."""
    fields = contract.model_fields
    if field in fields:
        return
    near = difflib.get_close_matches(field, fields, n=1)
    by_alias = [name for name, info in fields.items() if info.alias == field]
    best = next(iter([*by_alias, *near]), None)
    raise DeclarationError(
        f"{where}: {role} {field!r} is no field of {contract.__name__}",
        hint=f"Did you mean {best!r}?" if best else f"Its fields are {', '.join(fields)}.",
    )


def check_cursor(contract: type[Record], cursor: Cursor | None, *, where: str) -> None:
    """Raise DeclarationError for a cursor that could not be a mark."""
    if cursor is None:
        return
    check_field(contract, cursor.field, role="cursor", where=where)
    kind = kind_of(contract, cursor.field)
    if kind is None:
        raise DeclarationError(
            f"{where}: cursor {cursor.field!r} is a {_annotation(contract, cursor.field)},"
            " which has no order that a mark could keep",
            hint="A cursor field is a datetime, date, int or str.",
        )
    if kind in (int, str) and (cursor.lag or cursor.lookback):
        raise DeclarationError(
            f"{where}: cursor {cursor.field!r} is no time, so lag and lookback mean nothing for it"
        )


def effective_field(
    contract: type[Record], declared: str | EffectiveTime | None, cursor: Cursor | None, *, where: str
) -> str | None:
    """The field that says when a change took effect; None: when it was read. Raises DeclarationError."""
    if isinstance(declared, str):
        check_field(contract, declared, role="effective_at", where=where)
        if kind_of(contract, declared) is not datetime:
            raise DeclarationError(
                f"{where}: effective_at {declared!r} is a {_annotation(contract, declared)}, not a timestamp"
            )
        return declared
    if declared is EffectiveTime.CURSOR and cursor and kind_of(contract, cursor.field) is datetime:
        return cursor.field
    return None


def check_tie_break(contract: type[Record], field: str | None, *, where: str) -> None:
    """Raise DeclarationError for a tie-break of which nobody can say what is more."""
    if field is None:
        return
    check_field(contract, field, role="tie_break", where=where)
    # Text is left out: what comes first depends on the database's language.
    if kind_of(contract, field) in (None, str):
        raise DeclarationError(
            f"{where}: tie_break {field!r} is a {_annotation(contract, field)}, of which"
            " nobody can say what is more",
            hint="A tie-break is an int, a date or a datetime.",
        )


def _annotation(contract: type[Record], field: str) -> str:
    annotation = contract.model_fields[field].annotation
    return getattr(annotation, "__name__", str(annotation))
