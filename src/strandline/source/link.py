"""The Link header of RFC 8288, parsed as its grammar says: commas and semicolons within quotes or <>
are content.
"""

from __future__ import annotations

import re

from msgspec import Struct

_TARGET = re.compile(r"[\s,]*<([^>]*)>")
_PARAMETER = re.compile(r'\s*;\s*([^\s=;,"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?')
_ESCAPE = re.compile(r"\\(.)")


class Link(Struct, frozen=True):
    """One link: where it leads, and its relation types in lower case."""

    target: str
    relations: frozenset[str]


def parse(header: str) -> list[Link]:
    """All links of the header, in order. What is no link ends the list, as the RFC's algorithm says."""
    links: list[Link] = []
    at = 0
    while target := _TARGET.match(header, at):
        at, relations = _read_relations(header, target.end())
        links.append(Link(target[1].strip(), relations))
    return links


def find(header: str, relation: str) -> str | None:
    """The target of the first link of that relation type."""
    wanted = relation.lower()
    return next((link.target for link in parse(header) if wanted in link.relations), None)


def _read_relations(header: str, at: int) -> tuple[int, frozenset[str]]:
    relations: str | None = None
    while parameter := _PARAMETER.match(header, at):
        at = parameter.end()
        # Only the first `rel` counts (RFC 8288, section 3.3).
        if parameter[1].lower() == "rel" and relations is None:
            relations = _ESCAPE.sub(r"\1", parameter[2]) if parameter[2] is not None else parameter[3] or ""
    return at, frozenset((relations or "").lower().split())
