"""What a server was told to write, and the versions that must come of it, worked out by a plain loop."""

import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Executable, select

from strandline import Database, Dimension
from strandline.model.dimension import BEGINNING
from strandline.pipeline import RunReport


class Change(NamedTuple):
    """What the tracked value of a record became, and when by the server's clock."""

    at: datetime
    value: Any
    is_gone: bool = False


class Version(NamedTuple):
    """One version of a member; `valid_to` is None while it is valid."""

    source_id: str
    version: int
    value: Any
    valid_from: datetime
    valid_to: datetime | None
    is_deleted: bool


class History:
    """Of all records of a kind. A server keeps their last state, so of what happened to one of them between
    two runs the last is seen.
    """

    def __init__(self) -> None:
        self.written: dict[str, list[Change]] = {}
        self.seen: dict[str, list[Change]] = {}
        self._unseen: dict[str, Change] = {}

    def note(self, source_id: str, change: Change) -> None:
        """It has happened."""
        self.written.setdefault(source_id, []).append(change)
        self._unseen[source_id] = change

    def note_seen(self) -> None:
        """A run begins, and nobody writes while it reads."""
        for source_id, change in self._unseen.items():
            self.seen.setdefault(source_id, []).append(change)
        self._unseen.clear()

    def versions(self) -> list[Version]:
        """Of everybody who was seen."""
        return sorted(it for source_id, changes in self.seen.items() for it in versions(source_id, changes))


def versions(source_id: str, changes: Iterable[Change]) -> list[Version]:
    """Of one record: a new value, a beginning or a return opens a version; the next one or a deletion ends
    it.
    """
    found: list[Version] = []
    for at, value, is_gone in changes:
        last = found[-1] if found else None
        is_open = last is not None and last.valid_to is None
        if last is not None and is_open and (is_gone or value != last.value):
            found[-1] = last._replace(valid_to=at, is_deleted=is_gone)
        elif last is not None and is_open:
            continue
        elif last is not None and not is_gone:
            found[-1] = last._replace(is_deleted=False)
        if not is_gone:
            found.append(Version(source_id, len(found) + 1, value, at, None, is_deleted=False))
    return found


def stored(warehouse: Database, dimension: type[Dimension], tracked: str) -> list[Version]:
    """The versions that the warehouse has."""
    d: Any = dimension
    columns = (d.source_id, d.version, getattr(d, tracked), d.valid_from, d.valid_to, d.is_deleted)
    found = select(*columns).where(d.source_id.is_not(None), ~d.is_inferred, d.key > 0)
    return sorted(Version(*row) for row in rows(warehouse, found))


def with_deletions_of(expected: Sequence[Version], found: Sequence[Version]) -> list[Version]:
    """The expected versions, where a deletion is known no better than this: after it had happened, a run saw
    that somebody was gone. Its time is taken over where it lies between the deletion and now.
    """
    seen = {it[:2]: it.valid_to for it in found if it.is_deleted and it.valid_to}
    now = datetime.now(UTC)
    return [
        it._replace(valid_to=seen[it[:2]])
        if it.is_deleted and it.valid_to and it.valid_to <= seen.get(it[:2], it.valid_from) <= now
        else it
        for it in expected
    ]


def by_member(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Everybody's own."""
    found: dict[str, list[Version]] = {}
    for version in versions:
        found.setdefault(version.source_id, []).append(version)
    return found


def begin_of(versions: Sequence[Version], at: datetime) -> datetime:
    """When the version begins that is valid then; the first one counts for all time before it."""
    if not versions:
        return BEGINNING  # nobody, or somebody of whom no record has come
    begins = [it.valid_from for it in versions if it.valid_from <= at]
    return begins[-1] if begins else versions[0].valid_from


def rows(warehouse: Database, query: Executable) -> list[tuple[Any, ...]]:
    """What the query brings."""
    with warehouse.begin() as connection:
        return [tuple(row) for row in connection.execute(query)]


def every_row(warehouse: Database, *models: Any) -> list[tuple[Any, ...]]:
    """The tables with their audit columns: also a row that was written again just as it was would show."""
    tables = [model.table() for model in models]
    return [row for table in tables for row in rows(warehouse, select(table).order_by(*table.primary_key))]


def told(report: RunReport) -> set[tuple[str, str | None]]:
    """What a run says of its streams."""
    return {(it.status, it.error) for it in report.streams}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
