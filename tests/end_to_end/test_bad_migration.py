"""Migrations that go wrong, as somebody at a terminal sees them: what was wrong, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.marina import Harbour

from strandline.testing import postgres

HASTY = ("--lock-timeout", "0.2", "--attempts", "2")


@pytest.fixture
def harbour(tmp_path: Path, postgres_server: Any, program: Path) -> Iterator[Harbour]:
    """With migrations that are applied, and rows."""
    with postgres.copy(postgres_server, "template0") as url:
        harbour = Harbour(tmp_path, url.render_as_string(hide_password=False), program=program)
        harbour.begin()
        harbour.type("run", "yacht")
        yield harbour
        harbour.database.close()


@contextmanager
def reader(harbour: Harbour) -> Iterator[int]:
    """A session of a report that has read and does not end its transaction; its number."""
    url = harbour.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, application_name="metabase") as connection:
        connection.execute("SELECT count(*) FROM warehouse.fact_rent").fetchone()
        yield connection.info.backend_pid


def by_hand(harbour: Harbour, *steps: str) -> None:
    """A revision that somebody has written."""
    file = harbour.type("migrate", "revision", "--data", "-m", "by hand", "--json").document["file"]
    lines = "".join(f"    {it}\n" for it in steps)
    harbour.project.edit(file, "    pass\n\n\ndef down", f"{lines}\n\ndef down")
    harbour.project.edit(
        file, "from strandline", "import sqlalchemy as sa\nfrom alembic import op\n\nfrom strandline"
    )


COLUMN = 'op.add_column("fact_rent", sa.Column("tip", sa.Integer), schema=schemas.warehouse)'
ONLINE = COLUMN.replace("op.", "online.")
CHECK = 'online.add_constraint("ck_tip", "fact_rent", "CHECK ((tip > 0))", schema=schemas.warehouse)'


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('op.drop_table("fact_rent", schema=schemas.warehouse)', "types DROP TABLE warehouse.fact_rent"),
        ('op.execute("DELETE FROM warehouse.fact_rent")', "types DELETE FROM warehouse.fact_rent"),
        (
            'online.drop_column("fact_rent", "amount", schema=schemas.warehouse)',
            "drops the column warehouse.fact_rent.amount",
        ),
    ],
)
def test_a_migration_that_would_drop_data(harbour: Harbour, step: str, said: str) -> None:
    by_hand(harbour, step)
    refused = harbour.type("migrate", "upgrade", code=1).error
    assert said in refused
    assert "hint: If that is meant: --allow-destructive" in refused
    assert harbour.ask("SELECT count(amount) FROM warehouse.fact_rent") == [(2,)]
    harbour.type("migrate", "upgrade", "--allow-destructive")


@pytest.mark.parametrize(
    ("step", "what"), [(ONLINE, "warehouse.fact_rent"), (COLUMN, "what it changes")], ids=["online", "op"]
)
def test_a_lock_that_another_session_holds(harbour: Harbour, step: str, what: str) -> None:
    by_hand(harbour, step)
    with reader(harbour) as pid:
        refused = harbour.type("migrate", "upgrade", *HASTY, code=1).error
        user = harbour.database.url.username
        assert f"{what} is locked by session {pid} (user {user}, metabase, in a transaction since" in refused
        assert "hint: Let it end, then type the same again" in refused
    harbour.type("migrate", "upgrade", *HASTY)
    assert harbour.ask("SELECT count(tip) FROM warehouse.fact_rent") == [(0,)]


def test_a_half_applied_migration(harbour: Harbour) -> None:
    """The first step is done, and the second finds a row that does not fit."""
    by_hand(harbour, ONLINE.replace("sa.Integer", 'sa.Integer, server_default="0"'), CHECK)
    refused = harbour.type("migrate", "upgrade", code=1).error
    assert "warehouse.fact_rent: there are rows that do not keep ck_tip" in refused
    told = harbour.type("migrate", "status").stdout
    assert "column warehouse.fact_rent.tip: done\n" in told
    assert "constraint ck_tip of warehouse.fact_rent: not done to its end, 0 rows changed\n" in told
    assert told.endswith("Type: strandline migrate upgrade\n")
    for words, code in (
        (["migrate", "check"], 1),
        (["run", "yacht"], 1),
        (["migrate", "downgrade", "-1"], 1),
    ):
        done = harbour.type(*words, code=code)
        assert "strandline migrate upgrade" in done.stdout + done.error, words
    assert "half applied" in harbour.type("migrate", "sql", code=1).error
    harbour.ask("UPDATE warehouse.fact_rent SET tip = 1 RETURNING 1")
    harbour.type("migrate", "upgrade")
    assert harbour.ask("SELECT count(*) FROM strandline.migration_step") == [(0,)]


def test_check_on_an_empty_database(tmp_path: Path, postgres_server: Any, program: Path) -> None:
    with postgres.copy(postgres_server, "template0") as url:
        empty = Harbour(tmp_path, url.render_as_string(hide_password=False), program=program)
        assert "None of the tables is there yet" in empty.type("check").stdout
        assert "hint: Type: strandline migrate init" in empty.type("migrate", "check", code=2).error
        empty.type("migrate", "init")
        empty.type("migrate", "revision", "-m", "the beginning")
        told = empty.type("migrate", "check", code=1).stdout
        assert told.startswith("at the beginning; the head is ")
        assert told.endswith("Type: strandline migrate upgrade\n")
        assert "strandline migrate upgrade makes them" in empty.type("check").stdout
        assert empty.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'strandline'") == [(0,)]
        empty.database.close()
