"""One `dbt snapshot` of crm.account into dw.account_<way>; the database is the one that PG… variables name.

    python snapshot.py check|timestamp

`check` compares the twelve columns, `timestamp` trusts the one that says when a row was changed. Prints the
seconds that dbt itself has counted for the snapshot, without its start.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from dbt.cli.main import dbtRunner

PROJECT: Final = Path(__file__).parent / "project"


def main(way: str) -> None:
    """Take the snapshot."""
    with tempfile.TemporaryDirectory() as folder:
        done = dbtRunner().invoke(
            [
                *("snapshot", "--select", f"account_{way}", "--quiet"),
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--target-path", folder, "--log-path", folder),
            ]
        )
    if not done.success:
        sys.exit(str(done.exception or [it.message for it in done.result.results]))
    (snapshot,) = done.result.results
    print(json.dumps({"seconds": snapshot.execution_time}))


if __name__ == "__main__":
    main(*sys.argv[1:])
