"""What a benchmark ran on: figures mean little without it."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psycopg

LIBRARIES: Final = ("strandline", "sqlalchemy", "psycopg", "pydantic", "pydantic-core", "msgspec", "httpx")
SETTINGS: Final = (
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "synchronous_commit",
    "fsync",
    "wal_compression",
)


def describe(database: str) -> dict[str, object]:
    """Processor, memory, Python, PostgreSQL with its settings, and the libraries."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "postgresql": _postgresql(database),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if sys.platform == "linux" and information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _postgresql(database: str) -> dict[str, str]:
    with psycopg.connect(database) as connection:
        shown = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)",
            [["server_version", *SETTINGS]],
        )
        return dict(shown)
