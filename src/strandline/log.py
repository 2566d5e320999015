"""What strandline says while it works: structlog on stderr, for people on a terminal and as JSON elsewhere.

A program that has set structlog up itself keeps its own way. structlog is loaded when the first line is said:
most runs say nothing, and should not wait for it. Each line has what is bound around it, the run and the
stream for instance, and has no secret in it. The words for what has happened are our own, and stay as they
are whatever a secret is: who watches for "not signed out" finds it.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from strandline.secrecy import KNOWN

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "text", "json"]

NUMBERS: Final[Mapping[Level, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class Manner(NamedTuple):
    """How things are said."""

    format: Format = "auto"
    level: Level = "info"
    loggers: Mapping[str, Level] = MappingProxyType({})
    """Levels of single libraries; others are heard from warnings on, and with debug from info on."""

    @property
    def is_json(self) -> bool:
        """Whether every line is to be a document."""
        return self.format == "json" or (self.format == "auto" and not sys.stderr.isatty())


class _Words(str):
    """What has happened, in our own words: there is no secret in them."""

    __slots__ = ()


_manner = Manner()
_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))


def set_up(manner: Manner) -> None:
    """Speak in this manner from now on, libraries included. For programs that own the process: it changes
    the root logger.
    """
    global _manner  # noqa: PLW0603  # a process has one stderr
    _manner = manner
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured() and _is_ours(structlog):
        _configure(structlog)  # something was said before
    root = logging.getLogger()
    if not any(isinstance(it, _Libraries) for it in root.handlers):
        root.addHandler(_Libraries())
    heard = logging.INFO if manner.level == "debug" else max(logging.WARNING, NUMBERS[manner.level])
    root.setLevel(heard)
    statements: Level = "info" if manner.level == "debug" else "warning"
    # SQLAlchemy gives its own loggers a level, so it has to be told.
    for name, level in {"sqlalchemy.engine": statements, **manner.loggers}.items():
        logging.getLogger(name).setLevel(NUMBERS[level])


class Voice(NamedTuple):
    """How this process speaks here and now, for another one that it starts."""

    manner: Manner | None
    """None: nobody has set it up, so it is the program's business."""
    facts: dict[str, object]
    secrets: tuple[str, ...]


def voice() -> Voice:
    """How to speak as this process does."""
    is_set_up = any(isinstance(it, _Libraries) for it in logging.getLogger().handlers)
    manner = _manner._replace(loggers=dict(_manner.loggers)) if is_set_up else None
    return Voice(manner, dict(_bound.get()), KNOWN.secrets())


def speak(as_: Voice) -> None:
    """Speak as another process does."""
    KNOWN.hide(as_.secrets)
    _bound.set(as_.facts)
    if as_.manner is not None:
        set_up(as_.manner)
        adopt()


def adopt() -> None:
    """Let a program's own modules that have loaded structlog, and not set it up, speak in our manner."""
    structlog = sys.modules.get("structlog")
    if structlog is not None and not structlog.is_configured():
        _configure(structlog)


def is_json() -> bool:
    """Whether all that goes to stderr is to be JSON, progress and errors too: where that was asked for."""
    return _manner.format == "json"


@contextmanager
def bound(**facts: object) -> Iterator[None]:
    """Let every line of the block have these facts."""
    token = _bound.set({**_bound.get(), **facts})
    try:
        yield
    finally:
        _bound.reset(token)


def warn(event: str, **facts: object) -> None:
    """Say that something is not as it should be, and that the work goes on."""
    _write("warning", event, facts)


def say(event: str, **facts: object) -> None:
    """Say how the work goes on."""
    _write("info", event, facts)


def detail(event: str, **facts: object) -> None:
    """Say something that only those want to know who look for a fault."""
    _write("debug", event, facts)


def fail(event: str, **facts: object) -> None:
    """Say that something has failed."""
    _write("error", event, facts)


def _write(level: Level, event: str, facts: Mapping[str, object]) -> None:
    if NUMBERS[level] >= NUMBERS[_manner.level]:
        getattr(_logger(), level)(_Words(event), **KNOWN.masked({**_bound.get(), **facts}))


def _logger() -> Any:
    import structlog

    if not structlog.is_configured():
        _configure(structlog)
    return structlog.get_logger("strandline")


def _configure(structlog: Any) -> None:
    stamp = structlog.processors.TimeStamper
    structlog.configure(
        processors=[
            _add_bound,
            structlog.processors.format_exc_info,
            _mask,
            structlog.processors.add_log_level,
            stamp(fmt="iso", utc=True) if _manner.is_json else stamp(fmt="%H:%M:%S", utc=False),
            _renderer(structlog),
        ],
        # Stdout is for data. Stderr is looked up for each line: progress bars put themselves in front of it.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(NUMBERS[_manner.level]),
    )


def _is_ours(structlog: Any) -> bool:
    return _mask in structlog.get_config()["processors"]


def _renderer(structlog: Any) -> Any:
    if _manner.is_json:
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=colors)


def _add_bound(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For those who speak by structlog themselves, in a mapper say."""
    return {**_bound.get(), **line}


def _mask(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    masked: MutableMapping[str, Any] = KNOWN.masked(line)
    return {**masked, "event": line["event"]} if isinstance(line.get("event"), _Words) else masked


class _Libraries(logging.Handler):
    """What libraries say by the logging of Python goes the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it; it was heard because the level of its logger allows it."""
        facts: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            facts["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        _speak_for_libraries(record.levelno, KNOWN.scrub(record.getMessage()), KNOWN.masked(facts))


def _speak_for_libraries(level: int, event: str, facts: Mapping[str, Any]) -> None:
    import structlog

    if not structlog.is_configured():
        _configure(structlog)
    if not _is_ours(structlog):
        # A program's own structlog may speak by the logging of Python, and would hear itself.
        sys.stderr.write(f"{event}\n")
        return
    own = structlog.make_filtering_bound_logger(logging.NOTSET)
    structlog.wrap_logger(structlog.PrintLogger(sys.stderr), wrapper_class=own).log(level, event, **facts)
