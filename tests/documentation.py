"""Somebody who follows a page of the documentation: what its blocks are, and what doing what they say means.

`test_docs.py` tells the words behind a fence.
"""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.executed import tidy as on_one_line
from tests.warm import INTERPRETER

from strandline.warehouse import cluster, embedded

FENCE = re.compile(r"^```(\w+)(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
ROOT = Path(__file__).parents[1]
PORT = "8801"
PATIENCE_SECONDS = 60.0
AS_TEXT = {
    "TTY_COMPATIBLE": "0",  # rich then writes no escape codes, and still as wide as it is told
    "NO_COLOR": "1",
    "COLUMNS": "120",
}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    where: str
    kind: str
    words: frozenset[str]
    options: dict[str, str]
    text: str


def blocks(page: Path) -> list[Block]:
    content = page.read_text()
    return [
        Block(
            where=f"{page.relative_to(ROOT)}:{content.count(chr(10), 0, found.start()) + 1}",
            kind=found[1],
            words=frozenset(word for word in shlex.split(found[2]) if "=" not in word),
            options=dict(word.split("=", 1) for word in shlex.split(found[2]) if "=" in word),
            text=found[3],
        )
        for found in FENCE.finditer(content)
    ]


def is_as_shown(shown: str, found: str) -> bool:
    lines = (".*\n" if line == "…" else f"{re.escape(line)}\n" for line in tidy(shown))
    pattern = "".join(f"(?:{line})*?" if line == ".*\n" else line.replace("…", ".*") for line in lines)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in tidy(found))) is not None


def tidy(text: str) -> list[str]:
    return [re.sub("-{3,}", "---", " ".join(line.split())) for line in text.splitlines() if line.strip()]


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """Each command with what is shown below it."""
    _, *parts = re.split(r"^\$ ", f"\n{block.text}", flags=re.MULTILINE)
    for part in parts:
        command = re.match(r"(?:.*\\\n)*.*\n", part)
        assert command is not None
        yield command[0], part[command.end() :]


class Terminal:
    """A program on a terminal of its own, so that it shows what people see and not what files get."""

    def __init__(
        self, command: str, folder: Path, environment: dict[str, str], *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self.patience = patience
        self._reader, writer = pty.openpty()
        self._seen = b""
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
        os.close(writer)

    def finish(self) -> tuple[int, str]:
        """Its exit code and all that it showed."""
        limit = threading.Timer(self.patience, self.process.kill)
        limit.start()
        while self._read(self.patience):
            pass
        code = self.process.wait()
        limit.cancel()
        return code, self._take()

    def press_enter(self) -> None:
        """Press Enter."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def wait_for(self, shown: str) -> str:
        """Read on until it shows that; what it showed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_as_shown(shown, self._text()) and time.monotonic() < deadline:
            self._read(0.5)
        return self._take()

    def close(self) -> None:
        """End the program, however it is."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        os.close(self._reader)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._reader], [], [], seconds)[0]:
            return self.process.poll() is None
        try:
            read = os.read(self._reader, 65536)
        except OSError:  # how Linux says that nobody writes there any more
            return False
        self._seen += read
        return bool(read)

    def _text(self) -> str:
        return self._seen.decode("utf-8", "replace").replace("\r", "")

    def _take(self) -> str:
        text, self._seen = self._text(), b""
        return text


@contextmanager
def guarded(home: Path) -> Iterator[None]:
    """An embedded server whose folder is below that ends when the tests are killed, too."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "strandline.testing.guard", str(home)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    yield
    guard.communicate()


@dataclass
class Reader:
    """Somebody who follows a page, and notices when something else happens than it says."""

    folder: Path
    environment: dict[str, str]
    port: str
    terminals: dict[str, Terminal] = field(default_factory=dict)
    interpreter: subprocess.Popen[str] | None = None
    printed: str = ""
    executed: list[str] = field(default_factory=list)
    patience: float = PATIENCE_SECONDS

    def follow(self, block: Block) -> None:
        """Do what the block says, and compare what happens."""
        if "live" in block.words:
            return
        text = block.text.replace(PORT, self.port)
        block = Block(block.where, block.kind, block.words, block.options, text)
        if "title" in block.options:
            self.write(block)
        elif "by-hand" not in block.words:
            getattr(self, f"follow_{block.kind}")(block)

    def write(self, block: Block) -> None:
        """Write, extend or edit the file that the block names."""
        file = self.folder / block.options["title"]
        file.parent.mkdir(parents=True, exist_ok=True)
        if block.kind == "diff":
            file.write_text(edited(file.read_text(), block))
        else:
            file.write_text((file.read_text() if "add" in block.words else "") + block.text)

    def follow_console(self, block: Block) -> None:
        """Type the commands."""
        if "terminal" in block.options:
            self.follow_other_terminal(block, block.options["terminal"])
            return
        commands = list(commands_of(block))
        codes = [0] * (len(commands) - 1) + [int(block.options.get("exit", "0"))]
        for (command, shown), expected in zip(commands, codes, strict=True):
            terminal = Terminal(command, self.folder, self.environment, patience=self.patience)
            code, found = terminal.finish()
            terminal.close()
            assert code == expected, f"{block.where}: {command}{found}[exit code {code}]"
            assert not shown.strip() or is_as_shown(shown, found), f"{block.where}: {command}showed:\n{found}"

    def follow_other_terminal(self, block: Block, name: str) -> None:
        """Start the command there, or press Enter."""
        shown = block.text
        if shown.startswith("$ "):
            ((command, shown),) = commands_of(block)
            self.terminals[name] = Terminal(command, self.folder, self.environment)
        else:
            self.terminals[name].press_enter()
        found = self.terminals[name].wait_for(shown)
        assert is_as_shown(shown, found), f"{block.where}: terminal {name} shows:\n{found}"

    def follow_python(self, block: Block) -> None:
        """Run it in the page's interpreter."""
        if self.interpreter is None:
            self.interpreter = subprocess.Popen(
                [INTERPRETER],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self.interpreter.stdin is not None
        assert self.interpreter.stdout is not None
        self.interpreter.stdin.write(json.dumps([block.where, block.text]) + "\n")
        self.interpreter.stdin.flush()
        self.printed, failed, self.executed = json.loads(self.interpreter.stdout.readline())
        assert bool(failed) == ("raises" in block.words), f"{block.where}: {failed or 'no error'}"
        self.printed += failed

    def follow_sql(self, block: Block) -> None:
        """Type it in psql; where it was executed before, see that it was, and nothing else."""
        if "executed" in block.words:
            shown = [on_one_line(it) for it in block.text.split(";\n") if it.strip()]
            assert shown == [on_one_line(it) for it in self.executed], (
                f"{block.where}: executed was\n" + ";\n".join(self.executed)
            )
        if "excerpt" in block.words:
            executed = ";\n".join(self.executed)
            assert is_as_shown(on_one_line(block.text), on_one_line(executed)), (
                f"{block.where}: executed was\n{executed}"
            )
            return
        url = self.environment.get("STRANDLINE_DATABASE_URL")
        if url is None:
            server = embedded.running(self.folder / ".strandline")
            assert server is not None, f"{block.where}: no database runs"
            url = server.url
        psql = [
            str(cluster.binaries() / "psql"),
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url.replace("+psycopg", ""),
        ]
        done = subprocess.run(psql, input=block.text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.where}: {done.stderr}"
        self.printed = done.stdout

    def follow_output(self, block: Block) -> None:
        """Look at what the block before printed."""
        assert is_as_shown(block.text, self.printed), f"{block.where}: it printed:\n{self.printed}"

    def follow_text(self, block: Block) -> None:
        """A drawing: there is nothing to do."""

    def close(self) -> None:
        """End what is still running."""
        for terminal in self.terminals.values():
            terminal.close()
        if self.interpreter is not None:
            self.interpreter.communicate(timeout=PATIENCE_SECONDS)


def edited(content: str, block: Block) -> str:
    """The file after the diff."""
    lines = block.text.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert content.count(before) == 1, f"{block.where}: its lines are there {content.count(before)} times"
    return content.replace(before, after)
