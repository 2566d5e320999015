"""Pseudonyms: a random key in the place of a natural key that is to be forgotten, in records that name it.

A token has the form of the key, so that contracts take it, and can be told from the keys of others, so that a
record that is sent again finds the one that it has been given before: in its own latest entry, for which
token stands for which key is written down nowhere. A record that has none yet gets a token of its own.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from strandline.errors import DeclarationError
from strandline.pipeline import quotation
from strandline.pipeline.effacement import Effacer, Entry
from strandline.source import leaf
from strandline.source.leaf import Leaf, Place
from strandline.warehouse.copy import faults
from strandline.warehouse.mention import Named

WORD: Final = re.compile(r"erased-[0-9a-f]{12,20}(?:@example\.com)?")
MARK: Final = 9973
"""What a token of digits is a multiple of."""
PREFIX: Final = "e4a5ed"
"""How a token that is a UUID begins."""


class Refused(DeclarationError):
    """A record in which no other key can stand."""


def tokens(source_id: str) -> Iterator[str]:
    """Random keys of the form of this one, the longest first."""
    if source_id.isdecimal():
        for digits in (18, 9):
            yield str(_multiple(10 ** (digits - 1), min(10**digits, 2**63 if digits > 9 else 2**31)))
    if _is_uuid(source_id):
        yield str(UUID(PREFIX + secrets.token_hex(13)))
    if "@" in source_id:
        yield f"erased-{secrets.token_hex(10)}@example.com"
    yield from (f"erased-{secrets.token_hex(half)}" for half in (10, 6))


def _multiple(lowest: int, highest: int) -> int:
    return MARK * (lowest // MARK + 1 + secrets.randbelow((highest - lowest) // MARK - 1))


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def is_token(source_id: str) -> bool:
    """Whether it is one of these."""
    if source_id.isdecimal():
        return len(source_id) in (9, 18) and int(source_id) % MARK == 0
    if _is_uuid(source_id):
        return source_id.startswith(PREFIX)
    return WORD.fullmatch(source_id) is not None


def rename(effacer: Effacer, entry: Entry, named: Sequence[Named], token: str) -> bytes | None:
    """The payload with the token wherever it names these, who are one; None where it does not. Raises Refused
    where contract, mapper or table do not take it.
    """
    leaves = effacer.leaves(entry.payload)
    found = {place for it in named for place in effacer.mentions_it(entry, leaves, it)}
    if not found:
        return None
    before = named[0].source_id
    is_own = any(it.is_own for it in named) and entry.source_id == before
    anywhere = () in found and not is_own  # only a method knows where
    chosen = {
        it: _with(entry.payload, it, before, token, effacer)
        for it in leaves
        if it.place in found
        or (is_own and it.path in effacer.key_paths)
        or (anywhere and it.path not in effacer.kept_paths)
        or (not it.is_named and len(before) >= quotation.SHORTEST)
    }
    payload = leaf.replace(entry.payload, {it: now for it, now in chosen.items() if now is not None})
    _check(effacer, entry, payload, named, token)
    return payload


def _with(payload: bytes, it: Leaf, before: str, token: str, effacer: Effacer) -> bytes | None:
    """What the value becomes; None where it does not hold the key."""
    value = leaf.value_of(payload, it)
    keys = {one.keys for one in effacer.mentions} | {effacer.stream.source.natural_keys}
    if any(one.read(value) == before for one in keys):
        written = payload[it.start : it.start + 1]
        return json.dumps(token).encode() if written == b'"' else token.encode()
    now = re.sub(rf"(?<!\w){re.escape(before)}(?!\w)", token, value) if isinstance(value, str) else value
    return None if now == value else json.dumps(now).encode()


def _check(effacer: Effacer, entry: Entry, payload: bytes, named: Sequence[Named], token: str) -> None:
    now = entry._replace(payload=payload)
    if not effacer.accepting(entry, entry.payload) <= effacer.accepting(now, payload):
        raise _refused(effacer, "its contract or a mapper does not take another key")
    for target in effacer.targets:
        for row in effacer.rows(target, now):
            columns = list(target.staged.c)[: len(row)]
            if faults(columns, row) and not _is_faulty(effacer, target, entry):
                raise _refused(effacer, f"{target.sync.target} does not hold another key")
    leaves = effacer.leaves(payload)
    for it in named:
        if it.is_own and entry.source_id == it.source_id:
            known = effacer.stream.describe(payload).natural_key
            if known != token:
                raise _refused(effacer, "the key of its own cannot be written anew")
        elif not it.is_own and effacer.mentions_it(now, leaves, it):
            raise _refused(effacer, f"where it names {it.dimension} cannot be written anew")


def _is_faulty(effacer: Effacer, target: Any, entry: Entry) -> bool:
    return any(faults(list(target.staged.c)[: len(row)], row) for row in effacer.rows(target, entry))


def _refused(effacer: Effacer, why: str) -> Refused:
    return Refused(
        f"erase: {effacer.stream.qualified_name} names the member, and {why}",
        hint="Map the reference from a field that holds the key as it is, or leave out --pseudonymise-key.",
    )


def given_before(effacer: Effacer, payload: bytes, places: Iterable[Place]) -> str | None:
    """The token that this record has where one that comes now names somebody by a former key."""
    wanted = set(places)
    paths = {it.path for it in effacer.mentions}
    found = dict[Place, str]()
    for it in effacer.leaves(payload):
        value = leaf.value_of(payload, it)
        if (it.path in paths or it.place in wanted) and value is not None and is_token(str(value)):
            found[it.place] = str(value)
    here = {token for place, token in found.items() if place in wanted}
    both = here or set(found.values())
    return both.pop() if len(both) == 1 else None
