"""Does it matter how records arrive? It must not: `assert_order_independent` tries orders and batches.

What all records make that come at once is compared with what they make in other orders, and in several runs.
They go straight to contract and mapper; with `serve` through the API and the source as well, as changes that
become visible one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from random import Random

from strandline.errors import DeclarationError
from strandline.pipeline.definition import Pipeline
from strandline.source.stream import Source
from strandline.testing.deal import Records, recorded
from strandline.testing.emptying import refuse_records
from strandline.testing.shuffle import appearances, orders, pinned
from strandline.testing.trial import Serve, Trial
from strandline.warehouse.database import Database

NAME = "assert_order_independent"


def assert_order_independent(
    pipeline: Pipeline,
    warehouse: Database,
    *,
    records: Records | None = None,
    sources: Mapping[str, Source] | None = None,
    serve: Serve | None = None,
    tries: int = 10,
    seed: int = 0,
) -> None:
    """Load an empty warehouse again and again with the same records, in other orders and more or fewer at
    once, and fail where members, versions, intervals or what points at whom differ. The failure tells of as
    few records as are found to make the difference.

    The records are given by stream, `{Crm.customers: […]}`, or are those that the `sources` send. Two of one
    key keep their order where it is declared to decide: at one instant, and where they are not dated.

    With `serve` as well, a function that lets the API have the records that it is given, by the name of the
    stream, each of the `sources` is read after some more have become visible, in the order of its cursor.

    Raises DeclarationError where there are records in the warehouse already, which would be deleted.
    """
    _check(records, sources, serve)
    refuse_records(pipeline, warehouse, what=NAME)
    given = recorded(pipeline, sources or {}) if records is None else records
    trial = Trial(pipeline, warehouse, given, serve=serve, sources=sources)
    trial.check_mappers()
    if not trial.hand.cards:
        return
    cards = trial.hand.cards
    mixed = orders(cards, pinned(pipeline, cards), Random(seed))
    trial.compare(trial.dealt, islice(mixed, tries), words=f"order {{}}, seed {seed}")
    if serve is not None:
        seen = appearances(cards, Random(seed))
        trial.compare(trial.served, islice(seen, tries), words=f"appearance {{}}, seed {seed}")


def _check(records: Records | None, sources: Mapping[str, Source] | None, serve: Serve | None) -> None:
    if serve is not None and (records is None or sources is None):
        raise DeclarationError(
            f"{NAME}: serve= is given records, which the sources then have to bring",
            hint="Give records= and sources= as well.",
        )
    if serve is None and (records is None) == (sources is None):
        raise DeclarationError(
            f"{NAME}: it takes records, or sources that send them",
            hint="records={Crm.customers: example_records(Crm.customers, 20)}",
        )
