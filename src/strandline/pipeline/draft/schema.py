"""JSON Schema, and OpenAPI's kind of it: references, what is put together of parts, shapes and examples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from strandline.pipeline.draft.shape import Field, Shape
from strandline.source.profile import form

Schema = Mapping[str, Any]

DEEPEST: Final = 2
"""Objects within objects, further down they are dictionaries."""

FORMATS: Final = {
    "date-time": "timestamp",
    "timestamp": "timestamp",
    "date": "date",
    "email": "mail",
    "uri": "url",
    "url": "url",
}
SAID: Final = {
    "timestamp": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "mail": "ida@example.org",
    "url": "https://example.org/1",
}
_FORM: Final = {"timestamp": form.TIMESTAMP, "date": form.DATE, "mail": form.MAIL}


class Schemas:
    """Reads the schemas of one document."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def resolve(self, schema: Any, *, seen: frozenset[str] = frozenset()) -> tuple[Schema, frozenset[str]]:
        """The schema itself, and the references that led to it; an empty one where these go in a circle."""
        if not isinstance(schema, Mapping):
            return {}, seen
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema, seen
        if reference in seen:
            return {"x-circle": reference.rpartition("/")[2].strip("#") or "the schema itself"}, seen
        return self.resolve(self._at(reference), seen=seen | {reference})

    def _at(self, reference: str) -> Any:
        found: Any = self._document
        if not reference.startswith("#"):
            return {"x-circle": reference}  # in another document
        for step in filter(None, reference.removeprefix("#").split("/")):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name, {}) if isinstance(found, Mapping) else {}
        return found

    def whole(self, schema: Any, seen: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """The schema with its parts put together: allOf, and the one of anyOf or oneOf that is not null."""
        found, seen = self.resolve(schema, seen=seen)
        parts = [self.whole(it, seen) for it in found.get("allOf") or ()]
        choices = [self.whole(it, seen) for it in found.get("anyOf") or found.get("oneOf") or ()]
        filled = [it for it in choices if it[0].get("type") != "null"]
        if len(filled) == 1:
            parts.append(filled[0])
        if not parts and not filled:
            return found, seen
        if len(filled) > 1:
            parts.append((_common([it for it, _ in filled]), frozenset().union(*(it for _, it in filled))))
        made = _merged(
            [
                {key: it for key, it in found.items() if key not in ("allOf", "anyOf", "oneOf")},
                *(it for it, _ in parts),
            ]
        )
        if len(filled) < len(choices):
            made["nullable"] = True
        return made, seen.union(*(it for _, it in parts))

    def shape(self, schema: Any, *, seen: frozenset[str] = frozenset(), depth: int = 0) -> Shape:
        """What a value of the schema is."""
        found, seen = self.whole(schema, seen)
        kind = kind_of(found)
        title = str(found.get("description") or found.get("title") or "")
        if kind == "object":
            return self._object(found, seen, depth, title)
        if kind == "list":
            items = self.shape(found.get("items") or {}, seen=seen, depth=depth + 1)
            return Shape("list", items=items, note=items.note)
        if kind == "any":
            return Shape("any", note=_why_any(found))
        longest, choices = found.get("maxLength"), found.get("enum")
        if kind == "text" and choices:
            longest = max((len(str(it)) for it in choices), default=0)
        note = _odd_format(found)
        return Shape(
            kind,
            longest=longest,
            is_choice=bool(choices),
            title=title,
            note=note,
            decimals=99 * (kind == "number"),
        )

    def _object(self, found: Schema, seen: frozenset[str], depth: int, title: str) -> Shape:
        made = Shape("object", title=title)
        if depth >= DEEPEST:
            return made
        required = set(found.get("required") or ())
        for name, inner in (found.get("properties") or {}).items():
            shape = self.shape(inner, seen=seen, depth=depth + 1)
            is_required = name in required and not is_nullable(self.whole(inner, seen)[0])
            made.fields[str(name)] = Field(shape, is_required=is_required and shape.kind != "any")
        return made

    def example(
        self, schema: Any, *, seen: frozenset[str] = frozenset(), depth: int = 0, name: str = ""
    ) -> Any:
        """A value that satisfies the schema, all fields filled, by the document's examples where they fit."""
        found, seen = self.whole(schema, seen)
        kind = kind_of(found)
        if kind == "object":
            inner = found.get("properties") or {} if depth < DEEPEST + 4 else {}
            return {
                str(key): self.example(it, seen=seen, depth=depth + 1, name=str(key))
                for key, it in inner.items()
            }
        if kind == "list":
            return [self.example(found.get("items") or {}, seen=seen, depth=depth + 1, name=name)]
        return None if kind == "any" else _single(found, kind, name)


def kind_of(schema: Schema) -> str:
    """The kind that a shape has of it."""
    given = schema.get("type")
    kinds = [it for it in (given if isinstance(given, list) else [given]) if it not in (None, "null")]
    if not kinds:
        kinds = list(_implied(schema))
    if len(kinds) != 1:
        return "number" if set(kinds) == {"integer", "number"} else "any"
    if kinds[0] == "string":
        return FORMATS.get(str(schema.get("format")), "text")
    names = {
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
        "array": "list",
        "object": "object",
    }
    return names.get(kinds[0], "any")


def _implied(schema: Schema) -> Iterator[str]:
    """The type that a schema means that does not say it."""
    if schema.get("properties"):
        yield "object"
    elif "items" in schema:
        yield "array"
    elif schema.get("enum") and all(isinstance(it, str) for it in schema["enum"] if it is not None):
        yield "string"


def is_nullable(schema: Schema) -> bool:
    """Whether null is a value of it."""
    given, choices = schema.get("type"), schema.get("enum") or ()
    says_so = schema.get("nullable") or schema.get("x-nullable") or None in choices
    return bool(says_so) or (isinstance(given, list) and "null" in given)


def _merged(parts: list[Schema]) -> dict[str, Any]:
    """All of these at once."""
    made: dict[str, Any] = {}
    for it in parts:
        properties = {**made.get("properties", {}), **(it.get("properties") or {})}
        required = [*made.get("required", ()), *(it.get("required") or ())]
        made = {**it, **made}
        if properties:
            made["properties"] = properties
        if required:
            made["required"] = required
    return made


def _common(choices: list[Schema]) -> dict[str, Any]:
    """What holds for one or the other."""
    kinds = {kind_of(it) for it in choices}
    if kinds == {"object"}:
        made = _merged(choices)
        made["required"] = sorted(set.intersection(*(set(it.get("required") or ()) for it in choices)))
        return made
    if len(kinds) == 1:
        return {key: it for key, it in choices[0].items() if key not in ("enum", "maxLength")}
    return {"x-kinds": sorted(kinds)}


def _why_any(schema: Schema) -> str:
    if "x-circle" in schema:
        return f"it leads back to {schema['x-circle']}, and is not looked into"
    return f"{' or '.join(schema['x-kinds'])}" if "x-kinds" in schema else "the document gives no one type"


def _odd_format(schema: Schema) -> str:
    told = str(schema.get("format") or "")
    if told in ("date-time", "date") or not ("date" in told or "time" in told):
        return ""
    read_as = "read as a time with a zone, which is a guess" if told in FORMATS else "which is no usual one"
    return f"a text in the form {told}, {read_as}"


def _single(schema: Schema, kind: str, name: str) -> Any:
    given = schema.get("example", schema.get("default"))
    if isinstance(schema.get("examples"), list) and schema["examples"]:
        given = schema["examples"][0]
    choices = [it for it in schema.get("enum") or () if it is not None]
    if choices:
        return choices[0]
    if isinstance(given, datetime | date):
        given = given.isoformat()
    if _fits(given, kind, schema):
        return given
    if kind in ("integer", "number"):
        return max(schema.get("minimum") or 1, 1)
    return True if kind == "boolean" else SAID.get(kind) or _text(schema, name)


def _fits(given: Any, kind: str, schema: Schema) -> bool:
    if kind in ("integer", "number"):
        is_whole = isinstance(given, int) and not isinstance(given, bool)
        return is_whole or (kind == "number" and isinstance(given, float))
    if kind == "boolean":
        return isinstance(given, bool)
    if not isinstance(given, str) or not given or len(given) > (schema.get("maxLength") or 200):
        return False
    return kind not in _FORM or form.of([given]) == _FORM[kind]


def _text(schema: Schema, name: str) -> str:
    """A text of the length that is asked for; a link where it is called so."""
    if re.search(r"(?i)(?:url|uri|href|link)$", name) or (name == "next" and schema.get("format") != "token"):
        return SAID["url"]
    made = f"a {name}".strip()
    least, most = schema.get("minLength") or 0, schema.get("maxLength") or 200
    return made.ljust(least, "x")[:most] or "x"
