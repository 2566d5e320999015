"""crm.account into dw.account by SQLMesh's SCD_TYPE_2_BY_COLUMN; PG… variables name the database.

    python snapshot.py first|again

`first` plans and applies the project, `again` runs it a day later. Prints the seconds of that, without
SQLMesh's own start.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlmesh import Context
from sqlmesh.core.config import Config, GatewayConfig, ModelDefaultsConfig, PostgresConnectionConfig

PROJECT: Final = Path(__file__).parent / "project"


def main(turn: str) -> None:
    """Plan, or run again."""
    connection = PostgresConnectionConfig(
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        user=os.environ["PGUSER"],
        password=os.environ.get("PGPASSWORD", ""),
        database=os.environ["PGDATABASE"],
    )
    config = Config(
        default_gateway="bench",
        gateways={"bench": GatewayConfig(connection=connection)},
        model_defaults=ModelDefaultsConfig(dialect="postgres"),
        disable_anonymized_analytics=True,
    )
    shutil.copytree(PROJECT, "project")  # SQLMesh keeps its cache beside the models
    context = Context(paths="project", config=config)
    began = time.perf_counter()
    if turn == "first":
        context.plan(auto_apply=True, no_prompts=True)
    else:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        context.run(execution_time=tomorrow, end=tomorrow, ignore_cron=True, skip_janitor=True)
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
