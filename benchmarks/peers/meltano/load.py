"""The benchmark's customers with a Singer tap and MeltanoLabs' target-postgres, which loads by COPY here.

    python load.py http://127.0.0.1:…/100000 postgresql://…

The two are piped together as `meltano run` does, without what it adds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def main(url: str, database: str) -> None:
    """Tap into target."""
    config = {
        "sqlalchemy_url": database.replace("postgresql:", "postgresql+psycopg:", 1),
        "default_target_schema": "erp",
        "use_copy": True,
        "load_method": "append-only",
        "batch_size_rows": 100_000,
    }
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "config.json")
        settings.write_text(json.dumps(config))
        source = [sys.executable, Path(__file__).with_name("tap.py"), url]
        target = [Path(sys.executable).with_name("target-postgres"), "--config", settings]
        with subprocess.Popen(source, stdout=subprocess.PIPE) as tap:
            subprocess.run(target, stdin=tap.stdout, stdout=subprocess.DEVNULL, check=True)
    if tap.returncode:
        sys.exit(tap.returncode)


if __name__ == "__main__":
    main(*sys.argv[1:])
