"""What a program can read, written as the Python that declares it: a contract and a method for each stream.

It is a draft for the user's own code: the JSON schema says which fields there are and of which types; which
of them matter, and what the key is where the program does not say, somebody has to look at.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from strandline.errors import DeclarationError
from strandline.source.contract import Record

TYPES: Final = {
    "boolean": "bool",
    "integer": "int",
    "number": "Decimal",
    "string": "str",
    "array": "list[Any]",
    "object": "dict[str, Any]",
}
FORMATS: Final = {"date-time": "AwareDatetime", "date": "date", "time": "time"}
DELETED: Final = ("_sdc_deleted_at", "_ab_cdc_deleted_at")
"""The fields in which taps and connectors say that a record is gone."""


class Offered(Struct, frozen=True):
    """A stream that a program can read."""

    name: str
    schema: Mapping[str, Any]
    """The JSON schema of its records."""
    key: tuple[str, ...]
    """The fields that identify a record; none where the program does not say."""


def unknown(who: str, stream: str, known: Sequence[str]) -> DeclarationError:
    """That there is no such stream, and which there are."""
    close = get_close_matches(stream, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(known) or 'none'}."
    return DeclarationError(f"{who} has no stream {stream!r}", hint=hint)


def draft(streams: Sequence[Offered]) -> str:
    """The Python that declares them: their contracts, and the methods of a source."""
    contracts = "\n\n".join(map(_contract, streams))
    methods = "\n".join(map(_method, streams))
    return f"{_imports(contracts)}\n\n{contracts}\n\n    # in the source:\n\n{methods}"


def _imports(contracts: str) -> str:
    times = [name for name in ("date", "time") if re.search(rf": {name}\b", contracts)]
    lines = [f"from datetime import {', '.join(times)}"] if times else []
    lines += ["from decimal import Decimal"] if "Decimal" in contracts else []
    lines += ["from typing import Any"] if "Any]" in contracts else []
    pydantic = [name for name in ("AwareDatetime", "Field") if name in contracts]
    lines += ["", f"from pydantic import {', '.join(pydantic)}"] if pydantic else []
    return "\n".join([*lines, "", "from strandline import Pages, Record, stream"]).lstrip("\n") + "\n"


def _contract(offered: Offered) -> str:
    lines = [f"class {class_name(offered.name)}(Record):", f'    """{offered.name}."""', ""]
    fields = offered.schema.get("properties") or {}
    lines += [_field(name, schema or {}, offered) for name, schema in fields.items()]
    return "\n".join(lines if fields else lines[:-1]) + "\n"


def _field(name: str, schema: Mapping[str, Any], offered: Offered) -> str:
    kind, attribute, is_key = _type(schema), attribute_name(name), name in offered.key
    told = kind if is_key or kind == "Any" else f"{kind} | None"
    default = "" if is_key else "None"
    if attribute != name:
        written = [*([f"default={default}"] if default else []), f'alias="{name}"']
        return f"    {attribute}: {told} = Field({', '.join(written)})"
    return f"    {attribute}: {told}{' = ' + default if default else ''}"


def _type(schema: Mapping[str, Any]) -> str:
    given = schema.get("type")
    kinds = [it for it in (given if isinstance(given, list) else [given]) if it not in (None, "null")]
    choices = [it for it in schema.get("anyOf") or schema.get("oneOf") or () if it.get("type") != "null"]
    if not kinds and len(choices) == 1:
        return _type(choices[0])
    if "format" in schema and "string" in kinds:
        return FORMATS.get(schema["format"], "str")
    return TYPES.get(kinds[0], "Any") if len(kinds) == 1 else "Any"


def _method(offered: Offered) -> str:
    names = [f'"{attribute_name(it)}"' for it in offered.key] or ['"…"']  # nobody but the user can tell
    key = names[0] if len(names) == 1 else f"({', '.join(names)})"
    fields = offered.schema.get("properties") or {}
    gone = next((f', deleted="{it}"' for it in DELETED if it in fields), "")
    return (
        f"    @stream({class_name(offered.name)}, key={key}{gone})\n"
        f"    def {attribute_name(offered.name)}(self, since: str | None) -> Pages:\n"
        f'        """{offered.name}."""\n'
        f'        return self.pages("{offered.name}", since)\n'
    )


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case and in plain letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return [it.lower() for it in re.split(r"\W+|_+", apart) if it]


def attribute_name(name: str) -> str:
    """The name as a field's or method's."""
    made = "_".join(words_of(name)) or "field"
    made = f"field_{made}" if made[0].isdigit() else made
    return f"{made}_" if keyword.iskeyword(made) or hasattr(Record, made) else made


def class_name(name: str) -> str:
    """The name as a class's."""
    made = "".join(it.capitalize() for it in words_of(name)) or "Stream"
    return f"Stream{made}" if made[0].isdigit() else made
