"""The command `strandline` without its start: what has loaded everything forks a process for each command.

Most of what a short command takes goes into loading modules, which hundreds of tests need not do again; what
is loaded when is for `test_start.py`. A command is a process of its own here as well, with its own words,
folder, environment, terminal, signals and exit code. Only Python's own variables come too late for it.

    with warm.program(folder) as program:
        Project(tmp_path, environment=environment, program=program)
"""

import gc
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest
from tests.interpreter import interpret

ROOT: Final = Path(__file__).parents[1]
INTERPRETER: Final = "strandline-interpreter"
"""The name of another program: see `interpreter.py`."""

PYTEST: Final = "pytest"
"""The tests of a user's project, for those that try what such tests find."""

LOADED: Final = (
    "alembic.command",
    "httpcore",
    "psycopg.types.json",
    "pytest",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.postgresql.psycopg",
    "strandline.cli.app",
    "strandline.cli.commands",
    "strandline.cli.configuration",
    "strandline.cli.migration",
    "strandline.cli.output",
    "strandline.cli.progress",
    "strandline.cli.reject",
    "strandline.cli.watch",
    "strandline.pipeline",
    "strandline.pipeline.erasure",
    "strandline.pipeline.merge",
    "strandline.pipeline.migration",
    "strandline.pipeline.pruning",
    "strandline.pipeline.replay",
    "strandline.source",
    "strandline.source.file",
    "strandline.source.format",
    "strandline.source.http",
    "strandline.source.row",
    "strandline.source.sql.source",
    "strandline.testing.crash",
    "strandline.testing.idempotence",
    "strandline.testing.order",
    "strandline.testing.postgres",
    "strandline.testing.record",
    "strandline.testing.server",
    "strandline.warehouse.inception",
    "strandline.warehouse.migration.online",
    "strandline.warehouse.migration.proposal",
    "strandline.warehouse.migration.runner",
    "strandline.warehouse.migration.schemas",
    "strandline.warehouse.opened",
    "strandline.warehouse.prepared",
)

# What is typed: it hands over what it was given, passes signals on, and ends as the command does.
PROGRAM: Final = """#!{python} -IS
import os, signal, socket, sys

environment = [f"{{name}}={{value}}" for name, value in os.environ.items()]
told = "\\0".join([os.getcwd(), str(len(sys.argv)), *sys.argv, *environment])
given = told.encode("utf-8", "surrogateescape")
with socket.socket(socket.AF_UNIX) as forge:
    forge.connect({address!r})
    socket.send_fds(forge, [len(given).to_bytes(4, "big")], [0, 1, 2])
    forge.sendall(given)
    command = int.from_bytes(forge.recv(4), "big")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: os.kill(command, number))
    code = int.from_bytes(forge.recv(4), "big", signed=True)
if code < 0:
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextmanager
def program(folder: Path) -> Iterator[Path]:
    """The path of a `strandline` in that folder, until the end of the block; beside it are the others."""
    with tempfile.TemporaryDirectory(prefix="strandline-warm-") as short:
        address = f"{short}/socket"  # of which macOS takes 104 bytes
        forge = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the tests, which then end
        )
        assert forge.stdout is not None
        assert forge.stdout.readline()
        for name in ("strandline", INTERPRETER, PYTEST):
            typed = folder / name
            typed.write_text(PROGRAM.format(python=sys.executable, address=address))
            typed.chmod(0o755)
        yield folder / "strandline"
        forge.communicate()


@dataclass(frozen=True)
class Given:
    """What a command gets from whoever types it."""

    folder: str
    words: list[str]
    environment: dict[str, str]
    files: list[int]

    @classmethod
    def read(cls, typed: socket.socket) -> "Given":
        """Receive it."""
        length, files, _, _ = socket.recv_fds(typed, 4, 3)
        with typed.makefile("rb") as sent:
            told = sent.read(int.from_bytes(length, "big")).decode("utf-8", "surrogateescape").split("\0")
        words = int(told[1]) + 2
        return cls(told[0], told[2:words], dict(each.split("=", 1) for each in told[words:]), files)

    def take(self) -> None:
        """Be the process that has it."""
        for number, file in enumerate(self.files):
            os.dup2(file, number)
            os.close(file)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        time.tzset()
        sys.argv[:] = self.words


class Forge:
    """Forks commands until its standard input ends, as it does when whoever started it is gone."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        self._ended, self._ending = os.pipe()
        os.set_blocking(self._ending, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._ending)
        self._typed: dict[int, socket.socket] = {}

    def serve(self) -> Given | None:
        """Wait for commands; in the process that one was forked into, what it was given."""
        while True:
            waited: list[int | socket.socket] = [0, self._listener, self._ended, *self._typed.values()]
            ready, _, _ = select.select(waited, [], [])
            for command, typed in self._typed.items():
                if 0 in ready or typed in ready:  # there is nobody any more to be told how it ends
                    os.kill(command, signal.SIGKILL)
            if 0 in ready:
                return None
            if self._ended in ready:
                os.read(self._ended, 4096)
                self._tell()
            if self._listener in ready and (given := self._fork()):
                return given

    def _fork(self) -> Given | None:
        typed, _ = self._listener.accept()
        given = Given.read(typed)
        command = os.fork()
        if command:
            for file in given.files:
                os.close(file)
            self._typed[command] = typed
            with suppress(BrokenPipeError):
                typed.sendall(command.to_bytes(4, "big"))
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._ended)
        os.close(self._ending)
        for each in (self._listener, typed, *self._typed.values()):
            each.close()
        return given

    def _tell(self) -> None:
        for command in list(self._typed):
            ended, status = os.waitpid(command, os.WNOHANG)
            if ended:
                with suppress(BrokenPipeError), self._typed.pop(command) as typed:
                    typed.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def run(program: Path) -> None:
    """Be one of the programs; modules are looked for where it would look for them itself."""
    if program.name == INTERPRETER:
        sys.path[0] = ""
        interpret()
    elif program.name == PYTEST:
        sys.path[0] = str(program.parent)
        # What is loaded stays as it is, and pytest would warn of it in every summary.
        sys.argv[1:1] = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        sys.exit(pytest.console_main())
    else:
        from strandline.cli.app import main

        sys.path[0] = str(program.parent)
        sys.exit(main())


if __name__ == "__main__":
    for module in LOADED:
        import_module(module)
    gc.freeze()
    forge = Forge(sys.argv[1])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if given := forge.serve():
        given.take()
        run(Path(sys.argv[0]))
