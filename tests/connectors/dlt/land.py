"""Lodgers from standard input into crm.lodgers, by dlt.

    python land.py append|merge|scd2 postgresql://… FOLDER 0|1

With 1 it ends with 9 when the rows are there and the load has not been completed.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt  # after the variables, which it reads
from dlt.destinations.impl.postgres.postgres import PostgresClient


def credentials(database: str) -> dict[str, Any]:
    """The URL's parts; a server that is reached through a file asks for no password."""
    url = urlsplit(database)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return {
        "username": url.username,
        "password": url.password or "none",
        "host": url.hostname or "localhost",  # which the query overrides
        "database": url.path[1:],
        "query": query,
    }


class Broken(PostgresClient):  # type: ignore[misc]  # not known where it is checked
    """A destination whose process dies before a load is completed."""

    def complete_load(self, load_id: str) -> None:
        """Die."""
        os._exit(9)


def main(way: str, database: str, folder: str, breaks: str) -> None:
    """Land them."""
    destination = dlt.destinations.postgres(credentials(database))
    if breaks == "1":
        destination = type(
            "Breaking", (dlt.destinations.postgres,), {"client_class": property(lambda _: Broken)}
        )(credentials(database))
    options: dict[str, Any] = {"append": {"write_disposition": "append"}}
    options["merge"] = {
        "write_disposition": "merge",
        "primary_key": "id",
        "columns": {"is_gone": {"data_type": "bool", "hard_delete": True}},
    }
    options["scd2"] = {"write_disposition": {"disposition": "merge", "strategy": "scd2"}}
    lodgers = dlt.resource(json.load(sys.stdin), name="lodgers", **options[way])
    pipeline = dlt.pipeline("house", pipelines_dir=folder, destination=destination, dataset_name="crm")
    pipeline.run(lodgers).raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
