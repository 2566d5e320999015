"""A small project whose model changes from test to test; its source reads what lies in records.jsonl."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import Dimension, Mapper, Pages, Pipeline, Record, attribute, field, stream
from strandline.source import Page, Source


class Vessel(Record):
    """A ship."""

    id: str
    at: AwareDatetime
    name: str
    flag: str
    port: str
    owner: str | None = None


class Harbour(Source):
    """Ships, from a file."""

    @stream(Vessel, key="id", effective_at="at", deleted="gone")
    def ships(self) -> Pages:
        """Every line."""
        return self._page()

    def _page(self) -> Iterator[Page]:
        lines = Path("records.jsonl").read_bytes().splitlines()
        yield Page(lines, 1, "records.jsonl", status=200, fetched_at=datetime.now(UTC), size=1)


class DimShip(Dimension):
    """A ship."""

    ship_name: Mapped[str] = attribute(String(20))
    flag: Mapped[str] = attribute(String(2), scd=2)
    # more columns


class HarbourShip(Mapper[Vessel, DimShip]):
    """The harbour's ships."""

    ship_name = field("name")
    flag = field("flag")
    # more fields


fleet = Pipeline("fleet")
fleet.sync(Harbour.ships, HarbourShip)
"""The pipeline."""
