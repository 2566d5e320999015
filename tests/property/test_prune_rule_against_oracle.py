"""What a prune chooses is what a plain loop would: whatever was read when, refused, erased or pruned."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select
from tests.effort import cases
from tests.property.test_history_against_oracle import START, Bed, DimFellow, people

from strandline.pipeline.pruning import prune
from strandline.warehouse import horizon, raw, state
from strandline.warehouse import prune as pruning
from strandline.warehouse.database import Database
from strandline.warehouse.prune import Cut

FEED = "feed.people"
APPLIED = 8
"""The last entry that the dimension is built from; there are some more."""
BEFORE = 3
"""The hour from which on nothing goes."""


@dataclass(frozen=True)
class Entry:
    """An entry of the raw log: whose, from which minute on, and in which hour it was read."""

    key: str
    minute: int | None
    hour: int = 0
    operation: str = raw.UPSERT
    refused: str | None = None
    """How it stands in the quarantine, if it does: open, discarded, or open by the rule of a prune."""


@dataclass(frozen=True)
class Member:
    """What is there of a key: the minutes at which its versions begin, and at which a column changed last."""

    begins: tuple[int, ...] = ()
    changed: int | None = None
    is_deleted: bool = False
    horizon: int | None = None


def goes(entries: Sequence[Entry], members: dict[str, Member]) -> set[int]:
    """The numbers of those that go, from 1 on."""
    found = set[int]()
    for key, member in members.items():
        theirs = {number: it for number, it in enumerate(entries, 1) if it.key == key}
        old = {number: it.minute for number, it in theirs.items() if is_old(number, it)}
        needed = [it.minute for number, it in theirs.items() if number not in old and is_needed(it, member)]
        if None in needed:
            continue
        since = min((it for it in needed if it is not None), default=99)
        beginning = {number: it for number, it in old.items() if it is not None and it < since}
        for number, minute in beginning.items():
            is_last = number == max(theirs) or minute == max(beginning.values())
            if not is_last and minute not in traced(member):
                found.add(number)
    return found


def is_old(number: int, it: Entry) -> bool:
    """Whether it may go by itself."""
    says = it.minute is not None and it.operation != raw.ERASED
    return number <= APPLIED and it.hour < BEFORE and it.refused is None and says


def is_needed(it: Entry, member: Member) -> bool:
    """Whether it tells anything that is to be told yet."""
    is_behind = member.horizon is None or it.minute is None or it.minute > member.horizon
    return it.operation != raw.ERASED and it.refused in {None, "open"} and is_behind


def traced(member: Member) -> set[int | None]:
    """The moments by which values of the latest version, and the first value, are traced."""
    return {member.begins[0], member.begins[-1], member.changed} if member.begins else set()


minutes = st.integers(0, 5)
entries = st.builds(
    Entry,
    st.sampled_from("ab"),
    st.one_of(minutes, minutes, minutes, minutes, st.none()),
    st.sampled_from([0, 0, 0, 1, 5]),
    st.sampled_from([raw.UPSERT] * 4 + [raw.DELETE, raw.ERASED, raw.FACTS]),
    st.sampled_from([None] * 6 + ["open", "discarded", "pruned"]),
)
members = st.builds(
    Member,
    st.sets(minutes, max_size=3).map(lambda it: tuple(sorted(it))),
    st.one_of(st.none(), minutes),
    st.booleans(),
    st.one_of(st.none(), st.none(), minutes),
)


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    bed = Bed(both)
    bed.load([])
    prune([people], both, [FEED], older_than=timedelta(0))  # makes its tables
    return bed


def _at(minute: int | None) -> datetime | None:
    return None if minute is None else START + timedelta(minutes=minute)


def _store(connection: Connection, log: Any, said: Sequence[Entry]) -> None:
    for number, it in enumerate(said, 1):
        same = {"raw_id": number, "source_id": it.key, "run_id": 1}
        payload = {"payload": b"{}", "payload_hash": b"", "operation": it.operation, "request": 1}
        times = {"effective_at": _at(it.minute), "fetched_at": START + timedelta(hours=it.hour)}
        connection.execute(insert(log).values(**same, **payload, **times))
        if it.refused is not None:
            rule = horizon.RULE if it.refused == "pruned" else "type"
            kept = state.DISCARDED if it.refused == "discarded" else state.OPEN
            why = {"target": "DimFellow", "field": "", "rule": rule, "reason": "", "state": kept}
            connection.execute(insert(state.reject).values(stream=FEED, **same, **why))


def _build(connection: Connection, key: str, member: Member) -> None:
    table = DimFellow.table()
    for number, (begin, end) in enumerate(zip_longest(member.begins, member.begins[1:]), 1):
        is_gone = end is None and member.is_deleted
        row = {
            "fellow_durable_key": ord(key),
            "version": number,
            "valid_from": _at(begin),
            "valid_to": _at(9) if is_gone else _at(end),
            "is_current": end is None and not is_gone,
            "is_inferred": False,
            "is_deleted": is_gone,
            "before_changed_at": _at(member.changed),
            "source_system": "feed",
            "source_id": key,
        }
        stamps = dict.fromkeys(("created_at", "updated_at", "synced_at"), START)
        connection.execute(insert(table).values(**row, **stamps, schema_version="1", run_id=1, audit_key=1))
    if member.horizon is not None:
        lacks = {"stream": FEED, "source_id": key, "until": _at(member.horizon), "entries": 1}
        connection.execute(insert(state.pruned_key).values(**lacks))


def horizons(connection: Connection) -> dict[str, datetime]:
    """Up to when entries of a key are gone."""
    p = state.pruned_key.c
    return {it.source_id: it.until for it in connection.execute(select(p.source_id, p.until))}


@given(st.lists(entries, min_size=2, max_size=11), members, members)
@example([Entry("a", 1), Entry("a", 2), Entry("a", 3, 5)], Member(), Member())
@cases(40)
def test_what_goes_is_what_a_plain_loop_says(bed: Bed, said: list[Entry], one: Member, other: Member) -> None:
    """The log, the quarantine, the versions and the horizons are made up, and taken back."""
    log = next(it.raw for it in people.readings if it.stream.qualified_name == FEED)
    there = {"a": one, "b": other}
    cut = Cut(log, FEED, "feed", START + timedelta(hours=BEFORE), APPLIED, (DimFellow,))
    with bed.database.connect() as connection, connection.begin() as transaction:
        _store(connection, log, said)
        for key, member in there.items():
            _build(connection, key, member)
        told = pruning.choose(bed.database, connection, cut)
        chosen = set(connection.scalars(select(cut.chosen.c.raw_id)))
        last, number = 0, pruning.begin(connection, cut, exported_to=None, run_id=1)
        while (
            upto := pruning.delete_batch(connection, cut, after=last, prune_id=number, size=2)
        ) is not None:
            last = upto
        left = set(connection.scalars(select(log.c.raw_id)))
        until = horizons(connection)
        transaction.rollback()

    every = set(range(1, len(said) + 1))
    assert (chosen, left) == (goes(said, there), every - goes(said, there))
    assert told.entries == len(chosen)
    gone = [(it.key, it.minute) for number, it in enumerate(said, 1) if number in chosen]
    begun = [(key, it.horizon) for key, it in there.items() if it.horizon is not None]
    assert until == {
        key: _at(max(at or 0 for of, at in gone + begun if of == key)) for key, _ in gone + begun
    }
