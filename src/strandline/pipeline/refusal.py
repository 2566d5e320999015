"""What refused a reject: its version, so that something else tries it again; and whether the stream fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection
from xxhash import xxh3_128_hexdigest

from strandline.errors import TooManyRejects, UnknownField
from strandline.model.revision import contract_version, mapper_version
from strandline.pipeline.definition import Reading
from strandline.pipeline.target import Target
from strandline.source.drift import UNKNOWN
from strandline.source.stream import Stream
from strandline.warehouse import quarantine
from strandline.warehouse.quarantine import Reject

ADDRESS: Final = re.compile(" at 0x[0-9a-f]+")
"""Where a function or object lies, which is elsewhere in the next process."""


def versions(stream: Stream, targets: Iterable[Target]) -> dict[str, str]:
    """The version of the contract, under no name, and that of each target."""
    contract = _contract(stream)
    return {"": contract, **{it.sync.target: _hash([contract, _target(it)]) for it in targets}}


def _contract(stream: Stream) -> str:
    """Of the contract, and of what the stream declares that refuses records too."""
    declared = (stream.key, stream.cursor_type, stream.effective_at, stream.future, stream.tie_break)
    keys = stream.source.natural_keys
    policies = (stream.deleted, stream.strict, stream.unknown)
    return _hash([contract_version(stream.contract), repr((*declared, *policies, keys))])


def fail_on_unknown(stream: Stream, rejects: Iterable[Reject]) -> None:
    """Raise UnknownField where the stream is to fail for one of these."""
    first = next((it for it in rejects if it.rule == UNKNOWN), None)
    if first is not None and stream.unknown == "fail":
        raise UnknownField(
            f"{stream.qualified_name}: {first.reason}, so nothing was merged",
            hint='Name it, or declare unknown="keep" or "reject", and run again: the records are in the raw'
            " log.",
        )


def too_many(
    connection: Connection, reading: Reading, targets: Sequence[Target], *, rejected: int, seen: int
) -> TooManyRejects:
    """So many of those that were seen are too many."""
    name, applied = reading.stream.qualified_name, min(target.applied for target in targets)
    with connection.begin():
        why = quarantine.commonest_reason(connection, stream=name, after=applied)
    return TooManyRejects(
        f"{name}: {rejected} of {seen} records were rejected, more than {reading.rejects.limit},"
        f" so nothing was merged; most of them for: {why}",
        hint="See all with strandline quarantine list, mend the contract or the mapper, and run again:"
        " the records are in the raw log.",
    )


def _target(target: Target) -> str:
    """Of the mapper, and of the columns that have to take what it makes."""
    columns = [f"{it.name} {it.type!r} {it.nullable}" for it in target.conversion.columns]
    return _hash([mapper_version(target.conversion), *columns])


def _hash(parts: list[str]) -> str:
    told = ADDRESS.sub("", json.dumps(parts))
    return xxh3_128_hexdigest(told.encode("utf-8", "surrogatepass"))
