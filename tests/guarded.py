"""A PostgreSQL that asks for passwords, for tests of who may do what."""

import socket
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy import URL
from tests import elsewhere

from strandline.warehouse import account

OWNER, PASSWORD = "app", "canary/p@ss:word"


class Server:
    """A PostgreSQL that asks for passwords on a TCP port of its own, as one on another machine would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.account = account.of_server(folder)
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = int(free.getsockname()[1])
        self.data.mkdir(mode=0o700)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, self.data, folder / "password"):
            if self.account:
                self.account.give(path)
        words = [
            "--username=postgres",
            f"--pwfile={folder / 'password'}",
            "--auth=scram-sha-256",
            "--no-sync",
        ]
        self._do("initdb", *words, "--encoding=UTF8", "--locale=C")

    def start(self, *, largest_file: int | None = None) -> None:
        """Listen on the port; `largest_file` in bytes is a quota on every file that it writes."""
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories= -c fsync=off"
        words = ["start", "-w", "-l", str(self.folder / "log"), "-o", options]
        limit = (
            ["sh", "-c", 'ulimit -S -f "$0" && exec "$@"', str(largest_file // 512)] if largest_file else []
        )
        self._do("pg_ctl", *words, under=limit)

    def stop(self, mode: str = "immediate") -> None:
        """Be gone at once, as after a power cut."""
        self._do("pg_ctl", "stop", "-w", "-m", mode)

    def _do(self, program: str, *words: str, under: Sequence[str] = ()) -> None:
        command = [str(elsewhere.binaries() / program), "-D", str(self.data), *words]
        if self.account:
            command = self.account.command(command, [self.data, elsewhere.binaries()])
        with (self.folder / "said").open("w") as said:
            subprocess.run(
                [*under, *command], check=True, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/"
            )

    def url(self, *, user: str = OWNER, password: str = PASSWORD, database: str = "shop") -> str:
        """As it stands in the settings."""
        url = URL.create(
            "postgresql",
            username=user,
            password=password,
            host="127.0.0.1",
            port=self.port,
            database=database,
        )
        return url.render_as_string(hide_password=False)

    def execute(self, statement: str, *, database: str = "shop") -> list[tuple[object, ...]]:
        """Do as the superuser does."""
        url = self.url(user="postgres", database=database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str) -> object:
        """How many rows it has."""
        return self.execute(f"SELECT count(*) FROM {table}")[0][0]
