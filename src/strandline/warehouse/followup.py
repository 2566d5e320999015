"""What dbt has said behind a run, of each of its models and tests, in the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, inspect, select

from strandline.warehouse import state
from strandline.warehouse.database import Database


def note(connection: Connection, run_id: int, step: int, results: Sequence[Mapping[str, Any]]) -> None:
    """Write down what dbt has said, when it was asked for the `step`th time."""
    if results:
        connection.execute(
            insert(state.dbt_result), [{**it, "run_id": run_id, "step": step} for it in results]
        )


def of_runs(database: Database, connection: Connection, run_ids: Sequence[int]) -> list[dict[str, Any]]:
    """What was said behind these runs, in dbt's order of names."""
    noted = state.dbt_result
    if not inspect(connection).has_table(noted.name, schema=database.schemas.strandline):
        return []  # nothing has run since there is such a table
    wanted = (
        select(noted).where(noted.c.run_id.in_(run_ids)).order_by(noted.c.run_id, noted.c.step, noted.c.node)
    )
    return [dict(row) for row in connection.execute(wanted).mappings()]
