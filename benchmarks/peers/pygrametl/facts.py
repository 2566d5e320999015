"""Orders into dw.fact_order with pygrametl's BulkFactTable; the database is the one that PG… variables name.

Three lookups are CachedDimensions that hold everything; the account as of the order's time is looked up in
a dict of its versions, by bisection, since pygrametl asks the database for each. Reading the orders is timed,
filling the caches is not.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections import defaultdict
from datetime import datetime
from typing import Any, Final

import psycopg2
import pygrametl
from pygrametl.tables import BulkFactTable, CachedDimension

KEYS: Final = ["account_key", "product_key", "shop_key", "seller_key"]
MEASURES: Final = ["order_id", "ordered_at", "status", "quantity", "amount", "source_id", "synced_at"]
CONSTANT: Final = {"source_system": "erp", "schema_version": 1, "run_id": 2}

Versions = dict[str, tuple[list[datetime], list[int]]]
"""Of each account: since when which key is valid."""


def cached(name: str, size: int) -> CachedDimension:
    """A dimension that is looked up by its natural key."""
    return CachedDimension(
        name=f"warehouse.dim_{name}",
        key=f"{name}_key",
        attributes=["source_id"],
        size=size,
        prefill=True,
        cachefullrows=False,
    )


def versions(connection: Any) -> Versions:
    """All versions of the accounts."""
    found: Versions = defaultdict(lambda: ([], []))
    with connection.cursor() as cursor:
        cursor.execute("SELECT source_id, valid_from, account_key FROM warehouse.dim_account ORDER BY 1, 2")
        for source_id, valid_from, key in cursor:
            since, keys = found[source_id]
            since.append(valid_from)
            keys.append(key)
    return found


def loader(connection: Any) -> Any:
    """What pygrametl calls with each full batch."""

    def load(name: str, attributes: Any, separator: str, _line: str, null: str | None, rows: Any) -> None:
        with connection.cursor() as cursor:
            columns = ", ".join(attributes)
            cursor.copy_expert(
                f"COPY {name} ({columns}) FROM STDIN WITH (DELIMITER '{separator}', NULL '{null}')", rows
            )

    return load


def main() -> None:
    """Every order, row by row."""
    source, target = psycopg2.connect(""), psycopg2.connect("")
    connection = pygrametl.ConnectionWrapper(target)
    dimensions = {name: cached(name, size) for name, size in (("product", 0), ("shop", 0), ("seller", 0))}
    accounts = versions(source)
    now = datetime.now().astimezone()
    fact = BulkFactTable(
        name="dw.fact_order",
        keyrefs=KEYS,
        measures=[*MEASURES, *CONSTANT, "created_at", "updated_at"],
        bulkloader=loader(target),
        bulksize=500_000,
        nullsubst="\\N",
    )
    names = ["account", "product", "shop", "seller", *MEASURES]
    began = time.perf_counter()
    with source.cursor("orders") as cursor:
        cursor.itersize = 10_000
        cursor.execute(f"SELECT {', '.join(names)} FROM crm.orders")
        for values in cursor:
            row = dict(zip(names, values, strict=True))
            for name, dimension in dimensions.items():
                row[f"{name}_key"] = dimension.lookup({"source_id": row[name]})
            since, keys = accounts[row["account"]]
            row["account_key"] = keys[max(bisect_right(since, row["ordered_at"]) - 1, 0)]
            row |= CONSTANT | {"created_at": now, "updated_at": now}
            fact.insert(row)
    connection.commit()
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
