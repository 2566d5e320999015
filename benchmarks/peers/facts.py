"""Peers facts: the orders of `facts`, with four lookups, into a fact; strandline beside pygrametl.

Both read the same stage and fill a table of the same columns, primary key and indexes, which is empty.
"""

from __future__ import annotations

from typing import Final

import psycopg

from benchmarks import order
from benchmarks.case import Case, address, database
from benchmarks.peers import environment, script
from benchmarks.timing import Outcome, Timing, at_least, note, ratio

TIMES: Final = 7
MOST: Final = 500_000
"""pygrametl takes a row at a time: more would tell nothing else."""
OWN: Final = "dw.fact_order"
PYGRAMETL: Final = "pygrametl"


def measure(server: str, *, facts: int, rounds: int) -> Outcome:
    """Time both, in turns."""
    try:
        environment.prepared(PYGRAMETL)
    except environment.Missing as why:
        return Outcome("peers facts", "facts", [], [], {PYGRAMETL: str(why)})
    timings = []
    with database(server, "facts") as made:
        case = order.staged(made, facts=facts, members=facts * 6 // 25 // order.VERSIONS)
        _offer(case)
        for round_ in range(rounds + 1):
            ours, found = order.by_strandline(case, facts)
            theirs = _by_pygrametl(case, facts, found) if round_ else ours
            timings += [ours, theirs] if round_ else []  # the first fills caches and compiles statements
    found_ratio = ratio(timings, (PYGRAMETL, facts), ("strandline", facts))
    target = at_least(f"{facts:,} facts, times as fast as pygrametl", TIMES, found_ratio)
    return Outcome("peers facts", "facts", timings, [target])


def _offer(case: Case) -> None:
    """What is staged as a source, and a table like strandline's own."""
    case.execute(
        "CREATE SCHEMA crm",
        f"""CREATE VIEW crm.orders AS
            SELECT account_key AS account, product_key AS product, shop_key AS shop, seller_key AS seller,
                order_id, ordered_at, status, quantity, amount, source_id, synced_at
            FROM {case.qualified(case.target.staged)}""",
        "CREATE SCHEMA dw",
        f"CREATE TABLE {OWN} (LIKE {case.qualified(case.table)} INCLUDING ALL)",
    )


def _by_pygrametl(case: Case, facts: int, right: object) -> Timing:
    url = address(case.database.url.render_as_string(hide_password=False))
    seconds = script.run(PYGRAMETL, "facts.py", database=url)
    with psycopg.connect(url, autocommit=True) as connection:
        keys = ", ".join(f"sum({name}_key)" for name in ("account", "product", "shop", "seller"))
        found = connection.execute(f"SELECT count(*), {keys} FROM {OWN}".encode()).fetchone()
        connection.execute(f"TRUNCATE {OWN}".encode())
    if found != right:
        raise RuntimeError(f"pygrametl loaded {found}, and strandline {right}")
    return note(Timing(PYGRAMETL, facts, seconds))
