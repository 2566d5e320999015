"""From a situation to the advice: the way that fits, why, what all ways cost, and how they go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from strandline.advice import catalogue, rule
from strandline.advice.catalogue import Listing
from strandline.advice.cost import Cost, Way, cost, service
from strandline.advice.rule import Reason
from strandline.advice.situation import Situation

STREAM = "stream"
STREAM_TITLE = "none of these: change data capture into a log, as with Debezium and Kafka"


@dataclass(frozen=True)
class Option:
    """A way with what it costs and what stands against it."""

    way: Way
    cost: Cost
    obstacles: Sequence[Reason]

    @property
    def fits(self) -> bool:
        """Whether nothing stands against it."""
        return not self.obstacles

    @property
    def is_there(self) -> bool:
        """Whether there is anything to be bought or adopted; else it has no price either."""
        return not any(it.answer == "source" and it.is_hard for it in self.obstacles)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "way": self.way.value,
            "title": self.way.in_words,
            "fits": self.fits,
            "against": [it.as_dict() for it in self.obstacles],
            "cost": self.cost.as_dict() if self.is_there else None,
        }


@dataclass(frozen=True)
class Advice:
    """What is recommended."""

    situation: Situation
    way: Way | None
    """None: the data must be newer than any of the ways can make it."""
    fits: bool
    """False: no way fits, and this one is the nearest."""
    reasons: Sequence[Reason]
    options: Sequence[Option]
    steps: Sequence[str]
    """How connector and strandline go together."""

    @property
    def must_change(self) -> Sequence[Reason]:
        """What stands against the way that is only the nearest."""
        return next((it.obstacles for it in self.options if it.way is self.way), ())

    @property
    def title(self) -> str:
        """The way in words."""
        return STREAM_TITLE if self.way is None else self.way.in_words

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        said, offer = self.situation.assumptions, service(self.situation)
        return {
            "recommendation": self.way.value if self.way else STREAM,
            "title": self.title,
            "fits": self.fits,
            "reasons": [it.as_dict() for it in self.reasons],
            "must_change": [it.as_dict() for it in self.must_change],
            "answers": self.situation.answers.as_dict(),
            "catalogue": _listed(self.situation.listing),
            "service": offer.name if offer else None,
            "years": said.years,
            "currency": "USD",
            "ways": [it.as_dict() for it in self.options],
            "mixed_way": list(self.steps),
            "assumptions": said.rows(),
        }


def _listed(listing: Listing | None) -> dict[str, Any]:
    dates = {"singer_and_airbyte": catalogue.HUB, "dlt": catalogue.DLT}
    if listing is None:
        return {"name": None, **dates}
    return {
        "name": listing.name,
        "label": listing.label,
        "kind": listing.kind,
        "singer": listing.singer,
        "airbyte": listing.has_airbyte,
        "dlt": listing.has_dlt,
        "maintained": listing.is_maintained,
        **dates,
    }


def advise(situation: Situation) -> Advice:
    """What fits the situation."""
    options = [Option(way, cost(way, situation), rule.obstacles(way, situation)) for way in Way]
    steps = _steps(situation)
    if rule.is_a_stream(situation):
        reasons = rule.against_all(situation)
        return Advice(situation, None, fits=False, reasons=reasons, options=options, steps=steps)
    fitting = [it for it in options if it.fits]
    chosen = _cheapest(fitting, situation) if fitting else _nearest(options)
    reasons = rule.chosen_for(chosen.way, situation, [it.way for it in fitting])
    return Advice(situation, chosen.way, bool(fitting), reasons, options, steps)


def _cheapest(fitting: Sequence[Option], situation: Situation) -> Option:
    """The one with the least code of one's own among those that cost about as little as the cheapest."""
    limit = min(it.cost.total for it in fitting) * (1 + situation.assumptions.tie)
    return next(it for it in fitting if it.cost.total <= limit)


def _nearest(options: Sequence[Option]) -> Option:
    """Of those that another team or budget would make fit, the one with the fewest obstacles."""
    possible = [it for it in options if not any(each.is_hard for each in it.obstacles)]
    return min(possible, key=lambda it: (len(it.obstacles), it.cost.total))


def _steps(situation: Situation) -> list[str]:
    """What can read the standard part, and where strandline takes over."""
    listing, answers = situation.listing, situation.answers
    runs = [
        *(["a Singer tap, run by a SingerSource"] if listing and listing.singer else []),
        *(["an Airbyte connector, run by an AirbyteSource"] if listing and listing.has_airbyte else []),
    ]
    lands = [
        *(["dlt"] if listing and listing.has_dlt else []),
        *(["Airbyte"] if listing and listing.has_airbyte else []),
        *(["Fivetran"] if answers.fivetran else []),
    ]
    if not runs and not lands:
        return [f"No connector reads a part of {answers.source}; strandline reads all of it."]
    told = [f"The standard part: {' or '.join(runs)}, so that its records are in the raw log."] * bool(runs)
    if lands:
        before = "Or tables" if runs else "The standard part: tables"
        told.append(f"{before} that {' or '.join(lands)} lands, read by a SqlSource's self.landed(...).")
    return [*told, *_REST]


_REST: Final = (
    "The rest: a source of your own; its rows find the connector's members by field(..., source=...).",
    "Both: mappers into one star, in one pipeline.",
)
