"""A custom field becomes a column: what `strandline fields promote` writes, and what a run makes of it."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, MetaData, Table, text

from strandline.errors import DeclarationError
from strandline.pipeline import Pipeline, promotion
from strandline.testing import postgres
from strandline.testing.project import Outcome, Project
from strandline.testing.written import row_versions
from strandline.warehouse import occurrence
from strandline.warehouse.database import Database

PIPELINE = '''"""Customers, from a file."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime
from sqlalchemy import (
    String,
)
from sqlalchemy.orm import Mapped

from strandline import Dimension, Mapper, Pages, Pipeline, Record, attribute, field, stream
from strandline.model import CustomFields
from strandline.source import Page, Source


class Customer(Record):
    """A customer; 'quotes' and ümlauts stay as they are."""

    id: str
    since: AwareDatetime  # a comment

    def is_new(self) -> bool:
        return True


class Shop(Source):
    """The shop."""

    @stream(Customer, key="id", effective_at="since")
    def customers(self) -> Pages:
        """Every line of the file."""
        lines = Path("records.jsonl").read_bytes().splitlines()
        yield Page(lines, 1, "records.jsonl", status=200, fetched_at=datetime.now(UTC), size=1)


class DimLessee(Dimension, CustomFields):
    """A customer."""

    name: Mapped[str] = attribute(String(10))


class ShopCustomer(Mapper[Customer, DimLessee]):
    """The shop's customers."""

    name = field("id")


shop = Pipeline("shop")
shop.sync(Shop.customers, ShopCustomer)
'''

ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["STRANDLINE_DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

RECORDS: tuple[dict[str, Any], ...] = (
    {"id": "a", "since": "2026-01-01T00:00:00Z", "cust-region": "EMEA", "seats": 3, "share": 0.25},
    {"id": "b", "since": "2026-01-01T00:00:00Z", "cust-region": "Americas", "seats": 40, "share": 2},
    {"id": "a", "since": "2026-02-01T00:00:00Z", "cust-region": None, "paid": True, "odd": 1, "deep": {}},
    {"id": "a", "since": "2026-03-01T00:00:00Z", "cust-region": "APAC", "odd": "one", "when": "2026-03-01"},
    {"id": "b", "since": "2026-03-01T00:00:00Z", "old": "x"},
)


class Office:
    """The project, loaded once, and its warehouse."""

    def __init__(self, folder: Path, database_url: str, *, program: Path) -> None:
        self.project = Project(folder, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)
        (folder / "pipeline.py").write_text(PIPELINE)
        (folder / "records.jsonl").write_text("".join(f"{json.dumps(it)}\n" for it in RECORDS))
        self.database = Database(database_url)
        assert self.project.strandline("run", "shop").code == 0
        (folder / "records.jsonl").write_text("")  # the raw log has them

    @property
    def module(self) -> str:
        """The project's one module."""
        return (self.project.folder / "pipeline.py").read_text()

    def promote(self, field: str, to: str, *options: str) -> Outcome:
        """Type the command."""
        return self.project.strandline("fields", "promote", "shop.customers", field, "--to", to, *options)

    def execute(self, statement: str) -> None:
        """Type it in psql."""
        with self.database.begin() as connection:
            connection.execute(text(statement))

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        """These columns of all versions."""
        with self.database.begin() as connection:
            query = f"SELECT {columns} FROM warehouse.dim_lessee WHERE lessee_key > 0 ORDER BY source_id"
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture(scope="session")  # a worker may come back to this module, and a model is declared once
def untouched(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: URL, warehouse_template: str, program: Path
) -> Iterator[Office]:
    """One for all tests in which nothing is written."""
    with postgres.copy(postgres_server, warehouse_template) as url:
        office = Office(
            tmp_path_factory.mktemp("office"), url.render_as_string(hide_password=False), program=program
        )
        yield office
        office.database.close()


@pytest.fixture
def office(tmp_path: Path, database_url: str, program: Path) -> Iterator[Office]:
    office = Office(tmp_path, database_url, program=program)
    yield office
    office.database.close()


@pytest.fixture(scope="session")
def shop(untouched: Office) -> Pipeline:
    """The project's pipeline, imported here."""
    spec = importlib.util.spec_from_file_location("lessor", untouched.project.folder / "pipeline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Pipeline = module.shop
    return found


def test_a_promoted_field_is_a_column_filled_from_the_raw_log_without_new_versions(office: Office) -> None:
    told = office.promote("cust-region", "region", "--scd", "2", "--json").document
    assert (told["type"], told["model"], told["seen"]) == (
        "String(20)",
        "DimLessee",
        [{"type": "string", "records": 3, "longest": 8}],
    )
    assert office.module == (
        PIPELINE.replace("import AwareDatetime\n", "import AwareDatetime\nfrom pydantic import Field\n")
        .replace(
            "  # a comment\n",
            '  # a comment\n    region: str | None = Field(default=None, alias="cust-region")\n',
        )
        .replace(
            "attribute(String(10))\n",
            "attribute(String(10))\n    region: Mapped[str | None] = attribute(String(20), scd=2)\n",
        )
        .replace('field("id")\n', 'field("id")\n    region = field("region")\n')
    )
    refused = office.project.strandline("run", "shop")
    assert refused.code == 1
    assert told["statement"] in refused.error

    office.execute(told["statement"])
    report = office.project.strandline("run", "shop", "--json").document

    assert report["targets"][0]["counts"]["filled"] == 1
    assert office.rows("source_id, version, region") == [("a", 1, "APAC"), ("b", 1, None)]
    before = row_versions(office.database, *_tables(office))
    office.project.strandline("run", "shop")
    assert row_versions(office.database, *_tables(office)) == before


def _tables(office: Office) -> list[Table]:
    return [Table("dim_lessee", MetaData(), schema="warehouse", autoload_with=office.database.engine)]


def test_a_type_that_is_given_is_filled_and_one_that_was_seen_is_proposed(office: Office) -> None:
    for field, options, line in (
        ("share", [], "share_now: Mapped[Decimal | None] = attribute(Numeric)"),
        ("when", ["--type", "Date"], "when_now: Mapped[date | None] = attribute(Date)"),
    ):
        told = office.promote(field, f"{field}_now", *options, "--json").document
        assert f"    {line}\n" in office.module
        office.execute(told["statement"])

    assert office.project.strandline("run", "shop").code == 0
    assert office.rows("source_id, share_now, when_now") == [("a", None, date(2026, 3, 1)), ("b", None, None)]


@pytest.mark.parametrize(
    ("field", "options", "line"),
    [
        ("seats", {}, "now: Mapped[int | None] = attribute(BigInteger)"),
        ("share", {}, "now: Mapped[Decimal | None] = attribute(Numeric)"),
        ("paid", {}, "now: Mapped[bool | None] = attribute(Boolean)"),
        ("old", {}, "now: Mapped[str | None] = attribute(String(10))"),
        ("when", {"type_": "Date"}, "now: Mapped[date | None] = attribute(Date)"),
        ("cust-region", {"type_": "Text"}, "now: Mapped[str | None] = attribute(Text)"),
        ("never", {"type_": "Money"}, "now: Mapped[Decimal | None] = attribute(Money)"),
        ("old", {"column": "mail"}, "mail: Mapped[str | None] = attribute(String(10), pii=True)"),
        (
            "old",
            {"column": "mail", "is_personal": False},
            "mail: Mapped[str | None] = attribute(String(10))",
        ),
    ],
)
def test_the_line_follows_from_what_was_seen_and_what_is_given(
    untouched: Office, shop: Pipeline, field: str, options: dict[str, Any], line: str
) -> None:
    assert plan(untouched, shop, field, **options).model_line == line


REFUSED = [
    ("nothing", {}, "no record in the raw log carries 'nothing'"),
    ("odd", {}, "odd has been"),
    ("deep", {}, "deep has been object in 1 of the records"),
    ("id", {}, "Customer names 'id' already"),
    ("old", {"column": "name"}, "DimLessee has a 'name' already"),
    ("old", {"column": "is_new"}, "Customer has a 'is_new' already"),
    ("old", {"column": "Old"}, "--to Old: not a name for a column"),
    ("old", {"column": "class"}, "--to class: not a name for a column"),
    ("old", {"type_": "Blob"}, "--type Blob: no type that is known here"),
    ("old", {"scd": 3}, "--scd 3"),
    ("old", {"model": "DimLesee"}, "no dimension 'DimLesee'"),
    ("old", {"stream": "shop.costumers"}, "no pipeline reads 'shop.costumers'"),
]


@pytest.mark.parametrize(("field", "options", "error"), REFUSED)
def test_what_cannot_be_promoted_says_why(
    untouched: Office, shop: Pipeline, field: str, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        plan(untouched, shop, field, **options)

    assert error in refused.value.message
    assert refused.value.hint


def plan(office: Office, pipeline: Pipeline, field: str, **options: Any) -> promotion.Promotion:
    """What the command plans before it writes, out of what the raw log holds."""
    stream, model = options.pop("stream", "shop.customers"), options.pop("model", None)
    _, sync = promotion.choose([pipeline], stream, model=model)
    with office.database.connect() as connection:
        seen = occurrence.find(office.database, connection, stream=stream, name=field)
    wanted = {"column": "now", "type_": None, "scd": 1, "is_personal": None, **options}
    return promotion.plan(sync, field, seen=seen, **wanted)


def test_what_cannot_be_promoted_ends_with_2_and_writes_nothing(untouched: Office) -> None:
    refused = untouched.promote("odd", "odd")

    assert (refused.code, untouched.module) == (2, PIPELINE)
    assert "odd has been" in refused.error
    assert "hint:" in refused.error


def test_a_dry_run_shows_the_lines_and_writes_nothing(untouched: Office) -> None:
    shown = untouched.promote("old", "old", "--dry-run")

    assert (shown.code, untouched.module) == (0, PIPELINE)
    assert "+    old: Mapped[str | None] = attribute(String(10))" in shown.stdout
    assert "Nothing was written." in shown.stdout


def test_lines_that_break_the_project_are_taken_back(office: Office) -> None:
    office.project.edit("pipeline.py", "shop.sync(", "assert 'old' not in Customer.model_fields\nshop.sync(")
    before = office.module
    refused = office.promote("old", "old")

    assert (refused.code, office.module) == (2, before)
    assert "cannot be imported: AssertionError" in refused.error


def test_where_there_is_an_alembic_environment_a_revision_is_written(office: Office) -> None:
    folder = office.project.folder

    def alembic(*words: str) -> None:
        environment = {**os.environ, **office.project.environment}
        subprocess.run([sys.executable, "-m", "alembic", *words], cwd=folder, env=environment, check=True)

    alembic("init", "migrations")
    (folder / "migrations" / "env.py").write_text(ENVIRONMENT)
    for field in ("old", "seats"):
        told = office.promote(field, field, "--json").document
        assert told["has_migrations"]
        assert f"op.add_column('dim_lessee', sa.Column('{field}'" in (folder / told["revision"]).read_text()
    alembic("upgrade", "head")

    assert office.project.strandline("run", "shop").code == 0
    assert office.rows("source_id, old, seats") == [("a", None, None), ("b", "x", None)]
    alembic("downgrade", "base")
    assert office.project.strandline("run", "shop").code == 1
