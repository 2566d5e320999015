"""A real dbt: the sources that are written for it, its run behind a load, and its models as a source."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from tests.quayside import fill, harbour

from strandline.cli import dbt_files
from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, dbt_sources, run
from strandline.pipeline.followup import of_libpq
from strandline.source import DbtSource, Pages, Record, SourceSettings, stream
from strandline.warehouse.database import Database

pytestmark = pytest.mark.connectors


class Load(Record):
    """What a kind of ship has brought."""

    kind: str
    tons: int


class MartsSettings(SourceSettings):
    """STRANDLINE_MARTS__URL."""

    url: SecretStr


class Marts(DbtSource):
    """What dbt makes of the harbour."""

    settings: MartsSettings
    manifest: ClassVar[Path] = Path()

    @stream(Load, key="kind")
    def loads(self) -> Pages:
        """By kind."""
        return self.model("load_by_kind")

    @stream(Load, key="kind")
    def nothing(self) -> Pages:
        """No model of dbt's."""
        return self.model("load_by_colour")


class DimShipKind(Dimension):
    """A kind of ship."""

    tons: Mapped[int] = attribute()


class MartsKind(Mapper[Load, DimShipKind]):
    """Kinds."""

    tons = field("tons")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The dbt project, with the sources that are written for it."""
    folder = Path(shutil.copytree(Path(__file__).parent / "harbour", tmp_path / "dbt"))
    dbt_files.write(folder / "models" / "sources.yml", dbt_sources.document([harbour()], schema="warehouse"))
    return folder


@pytest.fixture
def pipeline(project: Path, landers: Callable[[str], Path]) -> Pipeline:
    """The harbour's, with dbt behind it."""
    made = harbour()
    made.then_dbt(project=project, program=str(landers("dbt") / "dbt"))
    return made


def test_dbt_builds_and_tests_what_a_load_has_brought(warehouse: Database, pipeline: Pipeline) -> None:
    fill(10, 20)
    report = run(pipeline, warehouse)
    assert (report.status, {it.status for it in report.dbt}) == ("done", {"success", "pass"})
    told = {it.node.split(".", 2)[2] for it in report.dbt}
    assert "load_by_kind" in told
    assert any(it.startswith("source_unique_strandline_dim_mooring_mooring_key") for it in told)
    assert any(it.startswith("source_relationships_strandline_fact_mooring_call") for it in told)
    assert any(it.startswith("source_accepted_values_strandline_dim_mooring_kind") for it in told)
    with warehouse.begin() as connection:
        assert connection.scalar(text("SELECT tons FROM marts.load_by_kind")) == 30


def test_a_test_of_dbts_that_fails_is_told(warehouse: Database, pipeline: Pipeline) -> None:
    fill(10, 21)
    report = run(pipeline, warehouse)
    assert (report.status, report.exit_code) == ("partial", 3)
    (failed,) = [it for it in report.dbt if it.has_failed]
    assert (failed.status, failed.failures) == ("fail", 1)
    assert "accepted_values_load_by_kind" in failed.node
    fill(10, 20)
    assert run(pipeline, warehouse).status == "done"


def test_a_project_that_dbt_cannot_parse_is_told(
    warehouse: Database, project: Path, pipeline: Pipeline
) -> None:
    (project / "models" / "load_by_kind.sql").write_text("{{ nobody_ends_this")
    fill(10, 20)
    (told,) = run(pipeline, warehouse).dbt
    assert told.status == "error"
    assert "left no run_results.json" in (told.message or "")
    assert "load_by_kind" in (told.message or "")


def test_what_is_written_for_dbt_warns_of_nothing_and_is_fresh(
    warehouse: Database, project: Path, pipeline: Pipeline
) -> None:
    fill(10, 20)
    run(pipeline, warehouse)
    program = [*pipeline.dbt[0].program, "source", "freshness", "--show-all-deprecations"]
    done = subprocess.run(
        program, cwd=project, env=of_libpq(warehouse.url), text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "eprecat" not in done.stdout
    assert "PASS freshness of strandline.fact_mooring_call" in done.stdout


def test_a_model_of_dbts_is_a_source(warehouse: Database, project: Path, pipeline: Pipeline) -> None:
    fill(10, 20)
    run(pipeline, warehouse)
    Marts.manifest = project / "target" / "manifest.json"
    url = SecretStr(warehouse.url.render_as_string(hide_password=False))
    kinds = Pipeline("kinds")
    kinds.sync(Marts.loads, MartsKind)
    with Marts(settings=MartsSettings(url=url)) as source:
        assert run(kinds, warehouse, sources={"marts": source}).status == "done"
        with pytest.raises(DeclarationError, match="no model of dbt is called 'load_by_colour'"):
            list(Marts.nothing.read(source))
    with warehouse.begin() as connection:
        found = connection.execute(text("SELECT source_id, tons FROM warehouse.dim_ship_kind"))
        assert {tuple(it) for it in found if it.source_id == "ship"} == {("ship", 30)}
