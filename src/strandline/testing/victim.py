"""A process that runs a user's pipeline as often as it is told, and is killed on the way: the other side of
`crash`.

It imports the user's modules once. For every line that it reads it forks a child, which does what the line
says in a database, and tells how that ended. A child counts the points at which it may be killed: each page
that has come, each statement and each commit that is about to be sent; at the one that it is given it kills
itself with the signal that nobody can catch.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import replace
from importlib import import_module
from select import select as wait
from threading import Lock
from typing import Any, Final, NoReturn, TextIO

from sqlalchemy import event

from strandline.errors import EXIT_FAILED, DeclarationError, StrandlineError
from strandline.pipeline.definition import Pipeline
from strandline.pipeline.load import Load
from strandline.pipeline.report import RunReport
from strandline.pipeline.running import run
from strandline.settings import Schemas
from strandline.source.page import Pages
from strandline.source.stream import Stream
from strandline.testing.remains import remains
from strandline.warehouse.database import Database

PAGE, STATEMENT, COMMIT = "page", "statement", "commit"
SHOWN: Final = 70
LOADED: Final = ("httpcore", "strandline.pipeline.merge", "strandline.warehouse.prepared")
"""What a run loads when it needs it: a fork that had to would take twice as long."""

IN_PATH: Final = "It is looked for in the working directory and wherever the test's own process looks."

Line = Mapping[str, Any]
"""What is to be done: `do` is "run" or "look", `url` and `schemas` say where, and the rest how."""


class Fuse:
    """Counts points, and burns at one of them."""

    def __init__(self, burns_at: tuple[str, int] | None) -> None:
        self.points: list[tuple[str, str]] = []
        """Kind and words of each that was reached."""
        self._burns_at = burns_at
        self._counts = Counter[str]()
        self._lock = Lock()

    def reach(self, kind: str, words: str) -> None:
        """A point is reached."""
        with self._lock:
            self._counts[kind] += 1
            self.points.append((kind, " ".join(words.split())[:SHOWN]))
            if (kind, self._counts[kind]) == self._burns_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, database: Database) -> None:
        """Count what is sent to this database."""

        def execute(*arguments: Any) -> None:
            self.reach(STATEMENT, arguments[2])

        def commit(_: Any) -> None:
            self.reach(COMMIT, self.points[-1][1] if self.points else "")

        event.listen(database.engine, "before_cursor_execute", execute)
        event.listen(database.engine, "commit", commit)

    def count_pages(self, pipeline: Pipeline) -> Pipeline:
        """The pipeline, with streams whose pages are counted."""
        other = copy(pipeline)
        other.syncs = [replace(it, stream=self._counted(it.stream)) for it in pipeline.syncs]
        return other

    def _counted(self, stream: Stream) -> Stream:
        other, ask = copy(stream), stream._function

        def pages(*arguments: Any) -> Pages:
            for page in ask(*arguments):
                self.reach(PAGE, f"{stream.qualified_name}, {page.request}")
                yield page

        other._function = pages
        return other


def find(what: str) -> Any:
    """The pipeline or function that `module:name` names. Raises DeclarationError."""
    module, _, name = what.partition(":")
    try:
        found = getattr(import_module(module), name, None) if name else None
    except ImportError as error:
        raise DeclarationError(f"{what!r} cannot be imported: {error}", hint=IN_PATH) from error
    if not isinstance(found, Pipeline) and not callable(found):
        raise DeclarationError(
            f"{what!r} is neither a pipeline nor a function",
            hint='Name it as "module:name", as in "pipeline:sales".',
        )
    return found


def work(what: Any, line: Line) -> Mapping[str, Any]:
    """Do what the line says, and tell what came of it."""
    os.environ.update(line["environment"])
    database = Database(line["url"], Schemas(**line["schemas"]))
    try:
        if line["do"] == "look":
            return {"remains": remains(database, line["began"], queries=line["queries"])}
        Load.chunk_records = line["chunk_records"]
        fuse = Fuse(tuple(line["burns_at"]) if line["burns_at"] else None)
        fuse.watch(database)
        ended = run(fuse.count_pages(what), database) if isinstance(what, Pipeline) else what(database)
        return {**_ending(ended), "points": fuse.points}
    except StrandlineError as error:
        return {"code": error.exit_code, "error": error.message, "points": []}


def _ending(ended: object) -> Mapping[str, Any]:
    if not isinstance(ended, RunReport):
        return {"code": ended if isinstance(ended, int) else 0, "error": None}
    failed = [f"{it.stream}: {it.error}" for it in ended.streams if it.status == "failed"]
    return {"code": EXIT_FAILED if failed else ended.exit_code, "error": "; ".join(failed) or ended.error}


def answer(what: Any, line: Line) -> Mapping[str, Any]:
    """What a child tells, or how it ended without a word."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_child(what, line, writing)
    os.close(writing)
    told = b"".join(_read(reading, child, seconds=line["seconds"]))
    os.close(reading)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return json.loads(told) if told and code == 0 else {"signal": -code if code < 0 else 0, "code": code}


def _be_child(what: Any, line: Line, writing: int) -> NoReturn:
    try:
        with os.fdopen(writing, "w") as channel:
            json.dump(work(what, line), channel)
    except BaseException:  # noqa: BLE001  # a process of its own: there is nobody above it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _read(reading: int, child: int, *, seconds: float) -> Iterator[bytes]:
    """What the child writes; it is killed when it has been silent for so long."""
    while True:
        if not wait([reading], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)  # not waited for yet, so it is still this child's number
            return
        if not (part := os.read(reading, 65536)):
            return
        yield part


def serve(what: str, lines: Iterator[str], channel: TextIO) -> None:
    """Answer each line with one."""
    try:
        found = find(what)
    except StrandlineError as error:
        _say(channel, {"error": f"{error.message} {error.hint or ''}"})
        return
    for module in LOADED:
        import_module(module)
    gc.freeze()  # what is there is not walked through in every child
    _say(channel, {"error": None})
    for line in lines:
        _say(channel, answer(found, json.loads(line)))


def _say(channel: TextIO, told: Mapping[str, Any]) -> None:
    channel.write(f"{json.dumps(told)}\n")
    channel.flush()


def main() -> None:
    """Be that process; whatever the user's modules print goes where errors go."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    told = json.loads(sys.stdin.readline())
    sys.path[:] = told["path"]
    serve(told["what"], iter(sys.stdin), channel)


if __name__ == "__main__":
    main()
