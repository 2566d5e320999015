"""The unit of work: what is kept, in how many statements, beside whom, and what its session looks after."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from tests.pier import START, DimPier, FactMoorage, HarbourNote, add, minutes, pier, prepare, unit

from strandline.errors import (
    DeclarationError,
    RowExists,
    UnknownKey,
    ValuesRefused,
    VersionFixed,
    WarehouseBusy,
    WarehouseError,
)
from strandline.model import star
from strandline.warehouse import DimensionRepository, Memory, UnitOfWork, lock
from strandline.warehouse.database import Database


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with the tables, of the one kind and then of the other."""
    if request.param == "postgresql":
        found: Database = request.getfixturevalue("warehouse")
        prepare(found)
        yield found
    else:
        found = Database("sqlite://")
        prepare(found)
        yield found
        found.close()


def test_the_end_of_the_block_keeps_and_an_error_in_it_does_not(store: Database | Memory) -> None:
    class Broken(Exception):
        """Something else."""

    with suppress(Broken), unit(store) as work:
        work.repository(DimPier).add(pier("B-1", title="q"))
        work.commit()
        work.repository(DimPier).add(pier("B-2", title="q"))
        work.rollback()
        work.repository(DimPier).add(pier("B-3", title="q"))
        work.flush()
        raise Broken
    with unit(store) as work:
        work.repository(DimPier).add(pier("B-4", title="q"))
        work.repository(HarbourNote).add(HarbourNote.from_dict({"note_id": "1", "source_id": "1"}))
    with unit(store) as work:
        assert {it.source_id for it in work.repository(DimPier).list()} == {"B-1", "B-4"}
        assert len(work.repository(HarbourNote).list()) == 1


def test_what_cannot_be_written_at_the_end_is_told_and_nothing_is_kept(store: Database | Memory) -> None:
    def write() -> None:
        with unit(store) as work:
            work.repository(DimPier).add(pier("B-1", title="q"))
            work.repository(DimPier).soft_delete("B-9")

    with pytest.raises(UnknownKey):
        write()
    with unit(store) as work:
        assert len(work.repository(DimPier).list()) == 0


def test_a_unit_of_work_has_a_beginning_and_an_end(store: Database | Memory) -> None:
    work = unit(store)
    with pytest.raises(DeclarationError, match="it has not begun, or has ended"):
        work.repository(DimPier).current("B-1")
    with work, pytest.raises(DeclarationError, match="it has begun already"), work:
        pass
    with pytest.raises(DeclarationError, match="it has not begun, or has ended"):
        work.repository(DimPier).add(pier("B-1", title="q"))
    with work:
        piers: DimensionRepository[DimPier] = work.repository(DimPier)
        assert piers is work.repository(DimPier)
        assert len(piers.list()) == 0


def statements(database: Database) -> list[str]:
    """What is executed from now on."""
    listed: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        listed.append(statement)

    return listed


def test_a_thousand_rows_take_as_many_statements_as_two(database: Database) -> None:
    counted = []
    for number in (2, 1000):
        names = [f"{number}-{it}" for it in range(number)]
        rows = [pier(name, title="q", custom_fields={"region": "EU"}) for name in names]
        add(database, "B-0" if number == 2 else "B-00")  # so that both find somebody there
        listed = statements(database)
        with unit(database) as work:
            work.repository(DimPier).add(*rows)
        with unit(database, at=1) as work:
            piers, stays = work.repository(DimPier), work.repository(FactMoorage)
            piers.upsert(*(pier(name, number="2", email="a@b.c") for name in names))
            found = piers.list(DimPier.number == "2", limit=1000)
            stays.add(*(FactMoorage(stay_id=it.source_id, pier_key=it.key) for it in found))
            work.flush()
            stays.upsert(*(FactMoorage(stay_id=name, fee=Decimal(1)) for name in names))
            piers.soft_delete(names[0])
            piers.soft_delete(names[1])
        counted.append(len(listed))
        with unit(database) as work:
            assert len(work.repository(FactMoorage).list(limit=2000)) == (2 if number == 2 else 1002)

    assert counted[0] == counted[1]


@pytest.mark.parametrize("number", [1, 40])
def test_reading_takes_one_statement(database: Database, number: int) -> None:
    add(database, *(f"B-{it}" for it in range(number)))
    with unit(database) as work:
        piers = work.repository(DimPier)
        for ask in (
            lambda: piers.list(order_by=DimPier.title),
            lambda: piers.current("B-0"),
            lambda: piers.as_of("B-0", minutes(5)),
            lambda: piers.history("B-0"),
            lambda: piers.changed_since(START),
            lambda: piers.get(1),
        ):
            listed = statements(database)
            found: Any = ask()
            for row in found if isinstance(found, list) else getattr(found, "rows", [found]):
                assert row is None or row.title == "q"
            assert len(listed) == 1


def test_of_a_flush_that_is_refused_nothing_is_kept_and_the_rest_goes_on(store: Database | Memory) -> None:
    with unit(store) as work:
        piers, notes = work.repository(DimPier), work.repository(HarbourNote)
        notes.add(HarbourNote.from_dict({"note_id": "1", "source_id": "1"}))
        work.flush()
        piers.add(pier("B-1", title="q"))
        notes.add(HarbourNote.from_dict({"note_id": "1", "source_id": "1"}))
        with pytest.raises(RowExists):
            work.flush()
        piers.add(pier("B-2", title="q"))
    with unit(store) as work:
        assert [it.source_id for it in work.repository(DimPier).list()] == ["B-2"]
        assert len(work.repository(HarbourNote).list()) == 1


def test_what_an_application_has_in_the_session_stays_there(database: Database) -> None:
    with unit(database) as work:
        notes = work.repository(HarbourNote)
        note = HarbourNote(note_id="1", source_id="1", words="a")
        work.session.add(note)
        found = notes.get("1")
        assert found is not None
        assert found is not note
        note.words = "b"
        assert [it.words for it in notes.list()] == ["b"]
        notes.upsert(HarbourNote(note_id="1", price=Decimal(2)))
        assert work.session.scalars(select(HarbourNote.price)).all() == [Decimal(2)]
        note.words = "c"
    with unit(database) as work:
        assert [(it.words, it.price) for it in work.repository(HarbourNote).list()] == [("c", Decimal(2))]


def test_queries_of_ones_own_see_what_was_told(database: Database) -> None:
    with unit(database) as work:
        work.repository(DimPier).add(pier("B-1", title="q"))
        work.repository(FactMoorage).add(FactMoorage(stay_id="1"))
        stays = star(FactMoorage)
        assert work.session.execute(stays.as_was(FactMoorage.stay_id, stays.pier.title)).all() == [
            ("1", "Not applicable")
        ]
        assert work.session.scalars(select(DimPier.title).where(DimPier.key > 0)).all() == ["q"]
    with pytest.raises(DeclarationError, match="Memory knows no SQL"), unit(Memory()) as work:
        _ = work.session


def test_a_session_fills_audit_columns_and_lets_no_version_be_changed(database: Database) -> None:
    add(database, "B-1")
    with unit(database) as work:
        work.session.add(HarbourNote(note_id="1", source_id="1", words="a"))
        work.session.flush()
        note = work.session.get(HarbourNote, "1")
        assert note is not None
        assert (note.source_system, note.run_id, note.schema_version) == ("port", 0, 1)
        before = note.updated_at
        note.words = "b"
        work.session.flush()
        assert note.updated_at > before
        note.words = "x" * 21
        with pytest.raises(ValuesRefused, match="has 21 characters"):
            work.session.flush()
        work.rollback()
    with Session(database.engine) as session:
        row = session.scalars(select(DimPier).where(DimPier.key > 0)).one()
        row.title = "other"
        with pytest.raises(VersionFixed, match="DimPier 'B-1', version 1: title was changed by itself"):
            session.flush()
        session.rollback()
        session.delete(session.scalars(select(DimPier).where(DimPier.key > 0)).one())
        with pytest.raises(VersionFixed, match="it is to be deleted by itself"):
            session.flush()


def test_a_unit_of_work_waits_for_another_writer_but_not_for_ever(warehouse: Database) -> None:
    prepare(warehouse)
    with warehouse.begin() as connection:
        lock.share_and_take(connection, shared=(), exclusive=["DimPier"])
        impatient = unit(warehouse, patience=timedelta(milliseconds=50))
        with pytest.raises(WarehouseBusy), impatient as work:
            work.repository(DimPier).add(pier("B-1", title="q"))
    add(warehouse, "B-1")


def test_what_an_error_has_undone_is_not_told_to_be_kept(warehouse: Database) -> None:
    prepare(warehouse)

    def write() -> None:
        with unit(warehouse) as work:
            work.repository(DimPier).add(pier("P-1", title="q"))
            with suppress(DBAPIError):
                work.session.execute(text("SELECT 1 / 0"))

    with pytest.raises(WarehouseError, match="an error has undone what was written in this transaction"):
        write()


def test_a_unit_of_work_stands_on_a_database_or_on_memory(store: Database | Memory) -> None:
    with pytest.raises(DeclarationError, match="'sqlite://' is no place for rows"):
        UnitOfWork("sqlite://")  # type: ignore[arg-type]  # what is refused
    with unit(store) as work, pytest.raises(DeclarationError, match="is no model with a table"):
        work.repository(int)  # type: ignore[type-var]  # what is refused


def test_two_at_once_leave_one_history(warehouse: Database) -> None:
    prepare(warehouse)
    add(warehouse, "B-1")
    one, other = unit(warehouse, at=1), unit(warehouse, at=1, patience=timedelta(milliseconds=50))
    with one as first:
        first.repository(DimPier).upsert(pier("B-1", number="1"))
        first.flush()
        with pytest.raises(WarehouseBusy), other as second:
            second.repository(DimPier).upsert(pier("B-1", number="2"))
    with other as second:
        second.repository(DimPier).upsert(pier("B-1", number="2"))
        assert [it.number for it in second.repository(DimPier).history("B-1")] == [None, "1", "2"]


def test_the_tables_have_to_be_there(database_url: str) -> None:
    def ask(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))

    empty = Database(database_url)
    with empty.begin() as connection:
        ask(connection)
    with pytest.raises(Exception, match="dim_pier"), unit(empty) as work:
        work.repository(DimPier).current("B-1")
    empty.close()
