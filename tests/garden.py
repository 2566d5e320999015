"""A garden for the tests of loading: plants over HTTP in two endpoints, and a wood of them in memory."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import AwareDatetime
from sqlalchemy import Integer, String, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import (
    Cursor,
    HttpSource,
    PageNumber,
    Pages,
    Record,
    Retry,
    Source,
    SourceSettings,
    stream,
)
from strandline.testing import ScriptedApi
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Plant(Record):
    """A plant."""

    id: str
    label: str = "a plant"
    height: int | None = None
    bed: str | None = None
    changed: AwareDatetime


class GardenSettings(SourceSettings):
    """Where the garden's API is."""

    base_url: str


class Garden(HttpSource):
    """Plants, in two endpoints: one in the order of their changes, one in none."""

    settings: GardenSettings
    retry: ClassVar[Retry] = Retry(attempts=1)

    @stream(Plant, key="id", cursor=Cursor("changed", ordered=True), deleted="gone")
    def ordered(self, since: datetime | None) -> Pages:
        """In the order of their changes."""
        return self.pages("/ordered", params={"since": since}, paginator=PageNumber(), records="data")

    @stream(Plant, key="id", cursor=Cursor("changed"), deleted="gone")
    def unordered(self, since: datetime | None) -> Pages:
        """In no order."""
        return self.pages("/unordered", params={"since": since}, paginator=PageNumber(), records="data")


class DimPlant(Dimension):
    """A plant."""

    label: Mapped[str] = attribute(String(12), scd=2)
    height: Mapped[int | None] = attribute(Integer)


class GardenPlant(Mapper[Plant, DimPlant]):
    """Plants."""

    label = field("label")

    def height(self, record: Plant) -> int | None:
        """In millimetres; a plant that grows downwards is a mistake."""
        if record.height is not None and record.height < 0:
            raise ValueError(f"a height of {record.height}")
        return record.height


class Tree(Record):
    """A tree of a plant's kind."""

    id: str
    plant: str | None
    at: AwareDatetime


class Wood(Source):
    """Plants and trees in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.plant_records: list[Given] = []
        self.tree_records: list[Given] = []

    @stream(Plant, key="id", effective_at="changed")
    def plants(self) -> Pages:
        """What it was given."""
        return pages(self.plant_records)

    @stream(Tree, key="id", effective_at="at")
    def trees(self) -> Pages:
        """What it was given."""
        return pages(self.tree_records)


class WoodPlant(Mapper[Plant, DimPlant]):
    """Plants."""

    label = field("label")


def plant(number: int, **said: Any) -> dict[str, Any]:
    """A plant that changed in minute `number`."""
    return {"id": f"P{number}", "changed": (START + timedelta(minutes=number)).isoformat(), **said}


def load(
    database: Database,
    api: ScriptedApi,
    name: str = "unordered",
    *,
    rejects: Rejects | None = None,
    full: bool = False,
) -> RunReport:
    """One run of one stream."""
    pipeline = Pipeline("garden")
    pipeline.sync(Garden.streams()[name], GardenPlant, rejects=rejects)
    with Garden(settings=GardenSettings(base_url=api.url)) as source:
        return run(pipeline, database, sources={"garden": source}, full=full)


def count(database: Database, table: str) -> int:
    """How many real rows there are."""
    where = "WHERE plant_key > 0" if table.endswith("dim_plant") else ""
    with database.connect() as connection:
        found: int = connection.scalar(text(f"SELECT count(*) FROM {table} {where}"))
    return found
