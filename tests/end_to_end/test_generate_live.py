"""`strandline generate source` of a server that nobody here wrote: Kinto's answers, and its document."""

import random
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end import kinto
from tests.end_to_end.generated import generate, pass_own_test, ruff, typed
from tests.end_to_end.kinto import PASSWORD, USER, Shop

from strandline.testing.project import Project

BASIC = f"Authorization: Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A Kinto with customers and orders in it."""
    with kinto.server(tmp_path_factory.mktemp("kinto")) as url, Shop(url, "shop") as shop:
        kinto.seed(shop, random.Random(1), customers_=40, orders_=120)
        yield shop


@pytest.fixture
def project(tmp_path: Path, program: Path, database_url: str) -> Project:
    environment = {
        "STRANDLINE_DATABASE_URL": database_url,
        "STRANDLINE_BOX__USER": USER,
        "STRANDLINE_BOX__PASSWORD": PASSWORD,
        "STRANDLINE_BOX__BUCKET_ID": "shop",
    }
    return Project(tmp_path, environment=environment, program=program)


def made(project: Project) -> Project:
    return Project(project.folder / "box", environment=project.environment, program=Path(project.program[0]))


def samples(shop: Shop) -> list[str]:
    folder = f"{shop.url}/buckets/{shop.bucket}/collections"
    return [
        *("--from", f"{folder}/customers/records?_limit=30", "--stream", "customers"),
        *("--from", f"{folder}/orders/records?_limit=90", "--stream", "orders"),
        *("--header", BASIC),
    ]


def test_a_star_of_kinto_is_written_and_runs_with_one_line_by_hand(project: Project, shop: Shop) -> None:
    """Pages, changes and whom an order refers to are found, and by which parameter changes are asked for."""
    told = generate(project, "box", *samples(shop), "--fact", "orders", "--probe")
    folder = project.folder / "box"
    ruff(folder)
    typed(folder)
    pass_own_test(project, folder)

    streams = {it["stream"]: it for it in told["streams"]}
    assert streams["orders"]["paginator"] == 'LinkInHeader("next-page")'
    assert (streams["orders"]["key"], streams["orders"]["key_is"]) == ("id", "sure")
    assert (streams["orders"]["cursor"], streams["orders"]["cursor_is"]) == ("last_modified", "likely")
    assert 'params={"_since": since, "_limit": 90}' in (folder / "source.py").read_text()
    assert "customer_key: Mapped[int] = references(DimCustomer" in (folder / "model.py").read_text()
    first = made(project).strandline("run", "box", "--json").document
    assert [it["records"] for it in first["streams"]] == [40, 120]
    assert first["streams"][1]["rejected"]  # the sample was of orders that have a customer
    made(project).edit("source.py", "    customer: str\n", "    customer: str | None = None\n")
    shop.write("customers", {"C1": {"name": "Anna", "segment": "large", "city": None}})
    again = made(project).strandline("run", "box", "--json").document
    assert {it["status"] for it in again["streams"]} == {"done"}, again
    assert [it["stored"] for it in again["streams"]] == [1, 0]
    released = made(project).strandline("quarantine", "retry", "box")
    assert released.code == 0
    assert made(project).strandline("check", "box").code == 0


def test_what_a_document_does_not_tell_is_told(project: Project, shop: Shop) -> None:
    """Kinto's own document: collections have an id that it knows as a filter only, and records any fields."""
    document = ("--from", f"{shop.url}/__api__", "--header", BASIC)
    told = generate(project, "box", *document, "--stream", "collections", "--stream", "accounts")
    refused = project.strandline("generate", "source", "more", *document, "--stream", "records")
    near = project.strandline("generate", "source", "more", *document, "--stream", "colections")
    source = (project.folder / "box" / "source.py").read_text()
    pass_own_test(project, project.folder / "box")

    assert told["untold"] == ["records"]
    assert [(it["key"], it["key_is"]) for it in told["streams"]] == [("id", "unsure"), ("id", "unsure")]
    assert "# unsure: key id: the document has it as a filter only" in source
    assert f'base_url: str = "{shop.url}"' in source
    assert "tells nothing of the fields of 'records'" in refused.error
    assert "Generate from an answer" in refused.error
    assert (near.code, "Did you mean 'collections'?" in near.error) == (2, True)
    run = made(project).strandline("run", "box", "--json").document
    assert {it["stream"]: (it["status"], it["rejected"]) for it in run["streams"]} == {
        "box.collections": ("done", 0),
        "box.accounts": ("done", 0),
    }
