"""The products of the sample world: what the shop sells, and how their price category changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strandline.sample import vocabulary
from strandline.sample.dice import Dice

PRICE_CATEGORIES = ("budget", "standard", "premium")


@dataclass(frozen=True, slots=True)
class Product:
    """One product as the shop keeps it, its price in cents."""

    sku: str
    name: str
    category: str
    price_category: str
    list_price: int
    is_available: bool
    supplier: int
    weight_grams: int
    created_at: datetime
    updated_at: datetime


def stocked(dice: Dice, count: int, *, now: datetime) -> list[Product]:
    """The products of the first day, oldest first: seven in eight are older than the orders."""
    orders_begin = now - timedelta(days=730)
    old = count - count // 8
    created = sorted(dice.instant(orders_begin - timedelta(days=900), orders_begin) for _ in range(old))
    created += sorted(dice.instant(orders_begin, now - timedelta(days=1)) for _ in range(count - old))
    return [
        _product(dice, number, created_at=moment, now=now) for number, moment in enumerate(created, start=1)
    ]


def reprice(dice: Dice, product: Product) -> Product:
    """The shop moves the product to another price category; its price follows."""
    others = [category for category in PRICE_CATEGORIES if category != product.price_category]
    category = dice.pick(others)
    dearer = PRICE_CATEGORIES.index(category) > PRICE_CATEGORIES.index(product.price_category)
    price = product.list_price * (125 if dearer else 80) // 100
    return replace(product, price_category=category, list_price=price)


def _product(dice: Dice, number: int, *, created_at: datetime, now: datetime) -> Product:
    shelf = dice.pick(vocabulary.CATEGORIES)
    step = dice.low_below(1000)
    price = shelf.cheapest + (shelf.dearest - shelf.cheapest) * step // 1000
    thing, adjective = dice.pick(shelf.things), dice.pick(vocabulary.ADJECTIVES)
    return Product(
        sku=f"{shelf.prefix}-{number:04d}",
        name=f"{adjective} {thing} {dice.between(1, 9)}00",
        category=shelf.name,
        price_category=PRICE_CATEGORIES[0 if step < 120 else 1 if step < 500 else 2],
        list_price=price // 10 * 10,
        is_available=not dice.chance(6),
        supplier=dice.below(len(vocabulary.SUPPLIERS)),
        weight_grams=dice.between(5, 400) * 10,
        created_at=created_at,
        updated_at=dice.instant(
            created_at, now if dice.chance(25) else min(created_at + timedelta(days=30), now)
        ),
    )
