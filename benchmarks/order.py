"""Facts: orders with four lookups, one of them as of the order's time; strandline beside one INSERT … SELECT.

Everything is staged already, for both from the same table, and both fill a table of the same columns, primary
key and indexes, which is empty. The hand-written SQL takes for granted that an order comes once and that its
members are there.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from benchmarks import history
from benchmarks.case import Case, Work, columns, database, prepare, statements, timed
from benchmarks.star import DimProduct, DimSeller, DimShop, accounts, orders
from benchmarks.timing import Outcome, Timing, at_most, note, ratio
from strandline import Database, Dimension

LIMIT: Final = 1.0
VERSIONS: Final = 3
"""Of each account."""
OWN: Final = "handwritten.fact_order"

SIZES: Final = {DimProduct: 50_000, DimShop: 1_000, DimSeller: 200}


def measure(server: str, *, facts: int, versions: int, rounds: int) -> Outcome:
    """Time both, in turns."""
    timings = []
    with database(server, "facts") as made:
        case = staged(made, facts=facts, members=versions // VERSIONS)
        for round_ in range(rounds + 1):
            done = _turn(case, facts)
            timings += done if round_ else []  # the first fills caches and compiles statements
    found = ratio(timings, ("strandline", facts), ("handwritten", facts))
    name = f"{facts:,} facts, four lookups, one as of {versions:,} versions, beside INSERT … SELECT"
    return Outcome("facts", "facts", timings, [at_most(name, LIMIT, found)])


def _turn(case: Case, facts: int) -> list[Timing]:
    done, found = zip(_by_hand(case, facts), by_strandline(case, facts), strict=True)
    if len(set(found)) > 1:
        raise RuntimeError(f"the contestants loaded different facts: {found}")
    return list(done)


def staged(made: Database, *, facts: int, members: int) -> Case:
    """The dimensions, and the orders on the stage; the fact is empty, and another one like it."""
    account = prepare(made, accounts)
    history.build(account, members=members, versions=VERSIONS)
    case = prepare(made, orders)
    for dimension, size in SIZES.items():
        case.execute(_named(case, dimension, size))
    case.execute(
        _orders(case, facts, members),
        "CREATE SCHEMA handwritten",
        f"CREATE TABLE {OWN} (LIKE {case.qualified(case.table)} INCLUDING ALL)",
    )
    dimensions = [case.qualified(it.table()) for it in SIZES]
    case.vacuum(*dimensions, case.qualified(account.table))
    return case


def _named(case: Case, dimension: type[Dimension], size: int) -> str:
    name = dimension.dimension_name
    return f"""
        INSERT INTO {case.qualified(dimension.table())} ({name}_durable_key, valid_from, is_current,
            is_inferred, is_deleted, name, created_at, updated_at, synced_at, source_system, source_id,
            schema_version, run_id)
        SELECT i, {history.FIRST}, true, false, false, '{name} ' || i, now(), now(), now(), 'erp', i::text,
            1, 1
        FROM generate_series(1, {size}) AS i
    """


def _orders(case: Case, facts: int, members: int) -> str:
    """Orders in the order of time, of members at random."""
    product, shop, seller = SIZES.values()
    span = f"interval '{VERSIONS * 10} days' * (i::float8 / {facts})"
    return f"""
        INSERT INTO {case.qualified(case.target.staged)} (raw_id, source_id, effective_at, synced_at,
            is_deleted, order_id, account_key, product_key, shop_key, seller_key, ordered_at, status,
            quantity, amount)
        SELECT i, i::text, at, at, false, i::text, account::text, product::text, shop::text, seller::text,
            at, 'status ' || i % 5, i % 9 + 1, (i % 90000)::numeric(20, 4)
        FROM (
            SELECT i, {history.FIRST} + {span} AS at, i * 7919 % {members} + 1 AS account,
                i * 104729 % {product} + 1 AS product, i * 31 % {shop} + 1 AS shop,
                i * 17 % {seller} + 1 AS seller
            FROM generate_series(1, {facts}::bigint) AS i
        ) AS said
    """


def _by_hand(case: Case, facts: int) -> tuple[Timing, object]:
    kept = ("order_id", "ordered_at", "status", "quantity", "amount")
    own, staged = columns(kept), columns(kept, of="s")
    lookups = "".join(
        f"LEFT JOIN warehouse.dim_{name} AS {name} ON {name}.source_system = 'erp'"
        f" AND {name}.source_id = s.{name}_key AND {name}.is_current\n"
        for name in ("product", "shop", "seller")
    )
    # Before the first version the first one answers, as in strandline.
    statement = f"""
        INSERT INTO {OWN} ({own}, account_key, product_key, shop_key, seller_key, created_at, updated_at,
            synced_at, source_system, source_id, schema_version, run_id)
        SELECT {staged}, coalesce(account.account_key, -1), coalesce(product.product_key, -1),
            coalesce(shop.shop_key, -1), coalesce(seller.seller_key, -1), now(), now(),
            s.synced_at, 'erp', s.source_id, 1, 2
        FROM {case.qualified(case.target.staged)} AS s
        LEFT JOIN warehouse.dim_account AS account
            ON account.source_system = 'erp' AND account.source_id = s.account_key
            AND (s.ordered_at >= account.valid_from OR account.version = 1)
            AND (s.ordered_at < account.valid_to OR account.valid_to IS NULL)
        {lookups}
    """
    return _timing(case, "handwritten", statements(statement), facts, table=OWN)


def by_strandline(case: Case, facts: int) -> tuple[Timing, object]:
    """What a run does with what is staged; and what both must agree on."""

    def work(connection: Connection) -> object:
        return case.merge(connection, last_raw_id=facts)

    return _timing(case, "strandline", work, facts, table=case.qualified(case.table))


def _timing(case: Case, contestant: str, work: Work, facts: int, *, table: str) -> tuple[Timing, object]:
    def check(connection: Connection) -> object:
        keys = (f"sum({name}_key)" for name in ("account", "product", "shop", "seller"))
        return tuple(connection.execute(text(f"SELECT count(*), {', '.join(keys)} FROM {table}")).one())

    seconds, found = timed(case.database, work, check=check)
    case.execute(f"TRUNCATE {table}")
    return note(Timing(contestant, facts, seconds)), found
