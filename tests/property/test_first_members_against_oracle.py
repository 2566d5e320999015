"""Promise 3, of a dimension in which nobody is yet: whoever comes first is inserted straight from the stage,
and is what a plain loop leaves, then and when others follow.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Select, func, select
from tests.effort import cases
from tests.memory import Given
from tests.property.house import Desk, DimGuest, Phone, house
from tests.property.test_history_against_oracle import (
    START,
    Bed,
    Change,
    DimFellow,
    Sent,
    changes,
    naive_history,
)
from tests.workshop import DimTool, Workshop, tool, workshop

from strandline.model.audit import DimAudit
from strandline.pipeline import run
from strandline.pipeline.load import Load
from strandline.warehouse.database import Database

Fresh = Callable[[], AbstractContextManager[Database]]

TABLE = DimFellow.table()
ONCE = st.lists(changes, min_size=1, max_size=6, unique_by=lambda it: (it.source, it.member))
PREFIX = "m:"
GONE = Change("a", 0, is_deleted=True)


def sent(batch: list[Change]) -> list[Sent]:
    return [(PREFIX + it.member, START.replace(minute=it.minutes), it) for it in batch]


def written(records: Iterable[dict[str, str]]) -> list[bytes]:
    return [json.dumps(it).encode() for it in records]


@contextmanager
def chunks_of_a_page() -> Iterator[None]:
    """Each page is stored by itself."""
    before, Load.chunk_records = Load.chunk_records, 1
    yield
    Load.chunk_records = before


def rows(database: Database, found: Select[Any]) -> list[Any]:
    """The first column of what is found."""
    with database.connect() as connection:
        return list(connection.scalars(found))


def keys(database: Database) -> list[int]:
    """The surrogate keys, in order."""
    key = TABLE.c.fellow_key
    with database.connect() as connection:
        return list(connection.scalars(select(key).where(key > 0).order_by(key)))


@given(ONCE, st.lists(changes, max_size=6))
@example([Change("a", 0), Change("A", 0)], [Change("ä", 1)])
@example([Change("A", 0), GONE, Change("ä", 0)], [Change("01", 1)])
@example([GONE], [Change("a", 1)])
@cases(2)
def test_first_members_are_what_a_plain_loop_leaves(
    fresh: Fresh, first: list[Change], then: list[Change]
) -> None:
    with fresh() as database:
        bed, everything = Bed(database), list[Sent]()
        for batch in (sent(first), sent(then)):
            assert bed.load(batch).status == "done"
            everything += batch
            assert bed.history(PREFIX) == naive_history(everything)
        written = bed.row_versions()
        assert bed.load([]).status == "done"
        assert bed.row_versions() == written


def test_first_members_are_numbered_without_gaps_also_where_a_deletion_lies_between(fresh: Fresh) -> None:
    with fresh() as database:
        bed = Bed(database)
        bed.load(sent([Change("A", 0), GONE, Change("ä", 0)]))
        assert keys(database) == [1, 2]
        bed.load(sent([Change("01", 1)]))
        assert keys(database) == [1, 2, 3]


def test_a_member_of_two_first_records_has_the_history_of_both(fresh: Fresh) -> None:
    both = sent([Change("a", 0, segment="x"), Change("a", 1, segment="y"), Change("A", 0)])
    with fresh() as database:
        bed = Bed(database)
        bed.load(both)
        assert bed.history(PREFIX) == naive_history(both)
        with database.connect() as connection:
            durable = connection.scalar(select(func.count(TABLE.c.fellow_durable_key.distinct())))
    assert durable == 2 + len(["unknown", "not applicable"])


@given(st.lists(st.sampled_from(["9", "10", "a", "b", "011", "2"]), min_size=2, max_size=12))
@example(["b", "a", "9", "2", "10"])
@example(["9", "2", "10", "a", "2"])
@example(["6", "7", "8", "9", "10", "11", "12", "13", "100", "10"])
@cases(3)
def test_whoever_comes_again_in_a_later_chunk_is_one_member_and_each_load_tells_what_it_stored(
    fresh: Fresh, keys: list[str]
) -> None:
    """Some records have two rows of a fact, and others none; the second load begins with what is known."""
    records: list[Given] = [
        tool(number, id=key, label=f"v{number}", uses=[{"minutes": 1}] * 2 * (number % 2))
        for number, key in enumerate(keys)
    ]
    news: list[Given] = [tool(number, id="z", label=f"v{number}") for number in range(20, 24)]
    latest = {it["id"]: it for it in records if isinstance(it, dict)}.values()
    with fresh() as database, chunks_of_a_page():
        for batch in (records, [it for pair in zip(latest, news, strict=False) for it in pair]):
            source = Workshop(batch)
            assert run(workshop, database, sources={"workshop": source}, workers=0).status == "done"
        versions = Counter(
            rows(database, select(DimTool.table().c.source_id).where(DimTool.key_column() > 0))
        )
        told = rows(database, select(DimAudit.table().c.records).where(DimAudit.audit_key > 0))

    some = min(len(latest), len(news))
    assert versions == Counter(keys) + Counter(z=some)
    assert set(told) == {len(records), some}


def test_who_was_inferred_is_completed_by_a_first_load(fresh: Fresh) -> None:
    desk, phone = Desk(), Phone()
    visit = {"id": "v", "at": START.isoformat(), "visited_at": START.isoformat(), "guest": "g", "price": "1"}
    guest = {"id": "g", "at": START.isoformat(), "level": "gold"}
    table = DimGuest.table()
    found = select(table.c.guest_key, table.c.is_inferred, table.c.level).where(table.c.source_id == "g")
    seen = []
    with fresh() as database:
        for visits, guests in ([visit], []), ([], [guest]):
            desk.visit_records, desk.guest_records = map(written, (visits, guests))
            report = run(house, database, sources={"desk": desk, "phone": phone})
            assert report.status == "done"
            with database.connect() as connection:
                seen += [tuple(row) for row in connection.execute(found)]

    assert seen == [(1, True, None), (1, False, "gold")]
