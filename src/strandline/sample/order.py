"""The orders of the sample world, one product each: how they come in and make their way to the customer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

from strandline.sample.customer import Customer
from strandline.sample.dice import Dice
from strandline.sample.product import Product

NEXT_STATUS = {"placed": "paid", "paid": "shipped", "shipped": "delivered", "delivered": "returned"}
CHANNELS = ("web", "web", "web", "app", "phone")
DISCOUNTS = {
    None: (0, 0, 25),
    "Retail": (0, 0, 0, 50),
    "Wholesale": (50, 75, 100),
    "Enterprise": (100, 125, 150),
}  # in thousandths

FAULTS = (
    "totalAmount with a comma",
    "placedAt naive",
    "product null",
    "orderId missing",
    "quantity in words",
)
"""What is wrong with the broken orders, one of each."""

DAYS = 730
GUEST_PERCENT = 4.0
UNKNOWN_PERCENT = 3.0  # of the last two months' orders

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the shop keeps it; money in cents, the discount in thousandths."""

    order_id: str
    customer_id: str | None
    sku: str
    placed_at: datetime
    updated_at: datetime
    quantity: int
    unit_price: int
    discount: int
    channel: str
    status: str
    fault: str | None = None

    @property
    def total(self) -> int:
        """What the customer pays, in cents, halves rounded up."""
        return (self.quantity * self.unit_price * (1000 - self.discount) + 500) // 1000

    @property
    def place_in_time(self) -> tuple[datetime, str]:
        """What the shop sorts by: several orders can change at the same microsecond."""
        return (self.updated_at, self.order_id)


class OrderBook:
    """Writes orders: who orders what, at which price, given what the world has at that moment."""

    def __init__(
        self, dice: Dice, customers: Sequence[Customer], *, products: Sequence[Product], now: datetime
    ) -> None:
        self._dice = dice
        self._customers = customers
        self._customers_since = [customer.created_at for customer in customers]
        self._appetites = list(accumulate(_appetite(each) for each in customers))
        self._products = products
        self._products_since = [product.created_at for product in products]
        self._now = now

    def take(self, number: int, placed_at: datetime, *, unknown: Sequence[str] = ()) -> Order:
        """An order just placed: by a guest, by someone whom the CRM does not know, else by a customer."""
        dice = self._dice
        if dice.chance(GUEST_PERCENT):
            return self._order(number, placed_at, None, segment=None)
        if unknown and dice.chance(UNKNOWN_PERCENT):
            return self._order(number, placed_at, dice.pick(unknown), segment=None)
        return self.take_from(number, placed_at, self._buyer(placed_at))

    def take_from(self, number: int, placed_at: datetime, buyer: Customer) -> Order:
        """An order just placed by this customer."""
        return self._order(number, placed_at, buyer.customer_id, segment=buyer.segment)

    def _buyer(self, placed_at: datetime) -> Customer:
        there = bisect_right(self._customers_since, placed_at) or 1
        drawn = self._dice.below(self._appetites[there - 1])
        return self._customers[bisect_right(self._appetites, drawn)]

    def _order(self, number: int, placed_at: datetime, buyer: str | None, *, segment: str | None) -> Order:
        dice = self._dice
        product = self._products[dice.below(bisect_right(self._products_since, placed_at) or 1)]
        days_ago = max((self._now - placed_at).days, 0)
        return Order(
            order_id=f"O-{number:06d}",
            customer_id=buyer,
            sku=product.sku,
            placed_at=placed_at,
            updated_at=placed_at,
            quantity=1 + dice.low_below(40 if segment == "Enterprise" else 12),
            unit_price=product.list_price
            * (10_000 - days_ago)
            // 10_000,  # prices rose by 7% in the two years
            discount=dice.pick(DISCOUNTS[segment]),
            channel=dice.pick(CHANNELS),
            status="placed",
        )


def history(dice: Dice, count: int, *, book: OrderBook, unknown: Sequence[str], now: datetime) -> list[Order]:
    """The orders of two years up to now, numbered as placed, each as far on its way as its age allows."""
    orders = []
    for number, placed_at in enumerate(_moments(dice, count, now), start=1):
        strangers = unknown if now - placed_at < 60 * _DAY else ()
        orders.append(_progress(dice, book.take(number, placed_at, unknown=strangers), now))
    for place, fault in enumerate(FAULTS, start=1):
        number = count * place // (len(FAULTS) + 1)
        orders[number] = replace(orders[number], fault=fault)
    return orders


def move_on(dice: Dice, order: Order, *, start: datetime, end: datetime) -> Order:
    """The order's next status, reached between start and end."""
    status = NEXT_STATUS[order.status]
    moment = _import_before(end) if status == "delivered" else dice.instant(start, end)
    return replace(order, status=status, updated_at=max(moment, start))


def _moments(dice: Dice, count: int, now: datetime) -> list[datetime]:
    """When orders were placed: more each month, most before Christmas, few at weekends and at night."""
    days = [now - _DAY * back for back in range(DAYS, 0, -1)]
    weights = list(accumulate(_weight(day, age) for age, day in enumerate(days)))
    moments = []
    for _ in range(count):
        day = days[bisect_right(weights, dice.below(weights[-1]))]
        hour = 24 * dice.share() if dice.chance(12) else 9 + 7 * (dice.share() + dice.share())
        moments.append(day + timedelta(hours=1) * hour)  # the sample day begins at 20:00 UTC
    return sorted(moments)


def _appetite(customer: Customer) -> int:
    """How often a customer orders, compared with the others: by its segment, and by its nature."""
    segment = {"Wholesale": 45, "Enterprise": 100}.get(customer.segment or "", 20)
    return segment * (1 + customer.number * 7919 % 13)


def _weight(day: datetime, age: int) -> int:
    season = {11: 150, 12: 160, 7: 80, 8: 85}.get(day.month, 100)
    weekday = 45 if day.weekday() >= 5 else 100
    return season * weekday * (DAYS + age) // DAYS


def _progress(dice: Dice, order: Order, now: datetime) -> Order:
    """How far the order is by now: its last step that is not in the future."""
    cancelled = dice.chance(3)
    returned = dice.chance(4)
    paid_at = dice.instant(order.placed_at, order.placed_at + _DAY)
    shipped_at = dice.instant(paid_at, paid_at + 2 * _DAY)
    delivered_at = _import_before(shipped_at + _DAY * dice.between(2, 4))
    steps: list[tuple[str, datetime]] = [("paid", paid_at)]
    if cancelled:
        steps.append(("cancelled", dice.instant(paid_at, paid_at + _DAY)))
    else:
        steps += [("shipped", shipped_at), ("delivered", delivered_at)]
    if returned and not cancelled:
        steps.append(("returned", dice.instant(delivered_at + 5 * _DAY, delivered_at + 25 * _DAY)))
    for status, moment in steps:
        if moment <= now:
            order = replace(order, status=status, updated_at=moment)
    return order


def _import_before(moment: datetime) -> datetime:
    """The carrier's deliveries are imported each night at two, so that all of a day share one microsecond."""
    night = moment.replace(hour=2, minute=0, second=0, microsecond=0)
    return night if night <= moment else night - _DAY
