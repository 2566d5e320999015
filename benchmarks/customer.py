"""The customers of the benchmark: 16 fields and some 580 bytes each, always the same ones.

They look like what an ERP sends: "T" and "F", amounts as text, references as objects, a nested address,
custom fields. A customer follows from its number alone, so a smaller set is the beginning of a larger one.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

FIRST_MODIFIED: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Customer 0 was modified then, and each one a second after the one before."""

_PLACES: Final = (
    ("Wattenmeerallee", "Hamburg", "20457", "Germany"),
    ("Rue du Grand Large", "Saint-Malo", "35400", "France"),
    ("Calle de la Marea Baja", "A Coruña", "15002", "Spain"),
    ("Havnegade", "Ålborg", "9000", "Denmark"),
    ("Shoreline Boulevard", "Mountain View", "94043", "United States"),
)
_WORDS: Final = ("Tidal", "Harbour", "Pebble", "Driftwood", "Kelp", "Lagoon", "Sandbank", "Breakwater")
_TRADES: Final = ("Logistics", "Instruments", "Foods", "Textiles", "Energy", "Consulting", "Chandlery")
_SEGMENTS: Final = ("enterprise", "mid market", "small business", "public sector", "unassigned")
_CURRENCIES: Final = (("1", "USD"), ("2", "EUR"), ("3", "GBP"), ("4", "DKK"))
_REPS: Final = ("Ada Lindqvist", "Bram Castellanos", "Chiara Okonkwo", "Dorothea van der Meer")
_REGIONS: Final = ("EMEA North", "EMEA South", "Americas", "Asia Pacific")


def modified_at(number: int) -> datetime:
    """When this customer last changed."""
    return FIRST_MODIFIED + timedelta(seconds=number)


def record(number: int) -> dict[str, Any]:
    """The customer of this number as the source sends it."""
    name = f"{_pick(_WORDS, number, 3)} {_pick(_WORDS, number, 11)} {_pick(_TRADES, number, 5)}"
    street, city, postal_code, country = _pick(_PLACES, number, 7)
    currency_id, currency = _pick(_CURRENCIES, number, 13)
    return {
        "internalId": str(100_000 + number),
        "companyName": f"{name} {number}",
        "email": f"Accounts.{number}@{name.replace(' ', '-').lower()}.example",
        "phone": f"+49 40 {number * 7919 % 10_000_000:07d}",
        "isActive": "F" if number % 17 == 0 else "T",
        "segment": _pick(_SEGMENTS, number, 2),
        "creditLimit": f"{number * 31 % 250_000}.{number % 100:02d}",
        "balance": f"{number * 97 % 90_000}.{number * 3 % 100:02d}",
        "taxNumber": f"DE{number * 104_729 % 10**9:09d}",
        "currency": {"id": currency_id, "name": currency},
        "salesRep": {"id": f"R-{number % 40:02d}", "name": _pick(_REPS, number, 19)},
        "billingAddress": {
            "street": f"{street} {number % 200 + 1}",
            "city": city,
            "postalCode": postal_code,
            "country": country,
        },
        "createdAt": _instant(FIRST_MODIFIED - timedelta(hours=number % 40_000)),
        "lastModified": _instant(modified_at(number)),
        "custentity_region": _pick(_REGIONS, number, 23),
        "custentity_newsletter": "T" if number % 3 else "F",
    }


def page(first: int, last: int, *, total: int) -> bytes:
    """The body that holds the customers from `first` up to, not including, `last`."""
    body = {
        "totalResults": total,
        "hasMore": last < total,
        "items": [record(number) for number in range(first, last)],
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _pick(choices: tuple[Any, ...], number: int, stride: int) -> Any:
    return choices[number * stride // 7 % len(choices)]


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
