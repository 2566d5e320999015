"""Words that names are made of: what a column's name promises, and what a database reads as its own."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

RESERVED: Final[frozenset[str]] = frozenset(RESERVED_WORDS)
"""What PostgreSQL reads as part of a statement unless it is quoted."""

SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

BOOLEAN: Final = ("is", "has", "can")
MOMENT: Final = ("at", "since", "from", "to", "until")
DAY: Final = ("date", "day", "on", "since", "from", "to", "until")
RATE: Final = ("rate", "ratio", "share", "percent", "percentage", "pct")
DURATION: Final = ("duration", "elapsed", "latency", "runtime")
UNIT: Final = ("seconds", "minutes", "hours", "days", "weeks", "months", "years", "ms", "milliseconds")
PLAIN_NUMBER: Final = ("amount", "count", "quantity", *RATE, "price", "cost")
MEASURED: Final = ("amount", "count", "quantity", "total")
MONEY: Final = (
    *("amount", "balance", "budget", "charge", "cost", "credit", "debit", "debt", "deposit", "discount"),
    *("expense", "fee", "gross", "income", "limit", "margin", "net", "payment", "premium", "price"),
    *("profit", "refund", "rent", "revenue", "salary", "sales", "spend", "subtotal", "tax", "total"),
    *("turnover", "value", "wage", "pay", "worth", "freight", "postage", "shipping"),
)
NEVER_SUMMED: Final = (*RATE, "average", "avg", "mean", "median", "index", "score", "temperature", "per")
HELD: Final = (
    *("balance", "stock", "inventory", "on_hand", "headcount", "outstanding", "backlog", "occupancy"),
)
"""What is there at a moment, and is not there twice when it is looked at twice."""

GENERIC: Final = frozenset(
    ("name", "type", "status", "code", "description", "number", "value", "kind", "data", "text", "title")
)
VOLATILE: Final = (
    *("last_login", "last_seen", "last_modified", "last_updated", "last_changed", "last_activity"),
    *("last_visit", "modified_at", "changed_at", "refreshed_at", "visit_count", "login_count", "balance"),
)
PERSONAL: Final = (
    *("email", "e_mail", "phone", "telephone", "mobile", "fax", "birth", "birthday", "born", "street"),
    *("surname", "first_name", "last_name", "full_name", "given_name", "family_name", "maiden_name"),
    *("iban", "ssn", "passport", "national_id", "tax_id", "ip_address", "postal_address", "home_address"),
    *("social_security", "credit_card", "card_number", "user_name"),
)

_SINGULAR: Final = frozenset(
    (
        *("sales", "status", "address", "business", "process", "series", "news", "means", "class", "access"),
        *("gas", "canvas", "lens", "premises", "headquarters", "species", "atlas", "chaos", "sms", "gps"),
        *("express", "goods", "bias", "alias", "christmas"),
    )
)


def words(name: str) -> list[str]:
    """The words of a name in snake case."""
    return name.lower().split("_")


def last(name: str) -> str:
    """The last word of it."""
    return words(name)[-1]


def holds(name: str, wanted: tuple[str, ...]) -> bool:
    """Whether one of these, of one word or several, is among the words of the name."""
    return any(f"_{it}_" in f"_{name.lower()}_" for it in wanted)


def is_plural(name: str) -> bool:
    """Whether the last word of it is an English plural, as far as its ending tells."""
    word = last(name)
    return word.endswith("s") and word not in _SINGULAR and not word.endswith(("ss", "us", "is", "ics"))


def snake(name: str) -> str:
    """The name as it would be in snake case."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")
