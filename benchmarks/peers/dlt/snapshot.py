"""crm.account into dw.account by dlt's merge strategy scd2; the database is the one that PG… variables name.

The rows are an Arrow table with the hash that dlt is to compare, both made before the clock starts; dlt's
own extraction, normalisation and load are what is timed. CSV and COPY, and work_mem of 256 MB: with
PostgreSQL's default its `NOT IN` does not end.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any, Final

import psycopg
import pyarrow

TUNED: Final = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
}
QUERY: Final = "SELECT *, md5(row(a.*)::text) AS row_hash FROM crm.account AS a"


def rows() -> pyarrow.Table:
    """The source as it is now."""
    with psycopg.connect("") as connection:
        cursor = connection.execute(QUERY)
        names = [it.name for it in cursor.description or ()]
        columns = list(zip(*cursor.fetchall(), strict=True))
    return pyarrow.table(dict(zip(names, map(list, columns), strict=True)))


def credentials() -> dict[str, Any]:
    """As dlt wants them; a server that is reached through a file asks for no password."""
    return {
        "username": os.environ["PGUSER"],
        "password": os.environ.get("PGPASSWORD") or "none",
        "host": "localhost",  # which the query overrides
        "database": os.environ["PGDATABASE"],
        "query": {
            "host": os.environ["PGHOST"],
            "port": os.environ["PGPORT"],
            "options": "-c work_mem=256MB",
        },
    }


def main(_turn: str) -> None:
    """Take the snapshot."""
    os.environ.update(TUNED)
    import dlt

    table = rows()
    resource = dlt.resource(
        lambda: (it for it in [table]),
        name="account",
        write_disposition={"disposition": "merge", "strategy": "scd2", "row_version_column_name": "row_hash"},
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "accounts",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(credentials()),
            dataset_name="dw",
        )
        began = time.perf_counter()
        pipeline.run(resource, loader_file_format="csv").raise_on_failed_jobs()
        print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
