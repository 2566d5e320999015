"""crm.account into dw.account by pygrametl's SlowlyChangingDimension; PG… variables name the database.

Every row of the source goes through `scdensure`, with the whole dimension in its cache, as its manual
advises. Reading the source is timed, as every row is read when it is needed; filling the cache is not.
"""

from __future__ import annotations

import json
import time
from typing import Final

import psycopg2
import pygrametl
from pygrametl.tables import SlowlyChangingDimension

ATTRIBUTES: Final = [
    *("name", "email", "phone", "segment", "tier", "region", "city", "country"),
    *("credit_limit", "balance", "is_active", "opened_on"),
]
TABLE: Final = """
    CREATE SCHEMA IF NOT EXISTS dw;
    CREATE TABLE IF NOT EXISTS dw.account (
        account_key bigint PRIMARY KEY, id text, name text, email text, phone text, segment text, tier text,
        region text, city text, country text, credit_limit numeric(20, 4), balance numeric(20, 4),
        is_active boolean, opened_on date, version int, valid_from date, valid_to date
    );
    CREATE INDEX IF NOT EXISTS account_id ON dw.account (id, version)
"""


def main() -> None:
    """Take the snapshot."""
    source, target = psycopg2.connect(""), psycopg2.connect("")
    with target.cursor() as cursor:
        cursor.execute(TABLE)
    connection = pygrametl.ConnectionWrapper(target)
    with source.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM crm.account")
        (size,) = cursor.fetchone()
    dimension = SlowlyChangingDimension(
        name="dw.account",
        key="account_key",
        attributes=["id", *ATTRIBUTES, "version", "valid_from", "valid_to"],
        lookupatts=["id"],
        versionatt="version",
        fromatt="valid_from",
        toatt="valid_to",
        cachesize=size,
        prefill=True,
    )
    began = time.perf_counter()
    with source.cursor("rows") as cursor:
        cursor.itersize = 10_000
        cursor.execute(f"SELECT id, {', '.join(ATTRIBUTES)} FROM crm.account")
        for values in cursor:
            dimension.scdensure(dict(zip(["id", *ATTRIBUTES], values, strict=True)))
    connection.commit()
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
