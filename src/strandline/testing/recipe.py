"""From a contract to a strategy for what an API sends that satisfies it: JSON values, under its aliases.

Read is what Pydantic compiles the contract to, in which every constraint, alias and nested contract stands in
one form however it was written. What a function of the contract's own makes of a value, nobody can tell
beforehand: whoever draws records tries each of them on the contract.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel, TypeAdapter

from strandline.errors import DeclarationError
from strandline.source.contract import AS_SENT, Zone, read_boolean
from strandline.testing import value
from strandline.testing.value import Schema

MOST_IN_A_LIST: Final = 3

Values = SearchStrategy[Any]


class Recipe:
    """How values of one contract are made; texts that nothing is said of are of these letters."""

    def __init__(self, contract: type[BaseModel], *, letters: SearchStrategy[str] = value.ANY_TEXT) -> None:
        self._contract = contract
        self._letters = letters
        self._defined: dict[str, Schema] = {}
        self._known: dict[str, Values] = {}

    def record(self, given: Mapping[str, Values]) -> SearchStrategy[dict[str, Any]]:
        """Records; these fields are as given. Raises DeclarationError where nobody can tell what fits."""
        schema: Schema = TypeAdapter(self._contract).core_schema
        while schema["type"] != "model-fields":
            if schema["type"] == "definitions":
                self._define(schema)
            schema = self._defined[schema["schema_ref"]] if "schema_ref" in schema else schema["schema"]
        return self._object(schema, self._contract.__name__, given=given)

    @property
    def is_recursive(self) -> bool:
        """Whether a record may hold others like it."""
        return bool(self._known)

    def _define(self, schema: Schema) -> None:
        self._defined |= {it["ref"]: it for it in schema["definitions"]}

    def of(self, schema: Schema, where: str) -> Values:
        """Values of one part of the contract."""
        kind: str = schema["type"]
        if kind in SIMPLE:
            return SIMPLE[kind](schema)
        if kind in AROUND:
            return self.of(schema[AROUND[kind]], where)
        make: Callable[[Schema, str], Values] | None = getattr(self, f"_{kind.replace('-', '_')}", None)
        if make is None:
            raise _untold(where)
        return make(schema, where)

    def _str(self, schema: Schema, where: str) -> Values:
        try:
            return value.text(schema, self._letters)
        except DeclarationError as error:
            raise _untold(where, error.message) from error

    def _any(self, schema: Schema, where: str) -> Values:
        return st.none() | st.booleans() | SIMPLE["int"]({}) | self._str({}, where)

    def _nullable(self, schema: Schema, where: str) -> Values:
        return st.none() | self.of(schema["schema"], where)

    def _function_after(self, schema: Schema, where: str) -> Values:
        inner = schema["schema"]
        function = schema["function"]["function"]
        if inner["type"] == "datetime" and isinstance(getattr(function, "__self__", None), Zone):
            return value.moment(inner, may_be_naive=True)
        return self.of(inner, where)

    def _function_plain(self, schema: Schema, where: str) -> Values:
        if schema["function"]["function"] is read_boolean:
            return st.sampled_from([True, False, 1, 0, *AS_SENT])
        if "json_schema_input_schema" not in schema:
            raise _untold(where)
        return self.of(schema["json_schema_input_schema"], where)

    def _definitions(self, schema: Schema, where: str) -> Values:
        self._define(schema)
        return self.of(schema["schema"], where)

    def _definition_ref(self, schema: Schema, where: str) -> Values:
        ref: str = schema["schema_ref"]
        if ref not in self._known:
            self._known[ref] = st.deferred(lambda: self._known[f"{ref} itself"])
            self._known[f"{ref} itself"] = self.of(self._defined[ref], where)
        return self._known[ref]

    def _union(self, schema: Schema, where: str) -> Values:
        choices = [it[0] if isinstance(it, tuple) else it for it in schema["choices"]]
        return st.one_of([self.of(it, where) for it in choices])

    def _tagged_union(self, schema: Schema, where: str) -> Values:
        return st.one_of([self.of(it, where) for it in schema["choices"].values()])

    def _list(self, schema: Schema, where: str) -> Values:
        return self._several(schema, where)

    def _set(self, schema: Schema, where: str) -> Values:
        return self._several(schema, where, unique_by=partial(json.dumps, sort_keys=True))

    _frozenset = _set
    _generator = _list

    def _several(self, schema: Schema, where: str, **options: Any) -> Values:
        least, most = schema.get("min_length") or 0, schema.get("max_length")
        most = max(least, MOST_IN_A_LIST) if most is None else most
        items = self.of(schema.get("items_schema", {"type": "any"}), f"{where}[]")
        return st.lists(items, min_size=least, max_size=most, **options)

    def _tuple(self, schema: Schema, where: str) -> Values:
        parts, variadic = list(schema["items_schema"]), schema.get("variadic_item_index")
        if variadic is None:
            return st.tuples(*(self.of(it, f"{where}[]") for it in parts)).map(list)
        before, after = parts[:variadic], parts[variadic + 1 :]
        least, most = schema.get("min_length") or 0, schema.get("max_length")
        others = len(before) + len(after)
        between = {
            "items_schema": parts[variadic],
            "min_length": max(0, least - others),
            "max_length": None if most is None else most - others,
        }
        fixed = [st.tuples(*(self.of(it, f"{where}[]") for it in some)).map(list) for some in (before, after)]
        return st.builds(lambda a, b, c: [*a, *b, *c], fixed[0], self._several(between, where), fixed[1])

    def _dict(self, schema: Schema, where: str) -> Values:
        least, most = schema.get("min_length") or 0, schema.get("max_length")
        names = self.of(schema.get("keys_schema", {"type": "str"}), where)
        return st.dictionaries(
            names.map(lambda it: it if isinstance(it, str) else json.dumps(it)),
            self.of(schema.get("values_schema", {"type": "any"}), f"{where}.*"),
            min_size=least,
            max_size=max(least, MOST_IN_A_LIST) if most is None else most,
        )

    def _json(self, schema: Schema, where: str) -> Values:
        return self.of(schema.get("schema", {"type": "any"}), where).map(json.dumps)

    def _chain(self, schema: Schema, where: str) -> Values:
        return self.of(schema["steps"][0], where)

    def _model_fields(self, schema: Schema, where: str) -> Values:
        return self._object(schema, where, given={})

    def _typed_dict(self, schema: Schema, where: str) -> Values:
        is_total = schema.get("total", True)
        needed = {name: it.get("required", is_total) for name, it in schema["fields"].items()}
        return self._object(schema, where, given={}, needed=needed)

    def _dataclass_args(self, schema: Schema, where: str) -> Values:
        fields = {it["name"]: it for it in schema["fields"]}
        return self._object({"fields": fields}, where, given={})

    def _object(
        self,
        schema: Schema,
        where: str,
        *,
        given: Mapping[str, Values],
        needed: Mapping[str, bool] | None = None,
    ) -> SearchStrategy[dict[str, Any]]:
        """An object with these fields; those with a default may be left out."""
        required, optional = {}, {}
        for name, field in schema["fields"].items():
            way = _way(field.get("validation_alias"), name)
            is_needed = field["schema"]["type"] != "default" if needed is None else needed[name]
            if name in given:
                required[way] = given[name]
            elif is_needed:
                required[way] = self.of(field["schema"], f"{where}.{name}")
            else:
                optional[way] = self.of(field["schema"], f"{where}.{name}")
        return st.fixed_dictionaries(required, optional=optional).map(_nested)


def _way(alias: Any, name: str) -> tuple[str | int, ...]:
    """The names and places that lead to a field in what is sent; the first where there are several ways."""
    if alias is None or isinstance(alias, str):
        return (alias or name,)
    return tuple(alias if isinstance(alias[0], str) else alias[0])


def _nested(fields: Mapping[tuple[str | int, ...], Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for way, sent in fields.items():
        at: Any = made
        for step, following in zip(way, [*way[1:], None], strict=True):
            inner = sent if following is None else [] if isinstance(following, int) else {}
            at = _enter(at, step, inner, is_end=following is None)
    return made


def _enter(at: Any, step: str | int, inner: Any, *, is_end: bool) -> Any:
    """Put what is inside there, unless something is already; what is there then."""
    if isinstance(step, int):
        at.extend([None] * (step + 1 - len(at)))
        at[step] = inner if is_end or at[step] is None else at[step]
    elif is_end or step not in at:
        at[step] = inner
    return at[step]


def _untold(where: str, why: str = "nobody can tell what it takes") -> DeclarationError:
    contract, _, field = where.partition(".")
    name = field.partition(".")[0].removesuffix("[]")
    return DeclarationError(
        f"{where}: {why}", hint=f"Say it: records({contract}, {name}=<strategy or value>)."
    )


def _url(schema: Schema) -> Values:
    scheme = (schema.get("allowed_schemes") or ["https"])[0]
    return st.from_regex(r"[a-z]{1,8}/[a-z0-9]{0,8}", fullmatch=True).map(
        f"{scheme}://example.com/{{}}".format
    )


def _one_of(members: Sequence[Any]) -> Values:
    return st.sampled_from([it.value if isinstance(it, Enum) else it for it in members])


SIMPLE: Final[Mapping[str, Callable[[Schema], Values]]] = {
    "none": lambda schema: st.none(),
    "bool": lambda schema: st.booleans(),
    "int": value.whole_number,
    "float": value.float_number,
    "decimal": value.exact_number,
    "bytes": lambda schema: value.text(schema, st.sampled_from("abcdefgh")),
    "date": value.day,
    "time": value.time_of_day,
    "datetime": partial(value.moment, may_be_naive=False),
    "timedelta": value.duration,
    "uuid": lambda schema: st.uuids(version=schema.get("version")).map(str),
    "url": _url,
    "literal": lambda schema: _one_of(schema["expected"]),
    "enum": lambda schema: _one_of(schema["members"]),
}

AROUND: Final = {
    **dict.fromkeys(("default", "model", "dataclass", "custom-error"), "schema"),
    **dict.fromkeys(("function-before", "function-wrap"), "schema"),
    "lax-or-strict": "lax_schema",
    "json-or-python": "json_schema",
}
"""What is taken as something within it is."""
