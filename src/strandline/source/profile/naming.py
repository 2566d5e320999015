"""What names of fields say: words in them, what sounds like an identifier, a change or a beginning."""

from __future__ import annotations

import re
from typing import Final

_APART: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

IDENTIFIERS: Final = frozenset(
    {"id", "uuid", "guid", "gid", "sid", "uid", "oid", "pk", "internalid", "recordid"}
)
CODES: Final = frozenset(
    {"key", "code", "sku", "slug", "number", "no", "ref", "reference", "isbn", "ean", "iso"}
)
CHANGES: Final = frozenset(
    {"updated", "update", "modified", "modify", "changed", "change", "edited", "edit", "touched", "revised"}
    | {"mtime", "modstamp", "systemmodstamp", "modification", "lastmodified", "write"}
)
BEGINNINGS: Final = frozenset(
    {"created", "create", "creation", "inserted", "added", "registered", "since", "opened", "placed", "ctime"}
)
TIMES: Final = frozenset({"at", "on", "date", "time", "timestamp", "datetime", "ts", "when", "day"})
COUNTERS: Final = frozenset({"version", "revision", "rev", "sequence", "seq", "rowversion", "etag"})


def words(name: str) -> list[str]:
    """The words of a name, in lower case: `lastModifiedDate` has three."""
    return [it.lower() for it in re.split(r"[\W_]+", _APART.sub("_", name)) if it]


def is_identifier(name: str) -> bool:
    """Whether it is called as identifiers are: `id`, `uuid`, `internalId`."""
    return "".join(words(name)) in IDENTIFIERS


def owner_of(name: str) -> str | None:
    """Whose identifier it is: `customer` of `customer_id`; None where it is none's."""
    found = words(name)
    if len(found) > 1 and (found[-1] in IDENTIFIERS):
        return "_".join(found[:-1])
    return None


def is_code(name: str) -> bool:
    """Whether it is called as codes are: `sku`, `order_number`."""
    return bool(words(name)) and words(name)[-1] in CODES


def tells_change(name: str) -> bool:
    """Whether it is called as a time of the last change is."""
    return not CHANGES.isdisjoint(words(name))


def tells_beginning(name: str) -> bool:
    """Whether it is called as a time of the beginning is."""
    return not BEGINNINGS.isdisjoint(words(name)) and not tells_change(name)


def counts_changes(name: str) -> bool:
    """Whether it is called as a number that grows with each change."""
    return not COUNTERS.isdisjoint(words(name))


def singular(name: str) -> str:
    """The word for one of them: `companies`, `boxes`, `orders`."""
    if name.endswith("ies") and len(name) > 4:
        return f"{name[:-3]}y"
    if re.search(r"(?:ss|x|ch|sh|z|statu|bonu|viru|campu)es$|(?:statu|bonu|viru|campu)ses$", name):
        return name[:-2]
    if name.endswith("s") and not name.endswith(("ss", "us", "is", "news")):
        return name[:-1]
    return name
