"""Repositories: the same in PostgreSQL, in SQLite and in memory."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.pier import START, DimPier, FactMoorage, HarbourNote, add, minutes, pier, unit

from strandline.errors import (
    DeclarationError,
    ForeignRow,
    LateChange,
    RowExists,
    UnknownKey,
    UnknownPage,
    ValuesRefused,
)
from strandline.model import DimDate
from strandline.warehouse import Memory, Repository, UnitOfWork
from strandline.warehouse.database import Database


def test_a_member_that_is_added_is_there_as_of_its_moment(store: Database | Memory) -> None:
    add(store, "B-1", at=5, budget=Decimal(10))

    with unit(store) as work:
        piers = work.repository(DimPier)
        now = piers.current("B-1")
        assert now is not None
        assert (now.title, now.budget, now.version, now.valid_from) == ("q", Decimal(10), 1, minutes(5))
        assert (now.source_system, now.run_id, now.audit_key, now.is_current) == ("port", 0, -2, True)
        assert piers.as_of("B-1", minutes(4)) is None
        found = piers.get(now.key)
        assert found is not None
        assert found.source_id == "B-1"
        assert piers.current("B-2") is None
        assert piers.get(12345) is None


def test_a_change_of_what_keeps_its_history_opens_a_version(store: Database | Memory) -> None:
    add(store, "B-1", number="1", before="old", now="here", origin="first")

    with unit(store, at=10) as work:
        work.repository(DimPier).upsert(
            pier("B-1", number="2", before="new", now="there", origin="second", title="Q")
        )
    with unit(store) as work:
        one, two = work.repository(DimPier).history("B-1")
    assert [(it.number, it.valid_from, it.valid_to, it.is_current) for it in (one, two)] == [
        ("1", minutes(0), minutes(10), False),
        ("2", minutes(10), None, True),
    ]
    assert (one.title, one.before, one.now, one.origin) == ("Q", "new", "here", "first")
    told = vars(one)
    assert (told["previous_before"], told["before_changed_at"]) == ("old", minutes(10))
    assert (told["current_now"], two.now, two.origin) == ("there", "there", "first")


def test_what_says_nothing_new_writes_nothing(store: Database | Memory) -> None:
    add(store, "B-1", number="1", custom_fields={"region": "EU"})
    with unit(store) as work:
        before = vars(work.repository(DimPier).current("B-1"))

    with unit(store, at=10) as work:
        work.repository(DimPier).upsert(pier("B-1", title="q"))
        work.repository(DimPier).upsert(pier("B-1", custom_fields={"region": "EU"}))
    with unit(store) as work:
        after = vars(work.repository(DimPier).current("B-1"))
    del before["_sa_instance_state"], after["_sa_instance_state"]
    assert before == after


def test_a_member_that_is_deleted_stays_and_comes_back(store: Database | Memory) -> None:
    add(store, "B-1", number="1")

    with unit(store, at=10) as work:
        piers = work.repository(DimPier)
        piers.soft_delete("B-1")
        assert piers.current("B-1") is None
        assert [it.is_deleted for it in piers.history("B-1")] == [True]
        piers.soft_delete("B-1")  # it is already
    with unit(store, at=20) as work:
        work.repository(DimPier).upsert(pier("B-1"))
    with unit(store) as work:
        versions = work.repository(DimPier).history("B-1")
    assert [(it.valid_from, it.valid_to, it.number, it.is_deleted) for it in versions] == [
        (minutes(0), minutes(10), "1", False),
        (minutes(20), None, "1", False),
    ]


def test_changes_are_taken_in_the_order_in_which_they_are_made(store: Database | Memory) -> None:
    with unit(store) as work:
        piers = work.repository(DimPier)
        for number in "123":
            piers.upsert(pier("B-1", title="q", number=number))

    with unit(store, at=-10) as work:  # a clock that is behind
        work.repository(DimPier).upsert(pier("B-1", number="4"))
        versions = work.repository(DimPier).history("B-1")
    instant = timedelta(microseconds=1)
    assert [(it.number, it.valid_from) for it in versions] == [
        ("1", START),
        ("2", START + instant),
        ("3", START + 2 * instant),
        ("4", START + 3 * instant),
    ]


def test_a_moment_may_be_told_if_it_lies_behind_the_last_change(store: Database | Memory) -> None:
    add(store, "B-1", at=5)

    with unit(store) as work:
        piers = work.repository(DimPier)
        piers.upsert(pier("B-1", number="2"), effective_at=minutes(7))
        assert [it.valid_from for it in piers.history("B-1")] == [minutes(5), minutes(7)]
        for late in (minutes(7), minutes(1)):
            piers.upsert(pier("B-1", number="3"), effective_at=late)
            with pytest.raises(LateChange, match=r"DimPier 'B-1': a change at .* does not lie behind"):
                work.flush()
        piers.soft_delete("B-1", effective_at=minutes(6))
        with pytest.raises(LateChange):
            work.flush()
        naive = datetime(2026, 3, 1)  # noqa: DTZ001  # what is refused
        with pytest.raises(DeclarationError, match=r"effective_at=.* has no time zone"):
            piers.upsert(pier("B-1"), effective_at=naive)
        with pytest.raises(DeclarationError, match=r"when=.* has no time zone"):
            piers.as_of("B-1", naive)


def test_what_does_not_fit_is_refused_before_anything_is_written(store: Database | Memory) -> None:
    add(store, "B-1")

    with unit(store) as work:
        piers = work.repository(DimPier)
        piers.add(pier("B-1", title="q"))
        with pytest.raises(RowExists, match="DimPier 'B-1': the member is there already"):
            work.commit()
        piers.soft_delete("B-9")
        with pytest.raises(UnknownKey, match="DimPier 'B-9': there is no such member"):
            work.commit()
        piers.upsert(pier("B-2", number="1"))
        with pytest.raises(ValuesRefused, match="title: it must be filled, and 'B-2' is new"):
            work.commit()
        for row, why in (
            (DimPier(source_id="B-3", title=7), "title: 7 is an int, not a text"),
            (DimPier(title="q"), "source_id: it must be filled"),
            (DimPier(source_id="x" * 3000, title="q"), "takes 2,000 bytes at most"),
        ):
            with pytest.raises(ValuesRefused, match=why):
                piers.upsert(row)
        assert [it.source_id for it in piers.list()] == ["B-1"]


def test_an_application_writes_what_is_its_own(store: Database | Memory) -> None:
    add(store, "B-1")

    with unit(store, "office") as work:
        piers = work.repository(DimPier)
        theirs = piers.current("B-1", source="port")
        assert theirs is not None
        with pytest.raises(
            ForeignRow, match="DimPier 'B-1' is of port, and this application writes"
        ) as caught:
            piers.upsert(theirs)
        assert caught.value.hint == "Change it in port, or keep what you know of it in a table of your own."
        assert piers.current("B-1") is None
        piers.add(pier("B-1", title="another"))
        assert [it.title for it in piers.list(order_by=DimPier.title)] == ["another", "q"]
    with unit(store, None) as work:
        with pytest.raises(DeclarationError, match="nobody said whose rows this application writes"):
            work.repository(DimPier).add(pier("B-2", title="q"))
        with pytest.raises(DeclarationError, match="nobody said whose natural key it is"):
            work.repository(DimPier).current("B-1")


def test_what_was_read_is_the_callers_and_is_written_when_it_says_so(store: Database | Memory) -> None:
    add(store, "B-1", number="1")

    with unit(store, at=5) as work:
        piers = work.repository(DimPier)
        row = piers.current("B-1")
        assert row is not None
        assert row.update_from_dict({"number": "2"}) == {"number"}
        assert len(piers.history("B-1")) == 1
        piers.upsert(row)
        assert [it.number for it in piers.history("B-1")] == ["1", "2"]


def test_a_list_is_read_page_by_page_whatever_comes_and_goes(store: Database | Memory) -> None:
    add(store, *(f"B-{number}" for number in range(5)), budget=None)
    with unit(store, at=5) as work:
        work.repository(DimPier).upsert(pier("B-2", budget=Decimal(5)), pier("B-4", budget=Decimal(5)))

    order = [DimPier.budget.desc(), DimPier.source_id]
    with unit(store, at=9) as work:
        piers = work.repository(DimPier)
        page = piers.list(order_by=order, limit=2)
        assert [it.source_id for it in page] == ["B-2", "B-4"]
        piers.soft_delete("B-2")
        piers.add(pier("B-00", title="q"))
        following = piers.list(order_by=order, limit=2, after=page.next)
        assert [it.source_id for it in following] == ["B-0", "B-00"]
        last = piers.list(order_by=order, limit=5, after=following.next)
        assert ([it.source_id for it in last], last.next, len(last)) == (["B-1", "B-3"], None, 2)
        assert len(piers.list(every_version=True)) == 8
        assert [it.source_id for it in piers.list(DimPier.budget.is_not(None))] == ["B-4"]


def test_a_page_that_nobody_has_named_is_refused(store: Database | Memory) -> None:
    add(store, "B-1", "B-2")

    with unit(store) as work:
        piers = work.repository(DimPier)
        token = piers.list(order_by=DimPier.title, limit=1).next
        assert token is not None
        for other, order in ((token, DimPier.number), ("", ()), ("x!", ()), ("W10", ()), ("bnVsbA", ())):
            with pytest.raises(UnknownPage, match="no page of this list is called"):
                piers.list(order_by=order, after=other)
        with pytest.raises(DeclarationError, match="cannot be ordered by"):
            piers.list(order_by=DimPier.custom_fields)
        with pytest.raises(DeclarationError, match="cannot be ordered by"):
            piers.list(order_by=HarbourNote.words)
        with pytest.raises(DeclarationError, match="a page has 1 to 10,000 rows, not 0"):
            piers.list(limit=0)
        with pytest.raises(DeclarationError, match=r"value that its column does not take: 1\.5 is a float"):
            piers.list(DimPier.budget > 1.5)


def test_what_is_no_condition_and_no_key_is_refused(store: Database | Memory) -> None:
    add(store, "7")

    with unit(store) as work:
        piers = work.repository(DimPier)
        found = piers.current(7)  # type: ignore[arg-type]  # as a source numbers it
        assert found is not None
        for condition in (DimPier.number is None, "number = 1"):
            with pytest.raises(DeclarationError, match="is no condition on its columns"):
                piers.list(condition)
        with pytest.raises(DeclarationError, match=r"asks for columns of warehouse\.harbour_note"):
            piers.list(HarbourNote.source_id == "7")
        with pytest.raises(ValuesRefused, match="pier_key: 'x' is a str, not a whole number"):
            piers.get("x")
        assert piers.get(None) is None
        with pytest.raises(DeclarationError, match="when='yesterday' is no datetime"):
            piers.as_of("7", "yesterday")  # type: ignore[arg-type]  # what is refused
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # what is refused
    with (
        UnitOfWork(store, source="port", now=lambda: naive) as work,
        pytest.raises(DeclarationError, match=r"now\(\)=.* has no time zone"),
    ):
        work.repository(DimPier).upsert(pier("8", title="q"))


def test_who_was_written_since_is_told(store: Database | Memory) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    add(store, "B-1", "B-2")

    with unit(store, at=5) as work:
        piers = work.repository(DimPier)
        piers.soft_delete("B-2")
        piers.upsert(pier("B-1", number="2"))
        first = piers.changed_since(before, limit=1)
        second = piers.changed_since(before, after=first.next)
        assert {it.source_id: (it.version, it.is_deleted) for it in (*first, *second)} == {
            "B-1": (2, False),
            "B-2": (1, True),
        }
        assert len(piers.changed_since(before + timedelta(hours=1))) == 0


def test_rows_without_a_history_are_written_where_they_differ(store: Database | Memory) -> None:
    note = HarbourNote.from_dict({"note_id": "1", "source_id": "1", "words": "a", "price": 2})
    with unit(store) as work:
        notes: Repository[HarbourNote] = work.repository(HarbourNote)
        notes.add(note)
        notes.upsert(HarbourNote.from_dict({"note_id": "1", "words": "b"}))
        notes.upsert(HarbourNote.from_dict({"note_id": "2", "source_id": "2"}))
    with unit(store) as work:
        notes = work.repository(HarbourNote)
        one, two = notes.get("1"), notes.get("2")
        assert one is not None
        assert two is not None
        assert (one.words, one.price, one.is_deleted, one.source_system) == ("b", Decimal(2), False, "port")
        assert (two.words, two.created_at == two.updated_at) == (None, True)
        notes.soft_delete("2")
        notes.soft_delete("2")
        assert [it.note_id for it in notes.list(HarbourNote.is_deleted)] == ["2"]
        notes.add(note)
        with pytest.raises(RowExists, match="HarbourNote 1: there is such a row already"):
            work.flush()
        notes.soft_delete("3")
        with pytest.raises(UnknownKey, match="HarbourNote 3: there is no such row"):
            work.flush()
        notes.upsert(HarbourNote.from_dict({"note_id": "3"}))
        with pytest.raises(ValuesRefused, match="source_id: it must be filled"):
            work.flush()
        with pytest.raises(DeclarationError, match=r"HarbourNote\.get\(\('1', '2'\)\): its key has 1 parts"):
            notes.get(("1", "2"))


def test_a_fact_points_at_the_version_that_was_valid_when_it_happened(store: Database | Memory) -> None:
    add(store, "B-1", number="1")
    with unit(store, at=10) as work:
        work.repository(DimPier).upsert(pier("B-1", number="2"))
    with unit(store, at=20) as work:
        piers, stays = work.repository(DimPier), work.repository(FactMoorage)
        one, two = piers.history("B-1")
        for number, at in enumerate([minutes(-5), minutes(5), minutes(15), None]):
            row = {"stay_id": str(number), "moored_at": at, "pier_key": two.key}
            stays.add(FactMoorage.from_dict(row))
        found = [it.pier_key for it in stays.list(order_by=FactMoorage.stay_id)]
        assert found == [one.key, one.key, two.key, two.key]

        piers.upsert(pier("B-1", number="3"), effective_at=minutes(14))
        three = piers.history("B-1")[2]
        assert [it.pier_key for it in stays.list(order_by=FactMoorage.stay_id)] == [
            one.key,
            one.key,
            three.key,
            three.key,
        ]


def test_a_fact_has_the_member_and_waits_in_a_gap(store: Database | Memory) -> None:
    add(store, "B-1")
    with unit(store, at=10) as work:
        work.repository(DimPier).soft_delete("B-1")
    with unit(store, at=20) as work:
        piers, stays = work.repository(DimPier), work.repository(FactMoorage)
        piers.upsert(pier("B-1"))
        one, two = piers.history("B-1")
        for number, at in enumerate([5, 15, 25]):
            row = {"stay_id": str(number), "moored_at": minutes(at), "waiting_pier_key": one.key}
            stays.upsert(FactMoorage.from_dict(row))
        found = [vars(it) for it in stays.list(order_by=FactMoorage.stay_id)]
        assert [it["waiting_pier_key"] for it in found] == [one.key, -1, two.key]
        assert [it["waiting_pier_durable_key"] for it in found] == [one.durable_key, -1, one.durable_key]
        assert [it["waiting_pier_missing"] for it in found] == [None, "port:B-1", None]
        assert {it["pier_key"] for it in found} == {-2}
        stays.add(FactMoorage.from_dict({"stay_id": "9", "pier_key": 4711}))
        with pytest.raises(
            UnknownKey, match=r"FactMoorage\.pier_key: DimPier has no version of the key 4711"
        ):
            work.flush()
        with pytest.raises(DeclarationError, match="FactMoorage: its rows cannot be marked as deleted"):
            stays.soft_delete(("1", "port"))


def test_what_is_made_of_others_is_not_written(store: Database | Memory) -> None:
    with unit(store) as work:
        with pytest.raises(DeclarationError, match="DimDate: its rows are made of others"):
            work.repository(DimDate).add(DimDate(date_key=1))
        with pytest.raises(DeclarationError, match="DimPier: HarbourNote is another model"):
            work.repository(DimPier).add(HarbourNote())  # type: ignore[arg-type]  # what is refused
