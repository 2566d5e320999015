"""The sample world: a company with a CRM and a shop, and what happens in it from one day to the next.

Everything follows from the seed: no clock, no network, the same bytes every time. The first day ends on
2026-06-30 at 20:00 UTC; `advance()` lets 24 hours go by, so that a day's changes begin on the date on which
the last reading ended. The world holds things; `crm` and `shop` hold how the two systems show them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from strandline.errors import DeclarationError
from strandline.sample import customer, order, product
from strandline.sample.customer import Customer
from strandline.sample.dice import Dice
from strandline.sample.order import Order, OrderBook
from strandline.sample.product import Product

FIRST_DAY = datetime(2026, 6, 30, 20, tzinfo=UTC)
"""The moment at which the first day ends, long enough ago to lie before any clock that reads it."""

_DAY = timedelta(days=1)
_STRANGERS_PER_DAY = 4
_NEVER_KNOWN = (90_001, 90_002)


@dataclass(frozen=True, slots=True)
class Day:
    """What there is at the end of one day; never changed, so that it can be read while the world moves on."""

    number: int
    now: datetime
    customers: tuple[Customer, ...]  # by number
    products: tuple[Product, ...]  # by number
    orders: tuple[Order, ...]  # by `place_in_time`


@dataclass(frozen=True, slots=True)
class Changes:
    """What a day changed, as natural keys: nothing else differs from the day before."""

    segment_changed: tuple[str, ...]
    address_changed: tuple[str, ...]
    email_changed: tuple[str, ...]
    customers_fixed: tuple[str, ...]
    customers_added: tuple[str, ...]
    customers_resolved: tuple[str, ...]  # those of the added whom orders of earlier days refer to
    products_repriced: tuple[str, ...]
    orders_moved: tuple[str, ...]
    orders_added: tuple[str, ...]

    @property
    def customers_changed(self) -> tuple[str, ...]:
        """Customers whose segment, address or e-mail changed, each once."""
        return self.segment_changed + self.address_changed + self.email_changed


class SampleWorld:
    """A company of the given size. `today` is what there is now; `advance()` is the next day."""

    def __init__(
        self, *, seed: int = 1, customers: int = 5_000, products: int = 800, orders: int = 30_000
    ) -> None:
        _check_sizes(customers=customers, products=products, orders=orders)
        self.seed = seed
        self._first_customers = customers
        self.today = self._first_day(customers=customers, products=products, orders=orders)

    def advance(self) -> Changes:
        """Let a day go by and say what it changed.

        For each 5,000 customers 120 change (60 their segment, 36 their address, 24 their e-mail) and 20 are
        new, for each 30,000 orders 150 are new and 60 move on, for each 800 products 5 change their price
        category, and one broken customer is fixed as long as there are any. Changed and new customers have a
        custom field, `custentity_loyalty_tier`, that nobody had on the first day.
        """
        yesterday = self.today
        day = _NextDay(self, yesterday)
        customers = day.customers()
        products = day.products()
        orders = day.orders(customers, products)
        self.today = Day(
            number=yesterday.number + 1,
            now=day.end,
            customers=customers,
            products=products,
            orders=tuple(sorted(orders, key=lambda each: each.place_in_time)),
        )
        return day.changes()

    def strangers(self, day_number: int) -> list[str]:
        """Customers whom the shop has before the CRM has them, as of a day, and two whom it never gets."""
        joining = self.joining_per_day
        numbers = [
            self._first_customers + joining * later + place
            for later in range(day_number - 1, day_number + 2)
            for place in range(1, min(_STRANGERS_PER_DAY, joining) + 1)
        ]
        return [customer.customer_id(number) for number in (*numbers, *_NEVER_KNOWN)]

    @property
    def joining_per_day(self) -> int:
        """How many customers the CRM gains in a day."""
        return max(self._first_customers * 20 // 5_000, 1)

    def _first_day(self, *, customers: int, products: int, orders: int) -> Day:
        found = customer.found(Dice(self.seed, "customers"), customers, now=FIRST_DAY)
        stocked = product.stocked(Dice(self.seed, "products"), products, now=FIRST_DAY)
        dice = Dice(self.seed, "orders")
        book = OrderBook(dice, found, products=stocked, now=FIRST_DAY)
        taken = order.history(dice, orders, book=book, unknown=self.strangers(1), now=FIRST_DAY)
        return Day(
            number=1,
            now=FIRST_DAY,
            customers=tuple(found),
            products=tuple(stocked),
            orders=tuple(sorted(taken, key=lambda each: each.place_in_time)),
        )


class _NextDay:
    """One day on its way: what happens, in what order, and the list of it."""

    def __init__(self, world: SampleWorld, yesterday: Day) -> None:
        self._world = world
        self._yesterday = yesterday
        self._dice = Dice(world.seed, f"day {yesterday.number + 1}")
        self._changed: dict[str, list[str]] = {"segment": [], "address": [], "email": []}
        self._fixed: list[str] = []
        self._added: list[Customer] = []
        self._repriced: list[str] = []
        self._moved: list[str] = []
        self._taken: list[Order] = []
        self.start = yesterday.now
        self.end = yesterday.now + _DAY

    def customers(self) -> tuple[Customer, ...]:
        """Some change, one is fixed, some are new."""
        before = self._yesterday.customers
        new: dict[int, Customer] = {}
        count = max(len(before) * 120 // 5_000, 3)
        for place, each in enumerate(self._drawn_customers(count)):
            new[each.number] = self._change(each, self._kind(place, count))
        broken = next((each for each in before if each.fault), None)
        if broken:
            new[broken.number] = replace(broken, fault=None, last_modified=self._moment())
            self._fixed.append(broken.customer_id)
        self._added = self._joined(before[-1].number + 1)
        return tuple(new.get(each.number, each) for each in before) + tuple(self._added)

    def products(self) -> tuple[Product, ...]:
        """Some get another price category."""
        before = self._yesterday.products
        drawn = {each.sku for each in self._dice.sample(before, max(len(before) * 5 // 800, 1))}
        self._repriced = [each.sku for each in before if each.sku in drawn]
        return tuple(
            replace(product.reprice(self._dice, each), updated_at=self._dice.instant(self.start, self.end))
            if each.sku in drawn
            else each
            for each in before
        )

    def orders(self, customers: Sequence[Customer], products: Sequence[Product]) -> list[Order]:
        """Some move on, some are new."""
        before = self._yesterday.orders
        moving = {each.order_id for each in self._drawn_orders(max(len(before) * 60 // 30_000, 1))}
        orders = [
            order.move_on(self._dice, each, start=self.start, end=self.end)
            if each.order_id in moving
            else each
            for each in before
        ]
        self._moved = sorted(moving)
        self._taken = list(self._new_orders(customers, products))
        return orders + self._taken

    def changes(self) -> Changes:
        """The list of what happened."""
        named = {each.customer_id for each in self._yesterday.orders}
        added = tuple(each.customer_id for each in self._added)
        return Changes(
            segment_changed=tuple(self._changed["segment"]),
            address_changed=tuple(self._changed["address"]),
            email_changed=tuple(self._changed["email"]),
            customers_fixed=tuple(self._fixed),
            customers_added=added,
            customers_resolved=tuple(each for each in added if each in named),
            products_repriced=tuple(self._repriced),
            orders_moved=tuple(self._moved),
            orders_added=tuple(each.order_id for each in self._taken),
        )

    def _moment(self) -> datetime:
        return self._dice.second(self.start + timedelta(minutes=1), self.end)

    def _drawn_customers(self, count: int) -> list[Customer]:
        """Sound customers, more of the old ones: they have orders, so their change shows in the figures."""
        before = self._yesterday.customers
        drawn: dict[int, Customer] = {}
        while len(drawn) < count:
            each = before[self._dice.low_below(len(before))]
            if not each.fault:
                drawn[each.number] = each
        return list(drawn.values())

    def _kind(self, place: int, count: int) -> str:
        """Half change their segment, three in ten their address, the others their e-mail."""
        tenth = place * 10 // count
        return "segment" if tenth < 5 else "address" if tenth < 8 else "email"

    def _change(self, each: Customer, kind: str) -> Customer:
        change: Callable[[Dice, Customer], Customer] = {
            "segment": customer.move_segment,
            "address": customer.move_house,
            "email": customer.change_email,
        }[kind]
        self._changed[kind].append(each.customer_id)
        tier = self._dice.pick(customer.LOYALTY_TIERS)
        return replace(change(self._dice, each), last_modified=self._moment(), loyalty_tier=tier)

    def _joined(self, first: int) -> list[Customer]:
        """Numbered by age, as on the first day."""
        numbers = range(first, first + self._world.joining_per_day)
        joined = [customer.joined(self._dice, number, start=self.start, end=self.end) for number in numbers]
        moments = sorted(each.created_at for each in joined)
        return [
            replace(each, created_at=moment, last_modified=moment)
            for each, moment in zip(joined, moments, strict=True)
        ]

    def _drawn_orders(self, count: int) -> list[Order]:
        """Sound orders that are still on their way; when there are too few, delivered ones that come back."""
        before = [each for each in self._yesterday.orders if not each.fault]
        drawn = self._dice.sample(
            [each for each in before if each.status in ("placed", "paid", "shipped")], count
        )
        delivered = [each for each in before[-10 * count :] if each.status == "delivered"]
        return drawn + self._dice.sample(delivered, count - len(drawn))

    def _new_orders(self, customers: Sequence[Customer], products: Sequence[Product]) -> Iterable[Order]:
        """A tenth of them by customers who changed on this day: some before their change, some after."""
        book = OrderBook(self._dice, customers, products=products, now=self.end)
        before = len(self._yesterday.orders)
        strangers = self._world.strangers(self._yesterday.number + 1)
        changed = [each for each in customers if each.customer_id in set(self._changed["segment"])]
        count = max(before * 150 // 30_000, 1)
        moments = sorted(self._dice.instant(self.start, self.end) for _ in range(count))
        for number, moment in enumerate(moments, start=before + 1):
            if number % 10 == 0:
                yield book.take_from(number, moment, self._dice.pick(changed))
            else:
                yield book.take(number, moment, unknown=strangers)


def _check_sizes(**sizes: int) -> None:
    """Below a hundred of each there is not enough for every kind of record to be there."""
    for what, count in sizes.items():
        if count < 100:
            raise DeclarationError(
                f"SampleWorld: {what}={count} is too small for every kind of record to be there",
                hint=f"Give {what}=100 or more.",
            )
