"""Which sources have a connector elsewhere: facts that come with the package, each with its date."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files
from typing import Final

HUB: Final = "the Meltano Hub's data of 2026-08-02"
"""Says which Singer taps and Airbyte connectors there are, and which are kept up."""
DLT: Final = "dlt's verified sources of 2026-07-03"
MOST_NEAR: Final = 5


@dataclass(frozen=True)
class Listing:
    """What is known of a source."""

    name: str
    label: str
    kind: str
    """api, database or files."""
    singer: int
    """How many taps."""
    has_airbyte: bool
    has_dlt: bool
    is_maintained: bool
    """Whether any of all these is marked as actively maintained."""
    also: tuple[str, ...] = ()
    """Other names of it."""

    @property
    def is_open(self) -> bool:
        """Whether any connector is there that one can run oneself."""
        return bool(self.singer or self.has_airbyte or self.has_dlt)

    @property
    def connectors(self) -> str:
        """What there is, in words."""
        taps = f"{self.singer} Singer tap{'' if self.singer == 1 else 's'}"
        told = [
            *([taps] if self.singer else []),
            *(["an Airbyte connector"] if self.has_airbyte else []),
            *(["a dlt source"] if self.has_dlt else []),
        ]
        return ", ".join(told) or "no connector"


@cache
def listings() -> tuple[Listing, ...]:
    """All of them."""
    text = files("strandline.advice").joinpath("connectors.csv").read_text(encoding="utf-8")
    return tuple(_listing(row) for row in csv.DictReader(text.splitlines()))


def _listing(row: dict[str, str]) -> Listing:
    return Listing(
        name=row["name"],
        label=row["label"],
        kind=row["kind"] or "api",
        singer=int(row["singer"]),
        has_airbyte=row["airbyte"] == "1",
        has_dlt=row["dlt"] == "1",
        is_maintained=row["maintained"] == "1",
        also=tuple(it for it in row["also"].split("|") if it),
    )


def find(name: str) -> Listing | None:
    """The source of this name, however it is written: "Google Ads", google-ads, GOOGLEADS."""
    return _by_name().get(_plain(name))


@cache
def _by_name() -> dict[str, Listing]:
    """A source's own name goes before another's label."""
    known: dict[str, Listing] = {}
    for listing in listings():
        known[_plain(listing.name)] = listing
    for listing in listings():
        for name in (*listing.also, listing.label, re.sub(r"\(.*?\)", "", listing.label)):
            known.setdefault(_plain(name), listing)
    return known


def nearest(name: str) -> list[str]:
    """The names that may have been meant, the most alike first."""
    wanted = _plain(name)
    alike: dict[str, float] = {}
    for known, listing in _by_name().items():
        alike[listing.name] = max(alike.get(listing.name, 0.0), _likeness(wanted, known))
    close = sorted((-it, found) for found, it in alike.items() if it >= 0.7)
    return [found for _, found in close[:MOST_NEAR]]


def _likeness(wanted: str, known: str) -> float:
    if min(len(wanted), len(known)) >= 4 and (known.startswith(wanted) or wanted.startswith(known)):
        return 0.9
    matcher = SequenceMatcher(a=wanted, b=known)
    return matcher.ratio() if matcher.quick_ratio() >= 0.7 else 0.0


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
