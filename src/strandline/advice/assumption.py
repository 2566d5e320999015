"""What the costs are worked out with: every number has a reason, is shown, and can be set in a file."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from strandline.advice import quantity

Number = Annotated[float, BeforeValidator(quantity.number)]


def _share(value: object) -> float:
    told = quantity.number(value)
    if told > 1:
        raise ValueError(f"a share from 0 to 1 is expected, not {value}")
    return told


def _years(value: object) -> int:
    told = quantity.number(value)
    if told not in range(1, 11):
        raise ValueError(f"a number of years from 1 to 10 is expected, not {value}")
    return int(told)


Share = Annotated[float, BeforeValidator(_share)]


class Assumptions(BaseModel):
    """Money is in US dollars. Days are those of one person, for one source of some ten streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    years: Annotated[int, BeforeValidator(_years)] = Field(3, description="how long the way is gone")
    engineer_day: Number = Field(
        700.0, description="a day of somebody who writes Python, all in; our assumption, 154,000 a year"
    )
    working_days: Number = Field(220.0, description="days that one person works in a year")
    team_share: Share = Field(
        0.25, description="of the team's days, what one source may take in its first year"
    )
    tie: Share = Field(0.2, description="ways that cost so little more than the cheapest count as equal")
    server_month: Number = Field(50.0, description="where a program of your own runs; our assumption")
    record_bytes: Number = Field(
        530.0, description="a record as JSON: a customer of 16 fields, as benchmarked"
    )
    buy_setup_days: Number = Field(1.0, description="to sign up, connect and choose; anybody's days")
    buy_upkeep_days: Number = Field(1.0, description="a year; anybody's days")
    adopt_setup_days: Number = Field(5.0, description="to install, configure, host and watch a connector")
    adopt_upkeep_days: Number = Field(6.0, description="a year: new versions, and what they break")
    mix_setup_days: Number = Field(8.0, description="the connector, and streams of your own for the rest")
    mix_upkeep_days: Number = Field(7.0, description="a year, both parts")
    build_setup_days: Number = Field(
        10.0, description="published estimates say 50 to 100 hours for a connector by hand"
    )
    build_upkeep_days: Number = Field(
        8.0, description="a year: what the API changes, and what users want more"
    )
    airbyte_month: Number = Field(10.0, description="Airbyte Cloud's smallest plan, by its documentation")
    airbyte_million_records: Number = Field(15.0, description="of an API, by its documentation")
    airbyte_gigabyte: Number = Field(10.0, description="of a database or files, by its documentation")
    airbyte_minutes: Number = Field(60.0, description="the shortest schedule of its ordinary plans")
    fivetran_free_records: Number = Field(
        500_000.0,
        description="active rows a month that are free, for the whole account, by its documentation",
    )
    fivetran_month: Number = Field(5.0, description="the base price of a connection above that, as listed")
    fivetran_million_records: Number = Field(
        500.0, description="active rows; not published as a list, so our assumption: take your own offer's"
    )
    fivetran_minutes: Number = Field(
        1.0, description="the shortest schedule by its documentation; not in every plan"
    )
    batch_minutes: Number = Field(
        1.0, description="below this, programs that are started by a clock are too slow"
    )

    def rows(self) -> list[dict[str, Any]]:
        """Each with its reason, and whether it was set."""
        return [
            {
                "name": name,
                "value": getattr(self, name),
                "is_set": name in self.model_fields_set,
                "why": info.description,
            }
            for name, info in type(self).model_fields.items()
        ]
