"""Migrations of a warehouse in use: who reads, who is in the way, and what is broken off in the middle."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.shipyard import HASTY, Yard, column, of, reading, session

from strandline.errors import DataWouldBeLost, SchemaOutOfDate, WarehouseBusy, WarehouseError
from strandline.pipeline import migration
from strandline.settings import Schemas
from strandline.testing.migration import snapshot
from strandline.warehouse import cluster, ledger, lock, schema
from strandline.warehouse.database import Database
from strandline.warehouse.migration.wanted import View
from strandline.warehouse.migration.work import Place, Work

VIEW = View(
    "warehouse",
    "fact_ship_current",
    "SELECT ship_id FROM {warehouse}.fact_ship",
    "The members of fact_ship as they are now",
    "fact_ship",
)


def ships(*parts: Any, label: Any = None, tons: Any = sa.Integer) -> list[sa.Table]:
    return of(
        column("ship_id", sa.BigInteger, nullable=False),
        column("label", label if label is not None else sa.String(40)),
        column("tons", tons),
        *parts,
        sa.PrimaryKeyConstraint("ship_id"),
    )


@pytest.fixture
def yard(tmp_path: Path, warehouse: Database) -> Yard:
    """With ships."""
    yard = Yard(tmp_path, warehouse)
    yard.revise(ships())
    yard.upgrade()
    yard.put(ships()[0], *({"ship_id": it, "label": f"ship {it}", "tons": it} for it in range(1, 8)))
    return yard


KILL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
        AND datname = current_database()
"""


def ask(yard: Yard, query: str) -> list[Any]:
    with yard.database.begin() as connection:
        return [row[0] if len(row) == 1 else tuple(row) for row in connection.execute(sa.text(query))]


def type_in(yard: Yard, statement: str) -> None:
    with yard.database.begin() as connection:
        connection.execute(sa.text(statement))


def test_a_reader_never_waits_longer_than_the_lock_timeout(yard: Yard) -> None:
    """Its own lock_timeout would tell, whatever the machine does meanwhile; long reports are in the way of
    the migration all the time.
    """
    type_in(
        yard,
        "INSERT INTO warehouse.fact_ship SELECT g, 'ship ' || g, g % 99 + 1 FROM generate_series(8, 40000) g",
    )
    waits = 1.0
    yard.revise(
        ships(
            column("flag", sa.Text, nullable=False, server_default="none"),
            column("shown", sa.Text, nullable=False),
            sa.UniqueConstraint("label"),
            sa.CheckConstraint("tons > 0", name="tons"),
            sa.Index(None, "tons"),
            label=sa.Text(),
            tons=sa.Numeric(18, 2),
        ),
        fills={"fact_ship.shown": "upper(label)"},
    )
    over = threading.Event()

    def reporter() -> None:
        with session(yard.database) as connection:
            while not over.is_set():
                connection.execute("SELECT count(*) FROM warehouse.fact_ship").fetchone()
                time.sleep(0.4)
                connection.commit()
                time.sleep(0.1)

    slow = threading.Thread(target=reporter)
    slow.start()
    try:
        patience = replace(HASTY, lock_timeout=waits, attempts=50, batch=5_000, small=0)
        with reading(yard.database, "warehouse.fact_ship", patience=waits) as times:
            yard.upgrade(patience=patience)
            yard.downgrade(patience=patience, allow_destructive=True)
    finally:
        over.set()
        slow.join()
    assert times[0] > 10


def test_statements_that_keep_readers_out_together_take_no_longer_than_readers_may_wait(yard: Yard) -> None:
    work = Work(Schemas(), yard.database, patience=replace(HASTY, lock_timeout=0.4))
    place = Place("warehouse", "fact_ship")
    slow = ["SELECT pg_sleep(0.25)"] * 2
    with pytest.raises(WarehouseBusy, match=r"takes longer than the 0\.4 s for which readers may wait"):
        work.short("LOCK TABLE warehouse.fact_ship", *slow, on=place)
    work.short("LOCK TABLE warehouse.fact_ship", slow[0], on=place)


def test_who_is_in_the_way_is_named_and_typing_it_again_goes_on(yard: Yard) -> None:
    yard.revise(ships(column("crew", sa.Integer), sa.CheckConstraint("tons > 0", name="tons")))
    with session(yard.database, "metabase") as report:
        report.execute("SELECT * FROM warehouse.fact_ship")
        with pytest.raises(WarehouseBusy) as caught:
            yard.upgrade(patience=replace(HASTY, lock_timeout=0.1, attempts=2))
        pid = report.info.backend_pid
    said = f"warehouse.fact_ship is locked by session {pid} (user strandline, metabase, in a transaction"
    assert said in caught.value.message
    assert "it was waited for 2 times" in caught.value.message
    (half,) = yard.status(ships()).half_applied
    assert (half["what"], half["ended_at"]) == ("column warehouse.fact_ship.crew", None)
    with pytest.raises(SchemaOutOfDate, match="half applied"):
        yard.downgrade()
    assert len(yard.upgrade().revisions) == 1
    assert yard.status(
        ships(column("crew", sa.Integer), sa.CheckConstraint("tons > 0", name="tons"))
    ).is_current


def test_an_index_that_was_left_half_built_is_built_anew(yard: Yard) -> None:
    """By an end of the server's session in the middle of it, while a transaction was in its way."""
    wanted = ships(sa.Index(None, "label"))
    yard.revise(wanted)
    said: list[str] = []
    with session(yard.database) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT count(*) FROM warehouse.fact_ship")  # it may want to see what it has seen
        building = threading.Thread(target=lambda: said.append(_fails(yard)))
        building.start()
        with session(yard.database) as other:
            other.autocommit = True
            while building.is_alive() and other.execute(KILL).fetchone() == (0,):
                time.sleep(0.02)
        building.join()
    assert "terminating connection" in said[0]
    assert ask(
        yard, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'warehouse.ix_fact_ship_label'::regclass"
    ) == [False]
    notes: list[str] = []
    yard.upgrade(note=notes.append)
    assert "index warehouse.ix_fact_ship_label was left half built, and is built anew" in notes
    assert yard.status(wanted).is_current


def _fails(yard: Yard) -> str:
    with pytest.raises(WarehouseError) as caught:
        yard.upgrade()
    return caught.value.message


def test_what_rows_do_not_keep_is_told_and_can_be_mended(yard: Yard) -> None:
    type_in(yard, "UPDATE warehouse.fact_ship SET label = 'same', tons = -1 WHERE ship_id < 3")
    wanted = ships(sa.CheckConstraint("tons > 0", name="tons"), sa.UniqueConstraint("label"))
    yard.revise(wanted)
    with pytest.raises(WarehouseError, match="there are rows that do not keep ck_fact_ship_tons"):
        yard.upgrade()
    type_in(yard, "UPDATE warehouse.fact_ship SET tons = 1 WHERE tons < 0")
    with pytest.raises(WarehouseError, match=r"could not create unique index .* Key \(label\)=\(same\)"):
        yard.upgrade()
    type_in(yard, "UPDATE warehouse.fact_ship SET label = ship_id::text WHERE label = 'same'")
    yard.upgrade()
    assert yard.status(wanted).is_current


def test_batches_that_are_broken_off_change_no_row_twice(yard: Yard) -> None:
    written = migration.data_revision(yard.folder, message="tons are doubled")
    assert written.file is not None
    text = written.file.read_text()
    assert "# online.update(" in text
    step = 'online.update("fact_ship", {"tons": "tons * 2"}, schema=schemas.warehouse)'
    written.file.write_text(text.replace("    pass\n", f"    {step}\n", 1))
    type_in(yard, "ALTER TABLE warehouse.fact_ship ADD CONSTRAINT small CHECK (tons < 10)")
    with pytest.raises(WarehouseError, match="small"):
        yard.upgrade()
    assert ask(yard, "SELECT tons FROM warehouse.fact_ship ORDER BY ship_id") == [2, 4, 6, 8, 5, 6, 7]
    (half,) = yard.status(ships()).half_applied
    assert (half["rows"], half["position"]) == (4, ["4"])
    type_in(yard, "ALTER TABLE warehouse.fact_ship DROP CONSTRAINT small")
    yard.upgrade()
    assert ask(yard, "SELECT tons FROM warehouse.fact_ship ORDER BY ship_id") == [2, 4, 6, 8, 10, 12, 14]
    assert ask(yard, "SELECT count(*) FROM strandline.migration_step") == [0]


STOP = """
    CREATE FUNCTION warehouse.stop() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'not this ship'; END $$;
    CREATE TRIGGER stop BEFORE UPDATE ON warehouse.fact_ship FOR EACH ROW
    WHEN (OLD.ship_id = 5) EXECUTE FUNCTION warehouse.stop()
"""


def test_what_others_write_while_a_type_changes_is_kept(yard: Yard) -> None:
    wanted = ships(tons=sa.Numeric(18, 2))
    yard.revise(wanted)
    beside = replace(HASTY, small=0)
    type_in(yard, STOP)
    with pytest.raises(WarehouseError, match="not this ship"):
        yard.upgrade(patience=beside)
    (half,) = yard.status(wanted).half_applied
    assert (half["what"], half["rows"]) == ("warehouse.fact_ship.tons becomes numeric(18,2)", 4)
    type_in(yard, "DROP FUNCTION warehouse.stop CASCADE")
    type_in(yard, "UPDATE warehouse.fact_ship SET tons = 100 WHERE ship_id = 1")
    type_in(yard, "INSERT INTO warehouse.fact_ship VALUES (0, 'raft', 50)")
    yard.upgrade(patience=beside)
    query = "SELECT string_agg(tons::text, ' ' ORDER BY ship_id) FROM warehouse.fact_ship"
    assert ask(yard, query) == ["50.00 100.00 2.00 3.00 4.00 5.00 6.00 7.00"]
    assert ask(yard, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'warehouse.fact_ship'::regclass") == []
    assert yard.status(wanted).is_current


@pytest.mark.parametrize(
    "step",
    [
        'op.drop_column("fact_ship", "tons", schema=schemas.warehouse)',
        'op.drop_table("fact_ship", schema=schemas.warehouse)',
        'op.execute("DELETE FROM warehouse.fact_ship")',
        'op.execute("TRUNCATE warehouse.fact_ship")',
        'online.drop_column("fact_ship", "tons", schema=schemas.warehouse)',
        'online.change_type("fact_ship", "label", sa.String(5), schema=schemas.warehouse)',
    ],
)
def test_what_somebody_has_typed_into_a_revision_is_held_back_too(yard: Yard, step: str) -> None:
    written = migration.data_revision(yard.folder, message="careless")
    assert written.file is not None
    text = written.file.read_text().replace("    pass\n", f"    {step}\n", 1)
    written.file.write_text(
        text.replace("from strandline", "import sqlalchemy as sa\nfrom alembic import op\nfrom strandline", 1)
    )
    before = snapshot(yard.database)
    with pytest.raises(DataWouldBeLost) as caught:
        yard.upgrade()
    assert "--allow-destructive" in str(caught.value.hint)
    assert snapshot(yard.database) == before


def test_a_narrower_type_loses_nothing_without_a_word(yard: Yard) -> None:
    yard.revise(ships(label=sa.String(5)))
    with pytest.raises(DataWouldBeLost, match=r"narrows warehouse.fact_ship.label from .*40.* to .*5"):
        yard.upgrade()
    for small in (8 << 20, 0):
        with pytest.raises(WarehouseError, match="value too long"):
            yard.upgrade(allow_destructive=True, patience=replace(HASTY, small=small))
    assert ask(yard, "SELECT max(label) FROM warehouse.fact_ship") == ["ship 7"]


def test_runs_and_migrations_keep_away_from_each_other(yard: Yard) -> None:
    yard.revise(ships(column("crew", sa.Integer)))
    with yard.database.connect() as running:
        with running.begin():
            run_id, _ = ledger.begin(running, pipeline="ships", version="1")
        with pytest.raises(WarehouseBusy, match=rf"run {run_id} of ships is going on, since"):
            yard.upgrade()
        with running.begin():
            lock.release_all(running)
    with yard.database.connect() as migrating, migrating.begin():
        assert lock.hold(migrating, lock.MIGRATION)
        with pytest.raises(WarehouseBusy, match="another migration is going on"):
            yard.upgrade()
        with (
            yard.database.connect() as late,
            late.begin(),
            pytest.raises(WarehouseBusy, match="a migration is going on"),
        ):
            schema.prepare(yard.database, late, models=[], others=[])
        lock.release_all(migrating)
    yard.upgrade()


def test_a_view_keeps_its_readers_and_says_who_stands_on_it(yard: Yard) -> None:
    yard.revise(ships(), views=[VIEW])
    yard.upgrade()
    role = f"analyst_{yard.database.url.database}"
    type_in(yard, f"CREATE ROLE {role}; GRANT SELECT ON warehouse.fact_ship_current TO {role}")
    try:
        other = replace(VIEW, query="SELECT ship_id, label FROM {warehouse}.fact_ship")
        yard.revise(ships(), views=[other])
        yard.upgrade()
        allowed = f"SELECT has_table_privilege('{role}', 'warehouse.fact_ship_current', 'SELECT')"
        assert ask(yard, allowed) == [True]
        yard.downgrade()
        assert ask(yard, allowed) == [True]
        type_in(yard, "CREATE VIEW warehouse.mine AS SELECT * FROM warehouse.fact_ship_current")
        with pytest.raises(WarehouseError, match=r"view warehouse\.mine depends on view"):
            yard.upgrade()
        type_in(yard, "DROP VIEW warehouse.mine")
        yard.upgrade()
    finally:
        type_in(yard, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_view_that_is_not_wanted_any_more_goes_and_those_of_others_stay(yard: Yard) -> None:
    yard.revise(ships(), views=[VIEW])
    yard.upgrade()
    type_in(yard, "CREATE VIEW warehouse.mine AS SELECT 1 AS one")
    assert yard.status(ships()).differences == ["view warehouse.fact_ship_current is in no model"]
    yard.revise(ships())
    yard.upgrade()
    assert ask(yard, "SELECT viewname FROM pg_views WHERE schemaname = 'warehouse'") == ["mine"]


def test_tables_and_indexes_of_others_are_left_alone(yard: Yard) -> None:
    type_in(yard, "CREATE TABLE warehouse.mine (a int); CREATE INDEX mine_too ON warehouse.fact_ship (tons)")
    state = yard.status(ships())
    assert (state.differences, state.left) == ([], [])
    assert yard.revise(ships(), drops=True).file is None


def test_a_constraint_that_was_never_validated_is_a_difference(yard: Yard) -> None:
    wanted = ships(sa.CheckConstraint("tons > 0", name="tons"))
    type_in(
        yard, "ALTER TABLE warehouse.fact_ship ADD CONSTRAINT ck_fact_ship_tons CHECK (tons > 0) NOT VALID"
    )
    assert yard.status(wanted).differences == ["ck_fact_ship_tons of warehouse.fact_ship was left half done"]
    yard.revise(wanted)
    yard.upgrade()
    assert yard.status(wanted).is_current


def test_the_script_for_psql_does_what_an_upgrade_does(
    tmp_path: Path, yard: Yard, postgres_server: sa.URL
) -> None:
    from strandline.testing import postgres

    wanted = ships(
        column("shown", sa.Text, nullable=False),
        sa.UniqueConstraint("label"),
        sa.CheckConstraint("label <> ':a % ''b'", name="odd"),
        sa.Index(None, "tons"),
        tons=sa.BigInteger,
    )
    yard.revise(wanted, fills={"fact_ship.shown": "upper(label)"}, views=[VIEW])
    script = migration.statements(yard.folder, Schemas())
    yard.upgrade()
    with postgres.copy(postgres_server, "template0") as url:
        psql = [
            str(cluster.binaries() / "psql"),
            "-v",
            "ON_ERROR_STOP=1",
            "-q",
            "-h",
            str(url.query["host"]),
            "-U",
            str(url.username),
            str(url.database),
        ]
        subprocess.run(psql, input=script, text=True, check=True)
        database = Database(url)
        by_script, by_upgrade = snapshot(database), snapshot(yard.database)
        made = {name: it for name, it in by_upgrade.shapes.items() if name in by_script.shapes}
        assert (by_script.shapes, by_script.views) == (made, by_upgrade.views)
        other = Yard.__new__(Yard)
        other.folder, other.database = yard.folder, database
        assert other.status(wanted, views=[VIEW]).is_current
        back = migration.statements(yard.folder, Schemas(), since="head", to="base", is_upgrade=False)
        subprocess.run(psql, input=back, text=True, check=True)
        assert snapshot(database).shapes == {}
        database.close()
