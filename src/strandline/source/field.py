"""What a field of a contract is to a stream: an order, a time, a key.

A field may order changes when its values are of one type that has an order; it may place them in time when
that type is a timestamp; whatever identifies a record becomes the text of its natural key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from operator import attrgetter
from typing import Any, get_args

from pydantic import AwareDatetime, FutureDate, FutureDatetime, NaiveDatetime, PastDate, PastDatetime

from strandline.errors import RecordRejected
from strandline.natural_key import LONGEST, NaturalKeys
from strandline.source.contract import Record
from strandline.source.cursor import CursorValue

_TIMES: tuple[Any, ...] = (datetime, AwareDatetime, NaiveDatetime, PastDatetime, FutureDatetime)
_DAYS: tuple[Any, ...] = (date, PastDate, FutureDate)


def kind_of(contract: type[Record], field: str) -> type[CursorValue] | None:
    """The type of the field's values apart from None: datetime, date, int or str; None for any other."""
    annotation = contract.model_fields[field].annotation
    options = [option for option in get_args(annotation) if option is not type(None)] or [annotation]
    option = options[0]
    while hasattr(option, "__metadata__"):
        option = option.__origin__
    if len(options) > 1 or not isinstance(option, type) or option is bool:
        return None
    if option in _TIMES:
        return datetime
    if option in _DAYS:
        return date
    kinds: tuple[type[CursorValue], ...] = (datetime, date, int, str)
    return next((kind for kind in kinds if issubclass(option, kind)), None)


def refuse_naive(
    parse: Callable[[bytes], Record], model: type[Record], fields: list[str]
) -> Callable[[bytes], Record]:
    """The parser, which also rejects a record with a timestamp without a zone in one of these fields."""

    def parse_aware(raw: bytes) -> Record:
        record = parse(raw)
        for field in fields:
            value = getattr(record, field)
            if value is not None and value.tzinfo is None:
                raise RecordRejected(
                    f"{model.__name__}.{field}: {value.isoformat()} has no zone",
                    hint='Declare it: Annotated[datetime, Zone("Europe/Berlin")].',
                    field=field,
                    rule="timezone_aware",
                )
        return record

    return parse_aware


def compile_key(
    model: type[Record], key: tuple[str, ...], *, keys: NaturalKeys
) -> Callable[[Record], str | None]:
    """A function from a record to its natural key as the source spells keys; None if it has none."""
    value_of, is_exact = attrgetter(*key), keys.are_exact
    path = ", ".join(key)

    def encode(record: Record) -> str | None:
        value: Any = value_of(record)
        if (
            is_exact
            and type(value) is str
            and value.isascii()
            and "\0" not in value
            and 0 < len(value) <= LONGEST
        ):
            return value  # what `encode` would give, for nearly every key there is
        try:
            return keys.encode(value)
        except ValueError as error:
            raise RecordRejected(
                f"{model.__name__}.{path}: {error}", field=path, rule="natural_key"
            ) from error

    return encode


def no_value(_: Record) -> None:
    """Of a field that is not declared."""
    return
