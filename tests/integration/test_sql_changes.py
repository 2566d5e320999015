"""What has changed in a PostgreSQL table: no commit is late for it, however the transactions overlap."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field, SecretStr
from sqlalchemy import URL, Connection, literal, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.model import Dimension, Mapper, attribute
from strandline.model import field as mapped
from strandline.pipeline import Pipeline, run
from strandline.source import Page, Pages, Record, SourceSettings, SqlSource, stream
from strandline.source.sql.change import TURN, is_changed
from strandline.testing import postgres
from strandline.warehouse.database import Database


class Article(Record):
    """An article of the shop."""

    number: int = Field(alias="no")
    name: str


class ShopSettings(SourceSettings):
    """STRANDLINE_SHOP__URL."""

    url: SecretStr


class Shop(SqlSource):
    """A shop's database."""

    settings: ShopSettings

    @stream(Article, key="number")
    def articles(self, since: str | None) -> Pages:
        """What has been written since."""
        return self.changes("articles", since=since, size=2)


class DimArticle(Dimension):
    """An article."""

    name: Mapped[str] = attribute()


class ShopArticle(Mapper[Article, DimArticle]):
    """Articles."""

    name = mapped("name")


shop = Pipeline("shop")
shop.sync(Shop.articles, ShopArticle)

TABLE = "CREATE TABLE articles (no int PRIMARY KEY, name text NOT NULL)"
PUT = "INSERT INTO articles VALUES (:no, :name) ON CONFLICT (no) DO UPDATE SET name = excluded.name"


def put(connection: Connection, no: int, name: str) -> None:
    connection.execute(text(PUT), {"no": no, "name": name})


def execute(database: Database, *statements: str) -> None:
    with database.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def source(database: Database) -> Shop:
    return Shop(settings=ShopSettings(url=SecretStr(database.url.render_as_string(hide_password=False))))


def read(database: Database, since: str | None) -> tuple[list[dict[str, Any]], str]:
    with source(database) as opened:
        pages: list[Page] = list(Shop.articles.read(opened, since))
    assert [page.state for page in pages[:-1]] == [None] * (len(pages) - 1)
    assert pages[-1].state is not None
    return [json.loads(it) for page in pages for it in page.records], pages[-1].state


def names(rows: list[dict[str, Any]]) -> set[str]:
    return {it["name"] for it in rows}


def test_a_run_reads_what_was_written_before_and_committed_after_the_last_one(warehouse: Database) -> None:
    """Four transactions that begin in one order and end in another, one of them never."""
    execute(warehouse, TABLE)
    table = DimArticle.table()
    with ExitStack() as opened:
        first, second, third = (opened.enter_context(warehouse.connect()) for _ in range(3))
        put(first, 1, "early, and late")
        put(second, 2, "in time")
        put(third, 3, "never")
        second.commit()
        with source(warehouse) as shop_source:
            assert run(shop, warehouse, sources={"shop": shop_source}).streams[0].stored == 1
            execute(warehouse, "INSERT INTO articles VALUES (4, 'later')")
            first.commit()
            third.rollback()
            report = run(shop, warehouse, sources={"shop": shop_source})
            assert (report.streams[0].records, report.streams[0].stored) == (3, 2)
            assert run(shop, warehouse, sources={"shop": shop_source}).streams[0].records == 0

    with warehouse.begin() as connection:
        found = set(connection.scalars(select(table.c.name).where(table.c.article_key > 0)))
    assert found == {"early, and late", "in time", "later"}


@pytest.fixture(scope="module")
def server(postgres_server: URL, warehouse_template: str) -> Iterator[Database]:
    """One database for all cases: each empties the table."""
    with postgres.copy(postgres_server, warehouse_template) as url:
        database = Database(url)
        execute(database, TABLE)
        yield database
        database.close()


WRITER, ROW = st.integers(0, 1), st.integers(0, 1)
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "nested", "read", "commit", "rollback", "vacuum"]), WRITER, ROW),
    min_size=4,
    max_size=12,
)


@example(steps=[("put", 0, 0), ("put", 1, 0), ("commit", 1, 0), ("read", 0, 0), ("commit", 0, 0)])
@given(steps=STEPS)
@cases(50)
def test_after_each_read_is_known_what_the_table_then_holds(
    server: Database, steps: list[tuple[str, int, int]]
) -> None:
    """Two writers, each with rows of its own lest they wait for one another."""
    execute(server, "TRUNCATE articles")
    known: dict[int, str] = {}
    state: str | None = None
    with ExitStack() as opened:
        writers = [opened.enter_context(server.connect()) for _ in range(2)]
        for number, (what, writer, row) in enumerate([*steps, ("read", 0, 0)]):
            at = writers[writer]
            if what == "put":
                put(at, writer * 10 + row, f"{number}")
            elif what == "nested":
                with at.begin_nested():
                    put(at, writer * 10 + row, f"{number}")
            elif what == "vacuum":
                with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as cleaner:
                    cleaner.execute(text("VACUUM FREEZE articles"))
            elif what == "read":
                rows, state = read(server, state)
                known.update({it["no"]: it["name"] for it in rows})
                with server.begin() as connection:
                    there = {it.no: it.name for it in connection.execute(text("SELECT * FROM articles"))}
                assert known == there
            else:
                getattr(at, what)()


@given(
    st.lists(
        st.tuples(st.integers(3, 3 * TURN), st.integers(0, 3 * TURN), st.integers(0, 3 * TURN)), min_size=1
    )
)
@cases(20)
def test_a_row_is_never_too_old_where_the_numbers_begin_over(
    server: Database, given: list[tuple[int, int, int]]
) -> None:
    """Each case is a row's full number, and how far behind it the state and before it the present are."""
    with server.begin() as connection:
        for number, back, ahead in given:
            wanted = select(is_changed(literal(number % TURN), literal(1)))
            reached, following = max(number - back, 0), number + 1 + ahead
            values = {"latest": (following - 1) % TURN, "span": min(following - reached, TURN), "tables": [1]}
            assert connection.scalar(wanted, values)


def test_what_lies_before_the_state_is_left_alone(warehouse: Database) -> None:
    execute(warehouse, TABLE, "INSERT INTO articles SELECT n, 'n' || n FROM generate_series(1, 5) AS n")
    rows, state = read(warehouse, None)
    assert len(rows) == 5

    execute(warehouse, "UPDATE articles SET name = 'new' WHERE no = 3")

    rows, state = read(warehouse, state)
    assert names(rows) == {"new"}
    assert read(warehouse, state)[0] == []


def test_rows_that_were_written_elsewhere_before_are_read_when_they_appear(warehouse: Database) -> None:
    """A partition that is attached, and a table that takes the place of another."""
    execute(
        warehouse,
        "CREATE TABLE articles (no int, name text) PARTITION BY RANGE (no)",
        "CREATE TABLE articles_1 PARTITION OF articles FOR VALUES FROM (1) TO (10)",
        "INSERT INTO articles VALUES (1, 'one')",
        "CREATE TABLE articles_2 AS SELECT 11 AS no, 'eleven'::text AS name",
    )
    _, state = read(warehouse, None)
    execute(warehouse, "ALTER TABLE articles ATTACH PARTITION articles_2 FOR VALUES FROM (10) TO (20)")

    rows, state = read(warehouse, state)
    assert names(rows) == {"eleven"}

    execute(warehouse, "CREATE TABLE others AS SELECT 1 AS no, 'two'::text AS name")
    rows, state = read(warehouse, state)
    execute(warehouse, "DROP TABLE articles", "ALTER TABLE others RENAME TO articles")
    assert names(read(warehouse, state)[0]) == {"two"}


def test_a_state_of_another_server_means_nothing_and_all_is_read(warehouse: Database) -> None:
    execute(warehouse, TABLE, "INSERT INTO articles VALUES (1, 'one')")
    _, state = read(warehouse, None)
    told = json.loads(state)

    for changed in ({"server": "7/00000002"}, {"transaction": told["transaction"] + 1_000_000}):
        assert names(read(warehouse, json.dumps(told | changed))[0]) == {"one"}


def test_a_state_that_is_none_is_told(warehouse: Database) -> None:
    execute(warehouse, TABLE)
    with pytest.raises(UnexpectedResponse, match="its mark is no state of such a stream"):
        read(warehouse, "2026-03-01")


def test_only_postgresql_knows_of_changes() -> None:
    with (
        pytest.raises(DeclarationError, match="asked of sqlite"),
        Shop(settings=ShopSettings(url=SecretStr("sqlite:///erp.db"))) as opened,
    ):
        list(Shop.articles.read(opened, None))
