"""A kiosk for the tests of expectations: buyers, what they bought, and how many it says there are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import SourceUnavailable
from strandline.model import (
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, reconciliation, stream
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Buyer(Record):
    """A buyer."""

    id: str
    at: AwareDatetime
    email: str | None = None
    segment: str | None = None
    visits: int | None = None


class Purchase(Record):
    """Something that was bought."""

    id: str
    at: AwareDatetime
    buyer: str | None = None
    helper: str | None = None
    amount: Decimal | None = None


class Kiosk(Source):
    """Buyers and purchases in memory; what it says of itself is what it was told to say."""

    def __init__(self) -> None:
        super().__init__()
        self.buyer_records: list[Given] = []
        self.purchase_records: list[Given] = []
        self.says: dict[str, Any] = {}
        self.asked: list[str] = []

    @stream(Buyer, key="id", effective_at="at", deleted="gone", future=None)
    def buyers(self) -> Pages:
        """What it was given."""
        return pages(self.buyer_records)

    @stream(Purchase, key="id", effective_at="at", deleted="gone", future=None)
    def purchases(self) -> Pages:
        """What it was given."""
        return pages(self.purchase_records)

    @reconciliation
    def count_buyers(self) -> Any:
        """How many buyers there are."""
        return self._say("count_buyers")

    @reconciliation
    def count_purchases(self) -> Any:
        """How many purchases there are."""
        return self._say("count_purchases")

    @reconciliation
    def turnover(self) -> Any:
        """What they come to."""
        return self._say("turnover")

    def _say(self, what: str) -> Any:
        self.asked.append(what)
        if what not in self.says:
            raise SourceUnavailable("kiosk: nobody answers")
        return self.says[what]


class DimPatron(Dimension):
    """A buyer; the segment keeps its history."""

    email: Mapped[str | None] = attribute(String(20))
    segment: Mapped[str | None] = attribute(String(10), scd=2)
    visits: Mapped[int | None] = attribute()


class FactOuting(Fact):
    """One row a purchase."""

    purchase_id: Mapped[str] = grain(String(20))
    bought_at: Mapped[datetime] = event_time()
    patron_key: Mapped[int] = references(DimPatron, missing="infer")
    helper_key: Mapped[int] = references(DimPatron, missing="unknown")
    amount: Mapped[Decimal | None] = measure(Money)


class KioskBuyer(Mapper[Buyer, DimPatron]):
    """The kiosk's buyers."""

    email = field("email")
    segment = field("segment")
    visits = field("visits")


class KioskPurchase(Mapper[Purchase, FactOuting]):
    """The kiosk's purchases."""

    purchase_id = field("id")
    bought_at = field("at")
    patron_key = field("buyer")
    helper_key = field("helper")
    amount = field("amount")


def pipeline() -> Pipeline:
    """Both, without anything expected yet."""
    kiosk = Pipeline("kiosk")
    kiosk.sync(Kiosk.buyers, KioskBuyer)
    kiosk.sync(Kiosk.purchases, KioskPurchase)
    return kiosk


def record(key: str, day: int = 0, **said: Any) -> dict[str, Any]:
    """What was said of a key on a day."""
    return {"id": key, "at": (START + timedelta(days=day)).isoformat(), **said}


def load(
    database: Database,
    kiosk: Pipeline,
    source: Kiosk,
    *,
    buyers: Sequence[Given] = (),
    purchases: Sequence[Given] = (),
) -> RunReport:
    """One run in which the kiosk sends these."""
    source.buyer_records, source.purchase_records = list(buyers), list(purchases)
    return run(kiosk, database, sources={"kiosk": source})


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]
