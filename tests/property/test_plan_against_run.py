"""A plan counts what the next run does, whatever has come in whatever order, and changes nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL
from tests.effort import cases
from tests.hotel import guest, hotel, stay
from tests.integration.test_plan import SHARED, Given, read, sources, unchanged

from strandline.pipeline import run
from strandline.pipeline.plan.plan import plan
from strandline.testing import postgres
from strandline.warehouse.database import Database

days = st.integers(1, 9)
whom = st.sampled_from(["ada", "bob", "eve"])
gone = st.sampled_from([False, False, False, True])


def _guest(who: str, day: int, tier: str, is_gone: bool) -> Given:
    record = {**guest(tier, day), "id": who}
    return {**record, "gone": True} if is_gone else record


def _stay(number: int, night: int, who: str, friend: str | None, said: int, is_gone: bool) -> Given:
    record: Given = stay(f"s{number}", night, guest=who, friend=friend, at=f"2026-01-{said:02}T00:00:00Z")
    return {**record, "gone": True} if is_gone else record


records = st.one_of(
    st.builds(_guest, whom, days, st.sampled_from(["new", "gold"]), gone),
    st.builds(_stay, st.integers(1, 3), days, whom, st.none() | whom, days, gone),
)
batches = st.lists(st.lists(records, min_size=1, max_size=5), min_size=1, max_size=4)


@given(batches)
@cases(3)
def test_a_plan_counts_what_the_next_run_does(
    postgres_server: URL, warehouse_template: str, sent: list[list[Given]]
) -> None:
    with postgres.copy(postgres_server, warehouse_template) as url:
        database = Database(url)
        try:
            for batch in sent:
                read(database, hotel, *batch)
                with unchanged(database, but=SHARED):
                    planned = plan(hotel, database)
                _compare(planned, run(hotel, database, sources=sources()))
        finally:
            database.close()


def _compare(planned: Any, report: Any) -> None:
    told = {it.target: it.counts for it in planned.targets if it.status == "merge"}
    assert report.status in ("done", "partial")
    assert told == {it.target: it.counts for it in report.targets}
