"""The outline of a contract: what msgspec may read in Pydantic's place, because both read the same out of it.

It is taken from what Pydantic has compiled, and only from what is known here to the last key: another kind of
field, a constraint, a validator or a setting that could have a say, and there is no outline. Where msgspec is
more generous than Pydantic, with a number that should be exact or the seventh digit of a second, the value is
read as it stands, and `shortcut` does what is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from keyword import iskeyword
from typing import Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel

from strandline.source.contract import Record, read_boolean
from strandline.source.extra import names_of, spellings_of

REQUIRED: Final = object()


class Kind(Enum):
    """What is left to do with a value that msgspec has read."""

    PLAIN = "nothing"
    DECIMAL = "text or a number becomes a Decimal"
    BOOLEAN = "text becomes a truth value"
    MOMENT = "it has no more than six digits of a second"


TYPES: Final[Mapping[str, tuple[Any, Kind]]] = {
    "str": (str, Kind.PLAIN),
    "int": (Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)], Kind.PLAIN),
    "bool": (bool, Kind.PLAIN),
    "date": (date, Kind.PLAIN),
    "decimal": (str | int | float, Kind.DECIMAL),
    "datetime": (Annotated[datetime, msgspec.Meta(tz=True)], Kind.MOMENT),
}
BOOLEAN: Final = (str | bool | int | float, Kind.BOOLEAN)

SETTINGS: Final[Mapping[str, tuple[Any, ...]]] = {
    "title": (),
    "extra_fields_behavior": ("allow", "ignore", "forbid"),  # msgspec refuses what is not named
    "allow_inf_nan": (True, False),  # and so is whatever is not finite
    "coerce_numbers_to_str": (True, False),  # msgspec refuses what it would convert
    "validate_by_alias": (True,),
    "validate_by_name": (True, False),
    "frozen": (True, False),
}
"""What a model's settings may be; any value, where none is told."""

NONE: Final = type(None)
DEFAULTS: Final[Mapping[Kind, tuple[type, ...]]] = {
    Kind.PLAIN: (NONE, str, int, bool, date),
    Kind.DECIMAL: (NONE, Decimal),
    Kind.BOOLEAN: (NONE, bool),
    Kind.MOMENT: (NONE, datetime),
}
"""The types of defaults, which nobody looks at again: those that are as what is read."""


class Outline(msgspec.Struct):
    """A model whose fields msgspec may read."""

    model: type[BaseModel]
    where: tuple[str, ...] | None
    """The names on the way to it, as the source spells them; None within a list."""
    fields: list[Outlined] = []
    extras: list[str] = []
    """What else was met there, and may be there again: an attribute for each, see `attribute`."""

    def attribute(self, number: int) -> str:
        """Under which name the struct has an extra."""
        return f"extra_{number}" + "_" * max((len(it.name) for it in self.fields), default=0)

    def may_carry(self, name: str) -> bool:
        """Whether the contract has no other meaning for the name."""
        return self.where is not None and _can_be_asked_for(name) and name not in names_of(self.model)

    @property
    def is_unambiguous(self) -> bool:
        """Whether every name means one field, be it an alias or the field's own."""
        names, spelled = [it.name for it in self.fields], [it.spelled for it in self.fields]
        meant = {it.spelled: it.name for it in self.fields}
        return (
            len(set(spelled)) == len(spelled)
            and all(meant.get(name, name) == name for name in names)
            and all(name.isidentifier() and not iskeyword(name) for name in names)
            and all(map(_can_be_asked_for, spelled))
        )

    def struct(self) -> type[msgspec.Struct]:
        """What msgspec reads it into; it refuses what is not known."""
        named = [(it.name, it.type(), *it.defaults()) for it in self.fields]
        extra = [(self.attribute(number), Any, msgspec.UNSET) for number in range(len(self.extras))]
        spelled = {it.name: it.spelled for it in self.fields}
        spelled |= {self.attribute(number): name for number, name in enumerate(self.extras)}
        return msgspec.defstruct(
            self.model.__name__,
            [*named, *extra],
            rename=spelled,
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,
        )

    def levels(self) -> Iterator[Outline]:
        """Itself and those that are reached from it by name, in the order of the census."""
        yield self
        for it in self.fields:
            if it.inner is not None and not it.is_list:
                yield from it.inner.levels()


class Outlined(msgspec.Struct):
    """A field of it."""

    name: str
    spelled: str
    kind: Kind = Kind.PLAIN
    hint: Any = None
    inner: Outline | None = None
    """The model that it holds, or a list of such."""
    is_list: bool = False
    may_be_none: bool = False
    default: Any = REQUIRED

    def type(self) -> Any:
        """Its type, as msgspec takes it."""
        hint: Any = self.inner.struct() if self.inner is not None else self.hint
        if self.is_list:
            hint = list.__class_getitem__(hint)
        return hint | None if self.may_be_none else hint

    def defaults(self) -> tuple[Any, ...]:
        """Its default, if it has one."""
        return () if self.default is REQUIRED else (self.default,)


def outline_of(model: type[Record]) -> Outline | None:
    """The outline of a contract; None where Pydantic has to read it."""
    schema: Any = model.__pydantic_core_schema__
    known: dict[str, Any] = {}
    if schema["type"] == "definitions":
        known = {it.get("ref", ""): it for it in schema["definitions"]}
        schema = schema["schema"]
    return _Reader(known).model(schema, ())


class _Reader:
    """Reads the schemas of pydantic-core, as https://docs.pydantic.dev/latest/api/pydantic_core_schema/ tells
    of them.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self._within: list[str] = []

    def model(self, schema: Mapping[str, Any], where: tuple[str, ...] | None) -> Outline | None:
        inner = schema.get("schema", {})
        plain = _has_only(
            schema, {"type", "cls", "config", "schema", "metadata", "ref", "custom_init", "root_model"}
        ) and _has_only(inner, {"type", "fields", "model_name", "computed_fields"})
        if not plain or schema["type"] != "model" or inner["type"] != "model-fields":
            return None
        if schema.get("custom_init") or schema.get("root_model") or not _is_known(schema.get("config", {})):
            return None
        found = Outline(schema["cls"], where)
        for name, it in inner["fields"].items():
            outlined = self._field(found, name, it)
            if outlined is None:
                return None
            found.fields.append(outlined)
        return found if found.is_unambiguous else None

    def _field(self, outline: Outline, name: str, schema: Mapping[str, Any]) -> Outlined | None:
        keys = {"type", "schema", "validation_alias", "serialization_alias", "metadata", "frozen"}
        spelled = schema.get("validation_alias", name)
        if not _has_only(schema, keys) or not isinstance(spelled, str):
            return None
        found = Outlined(name, spelled)
        census = next(spellings_of(outline.model, name))
        below = None if outline.where is None else (*outline.where, census)
        return found if self._fill(found, schema["schema"], below) else None

    def _fill(self, found: Outlined, schema: Mapping[str, Any], where: tuple[str, ...] | None) -> bool:
        """Say what the field is; whether it can be said."""
        kind = schema["type"]
        if kind == "default" and _has_only(schema, {"type", "schema", "default"}):
            found.default = schema.get("default", REQUIRED)
            is_filled = not found.is_list and self._fill(found, schema["schema"], where)
            return is_filled and type(found.default) in DEFAULTS[found.kind]
        if kind == "default" and schema.get("default_factory") is list:
            keys = {"type", "schema", "default_factory", "default_factory_takes_data"}
            found.default = msgspec.field(default_factory=list)
            return _has_only(schema, keys) and self._fill(found, schema["schema"], where) and found.is_list
        if kind == "nullable" and _has_only(schema, {"type", "schema"}) and not found.is_list:
            found.may_be_none = True
            return self._fill(found, schema["schema"], where)
        if kind == "list" and _has_only(schema, {"type", "items_schema"}) and not found.is_list:
            found.is_list = True
            is_filled = "items_schema" in schema and self._fill(found, schema["items_schema"], None)
            return is_filled and found.kind is Kind.PLAIN
        if kind in ("model", "definition-ref"):
            return self._fill_with_model(found, schema, where)
        leaf = _leaf(schema)
        if leaf is None:
            return False
        found.hint, found.kind = leaf
        return True

    def _fill_with_model(
        self, found: Outlined, schema: Mapping[str, Any], where: tuple[str, ...] | None
    ) -> bool:
        schema = self._known.get(schema.get("schema_ref", ""), schema)
        ref = schema.get("ref", "")
        if ref in self._within:  # a model in itself has no end
            return False
        self._within.append(ref)
        found.inner = self.model(schema, where)
        self._within.pop()
        return found.inner is not None


def _leaf(schema: Mapping[str, Any]) -> tuple[Any, Kind] | None:
    """How msgspec is to read a value, and what is left to do."""
    kind = schema["type"]
    if kind == "function-plain":
        function = schema["function"]
        return BOOLEAN if function == {"type": "no-info", "function": read_boolean} else None
    if kind == "literal":
        expected = schema["expected"]
        return (Literal[*expected], Kind.PLAIN) if {type(it) for it in expected} == {str} else None
    rest = {key: value for key, value in schema.items() if key not in ("type", "metadata")}
    if kind == "datetime":
        rest = {key: value for key, value in rest.items() if (key, value) not in ANY_MOMENT}
    return None if rest else TYPES.get(kind)


ANY_MOMENT: Final = (("microseconds_precision", "truncate"), ("tz_constraint", "aware"))
"""What may be asked of a timestamp: msgspec takes no naive one, and no more digits than there are."""


def _can_be_asked_for(name: str) -> bool:
    """Whether msgspec takes the name: it wants none that JSON would have to escape."""
    return not any(letter in '"\\' or letter < " " for letter in name)


def _has_only(schema: Mapping[str, Any], keys: set[str]) -> bool:
    return schema.keys() <= keys


def _is_known(config: Mapping[str, Any]) -> bool:
    return all(
        key in SETTINGS and (not SETTINGS[key] or value in SETTINGS[key]) for key, value in config.items()
    )
