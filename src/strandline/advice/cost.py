"""What each way costs over the years that are assumed: days of people, and money for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from strandline.advice.situation import Situation

MILLION: Final = 1_000_000
GIGABYTE: Final = 1_000_000_000


class Way(StrEnum):
    """How a source can be read, the least code of one's own first."""

    BUY = "buy"
    ADOPT = "adopt"
    MIX = "mix"
    BUILD = "build"

    @property
    def in_words(self) -> str:
        """What it is, for people."""
        return _IN_WORDS[self]


_IN_WORDS: Final = {
    Way.BUY: "a connector that a service runs for you",
    Way.ADOPT: "an open connector that you run",
    Way.MIX: "a connector for the standard part, strandline for the rest",
    Way.BUILD: "a source of your own with strandline",
}


@dataclass(frozen=True)
class Service:
    """Somebody who runs connectors for money."""

    name: str
    shortest_seconds: float
    fee_once: float
    fee_year: float


@dataclass(frozen=True)
class Cost:
    """Of one way."""

    setup_days: float
    upkeep_days: float
    """A year."""
    fee_once: float
    fee_year: float
    engineer_day: float
    years: int

    @property
    def first_year_days(self) -> float:
        """What the first year takes of people."""
        return self.setup_days + self.upkeep_days

    @property
    def first_year_fee(self) -> float:
        """What the first year costs, people apart."""
        return self.fee_once + self.fee_year

    @property
    def people(self) -> float:
        """What people cost over all years."""
        return (self.setup_days + self.upkeep_days * self.years) * self.engineer_day

    @property
    def fees(self) -> float:
        """What others are paid over all years."""
        return self.fee_once + self.fee_year * self.years

    @property
    def total(self) -> float:
        """Both."""
        return self.people + self.fees

    def as_dict(self) -> dict[str, Any]:
        """Plain values; whole dollars, for these are estimates."""
        return {
            "setup_days": self.setup_days,
            "upkeep_days_a_year": self.upkeep_days,
            "fee_once": round(self.fee_once),
            "fee_a_year": round(self.fee_year),
            "people": round(self.people),
            "fees": round(self.fees),
            "total": round(self.total),
        }


def services(situation: Situation) -> list[Service]:
    """Those that have a connector, the cheapest first."""
    has_airbyte = situation.listing is not None and situation.listing.has_airbyte
    offers = [
        *([_airbyte(situation)] if has_airbyte else []),
        *([_fivetran(situation)] if situation.answers.fivetran else []),
    ]
    years = situation.assumptions.years
    return sorted(offers, key=lambda it: it.fee_once + it.fee_year * years)


def service(situation: Situation) -> Service | None:
    """The cheapest that is quick enough, or else the quickest."""
    offers = services(situation)
    quick = [it for it in offers if it.shortest_seconds <= situation.answers.freshness]
    return next(iter(quick or sorted(offers, key=lambda it: it.shortest_seconds)), None)


def _airbyte(situation: Situation) -> Service:
    """Airbyte Cloud counts every record that is sent, of databases and files their bytes."""
    said, answers = situation.assumptions, situation.answers
    is_api = situation.listing is None or situation.listing.kind == "api"
    each = (
        said.airbyte_million_records / MILLION
        if is_api
        else said.record_bytes * said.airbyte_gigabyte / GIGABYTE
    )
    year = 12 * (said.airbyte_month + answers.changes_a_month * each)
    return Service("Airbyte Cloud", said.airbyte_minutes * 60, answers.records * each, year)


def _fivetran(situation: Situation) -> Service:
    """Fivetran counts a record once a month, however often it changes."""
    said, answers = situation.assumptions, situation.answers
    active = min(answers.changes_a_month, max(answers.records, said.fivetran_free_records))
    is_free = active <= said.fivetran_free_records
    month = 0.0 if is_free else said.fivetran_month + active * said.fivetran_million_records / MILLION
    return Service("Fivetran", said.fivetran_minutes * 60, 0.0, 12 * month)


def cost(way: Way, situation: Situation) -> Cost:
    """What the way costs."""
    return _COSTS[way](situation)


def _buy(situation: Situation) -> Cost:
    said = situation.assumptions
    offer = service(situation)
    once, year = (offer.fee_once, offer.fee_year) if offer else (0.0, 0.0)
    return Cost(said.buy_setup_days, said.buy_upkeep_days, once, year, said.engineer_day, said.years)


def _adopt(situation: Situation) -> Cost:
    said = situation.assumptions
    return _own(situation, said.adopt_setup_days, said.adopt_upkeep_days)


def _mix(situation: Situation) -> Cost:
    """Where no connector is open, the standard part is bought."""
    said = situation.assumptions
    own = _own(situation, said.mix_setup_days, said.mix_upkeep_days)
    if situation.listing is not None and situation.listing.is_open:
        return own
    bought = _buy(situation)
    return Cost(
        own.setup_days,
        own.upkeep_days,
        bought.fee_once,
        own.fee_year + bought.fee_year,
        said.engineer_day,
        said.years,
    )


def _build(situation: Situation) -> Cost:
    said = situation.assumptions
    return _own(situation, said.build_setup_days, said.build_upkeep_days)


def _own(situation: Situation, setup: float, upkeep: float) -> Cost:
    said = situation.assumptions
    return Cost(setup, upkeep, 0.0, 12 * said.server_month, said.engineer_day, said.years)


_COSTS: Final[dict[Way, Callable[[Situation], Cost]]] = {
    Way.BUY: _buy,
    Way.ADOPT: _adopt,
    Way.MIX: _mix,
    Way.BUILD: _build,
}
