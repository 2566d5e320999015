"""Every way to read a source piece by piece, whose runs are killed by `test_killed_read.py`."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, SecretStr
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import (
    Cursor,
    Database,
    Dimension,
    Fact,
    HttpSource,
    Mapper,
    Pages,
    Pipeline,
    Record,
    SourceSettings,
    attribute,
    event_time,
    field,
    grain,
    references,
    run,
    stream,
)
from strandline.pipeline.backfill import backfill
from strandline.source import Csv, FileSource, PageNumber, Parents, Partitions, RefreshToken
from strandline.source.file.reader import Reader

COMPANIES = ("north", "south", "west")
START = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 8
PAGE = 20
CHUNK = 40
ROWS = 15
"""Of a file's page."""
SEED = "seed-of-the-chain"


class Hull(Record):
    """A ship of a company."""

    id: str
    name: str
    at: AwareDatetime


class Berth(Record):
    """A cabin on a ship."""

    id: str
    ship: str
    beds: int
    at: AwareDatetime


class Passage(Record):
    """A ship's passage."""

    id: str
    ship: str
    at: AwareDatetime


class Fare(Record):
    """A line of a price list."""

    id: str
    price: int
    at: AwareDatetime


class FerrySettings(SourceSettings):
    """Where the API is, and what a chain of tokens begins with."""

    base_url: str
    refresh_token: SecretStr = SecretStr(SEED)


class Ferries(HttpSource):
    """Companies' ships, the cabins on them, and their passages, for who has a token."""

    name = "ferries"
    settings: FerrySettings

    def auth(self) -> RefreshToken:
        """Each refresh token is good for one use."""
        return RefreshToken(
            f"{self.settings.base_url}/token",
            client_id="ferry",
            client_secret="a-secret",
            refresh_token=self.settings.refresh_token,
        )

    def companies(self) -> list[str]:
        """Whose ships there are."""
        return list(COMPANIES)

    @stream(Hull, key="id", cursor=Cursor("at", ordered=True), per=Partitions(companies))
    def hulls(self, company: str, since: datetime | None) -> Pages:
        """A company's ships, in the order of their changes."""
        return self.pages(
            "/hulls",
            params={"company": company, "since": since},
            paginator=PageNumber(size=PAGE, size_param="page_size"),
            records="data",
        )

    @stream(Berth, key="id", effective_at="at", per=Parents(hulls, batch=8))
    def berths(self, ships: Sequence[Hull]) -> Pages:
        """The cabins of some ships."""
        return self.pages("/berths", params={"ships": ",".join(it.id for it in ships)}, records="data")

    @stream(Passage, key="id", cursor=Cursor("at"))
    def passages(self, since: datetime | None, until: datetime | None) -> Pages:
        """Passages, in no order."""
        return self.pages(
            "/passages",
            params={"since": since, "until": until},
            paginator=PageNumber(size=PAGE, size_param="page_size"),
            records="data",
        )


class Fares(FileSource):
    """Price lists in a folder."""

    root = "."

    @stream(Fare, key="id", effective_at="at")
    def fares(self, since: str | None) -> Pages:
        """What is new."""
        return self.files("*.csv", format=Csv(), since=since)


class DimFerry(Dimension):
    """A ship, or one of which only a passage is known."""

    hull_name: Mapped[str | None] = attribute(String(40), scd=2)


class DimCabin(Dimension):
    """A cabin."""

    beds: Mapped[int] = attribute()


class DimFare(Dimension):
    """A price."""

    price: Mapped[int] = attribute(scd=2)


class FactPassage(Fact):
    """One row a passage."""

    passage_id: Mapped[str] = grain(String(40))
    left_at: Mapped[datetime] = event_time()
    ferry_key: Mapped[int] = references(DimFerry, missing="infer")


class FerryHull(Mapper[Hull, DimFerry]):
    """Ships."""

    hull_name = field("name")


class FerryBerth(Mapper[Berth, DimCabin]):
    """Cabins."""

    beds = field("beds")


class FerryPassage(Mapper[Passage, FactPassage]):
    """Passages."""

    passage_id = field("id")
    left_at = field("at")
    ferry_key = field("ship")


class FerryFare(Mapper[Fare, DimFare]):
    """Prices."""

    price = field("price")


ferries = Pipeline("ferries")
ferries.sync(Ferries.hulls, FerryHull)
ferries.sync(Ferries.berths, FerryBerth)
ferries.sync(Ferries.passages, FerryPassage)

fares = Pipeline("fares")
fares.sync(Fares.fares, FerryFare)


def go(database: Database) -> int:
    """One run of the kind that FERRY names, in small chunks: `run/3` reads from the API's third copy."""
    Reader.settles, Reader.page_rows = CHUNK, ROWS
    kind, _, number = os.environ["FERRY"].partition("/")
    if kind == "files":
        Fares.root = os.environ["FERRY_FOLDER"]
        return run(fares, database).exit_code
    with Ferries(settings=FerrySettings(base_url=f"{os.environ['FERRY_URL']}/{number}")) as source:
        sources = {"ferries": source}
        if kind not in ("backfill", "pieces"):
            return run(ferries, database, sources=sources, width=3 if kind == "width" else 1).exit_code
        return backfill(
            [ferries],
            database,
            "ferries.passages",
            since=START,
            until=START + timedelta(days=DAYS),
            step=timedelta(hours=12),
            sources=sources,
            width=3 if kind == "pieces" else 1,
        ).exit_code
