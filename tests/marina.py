"""A project of a user: yachts that are rented, from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import text

from strandline.testing.project import Outcome, Project
from strandline.warehouse.database import Database

PIPELINE = '''"""Customers and their orders, from a file."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import AwareDatetime
from sqlalchemy import Numeric, String
from sqlalchemy.orm import Mapped

from strandline import DimDate, Dimension, Fact, Mapper, Pages, Pipeline, Record, attribute, event_time, field
from strandline import grain, measure, references, stream
from strandline.model import CustomFields
from strandline.source import Page, Source


class Customer(Record):
    """A customer."""

    id: str
    since: AwareDatetime
    name: str
    segment: str = "none"
    amount: Decimal = Decimal(0)


def lines() -> Page:
    """The whole file."""
    found = Path("records.jsonl").read_bytes().splitlines()
    return Page(found, 1, "records.jsonl", status=200, fetched_at=datetime.now(UTC), size=1)


class Yacht(Source):
    """Who rents yachts."""

    @stream(Customer, key="id", effective_at="since")
    def customers(self) -> Pages:
        """Every line of the file."""
        yield lines()

    @stream(Customer, key="id", effective_at="since")
    def rents(self) -> Pages:
        """The same lines, as rents."""
        yield lines()


class DimRenter(Dimension, CustomFields):
    """A customer."""

    renter_name: Mapped[str] = attribute(String(40), scd=2)


class FactRent(Fact):
    """One row a rent."""

    rent_id: Mapped[str] = grain(String(40))
    rented_at: Mapped[datetime] = event_time()
    renter_key: Mapped[int] = references(DimRenter)
    rent_date_key: Mapped[int] = references(DimDate, on="rented_at")
    amount: Mapped[Decimal] = measure(Numeric(18, 2))


class YachtRenter(Mapper[Customer, DimRenter]):
    """Customers."""

    renter_name = field("name")


class YachtRent(Mapper[Customer, FactRent]):
    """Rents."""

    rent_id = field("id")
    rented_at = field("since")
    renter_key = field("id")
    amount = field("amount")


yacht = Pipeline("yacht")
yacht.sync(Yacht.customers, YachtRenter)
yacht.sync(Yacht.rents, YachtRent)
'''

RECORDS = [
    {"id": "a", "since": "2026-01-01T00:00:00Z", "name": "Alder", "segment": "gold", "amount": 10},
    {"id": "b", "since": "2026-01-02T00:00:00Z", "name": "Birch", "amount": 20, "odd": 1},
]


class Harbour:
    """The project, and its warehouse."""

    def __init__(self, folder: Path, database_url: str, *, program: Path) -> None:
        self.project = Project(folder, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)
        (folder / "pipeline.py").write_text(PIPELINE)
        (folder / "records.jsonl").write_text("".join(f"{json.dumps(it)}\n" for it in RECORDS))
        self.database = Database(database_url)

    def type(self, *words: str, code: int = 0) -> Outcome:
        """Type a command that ends so."""
        done = self.project.strandline(*words)
        assert done.code == code, done.error
        return done

    def begin(self) -> None:
        """Have migrations, and apply the first."""
        self.type("migrate", "init")
        self.type("migrate", "revision", "-m", "the beginning")
        self.type("migrate", "upgrade")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the warehouse."""
        with self.database.begin() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def edit(self, old: str, new: str) -> None:
        """Change the module."""
        self.project.edit("pipeline.py", old, new)
