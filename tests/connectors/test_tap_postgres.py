"""A tap of the first generation, on a real PostgreSQL: what is new by a replication key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, ProgramSettings, Record, SingerSource, stream
from strandline.warehouse.database import Database

pytestmark = pytest.mark.connectors


class ErpSettings(ProgramSettings):
    """What tap-postgres is told."""

    host: str
    port: int = 5432
    user: str
    password: SecretStr = SecretStr("not needed here")
    dbname: str
    filter_schemas: str = "erp"


class Ferry(Record):
    """A ferry."""

    id: int
    name: str
    port: str


class FerryErp(SingerSource):
    """An ERP's tables."""

    settings: ErpSettings

    @stream(Ferry, key="id")
    def ferries(self, since: str | None) -> Pages:
        """What has changed."""
        return self.pages("ferry", since, replication_key="changed_at")


class DimErpFerry(Dimension):
    """A ferry."""

    ferry_name: Mapped[str] = attribute()
    port: Mapped[str] = attribute(scd=2)


class ErpFerry(Mapper[Ferry, DimErpFerry]):
    """Ferries."""

    ferry_name = field("name")
    port = field("port")


ferries = Pipeline("ferries")
ferries.sync(FerryErp.ferries, ErpFerry)


@pytest.fixture
def erp(warehouse: Database, programs: Callable[[str], Path]) -> FerryErp:
    """A schema of an ERP beside the warehouse's."""
    change(
        warehouse,
        "CREATE SCHEMA erp",
        "CREATE TABLE erp.ferry (id int PRIMARY KEY, name text, port text, changed_at timestamptz NOT NULL)",
        "CREATE TABLE erp.secret (id int PRIMARY KEY, word text)",
        "INSERT INTO erp.ferry SELECT it, 'F' || it, 'Oslo', '2026-01-01Z'::timestamptz + it * interval '1 h'"
        " FROM generate_series(1, 1500) AS it",
    )
    url = make_url(warehouse.engine.url)
    settings: dict[str, Any] = {"user": url.username or "", "dbname": url.database or ""}
    settings |= {"host": str(url.query.get("host") or url.host), "port": url.port or 5432}
    command = str(programs("postgres") / "tap-postgres")
    return FerryErp(settings=ErpSettings(command=command, **settings))


def change(warehouse: Database, *statements: str) -> None:
    with warehouse.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def load(warehouse: Database, erp: FerryErp) -> RunReport:
    report = run(ferries, warehouse, sources={FerryErp.name: erp})
    assert report.status == "done", report.streams[0].error
    return report


def test_a_tap_reads_what_is_new_and_the_star_is_the_table(warehouse: Database, erp: FerryErp) -> None:
    assert load(warehouse, erp).streams[0].stored == 1500
    change(
        warehouse,
        "UPDATE erp.ferry SET port = 'Bergen', changed_at = '2026-06-01Z' WHERE id = 7",
        "INSERT INTO erp.ferry VALUES (1501, 'F1501', 'Hull', '2026-06-02Z')",
    )
    (told,) = load(warehouse, erp).streams
    assert told.stored == 2
    assert told.records <= 4  # those at the mark come again
    assert load(warehouse, erp).streams[0].stored == 0
    with warehouse.begin() as connection:
        differing = text(
            "SELECT count(*) FROM erp.ferry AS f FULL JOIN"
            " (SELECT * FROM warehouse.dim_erp_ferry WHERE is_current AND erp_ferry_key > 0) AS d"
            " ON d.source_id = f.id::text"
            " WHERE (f.name, f.port) IS DISTINCT FROM (d.ferry_name, d.port)"
        )
        assert connection.scalar(differing) == 0
        versions = text("SELECT count(*) FROM warehouse.dim_erp_ferry WHERE source_id = '7'")
        assert connection.scalar(versions) == 2
