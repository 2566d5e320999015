"""What the commands have in common: their options, and what stands around the user's own modules."""

from __future__ import annotations

import gc
import getpass
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar, Final

import typer

from strandline.errors import EXIT_FAILED, DeclarationError, StrandlineError

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help="The warehouse: postgresql://user:password@host/database [env: STRANDLINE_DATABASE_URL]."
        " Without it an embedded PostgreSQL under .strandline/ is used.",
        show_envvar=False,
    ),
]
App = Annotated[
    str | None,
    typer.Option(
        "--app", help="The modules that declare the pipelines [env: STRANDLINE_APP; default: pipeline]."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="How many processes help [env: STRANDLINE_WORKERS]."),
]
Width = Annotated[
    int | None,
    typer.Option("--width", min=1, help="So many streams at once; as the pipeline declares unless told."),
]
Pieces = Annotated[
    int | None,
    typer.Option("--width", min=1, help="So many pieces at once; as the pipeline declares unless told."),
]
ONE_PRESS_SECONDS: Final = 0.5
"""Signals that come closer together are one."""
AT_ONCE: Final = b"\r\x1b[2K\x1b[?25hended at once; run again to go on\n"
"""What is said where nothing can be done any more: the line of progress goes, and the cursor comes back."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@contextmanager
def stoppable() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and the end of the terminal end the work at the next safe point; nothing half done
    stays. Where that takes too long, Ctrl-C or SIGTERM once more ends the process at once.
    """
    numbers = (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))
    # What is ignored stays so: nohup wants that, and a shell for what runs in its background.
    heard = [it for it in numbers if it is not None and signal.getsignal(it) is not signal.SIG_IGN]
    _Stop.asked_at = None
    before = {number: signal.signal(number, _Stop()) for number in heard}
    try:
        yield
    except KeyboardInterrupt:
        from strandline import log

        if log.is_json():
            log.warn("stopped", hint="What was read is kept; run again to go on.")
        else:
            sys.stderr.write("stopped: what was read is kept; run again to go on\n")
        raise typer.Exit(EXIT_FAILED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def importing(app: str) -> Iterator[None]:
    """Tell where the user's module raised what it raised, and not how Python came there."""
    try:
        yield
        from strandline import log

        log.adopt()
        gc.freeze()  # modules stay: to walk through them once takes as long as a run that finds nothing new
    except StrandlineError:
        raise
    except Exception as error:
        told = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split("\n")[:2])
        raise DeclarationError(
            f"{_place(error)}: {type(error).__name__}: {told}",
            hint=f'Correct it; the whole traceback is shown by: python -c "import {app}"',
        ) from error


def _place(error: Exception) -> str:
    """File and line, the innermost of the user's own: those of this folder that are not installed in it."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    here = f"{os.getcwd()}{os.sep}"
    own = [it for it in frames if it.filename.startswith(here) and "site-packages" not in it.filename]
    return f"{(own or frames)[-1].filename}:{(own or frames)[-1].lineno}"


def user() -> str:
    """Who types; in a container nobody may know."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # Python 3.11 asks for an account where Windows has none
        return "unknown"


def _name(number: int) -> str:
    """What the ledger calls a signal."""
    name = signal.Signals(number).name
    return {"SIGINT": "Ctrl-C", "SIGHUP": "SIGHUP, as its terminal went"}.get(name, name)


class _Stop:
    """What a signal that stops does: the first one is orderly."""

    asked_at: ClassVar[float | None] = None
    """When the first came, of whatever kind."""

    def __call__(self, number: int, _frame: object) -> None:
        """Stop; or end as the signal would have done by itself."""
        now = time.monotonic()
        if _Stop.asked_at is None:
            _Stop.asked_at = now
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), b"stopping; once more ends it at once\n")
            raise KeyboardInterrupt(f"ended by {_name(number)}")
        # A terminal that goes sends several, and a program between us and the keyboard passes on what has
        # come to us already.
        if number != getattr(signal, "SIGHUP", None) and now - _Stop.asked_at >= ONE_PRESS_SECONDS:
            if sys.stderr.isatty():
                os.write(sys.stderr.fileno(), AT_ONCE)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
