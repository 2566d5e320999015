"""What is asked about a situation, and what an answer may be."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from strandline.advice import quantity
from strandline.advice.quantity import Changes

MOST_PEOPLE = 1000


class Customisation(StrEnum):
    """How much of what is wanted goes beyond what the source has for everybody."""

    NONE = "none"
    SOME = "some"
    MOST = "most"


def _text(value: object) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or not any(it.isalnum() for it in text):
        raise ValueError(f"a name is expected, as in hubspot, not {value!r}")
    return text


def _some(value: object) -> float:
    told = quantity.number(value)
    if told < 1:
        raise ValueError(f"at least one record is expected, not {value}")
    return told


def _people(value: object) -> float:
    try:
        told = quantity.number(value)
    except ValueError:
        told = -1.0
    if not 0 <= told <= MOST_PEOPLE:
        raise ValueError(f"a number of people from 0 to {MOST_PEOPLE} is expected, as in 0.5, not {value}")
    return told


def _customisation(value: object) -> Customisation:
    try:
        return Customisation(str(value).strip().lower())
    except ValueError:
        raise ValueError(f"none, some or most is expected, not {value}") from None


def _money(value: object) -> float | None:
    return None if value is None else quantity.number(value)


def _truth(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"yes or no is expected, not {value}")


class Answers(BaseModel):
    """One source and those who want it. What is not told has a value that is shown as assumed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, BeforeValidator(_text)] = Field(
        description="Which source is it? Its name, as in hubspot, or what you call it"
    )
    unlisted: Annotated[bool, BeforeValidator(_truth)] = Field(
        default=False, description="Is it in no catalogue: your own, or one that nobody has a connector for?"
    )
    records: Annotated[float, BeforeValidator(_some)] = Field(
        100_000.0, description="How many records does it have, as in 200k or 2M?"
    )
    changes: Annotated[Changes, BeforeValidator(quantity.changes)] = Field(
        Changes(0.1, is_share=True), description="How many are new or changed in a month, as in 50k or 10%?"
    )
    customisation: Annotated[Customisation, BeforeValidator(_customisation)] = Field(
        Customisation.NONE,
        description="How much of what you want is beyond its standard objects: none, some or most?",
    )
    team: Annotated[float, BeforeValidator(_people)] = Field(
        1.0, description="How many people who write Python look after your pipelines, as in 0, 0.5 or 2?"
    )
    budget: Annotated[float | None, BeforeValidator(_money)] = Field(
        None, description="What may services and servers for it cost in a year, in US dollars?"
    )
    freshness: Annotated[float, BeforeValidator(quantity.seconds)] = Field(
        86_400.0, description="How old may the data be, as in 1d, 1h, 15m or 5s?"
    )
    fivetran: Annotated[bool | None, BeforeValidator(_truth)] = Field(
        None, description="Does Fivetran's list of connectors have it?"
    )

    @property
    def changes_a_month(self) -> float:
        """In records."""
        return self.changes.of(self.records)

    def shown(self) -> dict[str, str]:
        """Each answer as it would be typed."""
        return {
            "source": f"{self.source}, in no catalogue" if self.unlisted else self.source,
            "records": quantity.shown(self.records),
            "changes": f"{quantity.shown_changes(self.changes)} a month",
            "customisation": self.customisation.value,
            "team": f"{self.team:g}",
            "budget": "no limit told" if self.budget is None else f"{self.budget:,.0f} a year",
            "freshness": quantity.shown_seconds(self.freshness),
            "fivetran": {None: "not told", True: "yes", False: "no"}[self.fivetran],
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values; what was not told is named in `assumed`."""
        rate = self.changes
        return {
            "source": self.source,
            "unlisted": self.unlisted,
            "records": round(self.records),
            "changes": quantity.shown_changes(rate) if rate.is_share else round(rate.number),
            "changes_a_month": round(self.changes_a_month),
            "customisation": self.customisation.value,
            "team": self.team,
            "budget": self.budget,
            "freshness": quantity.shown_seconds(self.freshness),
            "freshness_seconds": self.freshness,
            "fivetran": self.fivetran,
            "assumed": self.assumed(),
        }

    def assumed(self) -> list[str]:
        """What was not told."""
        return [name for name in type(self).model_fields if name not in self.model_fields_set]
