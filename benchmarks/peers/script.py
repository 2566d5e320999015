"""A peer's script, run with the peer's own Python against one database; it says how long its work took.

Imports and start are the script's own business and in nobody's figures: what is timed is what the peer does
with what is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Final

from psycopg import conninfo

from benchmarks.peers import environment

QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DISABLE_ANONYMIZED_ANALYTICS": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}
"""Nobody is told that a peer was started."""


def run(peer: str, script: str, *arguments: str, database: str) -> float:
    """The seconds that it says. Raises RuntimeError with its output when it fails, and Missing."""
    python = environment.prepared(peer) / "python"
    command = [str(python), str(environment.FOLDER / peer / script), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        around = surroundings(database) | {"HOME": folder, "DLT_DATA_DIR": folder}
        done = subprocess.run(command, env=around, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return round(json.loads(done.stdout.strip().splitlines()[-1])["seconds"], 4)


def surroundings(database: str) -> dict[str, str]:
    """The environment, with the database as libpq's own variables name it."""
    parts = conninfo.conninfo_to_dict(database)
    named = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
    named |= {"PGDATABASE": "dbname"}
    given = {variable: str(parts[name]) for variable, name in named.items() if parts.get(name)}
    return os.environ | {"PGPORT": "5432"} | given | QUIET
