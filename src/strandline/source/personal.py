"""What points at a person: the marker of a contract's fields, and a guess by name and value for all others.

The guess is used where values are shown to people who did not ask for them, as examples are. It is meant to
hide too much rather than too little; only a declared `Personal()` is certain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

_WITHIN: Final = (
    *("mail", "phone", "mobile", "name", "address", "street", "postal", "postcode", "birth", "gender"),
    *("iban", "account", "passport", "license", "token", "secret", "passw", "auth", "owner", "contact"),
    *("person", "login", "salary", "comment", "remark", "message", "latitude", "longitude"),
)
"""What stands within names of fields that hold a person, how to reach one, or a secret."""

_WORDS: Final = frozenset(
    {"bic", "card", "dob", "fax", "geo", "ip", "key", "note", "ssn", "tax", "user", "vat", "zip"}
)
"""The same, as whole words."""

_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VALUE: Final = re.compile(
    r"@"  # an address of mail
    r"|\d[\d ()/.+-]{6,}\d"  # a number of a phone, a card or an account
    r"|^[A-Z]{2}\d{2}[A-Z0-9 ]{8,}$"  # an IBAN
    r"|^\w[\w.'-]+(?: \w[\w.'-]*)+$"  # several words: perhaps a name, perhaps a street
    r"|^(?=.*\d)[\w+/=.-]{20,}$"  # a token
    r"|^\d{1,3}(?:\.\d{1,3}){3}$"  # where a machine is
    r"|://"
)


@dataclass(frozen=True)
class Personal:
    """Marks a field of a contract that points at a person: `email: Annotated[str | None, Personal()]`.

    Its values, and those within it, are never shown as examples, and an erasure takes them out of records
    that refer to the person.
    """


def is_declared_personal(info: FieldInfo) -> bool:
    """Whether the field is marked so, itself or within its type."""
    return any(isinstance(it, Personal) for it in info.metadata) or _is_marked(info.annotation)


def _is_marked(annotation: Any) -> bool:
    marks = getattr(annotation, "__metadata__", ())
    return any(isinstance(it, Personal) for it in marks) or any(map(_is_marked, get_args(annotation)))


def looks_personal(name: str) -> bool:
    """Whether a field of this name may hold what points at a person."""
    words = (it.lower().removesuffix("s") for it in _PART.findall(name))
    return any(it in name.lower() for it in _WITHIN) or not _WORDS.isdisjoint(words)


def may_be_shown(value: object) -> bool:
    """Whether the value looks like one of many things' and of nobody's: short, and of no telling form."""
    if isinstance(value, bool) or value is None or value == "":
        return False
    if isinstance(value, int | float):
        return abs(value) < 1_000_000
    return isinstance(value, str) and len(value) <= 40 and value.isprintable() and not _VALUE.search(value)
