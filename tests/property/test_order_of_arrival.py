"""Promise 3 of every kind of star, as the kit checks it: whatever the order and the batches, the same rows.

The records are drawn from the contracts, with so few keys, moments and words that they meet.
"""

from importlib import import_module
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.effort import TIMES

from strandline.pipeline import Pipeline
from strandline.source import Record
from strandline.testing import assert_order_independent, example_records
from strandline.testing.deal import streams_of
from strandline.warehouse.database import Database

STARS = [
    "tests.property.club:club",
    "tests.property.house:house",
    "tests.property.sale:till",
    "tests.property.test_bridge_against_oracle:ward",
    "tests.property.test_hierarchy_against_oracle:staff",
    "tests.property.test_milestone_against_oracle:parcels",
    "tests.property.test_outrigger_against_oracle:bank",
    "tests.property.test_reversal_against_oracle:market",
]
WORDS = st.sampled_from(["a", "b", "c"])
MOMENTS = st.sampled_from([f"2026-0{month}-01T00:00:00Z" for month in range(1, 6)])
FEW = {"str": WORDS, "datetime": MOMENTS, "int": st.sampled_from([1, 2, 3])}
RECORDS = 6


def few(contract: type[Record]) -> dict[str, Any]:
    """Strategies for fields of a contract that have only few values."""
    found: dict[str, Any] = {}
    for name, field in contract.model_fields.items():
        kinds = str(field.annotation).replace("<class '", "").replace("'>", "").split(" | ")
        values = FEW.get(kinds[0].rpartition(".")[2])
        if values is not None:
            found[name] = st.none() | values if "None" in kinds else values
    return found


def drawn(pipeline: Pipeline, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Some records of each stream, of which some have one key, and some say that it is gone."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, stream in streams_of(pipeline).items():
        records = example_records(stream.contract, RECORDS, seed=seed, **few(stream.contract))
        if isinstance(stream.deleted, str):
            records[seed % RECORDS][stream.deleted] = True
        found[name] = records
    return found


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("star", STARS)
def test_it_makes_no_difference_how_records_arrive(star: str, seed: int) -> None:
    module, _, name = star.partition(":")
    pipeline: Pipeline = getattr(import_module(module), name)
    database = Database("sqlite://")
    records = drawn(pipeline, seed)
    assert_order_independent(pipeline, database, records=records, tries=min(3 * TIMES, 6), seed=seed)
    database.close()
