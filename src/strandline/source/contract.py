"""What a record must look like: Pydantic models, and the compiled validator that turns exact bytes into one.

Pydantic reads a JSON number into a Decimal through a float, which rounds after 15 digits. Promise 8 says
that money is exact, so a contract with a Decimal or an Any anywhere looks at the bytes first: only a number
of 16 digits or more, or one with an exponent of hundreds, can be rounded. Such a record takes a second way,
in which the numbers that a float cannot hold are decoded as Decimal. A translation table and two substring
searches make the look cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from strandline.errors import DeclarationError, RecordRejected
from strandline.source import malformed

_SHOWN = 80


class Record(BaseModel):
    """A record of a source. Fields that a contract does not name are kept in `model_extra`, not dropped."""

    # No infinity: what is beyond any float, 1e400, would become one.
    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True, allow_inf_nan=False)


class Reference(Record):
    """A link to another record, `{"id": "1", "name": "USD"}`; a numeric id becomes its text."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: str | None = None
    name: str | None = None
    display_name: str | None = Field(default=None, alias="displayName")


_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
AS_SENT = {form: truth for word, truth in _WORDS.items() for form in (word, word.upper(), word.capitalize())}
"""The usual spellings of a truth value, to be looked up."""


def read_boolean(value: object) -> bool:
    """True or False for what sources send as such: yes/no, true/false, 1/0, Y/N, T/F; anything else is
    an error.
    """
    truth: bool | None = None
    if isinstance(value, str):
        truth = AS_SENT.get(value)
        if truth is None:
            truth = _WORDS.get(value.strip().lower())
    elif isinstance(value, int) and value in (0, 1):
        truth = bool(value)
    if truth is None:
        raise PydanticCustomError("boolean_string", "should be yes/no, true/false, 1/0, Y/N or T/F")
    return truth


BooleanString = Annotated[bool, PlainValidator(read_boolean, json_schema_input_type=bool | int | str)]


@dataclass(frozen=True)
class Zone:
    """Declares the zone of naive timestamps: `Annotated[datetime, Zone("Europe/Berlin")]` gives aware UTC.

    Of a local time that happened twice the first is meant.
    """

    name: str

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise DeclarationError(
                f"Zone({self.name!r}): no such time zone",
                hint='Name one as in Zone("Europe/Berlin") or Zone("UTC").',
            ) from error

    def settle(self, value: datetime) -> datetime:
        """The same instant in UTC; a naive value is read as local time of the zone."""
        local = value if value.tzinfo is not None else value.replace(tzinfo=ZoneInfo(self.name))
        return local.astimezone(UTC)

    def __get_pydantic_core_schema__(
        self, source: type[datetime], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.settle, handler(source))


MAY_BE_EXACT = ("decimal", "any")
"""The types of fields that get a Decimal where a float would round."""


class Contract:
    """The compiled validator of one contract. Bind `parse` once in a hot loop: it is a plain function.

    `parse(raw)` gives the record or raises RecordRejected with `.field`, `.rule` and `.problems`. With
    `strict` a value must be of the JSON type that fits its field: "5" is no number, and 5 no text.
    """

    def __init__(self, model: type[Record], *, strict: bool = False) -> None:
        model.model_rebuild()
        self.model = model
        self.parse: Callable[[bytes], Record] = _compile(model, strict=strict)

    def __repr__(self) -> str:
        return f"Contract({self.model.__name__})"


def _compile(model: type[Record], *, strict: bool) -> Callable[[bytes], Record]:
    adapter = TypeAdapter(model)
    validator = adapter.validator
    validate = partial(validator.validate_json, strict=True) if strict else validator.validate_json
    if any(_mentions(adapter.core_schema, "type", it) for it in MAY_BE_EXACT):
        decoded: Callable[[Any], Record] = validator.validate_python
        if strict or _mentions(adapter.core_schema, "strict", True):  # noqa: FBT003  # what Pydantic writes
            # Decoded, a timestamp would have to be one already: so the bytes are judged, and values are read.
            decoded = partial(validator.validate_python, strict=False)
            return _compile_exact(model, validate=validate, validate_decoded=decoded, judge=validate)
        return _compile_exact(model, validate=validate, validate_decoded=decoded)

    def parse(raw: bytes) -> Record:
        try:
            return validate(raw)  # type: ignore[no-any-return]  # a validator of `model` gives a `model`
        except ValidationError as error:
            raise _rejected(model, raw, error) from error

    return parse


def _compile_exact(
    model: type[Record],
    *,
    validate: Callable[[bytes], Record],
    validate_decoded: Callable[[Any], Record],
    judge: Callable[[bytes], Record] | None = None,
) -> Callable[[bytes], Record]:
    decode = msgspec.json.Decoder(float_hook=_exact_number).decode

    def parse(raw: bytes) -> Record:
        try:
            if not may_round(raw):
                return validate(raw)
            if judge is not None:
                judge(raw)
            return validate_decoded(decode(raw))
        except ValidationError as error:
            raise _rejected(model, raw, error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation, RecursionError) as error:
            raise _malformed(model, raw, error) from error

    return parse


_KINDS = bytes(
    ord("0") if chr(code) in "0123456789.+-" else ord("e") if chr(code) in "eE" else 0 for code in range(256)
)
_MANY_DIGITS = b"0" * 16
_FAR_EXPONENT = b"0e000"


def may_round(raw: bytes) -> bool:
    """Whether the bytes may hold a number that a float cannot: never wrongly False, now and then
    wrongly True.
    """
    kinds = raw.translate(_KINDS)
    return _MANY_DIGITS in kinds or _FAR_EXPONENT in kinds


def _exact_number(text: str) -> float | Decimal:
    # A float where it is faithful, so that every other type sees what it would have seen in JSON.
    exact, rounded = Decimal(text), float(text)
    return rounded if Decimal(repr(rounded)) == exact else exact


def _mentions(schema: object, key: str, value: object) -> bool:
    if isinstance(schema, dict):
        return schema.get(key) == value or any(_mentions(part, key, value) for part in schema.values())
    if isinstance(schema, list | tuple):
        return any(_mentions(part, key, value) for part in schema)
    return False


def _rejected(model: type[Record], raw: bytes, error: ValidationError) -> RecordRejected:
    if reason := malformed.explain(raw):
        return RecordRejected(f"{model.__name__}: {reason}", rule=malformed.RULE)
    details = error.errors(include_url=False, include_context=False)
    problems = tuple(_problem(model, detail) for detail in details)
    first = details[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return RecordRejected(problems[0] + more, field=_path(first), rule=first["type"], problems=problems)


def _problem(model: type[Record], detail: ErrorDetails) -> str:
    path = _path(detail)
    where = f"{model.__name__}.{path}" if path else model.__name__
    what = detail["msg"]
    # A missing field's input is the whole record around it, which would say nothing.
    return (
        f"{where}: {what}" if detail["type"] == "missing" else f"{where}: {what}, got {show(detail['input'])}"
    )


def _path(detail: ErrorDetails) -> str:
    return ".".join(map(str, detail["loc"]))


def _malformed(model: type[Record], raw: bytes, error: Exception) -> RecordRejected:
    if reason := malformed.explain(raw):
        return RecordRejected(f"{model.__name__}: {reason}", rule=malformed.RULE)
    problem = f"{model.__name__}: {error}, got {show(raw)}"
    return RecordRejected(problem, field="", rule="json_invalid", problems=(problem,))


def show(value: object) -> str:
    """The value as Python writes it, cut at 80 characters."""
    text = repr(value[: _SHOWN * 2] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
