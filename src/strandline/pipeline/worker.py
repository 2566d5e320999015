"""A process of its own that takes pages apart; the crew starts it, and gives it orders through a pipe.

It gets a job first, says when it is ready, and answers each order with what became of the page, or with None
where it could not tell: whoever ordered then does it, and gets to know why. It ends with its orders, and with
anything else that a mapper raises.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from struct import Struct
from typing import IO, Any, Final

from sqlalchemy import make_url

from strandline import log
from strandline.errors import StrandlineError
from strandline.model.mapper import Mapper
from strandline.pipeline.collector import collect_young, collecting_by_hand
from strandline.pipeline.definition import Sync
from strandline.pipeline.desk import Again, Desk, Order, packers_for
from strandline.pipeline.target import target_of
from strandline.source.stream import Source

LENGTH: Final = Struct("!Q")

Message = Sequence[bytes | bytearray | memoryview]
"""Something pickled, and the large pieces of it, which nobody copies, beside it."""

READY: Final[Message] = ()
"""The first message: what follows are answers."""


@dataclass(frozen=True)
class Job:
    """What a worker is there for, in classes that it can import: a stream, and the mappers that it feeds."""

    source: type[Source]
    stream: str
    mappers: tuple[type[Mapper[Any, Any]], ...]
    sources: tuple[type[Source], ...]
    """All of the pipeline's: each says how it spells natural keys."""
    run_id: int
    voice: log.Voice = field(default_factory=log.voice, compare=False)
    """How the worker speaks: as whoever makes the job does."""

    def desk(self) -> Desk:
        """The desk for it."""
        stream = getattr(self.source, self.stream)
        rows = make_url("postgresql+psycopg://").get_dialect()()
        targets = [target_of(Sync(stream, it), sources=self.sources, rows=rows) for it in self.mappers]
        packers = packers_for(stream, targets, rows)
        return Desk(stream, targets, run_id=self.run_id, packers=packers)


def work() -> None:
    """Do what is ordered on stdin, until it ends."""
    orders = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a mapper prints is no answer
    job: Job = pickle.load(orders)
    log.speak(job.voice)
    desk = job.desk()
    send(answers, READY)
    with collecting_by_hand(), suppress(EOFError):
        while True:
            send(answers, _answer(desk, unpickled(receive(orders))))
            collect_young()


def _answer(desk: Desk, order: Order | Again) -> Message:
    try:
        part = desk.take(order)
        return pickled(part if part.is_packed else None)
    except (StrandlineError, pickle.PicklingError):
        return pickled(None)


def pickled(it: object) -> Message:
    """The message that this is."""
    pieces: list[pickle.PickleBuffer] = []
    head = pickle.dumps(it, pickle.HIGHEST_PROTOCOL, buffer_callback=pieces.append)
    return [head, *(piece.raw() for piece in pieces)]


def unpickled(message: Message) -> Any:
    """What the message is."""
    head, *pieces = message
    return pickle.loads(head, buffers=pieces)


def send(pipe: IO[bytes], message: Message) -> None:
    """Put a message into the pipe, how many pieces it has and their lengths before it."""
    write(pipe, b"".join(map(LENGTH.pack, (len(message), *map(len, message)))))
    for piece in message:
        write(pipe, piece)


def write(pipe: IO[bytes], piece: bytes | bytearray | memoryview) -> None:
    """Put these bytes into the pipe, as often as it takes."""
    rest = memoryview(piece)
    while rest:
        rest = rest[pipe.write(rest) :]


def receive(pipe: IO[bytes]) -> Message:
    """The next message out of the pipe. Raises EOFError where there is none, or only its beginning."""
    (count,) = LENGTH.unpack(_read(pipe, LENGTH.size))
    sizes = [size for (size,) in LENGTH.iter_unpack(_read(pipe, LENGTH.size * count))]
    return [_read(pipe, size) for size in sizes]


def _read(pipe: IO[bytes], size: int) -> bytes:
    found = pipe.read(size)
    if len(found) < size:
        raise EOFError
    return found
