"""`strandline generate source … --fact` as a user types it: suggested, decided, written, run and checked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.end_to_end.generated import generate, pass_own_test, ruff, typed

from strandline.testing.project import Project
from strandline.testing.server import Response, ScriptedApi

CUSTOMERS = [
    {"id": number, "name": name, "segment": "retail", "updated_at": "2026-11-01T08:00:00Z"}
    for number, name in ((7, "Ida"), (8, "Olaf"))
]
PRODUCTS = [
    {"sku": sku, "title": sku.title(), "list_price": "12.50", "updated_at": "2026-11-01T08:00:00Z"}
    for sku in ("ROPE-20", "BUOY")
]
ORDERS = [
    {
        "id": 71 + number,
        "status": "paid",
        "customer_id": customer,
        "sku": sku,
        "quantity": number + 1,
        "unit_price": "9.95",
        "total": f"{9.95 * (number + 1):.2f}",
        "paid": True,
        "customer_email": "ida@example.org",
        "placed_at": f"2026-11-0{number + 1}T08:00:00Z",
        "updated_at": f"2026-11-0{number + 1}T08:00:00Z",
    }
    for number, (customer, sku) in enumerate(((7, "ROPE-20"), (8, "BUOY"), (7, "BUOY")))
]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        serve(api, CUSTOMERS, PRODUCTS, ORDERS)
        yield api


def serve(api: ScriptedApi, *answers: list[dict[str, Any]]) -> None:
    for path, records in zip(("/customers", "/products", "/orders"), answers, strict=True):
        api.respond(path, Response(json.dumps(records).encode()))


@pytest.fixture
def project(tmp_path: Path, program: Path, database_url: str) -> Project:
    return Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)


def samples(api: ScriptedApi) -> list[str]:
    return [word for it in ("customers", "products", "orders") for word in ("--from", f"{api.url}/{it}")]


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            return [tuple(it) for it in connection.execute(text(query))]
    finally:
        engine.dispose()


ASSIGNED = """
    SELECT f.order_id, c.source_id, c.customer_name, c.is_inferred, p.source_id, d.full_date::text,
        f.quantity, f.total
    FROM warehouse.fact_order f JOIN warehouse.dim_customer c USING (customer_key)
    JOIN warehouse.dim_product p USING (product_key)
    JOIN warehouse.dim_date d ON d.date_key = f.placed_date_key ORDER BY 1
"""


def test_two_dimensions_and_a_fact_are_written_and_run(
    project: Project, api: ScriptedApi, database_url: str
) -> None:
    generate(project, "shop", *samples(api), "--fact", "orders")
    folder = project.folder / "shop"
    ruff(folder)
    pass_own_test(project, folder)
    typed(folder)
    made = Project(folder, environment=project.environment, program=Path(project.program[0]))
    early = {**ORDERS[0], "id": 90, "customer_id": 99, "updated_at": "2026-11-09T08:00:00Z"}
    serve(api, CUSTOMERS, PRODUCTS, [*ORDERS, early])

    assert made.strandline("check", "shop", "--offline", "--strict").code == 0
    assert made.strandline("run", "shop").code == 0
    assert made.strandline("check", "shop").code == 0
    found = rows(database_url, ASSIGNED)
    assert [(it[0], it[1], it[3], it[4], it[5], it[6], str(it[7])) for it in found] == [
        ("71", "7", False, "ROPE-20", "2026-11-01", 1, "9.95"),
        ("72", "8", False, "BUOY", "2026-11-02", 2, "19.90"),
        ("73", "7", False, "BUOY", "2026-11-03", 3, "29.85"),
        ("90", "99", True, "ROPE-20", "2026-11-01", 1, "9.95"),
    ]


def test_what_may_be_a_fact_is_suggested_and_the_user_decides(project: Project, api: ScriptedApi) -> None:
    told = generate(project, "shop", *samples(api))
    found = told["suggested"]["orders"]
    model = (project.folder / "shop" / "model.py").read_text()
    again = generate(project, "shop", *samples(api), "--fact", "orders", "--out", "second")

    assert (list(told["suggested"]), found["sure"]) == (["orders"], "sure")
    assert "measures quantity" in found["why"]
    assert "refers to others by customer_id, sku" in found["why"]
    assert "class DimOrder(Dimension)" in model
    assert "# unsure: perhaps it is a fact (sure: it measures" in model
    assert again["suggested"] == {}


def test_grain_additivity_dates_and_keys_are_declared(project: Project, api: ScriptedApi) -> None:
    generate(project, "shop", *samples(api), "--fact", "orders")
    model = (project.folder / "shop" / "model.py").read_text()

    for line in (
        '"""One row an order."""',
        "order_id: Mapped[str] = grain(String(20))",
        "placed_at: Mapped[datetime] = event_time()",
        'customer_key: Mapped[int] = references(DimCustomer, as_of="placed_at", missing="infer")',
        'product_key: Mapped[int] = references(DimProduct, as_of="placed_at", missing="infer")',
        'placed_date_key: Mapped[int] = references(DimDate, on="placed_at")',
        "quantity: Mapped[int] = measure(additive=True)",
        'unit_price: Mapped[Decimal] = measure(Money, additive=False, comment="Weigh it by the quantity")',
        "total: Mapped[Decimal] = measure(Money, additive=True)",
        "is_paid: Mapped[bool] = degenerate()",
        "# Left out: customer_email (personal: it belongs on a dimension).",
        'product_key = field("sku")',
    ):
        assert line in model, line


def test_a_dimension_of_another_source_is_referred_to(
    project: Project, api: ScriptedApi, database_url: str
) -> None:
    """Those of the project's pipelines are found by the name of the field, or by --reference."""
    generate(project, "crm", "--from", f"{api.url}/customers", "--out", ".")
    (project.folder / "model.py").rename(project.folder / "crm_model.py")
    (project.folder / "source.py").rename(project.folder / "crm_source.py")
    pipeline = (project.folder / "pipeline.py").read_text()
    (project.folder / "pipeline.py").unlink()
    crm = project.folder / "crm.py"
    crm.write_text(pipeline.replace("from model", "from crm_model").replace("from source", "from crm_source"))
    changed = (project.folder / "crm_model.py").read_text().replace("from source", "from crm_source")
    (project.folder / "crm_model.py").write_text(changed)
    (project.folder / "test_crm.py").unlink()
    (project.folder / "samples" / "customers.jsonl").unlink()
    (project.folder / "samples").rmdir()

    words = ("--from", f"{api.url}/orders", "--fact", "orders", "--app", "crm", "--out", ".")
    generate(project, "shop", *words, "--reference", "customer_id=DimCustomer")
    model = (project.folder / "model.py").read_text()
    assert "from crm_model import DimCustomer" in model
    assert 'customer_key = field("customer_id", source="crm")' in model
    assert "# unsure: sku" not in model
    both = ("--app", "crm,pipeline")
    assert project.strandline("run", "crm", *both).code == 0
    assert project.strandline("run", "shop", *both).code == 0
    query = """SELECT f.order_id, c.customer_name, c.is_inferred
        FROM warehouse.fact_order f JOIN warehouse.dim_customer c USING (customer_key) ORDER BY 1"""
    assert rows(database_url, query) == [("71", "Ida", False), ("72", "Olaf", False), ("73", "Ida", False)]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("--fact", "order"), "--fact order: there is no stream of that name", "Did you mean 'orders'?"),
        (
            ("--fact", "orders", "--reference", "customer_id"),
            "says not which dimension",
            "--reference customer_id=DimCustomer",
        ),
        (
            ("--fact", "orders", "--reference", "custmer_id=DimCustomer"),
            "orders has no field 'custmer_id'",
            "Did you mean 'customer_id'?",
        ),
        (
            ("--fact", "orders", "--reference", "customer_id=DimCustmer"),
            "there is no DimCustmer",
            "Did you mean 'DimCustomer'?",
        ),
        (
            ("--reference", "customer_id=DimCustomer"),
            "there is no fact that could refer to it",
            "--fact NAME",
        ),
        (("--stream", "orders"), "--stream: 1 names for 3 samples", "a name for each --from"),
        (("--from", "again.json", "--fact", "orders"), "again.json: there is no such file", "Name a file"),
    ],
)
def test_what_cannot_be_is_told_with_what_to_type(
    project: Project, api: ScriptedApi, words: tuple[str, ...], message: str, hint: str
) -> None:
    told = project.strandline("generate", "source", "shop", *samples(api), *words)

    assert (told.code, message in told.error, hint in told.error) == (2, True, True), told.error
    assert not (project.folder / "shop").exists()
