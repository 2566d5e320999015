"""The sample world is what its documentation says, every time, and a day changes only what it says."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from strandline import sample
from strandline.errors import DeclarationError
from strandline.sample import Changes, Day, SampleWorld, crm, shop
from strandline.sample.customer import FAULTS as CUSTOMER_FAULTS
from strandline.sample.order import FAULTS as ORDER_FAULTS
from strandline.sample.reply import encode


@pytest.fixture(scope="module")
def first_day() -> Day:
    """The first day of the default world."""
    return SampleWorld().today


@pytest.fixture(scope="module")
def next_day() -> tuple[Day, Changes, Day]:
    """The default world before a day, what the day says it changed, and the world after it."""
    world = SampleWorld()
    before = world.today
    changes = world.advance()
    return before, changes, world.today


def small(seed: int = 1) -> SampleWorld:
    """A world that is there at once."""
    return SampleWorld(seed=seed, customers=200, products=100, orders=500)


def fingerprint(day: Day) -> str:
    """A hash of every byte that the two systems would send."""
    content = [
        [crm.record(each) for each in day.customers],
        [shop.product_record(each) for each in day.products],
        [shop.order_record(each) for each in day.orders],
    ]
    return sha256(encode(content)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_on_every_day() -> None:
    one, other = small(), small()

    for _ in range(3):
        assert fingerprint(one.today) == fingerprint(other.today)
        assert one.advance() == other.advance()


def test_the_bytes_are_the_same_on_every_python() -> None:
    """A pinned hash: who changes the world changes the tutorial's figures, so on purpose."""
    world = small()
    world.advance()

    assert fingerprint(world.today) == "6e6adddb476a2a07f975c31ef9b57a8b2c471c87e12b94c31002c760ae502f20"


def test_another_seed_gives_another_world() -> None:
    assert fingerprint(small(seed=1).today) != fingerprint(small(seed=2).today)


def test_the_documented_counts_are_true(first_day: Day) -> None:
    known = {each.customer_id: each for each in first_day.customers}
    buyers = [each.customer_id for each in first_day.orders]
    strangers = [buyer for buyer in buyers if buyer and buyer not in known]
    broken = [buyer for buyer in buyers if buyer in known and known[buyer].fault]
    documented = " ".join((sample.__doc__ or "").split())

    assert f"{len(first_day.customers):,} customers {len(CUSTOMER_FAULTS)} of them broken" in documented
    assert f"{len(first_day.products)} products" in documented
    assert f"{len(first_day.orders):,} orders over two years" in documented
    assert f"{len(ORDER_FAULTS)} of them broken" in documented
    assert f"{buyers.count(None):,} by guests" in documented
    assert f"{len(strangers)} by {len(set(strangers))} customers whom the CRM does not know" in documented
    assert f"{len(broken)} by customers whose own record is broken" in documented


def test_each_fault_is_there_exactly_once(first_day: Day) -> None:
    customers = [each.fault for each in first_day.customers if each.fault]
    orders = [each.fault for each in first_day.orders if each.fault]

    assert sorted(customers) == sorted(CUSTOMER_FAULTS)
    assert sorted(orders) == sorted(ORDER_FAULTS)


def test_identifiers_are_unique(first_day: Day) -> None:
    assert len({each.customer_id for each in first_day.customers}) == len(first_day.customers)
    assert len({each.sku for each in first_day.products}) == len(first_day.products)
    assert len({each.order_id for each in first_day.orders}) == len(first_day.orders)


def test_nothing_happens_before_it_can(first_day: Day) -> None:
    """Customers and products are there before they are ordered, and nothing is changed before it is made."""
    customers = {each.customer_id: each for each in first_day.customers}
    products = {each.sku: each for each in first_day.products}

    assert all(each.created_at <= each.last_modified <= first_day.now for each in first_day.customers)
    assert all(each.created_at <= each.updated_at <= first_day.now for each in first_day.products)
    for order in first_day.orders:
        assert order.placed_at <= order.updated_at <= first_day.now
        assert products[order.sku].created_at <= order.placed_at
        buyer = customers.get(order.customer_id or "")
        assert buyer is None or buyer.created_at <= order.placed_at


def test_most_orders_but_not_all_find_the_version_of_their_customer_that_was_valid_then(
    first_day: Day,
) -> None:
    customers = {each.customer_id: each for each in first_day.customers}
    pairs = [
        (each, customers[each.customer_id]) for each in first_day.orders if each.customer_id in customers
    ]
    found = sum(order.placed_at >= buyer.last_modified for order, buyer in pairs)

    assert 0.90 < found / len(pairs) < 0.95


def test_many_orders_change_at_the_same_microsecond(first_day: Day) -> None:
    """So that a reader that goes on after an instant, instead of at it, loses some at a page's edge."""
    moments = [each.updated_at for each in first_day.orders]

    assert len(set(moments)) < len(moments) / 5


def test_a_day_changes_as_much_as_it_says(next_day: tuple[Day, Changes, Day]) -> None:
    _, changes, _ = next_day

    assert (len(changes.segment_changed), len(changes.address_changed), len(changes.email_changed)) == (
        60,
        36,
        24,
    )
    assert len(set(changes.customers_changed)) == 120
    assert (len(changes.customers_added), len(changes.customers_fixed)) == (20, 1)
    assert changes.customers_resolved == ("C-05001", "C-05002", "C-05003", "C-05004")
    assert (len(changes.orders_added), len(changes.orders_moved)) == (150, 60)
    assert len(changes.products_repriced) == 5


def test_a_day_changes_nothing_else(next_day: tuple[Day, Changes, Day]) -> None:
    before, changes, after = next_day
    touched = {*changes.customers_changed, *changes.customers_fixed}
    old_customers = {each.customer_id: each for each in before.customers}
    new_customers = {each.customer_id: each for each in after.customers}
    old_products, new_products = ({each.sku: each for each in day.products} for day in (before, after))
    old_orders, new_orders = ({each.order_id: each for each in day.orders} for day in (before, after))

    assert {key for key in old_customers if new_customers[key] != old_customers[key]} == touched
    assert new_customers.keys() - old_customers.keys() == set(changes.customers_added)
    assert {key for key in old_products if new_products[key] != old_products[key]} == {
        *changes.products_repriced
    }
    assert new_products.keys() == old_products.keys()
    assert {key for key in old_orders if new_orders[key] != old_orders[key]} == set(changes.orders_moved)
    assert new_orders.keys() - old_orders.keys() == set(changes.orders_added)


def test_a_change_touches_only_the_fields_that_it_is_about(next_day: tuple[Day, Changes, Day]) -> None:
    before, changes, after = next_day
    old = {each.customer_id: each for each in before.customers}
    new = {each.customer_id: each for each in after.customers}

    for keys, field in (
        (changes.segment_changed, "segment"),
        (changes.address_changed, "address"),
        (changes.email_changed, "email"),
    ):
        for key in keys:
            modified, tier = new[key].last_modified, new[key].loyalty_tier
            expected = replace(
                old[key], last_modified=modified, loyalty_tier=tier, **{field: getattr(new[key], field)}
            )
            assert new[key] == expected
            assert getattr(new[key], field) != getattr(old[key], field)
    for key in changes.customers_fixed:
        assert new[key] == replace(old[key], fault=None, last_modified=new[key].last_modified)


def test_whatever_changes_on_a_day_is_dated_on_that_day(next_day: tuple[Day, Changes, Day]) -> None:
    """Later than all that a reader may have seen, so an incremental reading finds all of it."""
    before, changes, after = next_day
    customers = {each.customer_id: each.last_modified for each in after.customers}
    products = {each.sku: each.updated_at for each in after.products}
    orders = {each.order_id: each.updated_at for each in after.orders}
    moments = [customers[key] for key in (*changes.customers_changed, *changes.customers_fixed)]
    moments += [customers[key] for key in changes.customers_added]
    moments += [products[key] for key in changes.products_repriced]
    moments += [orders[key] for key in (*changes.orders_moved, *changes.orders_added)]

    assert all(before.now <= moment < after.now for moment in moments)


def test_some_orders_come_before_and_some_after_their_customer_changes_segment(
    next_day: tuple[Day, Changes, Day],
) -> None:
    _, changes, after = next_day
    changed = {
        e.customer_id: e.last_modified for e in after.customers if e.customer_id in changes.segment_changed
    }
    added = [each for each in after.orders if each.order_id in changes.orders_added]
    pairs = [(each.placed_at, changed[each.customer_id]) for each in added if each.customer_id in changed]

    assert sum(placed < moved for placed, moved in pairs) >= 3
    assert sum(placed >= moved for placed, moved in pairs) >= 3


def test_a_custom_field_appears_on_the_second_day(next_day: tuple[Day, Changes, Day]) -> None:
    before, changes, after = next_day
    name = "custentity_loyalty_tier"
    having = {each.customer_id for each in after.customers if name in crm.record(each)}

    assert not any(name in crm.record(each) for each in before.customers)
    assert having == {*changes.customers_changed, *changes.customers_added}


def test_after_a_week_every_broken_customer_is_fixed_and_the_days_go_on() -> None:
    world = small()
    fixed = [world.advance().customers_fixed for _ in range(9)]

    assert [len(each) for each in fixed] == [1] * 7 + [0, 0]
    assert not any(each.fault for each in world.today.customers)
    assert world.today.number == 10


@pytest.mark.parametrize("seed", range(8))
def test_a_broken_customer_changes_only_when_it_is_fixed(seed: int) -> None:
    """Else it would be sent, and rejected, more than once."""
    world = small(seed)
    for _ in range(7):
        broken = {each.customer_id for each in world.today.customers if each.fault}
        assert not broken & set(world.advance().customers_changed)


def test_a_world_too_small_for_every_kind_of_record_is_refused() -> None:
    with pytest.raises(DeclarationError, match="customers=5 is too small") as caught:
        SampleWorld(customers=5)

    assert caught.value.hint == "Give customers=100 or more."
