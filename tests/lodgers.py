"""A house whose lodgers another tool lands, and the dimension that they become."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, SourceSettings, SqlSource, Zone, stream
from strandline.warehouse.database import Database


class LandedSettings(SourceSettings):
    """STRANDLINE_…__URL."""

    url: SecretStr


class Lodger(Record):
    """Who lives there."""

    id: int
    name: str
    room: str


class Extracted(Lodger):
    """As Airbyte extracted it."""

    extracted_at: AwareDatetime = Field(alias="_airbyte_extracted_at")


class Versioned(Lodger):
    """As Fivetran keeps its history."""

    started_at: AwareDatetime = Field(alias="_fivetran_start")


class Tapped(Lodger):
    """As a tap extracted it."""

    extracted_at: Annotated[datetime, Zone("UTC")] = Field(alias="_sdc_extracted_at")


class Valid(Lodger):
    """As dlt keeps its history."""

    started_at: AwareDatetime = Field(alias="_dlt_valid_from")


class LodgerId(Record):
    """That somebody lives there."""

    id: int


class House(SqlSource):
    """A house whose lodgers somebody else lands."""

    settings: LandedSettings

    @stream(Lodger, key="id", deleted="_ab_cdc_deleted_at")
    def airbyte(self, since: str | None) -> Pages:
        """By Airbyte, from a log of changes."""
        return self.landed("air.lodgers", by="airbyte", since=since, size=2)

    @stream(Extracted, key="id", effective_at="extracted_at")
    def appended(self, since: str | None) -> Pages:
        """By Airbyte, a row for each change."""
        return self.landed("air.lodgers", by="airbyte", since=since)

    @stream(LodgerId, key="id")
    def airbyte_ids(self) -> Pages:
        """Who is there, by Airbyte."""
        return self.landed_keys("air.lodgers", by="airbyte")

    @stream(Lodger, key="id", deleted="_fivetran_deleted")
    def fivetran(self, since: str | None) -> Pages:
        """By Fivetran."""
        return self.landed("five.lodgers", by="fivetran", since=since)

    @stream(Versioned, key="id", effective_at="started_at", deleted="_fivetran_deleted")
    def history(self, since: str | None) -> Pages:
        """By Fivetran, with their history."""
        return self.landed("five.lodgers", by="fivetran", since=since)

    @stream(Lodger, key="id", deleted="_sdc_deleted_at")
    def singer(self, since: str | None) -> Pages:
        """By a Singer target."""
        return self.landed("tap.lodgers", by="singer", since=since)

    @stream(Tapped, key="id", effective_at="extracted_at", deleted="_sdc_deleted_at")
    def extracted(self, since: str | None) -> Pages:
        """By a Singer target, as of when it was extracted."""
        return self.landed("tap.lodgers", by="singer", since=since)

    @stream(LodgerId, key="id")
    def with_pets(self, since: str | None) -> Pages:
        """By dlt, with what has tables of its own."""
        nested = {"pets": "lodgers__pets", "keys": "lodgers__keys"}
        return self.landed("crm.lodgers", by="dlt", since=since, columns=["id", "room"], nested=nested)

    @stream(Lodger, key="id")
    def dlt(self, since: str | None) -> Pages:
        """By dlt."""
        return self.landed("crm.lodgers", by="dlt", since=since)

    @stream(LodgerId, key="id")
    def dlt_ids(self) -> Pages:
        """Who is there, by dlt."""
        return self.landed_keys("crm.lodgers", by="dlt")

    @stream(Valid, key="id", effective_at="started_at", deleted="_dlt_deleted")
    def scd2(self, since: str | None) -> Pages:
        """By dlt, with their history."""
        return self.landed("crm.lodgers", by="dlt", since=since)

    @stream(Lodger, key="id")
    def by_nobody(self, since: str | None) -> Pages:
        """By nobody that is known."""
        return self.landed("air.lodgers", by="mule", since=since)  # type: ignore[arg-type]


class DimResident(Dimension):
    """Who lives there."""

    lodger_name: Mapped[str] = attribute()
    room: Mapped[str] = attribute(scd=2)


class HouseLodger(Mapper[Lodger, DimResident]):
    """Lodgers."""

    lodger_name = field("name")
    room = field("room")


def execute(database: Database, *statements: str) -> None:
    with database.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def house(database: Database) -> House:
    url = database.url.render_as_string(hide_password=False)
    return House(settings=LandedSettings(url=SecretStr(url)))


def load(database: Database, name: str, **options: Any) -> RunReport:
    lodgers = Pipeline("lodgers")
    lodgers.sync(House.streams()[name], HouseLodger, **options)
    with house(database) as source:
        return run(lodgers, database, sources={"house": source})


def stored(database: Database, name: str, **options: Any) -> int:
    report = load(database, name, **options)
    assert report.status == "done", report.streams[0].error
    return report.streams[0].stored


def versions(database: Database) -> Sequence[tuple[Any, ...]]:
    """Member, room, since and until when, and whether it is gone."""
    asked = (
        "SELECT source_id, room, valid_from, valid_to, is_deleted FROM warehouse.dim_resident"
        " WHERE resident_key > 0 ORDER BY source_id::int, version"
    )
    with database.begin() as connection:
        return [tuple(it) for it in connection.execute(text(asked))]


def there(database: Database) -> set[tuple[str, str]]:
    """Who is there, and where."""
    return {(member, room) for member, room, _, until, gone in versions(database) if not until and not gone}
