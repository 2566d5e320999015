"""What the fields of a record would be in a fact: times, measures, and the identifiers of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from strandline.pipeline.draft import column
from strandline.pipeline.draft.column import Leaf
from strandline.pipeline.draft.contract import Contract
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.lint import word
from strandline.source.profile import naming

HAPPENED: Final = frozenset(
    {"ordered", "placed", "paid", "invoiced", "booked", "sold", "bought", "purchased", "occurred", "happened"}
    | {"posted", "charged", "billed", "issued", "recorded", "measured", "transacted", "received", "visited"}
    | {"started", "called", "worked", "performed", "done"}
)
AFTERWARDS: Final = frozenset(
    {"due", "expected", "delivery", "delivered", "shipped", "closed", "completed", "finished", "ended", "end"}
    | {"expires", "expiry", "valid", "until", "next", "cancelled", "canceled", "refunded", "resolved"}
    | {"promised", "planned", "deadline", "shipping"}
)
STRONG: Final = frozenset(
    {
        "amount",
        "total",
        "subtotal",
        "quantity",
        "qty",
        "tax",
        "fee",
        "discount",
        "revenue",
        "hours",
        "minutes",
    }
    | {"seconds", "duration", "units", "volume", "weight", "paid", "charged", "shipping", "net", "gross"}
    | {"refund", "turnover", "count", "cost", "costs"}
)
"""What is measured when something happens."""

WEAK: Final = frozenset({"price", "limit", "balance", "salary", "stock", "inventory", "budget", "value"})
"""What is measured as often of a thing as of an event."""

QUANTITIES: Final = frozenset({"quantity", "qty", "units", "pieces"})
DESCRIBING: Final = frozenset(
    {"year", "month", "week", "day", "hour", "version", "revision", "sequence", "seq", "position", "index"}
    | {
        "zip",
        "postal",
        "port",
        "priority",
        "level",
        "page",
        "status",
        "type",
        "phase",
        "line",
        "sort",
        "order",
    }
    | {"rank", "number", "no", "code", "id", "key", "serial", "account"}
)
"""Whole numbers that are called so count nothing."""

EVENTS: Final = frozenset(
    {"order", "invoice", "payment", "charge", "transaction", "event", "call", "sale", "booking", "refund"}
    | {"shipment", "visit", "purchase", "receipt", "movement", "entry", "line", "job", "timesheet"}
)
Additivity = Literal["True", "False", '"semi"']


@dataclass(frozen=True)
class Roles:
    """What the values of a record would be in a fact."""

    times: Sequence[Leaf]
    """Whatever may say when it happened, the likeliest first."""
    measures: Sequence[Leaf]
    others: Sequence[Leaf]
    """Called as identifiers of something else."""

    @property
    def strong(self) -> list[Leaf]:
        """Measures that are called as those of events are."""
        return [it for it in self.measures if not STRONG.isdisjoint(words_of(it))]

    @property
    def has_quantity(self) -> bool:
        """Whether pieces are counted, so that a price is one of a piece."""
        return any(not QUANTITIES.isdisjoint(words_of(it)) for it in self.measures)


def words_of(leaf: Leaf) -> list[str]:
    """The words of its own name, in the source."""
    return naming.words(leaf.source)


def of(stream: StreamDraft, contract: Contract) -> Roles:
    """The roles of a record's values."""
    found = [it for it in column.leaves(contract) if it.source not in stream.key and not column.is_link(it)]
    times = [it for it in found if it.kind in column.TIMES]
    return Roles(
        sorted(times, key=lambda it: (time_rank(it, stream.entity), not it.is_required)),
        [it for it in found if is_measure(it)],
        [it for it in found if it.kind in ("text", "integer") and other_of(it)],
    )


def time_rank(leaf: Leaf, entity: str) -> int:
    """0 for what is called as the time when it happened, 4 for the time of the last change."""
    words = set(naming.words(leaf.member.source))
    if naming.tells_change(leaf.member.source):
        return 4
    if words & AFTERWARDS:
        return 3
    if words & (HAPPENED | set(naming.words(entity))) or words <= naming.TIMES:
        return 0
    return 1 if naming.tells_beginning(leaf.member.source) else 2


def is_measure(leaf: Leaf) -> bool:
    """Whether it is a number that is counted, summed or averaged."""
    if leaf.kind == "number":
        return True
    if leaf.kind != "integer" or other_of(leaf) or naming.is_identifier(leaf.member.source):
        return False
    return not DESCRIBING & set(naming.words(leaf.member.source)) and not naming.is_code(leaf.member.source)


def is_known_measure(leaf: Leaf) -> bool:
    """Whether its name says what it measures."""
    return bool((STRONG | WEAK) & set(words_of(leaf))) or word.holds(
        leaf.member.name, (*word.MONEY, *word.HELD, *word.NEVER_SUMMED, *word.UNIT)
    )


def other_of(leaf: Leaf) -> str | None:
    """Of what else it is the identifier: `customer` of `customer_id` and of `customer.id`."""
    outer, _, inner = leaf.source.rpartition(".")
    outer = outer.rpartition(".")[2]
    outer = "" if outer in column.WRAPPERS else outer
    if outer and naming.is_identifier(inner):
        return "_".join(naming.words(outer))
    return naming.owner_of(inner)


def additivity(leaf: Leaf, *, has_quantity: bool) -> Additivity:
    """Over what a measure may be summed."""
    name = leaf.member.name
    if word.holds(name, word.HELD):
        return '"semi"'
    is_of_one = naming.words(name)[-1] in ("price", "cost") and has_quantity and "total" not in words_of(leaf)
    if is_of_one or word.holds(
        name, (*word.NEVER_SUMMED, "unit_price", "unit_cost", "latitude", "longitude")
    ):
        return "False"
    return "True"
