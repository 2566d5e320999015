"""A server of another PostgreSQL than the embedded one: of the programs where POSTGRES_BIN says."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from strandline.testing import postgres
from strandline.warehouse import account, cluster

VARIABLE = "POSTGRES_BIN"


def binaries() -> Path:
    """Where the programs are of the server on which the tests run."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else cluster.binaries()


@contextmanager
def temporary_server() -> Iterator[URL]:
    """Run a server in a temporary folder, on its socket alone."""
    folder = Path(tempfile.mkdtemp(prefix="strandline-test-", dir=postgres.folder_in_memory()))
    owner = account.of_server(folder)
    if owner:
        owner.give(folder)

    def do(program: str, *words: str) -> None:
        command = [str(binaries() / program), "-D", str(folder / "data"), *words]
        if owner:
            command = owner.command(command, [folder / "data", binaries()])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    options = [f"-c {name}={value}" for name, value in postgres.SETTINGS.items()]
    options += ["-c listen_addresses=", f"-k {folder}"]
    do("initdb", "-U", cluster.USER, "-A", "trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    do("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", " ".join(options))
    try:
        yield make_url(f"postgresql+psycopg://{cluster.USER}@/postgres?host={folder}")
    finally:
        do("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(folder)
