"""The audit dimension: every row names the load that last changed what it says, and no load but that one.

The loop below remembers what each row said after each merge, and which run's it was. Records come in any
batches, late ones and corrections among them; reads break off, merges are rolled back, and everything is sent
again. A fact whose keys follow their members keeps its load.
"""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Select, select
from tests.effort import cases
from tests.property import test_fact_against_oracle as star
from tests.property.house import DimGuest, FactCall, FactVisit
from tests.property.test_history_against_oracle import (
    START,
    Change,
    DimFellow,
    FeedPerson,
    Person,
    Sent,
    Version,
    changes,
    naive_history,
)

from strandline.errors import SourceUnavailable
from strandline.model import DimAudit, Dimension, Fact
from strandline.pipeline import Pipeline, holds, run
from strandline.source import Page, Pages, Source, stream
from strandline.warehouse.database import Database

Row = tuple[Any, ...]
"""What tells a row from others, or what it says."""


class Wire(Source):
    """A source of persons in memory, which hangs up after its page if it is told to."""

    def __init__(self, records: list[bytes], *, hangs_up: bool) -> None:
        super().__init__()
        self.records = records
        self.hangs_up = hangs_up

    @stream(Person, key="id", effective_at="at", tie_break="turn", deleted="gone")
    def people(self) -> Pages:
        """One page, and perhaps no end."""
        yield Page(self.records, number=1, request="wire", status=200, fetched_at=datetime.now(UTC), size=1)
        if self.hangs_up:
            raise SourceUnavailable("wire: hung up")


wire, doubting = Pipeline("wire"), Pipeline("wire")
for it in (wire, doubting):
    it.sync(Wire.people, FeedPerson)
doubting.expect(DimFellow, holds("nobody is there", DimFellow.source_id.is_(None)))


class Chronicle:
    """What each row said after the last merge, and which run made it say so."""

    def __init__(self) -> None:
        self.rows: dict[Row, tuple[Row, int]] = {}
        self.loads: list[int] = []

    def note(self, said: dict[Row, Row], run_id: int) -> None:
        """These are the rows after a run's merge."""
        before = self.rows
        self.rows = {
            key: before[key] if key in before and before[key][0] == content else (content, run_id)
            for key, content in said.items()
        }
        if self.rows != before:
            self.loads.append(run_id)

    @property
    def origins(self) -> dict[Row, int]:
        """The run that each row comes from."""
        return {key: run_id for key, (_, run_id) in self.rows.items()}


def origins(database: Database, query: Select[Any]) -> dict[Row, int]:
    """The run of the load that each row of a query names: its first columns tell it from others."""
    with database.connect() as connection:
        return {tuple(row[:-1]): row[-1] for row in connection.execute(query)}


def loads(database: Database, *, target: str, after: int) -> list[int]:
    """The runs since this one that tell of a load into the target."""
    audit = DimAudit.table().c
    told = select(audit.run_id).where(audit.target == target, audit.run_id > after)
    with database.connect() as connection:
        return list(connection.scalars(told.order_by(audit.audit_key)))


def named(model: type[Dimension] | type[Fact], *columns: str, prefix: str, target: str) -> Select[Any]:
    """These columns of a case's rows, and the run of their load, if that was one into the target."""
    table, audit = model.table(), DimAudit.table()
    is_its = (audit.c.audit_key == table.c.audit_key) & (audit.c.target == target)
    return (
        select(*(table.c[name] for name in columns), audit.c.run_id)
        .select_from(table.outerjoin(audit, is_its))
        .where(table.c.source_id.startswith(prefix))
    )


def versions(sent: list[Sent]) -> dict[Row, Row]:
    """The versions that a plain loop leaves; one lives as long as something begins at its instant."""
    return {(it.source_id, it.valid_from): _content(it) for it in naive_history(sent)}


def _content(it: Version) -> Row:
    return it.number, it.valid_to, it.is_deleted, *it.values


def _sent(prefix: str, batch: list[Change]) -> list[Sent]:
    return [(prefix + it.member, START + timedelta(minutes=it.minutes), it) for it in batch]


prefixes = (f"{number}:" for number in itertools.count(1))
wired = st.lists(changes, max_size=6).map(lambda found: [it for it in found if it.source == "feed"])
ends = st.sampled_from(["well", "well", "hung up", "rolled back"])


@given(st.lists(st.tuples(wired, ends), min_size=1, max_size=4))
@example(
    [([Change("a", 0, nickname="x")], "well"), ([Change("a", 1, nickname="y")], "hung up"), ([], "well")]
)
@example(
    [([Change("a", 0)], "well"), ([Change("a", 0, is_deleted=True)], "well"), ([Change("a", 1)], "well")]
)
@cases(4)
def test_every_version_names_the_load_that_last_changed_it(
    both: Database, batches: list[tuple[list[Change], str]]
) -> None:
    prefix, chronicle, sent, first = next(prefixes), Chronicle(), list[Sent](), 0
    for batch, end in [*batches, ([], "well"), (None, "well")]:
        found = sent if batch is None else _sent(prefix, batch)
        sent = found if batch is None else sent + found  # None: everything once more
        payloads = [change.payload(key, at) for key, at, change in found]
        pipeline = doubting if end == "rolled back" else wire
        source = Wire(payloads, hangs_up=end == "hung up")
        report = run(pipeline, both, sources={"wire": source})
        first = first or report.run_id
        if report.status != "failed":
            chronicle.note(versions(sent), report.run_id)
        rows = named(DimFellow, "source_id", "valid_from", prefix=prefix, target="DimFellow")

        assert origins(both, rows) == chronicle.origins
        assert loads(both, target="DimFellow", after=first - 1) == chronicle.loads


@pytest.fixture(scope="module")
def bed(both: Database) -> star.Bed:
    return star.Bed(both)


def _said(it: star.VisitSent | star.CallSent) -> Row:
    """What a fact's row says of its own, wherever its keys lead."""
    if isinstance(it, star.CallSent):
        return (it.guest or None,)
    return it.happened, it.guest or None, it.host or None, it.price


def _standing(prefix: str, latest: Mapping[int, star.VisitSent | star.CallSent]) -> dict[Row, Row]:
    return {(f"{prefix}{number}",): _said(it) for number, it in latest.items() if not it.is_deleted}


@given(star.loads)
@example(
    [
        [star.VisitSent(1, 1, 5, "a", "b", 0, False)],
        [star.GuestSent("a", 3, "x"), star.GuestSent("b", 4, "x")],
    ]
)
@example([[star.CallSent(1, 1, "a", False)], [star.VisitSent(1, 1, 0, "a", None, 0, False)]])
@cases(3)
def test_every_fact_names_the_load_that_last_changed_it_and_keeps_it_where_its_keys_move(
    bed: star.Bed, batches: list[list[star.Sent]]
) -> None:
    """The last batch comes twice, the second time as other bytes that say the same."""
    prefix, oracle = bed.begin(), star.Oracle()
    visits, calls = Chronicle(), Chronicle()
    for batch in [*batches, batches[-1]]:
        report = bed.load(prefix, batch, oracle)
        visits.note(_standing(prefix, oracle.visits), report.run_id)
        calls.note(_standing(prefix, oracle.calls), report.run_id)

        for fact, chronicle in ((FactVisit, visits), (FactCall, calls)):
            rows = named(fact, "source_id", prefix=prefix, target=fact.__name__)
            assert origins(bed.database, rows) == chronicle.origins
    assert_no_orphans(bed.database)


def assert_no_orphans(database: Database) -> None:
    """Every guest names a load of the run that wrote it last, also one whom a fact has had inferred."""
    guest, audit = DimGuest.table(), DimAudit.table()
    joined = guest.outerjoin(audit, audit.c.audit_key == guest.c.audit_key)
    with database.connect() as connection:
        rows = connection.execute(select(guest.c.run_id, audit.c.run_id.label("told")).select_from(joined))
        assert all(it.run_id == it.told for it in rows)
