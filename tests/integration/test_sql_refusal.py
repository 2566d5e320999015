"""What is wrong with a database's address, or with what it is asked, is told in words; nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from strandline.errors import DeclarationError, SourceUnavailable, UnexpectedResponse
from strandline.source import Pages, Record, SqlSource, stream


class Row(Record):
    """A row of anything."""

    n: int


def read(url: str, ask: Callable[[SqlSource], Pages]) -> list[bytes]:
    class Erp(SqlSource):
        """Some database."""

        @stream(Row, key="n")
        def rows(self) -> Pages:
            """What it is asked."""
            return ask(self)

    Erp.url = url
    with Erp() as erp:
        return [record for page in Erp.rows.read(erp) for record in page.records]


@pytest.fixture
def url(postgres_server: URL) -> str:
    return postgres_server.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    ("asked", "parameters", "said"),
    [
        ("SELECT 1 AS n WHERE 1 < :least", {}, "required for bind parameter 'least'$"),
        ("SELECT 1 AS n", {"least": 1}, "define a bound parameter named 'least'$"),
        ("SELECT 1 AS n WHERE 'a :least' <> ''", {}, "required for bind parameter 'least'$"),
    ],
)
def test_parameters_that_do_not_fit_are_told(
    url: str, asked: str, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeclarationError, match=said) as it:
        read(url, lambda erp: erp.query(asked, parameters=parameters))
    assert ":name" in str(it.value.hint)


def test_a_colon_may_stand_in_a_text(url: str) -> None:
    asked = r"SELECT 1 AS n WHERE 'a \:least' <> '12:30' AND '2026-01-01'::date < now()"
    assert read(url, lambda erp: erp.query(asked)) == [b'{"n":1}']


def test_a_database_that_is_not_there_is_told_with_its_setting(postgres_server: URL) -> None:
    missing = postgres_server.set(database="nowhere").render_as_string(hide_password=False)

    with pytest.raises(UnexpectedResponse, match='database "nowhere" does not exist') as it:
        read(missing, lambda erp: erp.table("t"))
    assert it.value.hint == "Correct Erp.url, then run again."


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "erp.db"

    with pytest.raises(SourceUnavailable, match=r"there is no file .*erp\.db") as it:
        read(f"sqlite:///{path}", lambda erp: erp.table("t"))
    assert it.value.hint == "Check Erp.url, then run again."
    with pytest.raises(UnexpectedResponse, match="unable to open database file"):
        read(f"sqlite:///file:{path}?mode=ro&uri=true", lambda erp: erp.table("t"))
    assert not path.exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_none_to_be_read(url: str) -> None:
    with pytest.raises(DeclarationError, match=r"Erp\.url: .* is a database in memory"):
        read(url, lambda erp: erp.table("t"))
