"""Which fields may identify a record, and which may order its changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from strandline.source.profile import form, naming
from strandline.source.profile.finding import Finding, Sureness
from strandline.source.profile.tree import Node

FEW: Final = 20
"""In so few records much is distinct by chance."""

EPOCHS: Final = range(946_684_800, 4_102_444_800)
"""Seconds since 1970 that lie between 2000 and 2100."""


def candidates(root: Node, records: Sequence[Mapping[str, Any]], *, stream: str) -> list[Finding]:
    """Fields that are filled and distinct in all records, the likeliest first; a pair where no one is."""
    distinct = [it for it in root.children.values() if _is_distinct(it, root)]
    singles = sorted((_judge(it, root, stream) for it in distinct), key=_likelihood)
    if any(it.rank < 2 for it in singles):
        return singles
    return [*_pairs(root, records), *singles]


def _likelihood(finding: Finding) -> tuple[int, bool]:
    return finding.rank, not naming.is_identifier(finding.what)


def _is_distinct(node: Node, root: Node) -> bool:
    is_plain = len(node.told) == 1 and node.told[0] in ("text", "integer")
    is_whole = node.kinds[node.told[0]] == root.asked if is_plain else False
    if not is_whole or len(node.values) != root.asked or ("text", "") in node.values:
        return False
    return node.form not in (form.TIMESTAMP, form.NAIVE, form.BOOLEAN, form.DATE, form.NUMBER, form.MAIL)


def _judge(node: Node, root: Node, stream: str) -> Finding:
    """How sure it is that this field is the key."""
    name, count = node.name, root.asked
    sure: Sureness = "sure" if count > 1 else "likely"
    if naming.is_identifier(name):
        return Finding(name, sure, f"called as identifiers are, and distinct in {_many(count)}")
    owner, entity = naming.owner_of(name), "_".join(naming.words(naming.singular(stream)))
    if owner is not None and owner == entity:
        return Finding(name, sure, f"the identifier of a {owner}, and distinct in {_many(count)}")
    if owner is not None and entity.endswith(f"_{owner}"):
        return Finding(name, "likely", f"the identifier of a {owner}, and distinct in {_many(count)}")
    return Finding(name, *_weighed(node, root, count=count, is_other=owner is not None))


def _weighed(node: Node, root: Node, *, count: int, is_other: bool) -> tuple[Sureness, str]:
    if node.name.lower() in ("self", "url", "href") and node.form == form.URL:
        return "likely" if count >= FEW else "unsure", f"an address of its own in {_many(count)}"
    if naming.is_code(node.name):
        is_first = next(iter(root.children), "") == node.name
        is_likely = count >= FEW or (is_first and count > 1)
        return "likely" if is_likely else "unsure", f"distinct in {_many(count)}, and called as codes are"
    if is_other:
        why = f"distinct in {_many(count)}, and called as an identifier, though perhaps another's"
        return "likely" if count >= FEW else "unsure", why
    if node.form == form.UUID:
        return "unsure", f"UUIDs, distinct in {_many(count)}"
    return "unsure", f"distinct in {_many(count)}, perhaps by chance"


def _pairs(root: Node, records: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Pairs of identifiers or codes that are distinct together."""
    parts = [
        it.name
        for it in root.children.values()
        if (naming.owner_of(it.name) or naming.is_code(it.name) or it.form == form.DATE)
        and len(it.told) == 1
        and it.told[0] in ("text", "integer")
        and it.filled == root.asked
    ]
    for one, other in combinations(parts[:8], 2):
        if len({(it[one], it[other]) for it in records}) == len(records) > 1:
            sure: Sureness = "likely" if len(records) >= FEW else "unsure"
            yield Finding(
                f"{one}, {other}", sure, f"distinct together in {_many(len(records))}, and neither alone"
            )


def cursors(root: Node) -> list[Finding]:
    """Fields that may tell when a record was changed, the likeliest first."""
    found = [_cursor(it, root) for it in root.children.values()]
    found += [_lifted(path, node, root) for path, node in root.flat() if "." in path and "[]" not in path]
    return sorted((it for it in found if it is not None), key=_moving)


def _moving(finding: Finding) -> tuple[int, bool]:
    return finding.rank, not naming.tells_change(finding.what)


def _lifted(path: str, node: Node, root: Node) -> Finding | None:
    """A time of the last change that stands in an object of the record."""
    if node.form != form.TIMESTAMP or not naming.tells_change(node.name) or node.filled < root.asked:
        return None
    return Finding(path, "likely", f"timestamp of the last change, in {_many(root.asked)}, one object down")


def is_epoch(node: Node) -> bool:
    """Whether it holds seconds or milliseconds since 1970."""
    numbers = [value for kind, value in node.values if kind == "integer"]
    is_of_time = all(it in EPOCHS for it in numbers) or _are_milliseconds(node)
    return node.told == ["integer"] and is_of_time and _sounds_like_time(node.name)


def unit(node: Node) -> str:
    """Whether its numbers would be seconds or milliseconds since 1970."""
    return "milliseconds" if _are_milliseconds(node) else "seconds"


def _are_milliseconds(node: Node) -> bool:
    return all(value // 1000 in EPOCHS for kind, value in node.values if kind == "integer")


def _sounds_like_time(name: str) -> bool:
    is_time = not naming.TIMES.isdisjoint(naming.words(name))
    return is_time or naming.tells_change(name) or naming.tells_beginning(name)


def _cursor(node: Node, root: Node) -> Finding | None:
    is_time = node.form in (form.TIMESTAMP, form.NAIVE, form.DATE)
    if not node.told and naming.tells_change(node.name):
        return Finding(
            node.name, "unsure", "called as a time of the last change, without a value in the sample"
        )
    if not is_time and not is_epoch(node):
        if node.told == ["integer"] and naming.counts_changes(node.name) and len(node.values) > 1:
            return Finding(node.name, "unsure", "a number that may grow with each change")
        return None
    told = node.form or f"{unit(node)} since 1970"
    if naming.tells_change(node.name):
        return Finding(node.name, *_changed(node, root, told))
    if naming.tells_beginning(node.name):
        why = f"{told}, but of the beginning: it stays as it is when the record changes"
        return Finding(node.name, "unsure", why)
    return Finding(node.name, "unsure", f"{told}; nothing says that it moves with each change")


def _changed(node: Node, root: Node, told: str) -> tuple[Sureness, str]:
    if node.filled < root.asked:
        return (
            "unsure",
            f"{told} of the last change, but {root.asked - node.filled} of {_many(root.asked)} have none",
        )
    if node.form == form.TIMESTAMP:
        return "sure", f"{told} of the last change, in {_many(root.asked)}"
    return "likely", f"{told} of the last change, in {_many(root.asked)}"


def _many(count: int) -> str:
    return "1 record" if count == 1 else f"{count:,} records"
