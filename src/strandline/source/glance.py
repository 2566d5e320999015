"""A record's natural key at a glance: read without its contract, to see whether the record is known already.

Only where it is certain to be the key that the contract would give: text or whole numbers under one name,
which nothing validates, converts or replaces. For every other stream there is no glance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from strandline.natural_key import NaturalKeys
from strandline.source.contract import Record

Glance = Callable[[bytes], str | None]
"""(payload) → natural key, or None where it takes the contract to tell"""

PLAIN: Final = {"str": str, "int": int}
CONVERTING: Final = ("str_strip_whitespace", "str_to_lower", "str_to_upper")


def compile_glance(model: type[Record], key: tuple[str, ...], *, keys: NaturalKeys) -> Glance | None:
    """A function that reads the key of this contract's records; None where the contract has a say in it."""
    fields = _fields(model)
    places = [_place(fields.get(name), name) for name in key]
    if None in places or any(model.model_config.get(it) for it in CONVERTING):
        return None
    found = [it for it in places if it is not None]
    names = [f"key_{number}" for number in range(len(found))]
    shape = msgspec.defstruct(
        "Glance",
        [(name, kind) for name, (_, kind) in zip(names, found, strict=True)],
        rename={name: spelled for name, (spelled, _) in zip(names, found, strict=True)},
        gc=False,
    )
    return _reader(msgspec.json.Decoder(shape).decode, names, keys)


def _reader(decode: Callable[[bytes], Any], names: list[str], keys: NaturalKeys) -> Glance:
    encode, is_single = keys.encode, len(names) == 1

    def glance(payload: bytes) -> str | None:
        try:
            seen = decode(payload)
            return encode(seen.key_0 if is_single else [getattr(seen, name) for name in names])
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None

    return glance


def _fields(model: type[Record]) -> Mapping[str, Any]:
    """The fields as Pydantic has compiled them; none where a validator stands around them all."""
    schema: Any = model.__pydantic_core_schema__
    if schema["type"] == "definitions":
        schema = schema["schema"]
    is_plain = schema["type"] == "model" and not schema.get("custom_init") and not schema.get("post_init")
    inner: Any = schema["schema"] if is_plain else {"type": ""}
    return inner["fields"] if inner["type"] == "model-fields" else {}


def _place(field: Any, name: str) -> tuple[str, type] | None:
    """The name in the JSON, and the type; None where it takes more than that."""
    if field is None or set(field["schema"]) != {"type"}:
        return None
    kind, spelled = PLAIN.get(field["schema"]["type"]), field.get("validation_alias", name)
    return (spelled, kind) if kind is not None and isinstance(spelled, str) else None
