"""What is expected of rows that a merge has touched in other tables, and in its own where no record did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection

from strandline.model.expectation import Refers
from strandline.pipeline.expectation import Expected
from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.warehouse.beside import Merged, find, keys
from strandline.warehouse.expectation import Rows


def merged(load: Load, target: Target, counts: Mapping[str, int]) -> Merged:
    """What the load's merge has done to the target, in these rows."""
    is_replay = load.replayed is not None
    return Merged(
        target.sync.model,
        load.stream.source_name,
        load.run_id,
        has_moved=is_replay or counts.get("facts_moved", 0) > 0,
        has_inferred=counts.get("inferred", 0) > 0,
        has_rebuilt=is_replay or counts.get("rebuilt", 0) > 0,
        staged=target.staged if target.applied == 0 else None,
    )


def touched(
    connection: Connection, expectations: Sequence[Expected], merged: Merged
) -> Iterator[tuple[Expected, Rows]]:
    """What is to be looked at, and the rows that it is looked at in, one model after the other."""
    for model in dict.fromkeys(it.model for it in expectations) if merged.may_touch else ():
        found = find(connection, model, merged)
        if found is None:
            continue
        for it in expectations:
            if it.model is model and it.expectation.of_rows:
                chosen = keys(found, only_written=not isinstance(it.expectation, Refers))
                yield it, Rows(model, touched=chosen)
