"""What an API answered as values of a row: through the contract and the mapper of the model, as a load does
it.

A mapper gives the natural keys of members, and the warehouse finds their keys: so a row of a fact that is
made here has no keys of dimensions yet, and tells whom it names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError
from sqlalchemy import Column

from strandline.errors import DeclarationError, RecordRejected
from strandline.model.column import Attribute, Reference, role
from strandline.model.combination import Combination
from strandline.model.conversion import EXACT, FAILURES, Conversion, compile_mapper
from strandline.model.custom import CUSTOM_FIELDS, Custom
from strandline.model.factory import Received
from strandline.model.mapper import Mapper, mappers_of
from strandline.model.value import DIALECT, restored
from strandline.natural_key import NaturalKeys

SHOWN: Final = 80


class Named(Protocol):
    """What a stream's source says of it."""

    natural_keys: NaturalKeys


class Stream(Protocol):
    """What is asked of a stream: how its records are read, and whose they are."""

    contract: type[BaseModel]
    deleted: Any
    effective_at: str | None
    parse: Callable[[bytes], BaseModel]
    natural_key: Callable[[Any], str | None]
    source: type[Named]
    source_name: str


def receive(
    model: type[Any],
    payload: Any,
    *,
    mapper: type[Any] | None,
    stream: Stream | None,
    synced_at: datetime | None,
    is_single: bool,
) -> Received:
    """For each row that the record makes its values, and whom its references name."""
    chosen = _mapper_of(model, mapper, stream, is_single=is_single)
    record = _read(payload, chosen.contract, stream)
    read_at = _aware(synced_at)
    effective_at = (
        getattr(record, stream.effective_at) if stream and stream.effective_at else None
    ) or read_at
    keys = stream.source.natural_keys if stream else EXACT
    conversion = _compiled(chosen, keys)  # type: ignore[arg-type]  # a class has a hash
    source_id = stream.natural_key(record) if stream else None
    try:
        row = conversion.convert(record, 0, source_id or "", effective_at, read_at)
    except FAILURES as error:
        raise conversion.explain(record, effective_at) from error
    own: dict[str, Any] = {"synced_at": read_at} if "synced_at" in model.__table__.c else {}
    if stream is not None and "source_id" in model.__table__.c:
        own |= {"source_system": stream.source_name, "source_id": source_id}
    own |= _custom_fields(model, record, stream, effective_at)
    lines = row if conversion.has_lines else (row,)
    return [_row(conversion, line, own) for line in lines]


def _row(conversion: Conversion, row: tuple[Any, ...], own: Mapping[str, Any]) -> Any:
    model, mapped = conversion.mapper.model, conversion.mapper.mapped
    if issubclass(model, Combination):
        return {**own, **model.values(row[-1])}, {}
    values: dict[str, Any] = dict(own)
    keys: dict[str, tuple[str | None, str | None]] = {}
    for column, bound in zip(conversion.columns, row[-len(conversion.columns) :], strict=True):
        if isinstance(role(column), Attribute) and column.name not in mapped:
            continue  # the mapper says nothing of it
        if _is_found_later(column):
            named = mapped[column.name]
            keys[column.name] = (named.source or own.get("source_system"), bound)
        else:
            values[column.name] = restored(column, bound)
    return values, keys


def _is_found_later(column: Column[Any]) -> bool:
    """Whether it holds a key that only the warehouse knows; days are known without it."""
    meaning = role(column)
    return isinstance(meaning, Reference) and meaning.on is None


def _mapper_of(
    model: type[Any], given: Any, stream: Stream | None, *, is_single: bool
) -> type[Mapper[Any, Any]]:
    chosen = _only(model, stream) if given is None else given
    where = f"{model.__name__}.from_api_response"
    if not (isinstance(chosen, type) and issubclass(chosen, Mapper)) or chosen.model is not model:
        named = getattr(chosen, "__name__", repr(chosen))
        raise DeclarationError(
            f"{where}: {named} is no mapper of {model.__name__}",
            hint=_choices(model) or f"Write a Mapper[<contract>, {model.__name__}].",
        )
    if stream is not None and not issubclass(stream.contract, chosen.contract):
        raise DeclarationError(
            f"{where}: {chosen.__name__} takes {chosen.contract.__name__}, and the stream's records are"
            f" {stream.contract.__name__}",
            hint="Name the stream and the mapper that belong together.",
        )
    if is_single and chosen.lines is not None:
        raise DeclarationError(
            f"{where}: {chosen.__name__} makes a row of each of a record's lines",
            hint=f"{model.__name__}.list_from_api_response(…)",
        )
    return chosen


def _only(model: type[Any], stream: Stream | None) -> type[Mapper[Any, Any]]:
    """The mapper of the model; of several the one that takes what the stream sends."""
    known = mappers_of(model)
    fitting = known if stream is None else [it for it in known if it.contract is stream.contract]
    if len(fitting) == 1:
        return fitting[0]
    raise DeclarationError(
        f"{model.__name__}.from_api_response: there is {'no' if not fitting else 'more than one'} mapper of"
        f" {model.__name__}" + ("" if stream is None else f" for {stream.contract.__name__}"),
        hint=_choices(model) or f"Write a Mapper[<contract>, {model.__name__}], and import its module.",
    )


def _choices(model: type[Any]) -> str | None:
    names = [f"mapper={it.__name__}" for it in mappers_of(model)]
    return f"Name it: {' or '.join(names)}." if names else None


@lru_cache(maxsize=256)
def _compiled(mapper: Any, keys: NaturalKeys) -> Conversion:
    return compile_mapper(mapper, DIALECT, keys=keys)


def _aware(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime.now(UTC)
    if moment.tzinfo is None:
        raise DeclarationError(
            f"synced_at={moment.isoformat()} has no time zone", hint="datetime.now(UTC), say."
        )
    return moment.astimezone(UTC)


def _read(payload: Any, contract: type[BaseModel], stream: Stream | None) -> BaseModel:
    """The record; bytes are read exactly as a run reads them, where the stream is known."""
    if isinstance(payload, contract):
        return payload
    if isinstance(payload, str):
        payload = payload.encode()
    if isinstance(payload, bytes | bytearray):
        if stream is not None:
            return stream.parse(bytes(payload))
        payload = _decode(bytes(payload), contract)
    try:
        return contract.model_validate(payload)
    except ValidationError as error:
        raise _rejected(contract, error) from error


def _decode(payload: bytes, contract: type[BaseModel]) -> Any:
    try:
        return json.loads(payload, parse_float=_exact)
    except ValueError as error:
        raise RecordRejected(f"{contract.__name__}: no JSON: {error}", rule="json_invalid") from error


def _exact(text: str) -> float | Decimal:
    """A float where it is faithful, and a Decimal where it would round."""
    rounded = float(text)
    return rounded if Decimal(repr(rounded)) == Decimal(text) else Decimal(text)


def _rejected(contract: type[BaseModel], error: ValidationError) -> RecordRejected:
    details = error.errors(include_url=False, include_context=False)
    paths = [".".join(map(str, it["loc"])) for it in details]
    problems = tuple(
        f"{contract.__name__}{f'.{path}' if path else ''}: {it['msg']}"
        + ("" if it["type"] == "missing" else f", got {_show(it['input'])}")
        for path, it in zip(paths, details, strict=True)
    )
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return RecordRejected(problems[0] + more, field=paths[0], rule=details[0]["type"], problems=problems)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _custom_fields(
    model: type[Any], record: BaseModel, stream: Stream | None, moment: datetime
) -> dict[str, Any]:
    """What the record carries besides its contract, where the model keeps it."""
    column = model.__table__.c.get(CUSTOM_FIELDS)
    if column is None or not isinstance(role(column), Custom):
        return {}
    at = moment.astimezone(UTC).isoformat(timespec="microseconds")
    flag = stream.deleted if stream else None
    extra = {name: it for name, it in (record.model_extra or {}).items() if name != flag}
    seen = {"first_seen": at, "last_seen": at, "deprecated": False}
    return {CUSTOM_FIELDS: {name: {"value": value, **seen} for name, value in extra.items()} or None}
