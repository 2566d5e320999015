"""The rules: what stands against a way, and which answer says so.

A way with an obstacle is out. Of what is left the cheapest is taken, and among those that cost about as much
the one with the least code of one's own. An obstacle is hard where another team or budget would not move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from strandline.advice import catalogue, quantity
from strandline.advice.answer import Customisation
from strandline.advice.cost import Way, cost, service
from strandline.advice.situation import Situation


@dataclass(frozen=True)
class Reason:
    """One thing that speaks for or against a way."""

    answer: str
    """Which answer it follows from."""
    told: str
    """What was answered."""
    says: str
    way: Way | None = None
    """Against which; None: it is about all of them, or speaks for the one that was chosen."""
    is_hard: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"answer": self.answer, "told": self.told, "says": self.says}


def obstacles(way: Way, situation: Situation) -> list[Reason]:
    """What stands against the way: nothing, where it fits."""
    missing = list(_connector(way, situation))
    if missing:
        return missing
    rules = (_customisation, _freshness, _maintenance, _people, _budget)
    return [found for rule in rules for found in rule(way, situation)]


def is_a_stream(situation: Situation) -> bool:
    """Whether the data must be newer than anything started by a clock can make it."""
    return situation.answers.freshness < situation.assumptions.batch_minutes * 60


def _connector(way: Way, situation: Situation) -> Iterator[Reason]:
    """Nothing can be bought or adopted that is not there."""
    has_open = situation.listing is not None and situation.listing.is_open
    has_service = service(situation) is not None
    if way is Way.BUY and not has_service:
        has_fivetran = "Fivetran has none either" if situation.answers.fivetran is False else _ASK_FIVETRAN
        yield _reason(way, situation, "source", f"Airbyte has no connector for it; {has_fivetran}", hard=True)
    if way is Way.ADOPT and not has_open:
        yield _reason(way, situation, "source", "there is no open connector for it", hard=True)
    if way is Way.MIX and not has_open and not has_service:
        yield _reason(way, situation, "source", "there is no connector that could read a part", hard=True)


_ASK_FIVETRAN = "the catalogue does not know Fivetran's: look at its list, and say --fivetran if it is there"


def _customisation(way: Way, situation: Situation) -> Iterator[Reason]:
    """A connector reads what all its users have."""
    much = situation.answers.customisation
    if much is Customisation.MOST and way is not Way.BUILD:
        says = "connectors read what all their users have, and most of what you want is your own"
        yield _reason(way, situation, "customisation", says, hard=True)
    if much is Customisation.SOME and way in (Way.BUY, Way.ADOPT):
        says = "a connector alone leaves out what goes beyond the standard"
        yield _reason(way, situation, "customisation", says)
    if much is Customisation.NONE and way is Way.MIX:
        says = "nothing goes beyond the standard, so there is no second part"
        yield _reason(way, situation, "customisation", says, hard=True)


_BY_THE_CLOCK = "each of these ways reads when a clock tells it to, and none so often"


def against_all(situation: Situation) -> list[Reason]:
    """Why none of the ways is recommended."""
    return [Reason("freshness", situation.answers.shown()["freshness"], _BY_THE_CLOCK)]


def _freshness(way: Way, situation: Situation) -> Iterator[Reason]:
    """What one runs oneself is started when one likes; a service has its schedules."""
    if is_a_stream(situation):
        yield _reason(way, situation, "freshness", _BY_THE_CLOCK, hard=True)
        return
    offer = service(situation)
    has_open = situation.listing is not None and situation.listing.is_open
    is_bought = way is Way.BUY or (way is Way.MIX and not has_open)
    if is_bought and offer is not None and offer.shortest_seconds > situation.answers.freshness:
        shortest = quantity.shown_seconds(offer.shortest_seconds)
        says = f"{offer.name} reads every {shortest} at the most often"
        yield _reason(way, situation, "freshness", says, hard=True)


def _maintenance(way: Way, situation: Situation) -> Iterator[Reason]:
    """A connector that nobody keeps up is code of one's own that others have written."""
    listing = situation.listing
    if way not in (Way.ADOPT, Way.MIX) or listing is None or not listing.is_open or listing.is_maintained:
        return
    if way is Way.ADOPT or service(situation) is None:
        says = f"none of its connectors ({listing.connectors}) is kept up, so you would have to"
        yield _reason(way, situation, "source", says)


def _people(way: Way, situation: Situation) -> Iterator[Reason]:
    """What a service does can be set up by anybody; all else takes people who write Python."""
    said, team = situation.assumptions, situation.answers.team
    wanted = cost(way, situation).first_year_days
    there = team * said.working_days * said.team_share
    if way is not Way.BUY and wanted > there:
        says = f"it takes {wanted:g} days of the first year, and the team has {there:g} for it"
        yield _reason(way, situation, "team", says)


def _budget(way: Way, situation: Situation) -> Iterator[Reason]:
    budget = situation.answers.budget
    fee = cost(way, situation).first_year_fee
    if budget is not None and round(fee) > budget:
        says = f"services and servers cost {fee:,.0f} in the first year"
        yield _reason(way, situation, "budget", says)


def _reason(way: Way, situation: Situation, answer: str, says: str, *, hard: bool = False) -> Reason:
    return Reason(answer, situation.answers.shown()[answer], says, way, hard)


def chosen_for(way: Way, situation: Situation, fitting: list[Way]) -> list[Reason]:
    """What speaks for the way that was chosen."""
    return [*_listed(situation), *_for(way, situation), *_cheapest(way, situation, fitting)]


def _listed(situation: Situation) -> Iterator[Reason]:
    listing = situation.listing
    if listing is None:
        says = "it was told to be in no catalogue, so no open connector is known"
    else:
        kept = "at least one is kept up" if listing.is_maintained else "none is kept up"
        says = f"{listing.label} has {listing.connectors}; {kept} ({catalogue.HUB}; {catalogue.DLT})"
    yield Reason("source", situation.answers.shown()["source"], says)


def _for(way: Way, situation: Situation) -> Iterator[Reason]:
    shown = situation.answers.shown()
    much = situation.answers.customisation
    if way in (Way.BUY, Way.ADOPT) and much is Customisation.NONE:
        yield Reason("customisation", shown["customisation"], "a standard connector reads all that you want")
    if way is Way.MIX:
        says = "most of it is standard, which a connector reads; the rest is worth code of your own"
        yield Reason("customisation", shown["customisation"], says)
    if way is Way.BUILD and much is Customisation.MOST:
        says = "only code of your own reads what is your own"
        yield Reason("customisation", shown["customisation"], says)
    offer = service(situation)
    if way is Way.BUY and offer is not None:
        says = f"{offer.name} would cost about {offer.fee_year:,.0f} a year for so many changes"
        yield Reason("changes", shown["changes"], says)
        if situation.answers.team == 0:
            yield Reason("team", shown["team"], "nobody has to look after a program")


def _cheapest(way: Way, situation: Situation, fitting: list[Way]) -> Iterator[Reason]:
    """Why this one, where several fit."""
    others = [it for it in fitting if it is not way]
    if not others or way not in fitting:
        return
    mine = cost(way, situation).total
    least = min(cost(it, situation).total for it in fitting)
    about = f"{mine:,.0f} over {situation.assumptions.years} years"
    names = " and ".join(others)
    if mine <= least:
        yield Reason("cost", about, f"the cheapest of the ways that fit; also {names} would")
    else:
        yield Reason(
            "cost", about, f"about as cheap as the cheapest ({least:,.0f}), with the least code of your own"
        )
