"""The ERP with its pages as bytes in memory, so that no network and no server is measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from benchmarks import customer
from benchmarks.pipeline import Customer
from strandline import Pages, Pipeline, run, stream
from strandline.pipeline import RunReport
from strandline.source import Page, Source
from strandline.source.page import split
from strandline.warehouse.database import Database

PAGE: Final = 1_000


class Erp(Source):
    """The ERP, which sends all its customers each time."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        super().__init__()
        self.bodies = bodies

    @stream(Customer, key="id", effective_at="last_modified")
    def customers(self) -> Pages:
        """A page for each body."""
        return from_memory(self.bodies)


def from_memory(bodies: Sequence[bytes]) -> Pages:
    """A page for each body, as if it had been downloaded."""
    for number, body in enumerate(bodies, 1):
        records = split(body, "items").records
        yield Page(records, number, "memory", status=200, fetched_at=datetime.now(UTC), size=len(body))


def bodies(records: int) -> list[bytes]:
    """The pages of so many customers."""
    return [
        customer.page(first, min(first + PAGE, records), total=records) for first in range(0, records, PAGE)
    ]


def load(pipeline: Pipeline, database: Database, pages: Sequence[bytes]) -> int:
    """Run the pipeline on these pages; how many records were stored. Raises RuntimeError when it fails."""
    return checked(run(pipeline, database, sources={"erp": Erp(pages)})).streams[0].stored


def checked(report: RunReport) -> RunReport:
    """The report, if it tells of nothing wrong. Raises RuntimeError."""
    if report.exit_code:
        raise RuntimeError(f"the run failed: {report.as_dict()}")
    return report
