"""The kit as a user has it: the example's pipeline in a folder of its own, with tests of its own.

As it is they pass. With a planted bug those fail that are there to find it, and say what it is.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.effort import TIMES
from tests.warm import PYTEST

from strandline.testing.project import Project

EXAMPLES = Path(__file__).parents[2] / "examples" / "sales"

CONFTEST = '''
"""Every test's warehouse has the tables of the pipeline."""

import pytest

from pipeline import sales
from strandline.testing import create_tables

pytest_plugins = ["strandline.testing.plugin"]


@pytest.fixture(scope="session")
def warehouse_schema():
    return create_tables(sales)
'''

TESTS = '''
"""What must hold of the pipeline, whatever comes."""

import json
from functools import partial

import pytest
from hypothesis import strategies as st

from pipeline import sales
from source import Crm, CrmSettings, Shop, ShopSettings
from strandline.testing import (
    ScriptedApi,
    assert_idempotent,
    assert_order_independent,
    crash_anywhere,
    example_records,
)

MOMENTS = st.sampled_from([f"2026-03-0{day}T12:00:00Z" for day in (1, 2, 3)])
CUSTOMERS = example_records(Crm.customers, 4, last_modified=MOMENTS, email=None)
PRODUCTS = example_records(Shop.products, 2, updated_at=MOMENTS)
ORDERS = example_records(
    Shop.orders,
    8,
    customer_id=st.sampled_from([it["internalId"] for it in CUSTOMERS] + [None, "C-9"]),
    product=st.sampled_from([{"sku": it["sku"]} for it in PRODUCTS]),
    placed_at=MOMENTS,
    updated_at=MOMENTS,
    total_amount=1,
)
SENT = {
    "crm.customers": CUSTOMERS,
    "shop.products": PRODUCTS,
    "shop.orders": sorted(ORDERS, key=lambda it: it["updatedAt"]),
}
CHANGES = example_records(Crm.customers, 4, seed=1, last_modified=MOMENTS, email=None)
CHANGED = [{**it, "internalId": before["internalId"]} for it, before in zip(CHANGES, CUSTOMERS)]


def serve(api, sent):
    customers, products, orders = (sent.get(it, ()) for it in SENT)
    api.respond("/crm/customers", json.dumps({"items": customers, "hasMore": False}).encode())
    api.serve("/shop/products", products, style="token", records_at="products",
              since_field="updatedAt", since_param="updated_since")
    api.serve("/shop/orders", orders, style="link_header", records_at="orders", page_size=2,
              since_field="updatedAt", since_param="updated_since")


@pytest.fixture
def api():
    with ScriptedApi() as api:
        serve(api, SENT)
        yield api


@pytest.fixture
def sources(api):
    with (
        Crm(settings=CrmSettings(base_url=f"{api.url}/crm", api_key="k")) as crm,
        Shop(settings=ShopSettings(base_url=f"{api.url}/shop", token="t")) as shop,
    ):
        yield {"crm": crm, "shop": shop}


def test_running_again(warehouse, sources):
    assert_idempotent(sales, warehouse, sources=sources)


def test_order(warehouse):
    assert_order_independent(sales, warehouse, records={**SENT, Crm.customers: CUSTOMERS + CHANGED}, tries=4)


def test_appearance(warehouse, api, sources):
    assert_order_independent(
        sales, warehouse, records=SENT, serve=partial(serve, api), sources=sources, tries=3
    )


def test_crashes(warehouse, api):
    environment = {
        "STRANDLINE_CRM__BASE_URL": f"{api.url}/crm",
        "STRANDLINE_CRM__API_KEY": "k",
        "STRANDLINE_SHOP__BASE_URL": f"{api.url}/shop",
        "STRANDLINE_SHOP__TOKEN": "t",
    }
    crash_anywhere("pipeline:sales", warehouse, environment=environment, kills=6)
'''

HONEST = 'return "gold" if record.credit_limit > 100_000 else None'
SINCE = 'params={"updated_since": since, "limit": 1000},\n            paginator=LinkHeader()'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, environment={})
    for name in ("source.py", "model.py", "pipeline.py"):
        project.add(EXAMPLES / name)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_sales.py").write_text(TESTS)
    return project


@pytest.fixture
def server(database_url: str) -> str:
    """Where the user's own tests make their databases."""
    return f"--database-url={database_url}"


@pytest.fixture
def pytest_at_once(program: Path) -> list[str]:
    """The user's pytest, without its start."""
    return [str(program.with_name(PYTEST))]


def run_tests(project: Project, program: Sequence[str], *words: str) -> str:
    """Run the user's tests; what they say."""
    theirs = ("STRANDLINE_", "PYTEST_")
    done = subprocess.run(
        [*program, "-q", "-p", "no:cacheprovider", "--tb=short", *words],
        cwd=project.folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(theirs)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def failures(told: str) -> dict[str, str]:
    """What the failed tests say, by name."""
    parts = re.split(r"^_+ (\w+) _+$", told, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_example_has_none_of_the_bugs(project: Project, server: str) -> None:
    project.edit("test_sales.py", "kills=6", f"kills={6 * TIMES}")

    told = run_tests(project, [sys.executable, "-m", "pytest"], server)
    assert "4 passed" in told, told


def test_a_mapper_that_reads_the_clock_is_found(
    project: Project, pytest_at_once: list[str], server: str
) -> None:
    """Though the year does not change while the tests run."""
    project.edit("model.py", HONEST, 'return "gold" if datetime.now().year > 2025 else None')

    told = failures(run_tests(project, pytest_at_once, server, "-k", "running or order"))
    assert set(told) == {"test_running_again", "test_order"}
    line = (project.folder / "model.py").read_text().partition("datetime.now")[0].count("\n") + 1
    for it in told.values():
        assert "sales: a record makes another row another time" in it
        assert f"CrmCustomer reads the clock: datetime.now() (model.py, line {line})" in it


def test_a_source_that_skips_ties_is_found(project: Project, pytest_at_once: list[str], server: str) -> None:
    """By what becomes visible between two runs, and by a crash between two pages."""
    project.edit("source.py", "import date, datetime", "import date, datetime, timedelta")
    project.edit("source.py", SINCE, SINCE.replace(": since,", ": since and since + timedelta(seconds=1),"))

    told = failures(run_tests(project, pytest_at_once, server, "-k", "appearance or crashes"))
    assert set(told) == {"test_appearance", "test_crashes"}
    assert "sales: it makes a difference how records arrive" in told["test_appearance"]
    assert "fact_order, shop:" in told["test_appearance"]
    assert "is missing" in told["test_crashes"]
    spot = re.search(r"to try it again: at='(.+)'", told["test_crashes"])
    assert spot is not None

    project.edit("test_sales.py", "kills=6", f"at={spot[1]!r}")
    again = failures(run_tests(project, pytest_at_once, server, "-k", "crashes"))
    assert f"killed at {spot[1]}" in again["test_crashes"]
