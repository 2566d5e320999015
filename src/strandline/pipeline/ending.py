"""How a run ends in the ledger: done, failed, or stopped.

Ctrl-C comes in the middle of a statement, too. Of a connection that was cut off there nobody knows what it
would answer next: it is given up, which ends its session, with its transaction and its locks, and another one
tells the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, literal, select
from sqlalchemy.exc import DBAPIError

from strandline import log
from strandline.pipeline.report import RunReport
from strandline.warehouse import ledger, lock
from strandline.warehouse.database import Database

STOPPED = "stopped"
INTERRUPTED = "interrupted, as by Ctrl-C"


@contextmanager
def recorded(database: Database, report: RunReport, connections: Sequence[Connection]) -> Iterator[None]:
    """Close the run in the ledger, however it ends; the first of its connections is its own. Raises
    KeyboardInterrupt for whatever came of one.
    """
    try:
        with log.bound(pipeline=report.pipeline, run_id=report.run_id), database.named_errors():
            yield
        report.conclude()
    except BaseException as error:
        interrupt = _interrupt_behind(error)
        is_stopped = interrupt is not None or not isinstance(error, Exception)
        report.status = STOPPED if is_stopped else "failed"
        report.error = _in_words(interrupt or error)
        if interrupt and interrupt is not error:
            raise KeyboardInterrupt(*interrupt.args) from error
        raise
    finally:
        with database.named_errors():
            _close(database, report, connections)


def _interrupt_behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The KeyboardInterrupt that it is, or that was on its way out when it was raised."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _in_words(error: BaseException) -> str:
    """What the ledger says of it; the interrupt that Python itself raises says nothing."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or INTERRUPTED
    return str(error) or type(error).__name__


def _close(database: Database, report: RunReport, connections: Sequence[Connection]) -> None:
    is_stopped = report.status == STOPPED
    usable = [it for it in connections if _is_usable(it, is_doubtful=is_stopped)]
    if connections[0] in usable:
        with connections[0].begin():
            _tell(connections[0], report)
    elif is_stopped:
        with database.begin() as another:
            _tell(another, report)
    # Only now, or another run would find this one neither held nor ended.
    for it in usable:
        with it.begin():
            lock.release_all(it)


def _tell(connection: Connection, report: RunReport) -> None:
    report.finished_at = ledger.end(connection, report.run_id, status=report.status, error=report.error)


def _is_usable(connection: Connection, *, is_doubtful: bool) -> bool:
    """Whether it can be asked for anything: what was going on is rolled back."""
    if connection.invalidated or connection.closed:
        return False
    try:
        connection.rollback()
        if is_doubtful:
            with connection.begin():
                connection.execute(select(literal(1)))
    except DBAPIError:  # it was in the middle of something, and is closed with the run
        connection.invalidate()
        return False
    return True
