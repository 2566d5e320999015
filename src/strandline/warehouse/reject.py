"""Rejects as people see them, and what they decide: lists, one in full, what grows, and discarding.

A payload may hold anything; what is told of it here is text without a character that a terminal would obey.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, inspect, or_, select, update

from strandline.errors import DeclarationError
from strandline.warehouse import circle, late, raw, state
from strandline.warehouse.database import Database

EXCERPT: Final = 200
STATES: Final = (state.OPEN, state.SUPERSEDED, state.DISCARDED)
ALL_STATES: Final = "all"


class Choice(Struct, frozen=True):
    """Which rejects are meant; None: whatever it is."""

    pipeline: str | None = None
    stream: str | None = None
    model: str | None = None
    rule: str | None = None
    state: str = state.OPEN

    def conditions(self) -> list[ColumnElement[bool]]:
        """What holds for them."""
        noted, mark = state.reject.c, state.applied_mark.c
        found: list[ColumnElement[bool]] = []
        if self.pipeline is not None:
            theirs = select(state.run.c.run_id).where(state.run.c.pipeline == self.pipeline)
            found.append(noted.run_id.in_(theirs))
        if self.stream is not None:
            found.append(noted.stream == self.stream)
        if self.model is not None:
            filling = select(mark.stream).where(mark.target == self.model)
            of_contract = (noted.target == "") & noted.stream.in_(filling)
            found.append(or_(noted.target == self.model, of_contract))
        if self.rule is not None:
            found.append(noted.rule == self.rule)
        if self.state != ALL_STATES:
            found.append(noted.state == self.state)
        return found


def find(database: Database, connection: Connection, choice: Choice, *, limit: int) -> list[dict[str, Any]]:
    """The rejects of that choice, newest first, each with the beginning of its payload."""
    wanted = select(state.reject).where(*choice.conditions())
    newest = wanted.order_by(state.reject.c.reject_id.desc()).limit(limit)
    rejects = [dict(row) for row in connection.execute(newest).mappings()]
    entries = _entries(database, connection, rejects)
    for reject in rejects:
        entry = entries.get((reject["stream"], reject["raw_id"]))
        reject["payload"] = None if entry is None else printable(entry["payload"])[:EXCERPT]
    return rejects


def count(connection: Connection, choice: Choice) -> int:
    """How many there are."""
    return connection.scalar(select(func.count()).select_from(state.reject).where(*choice.conditions())) or 0


def show(database: Database, connection: Connection, reject_id: int) -> dict[str, Any]:
    """All that is known of one reject: the whole payload, and the request that it came with."""
    (found,) = pick(connection, [reject_id])
    entry = _entries(database, connection, [found]).get((found["stream"], found["raw_id"]))
    found["pipeline"] = connection.scalar(
        select(state.run.c.pipeline).where(state.run.c.run_id == found["run_id"])
    )
    found["payload"], found["request"] = None, None
    if entry is not None:
        payload = bytes(entry.pop("payload"))
        found["payload"], number = printable(payload), entry.pop("request")
        if not _is_text(payload):
            found["payload_base64"] = b64encode(payload).decode()
        found |= entry
        found["request"] = _request(connection, found["stream"], entry["fetched_by"], number)
    return found


def _request(connection: Connection, stream: str, run_id: int, number: int) -> dict[str, Any] | None:
    sent = state.request
    asked = select(sent.c.request, sent.c.number, sent.c.status, sent.c.fetched_at)
    asked = asked.where(sent.c.run_id == run_id, sent.c.stream == stream, sent.c.number == number)
    row = connection.execute(asked).mappings().first()
    return None if row is None else dict(row)


def _entries(
    database: Database, connection: Connection, rejects: Sequence[dict[str, Any]]
) -> dict[tuple[str, int], dict[str, Any]]:
    """The entries of the raw log behind the rejects, as far as it still holds them."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    there = inspect(connection)
    for stream in {reject["stream"] for reject in rejects}:
        table = raw.raw_table(stream, cursor=None)
        if not there.has_table(table.name, schema=database.schema_of(table)):
            continue
        log = table.c
        wanted = [reject["raw_id"] for reject in rejects if reject["stream"] == stream]
        columns = (log.payload, log.operation, log.effective_at, log.run_id.label("fetched_by"), log.request)
        entries = select(log.raw_id, *columns).where(log.raw_id.in_(wanted))
        for row in connection.execute(entries).mappings():
            entry = dict(row)
            found[stream, entry.pop("raw_id")] = entry
    return found


def pick(connection: Connection, reject_ids: Iterable[int]) -> list[dict[str, Any]]:
    """These rejects. Raises DeclarationError when one of them is not there."""
    wanted = sorted(set(reject_ids))
    rows = connection.execute(select(state.reject).where(state.reject.c.reject_id.in_(wanted))).mappings()
    found = {row["reject_id"]: dict(row) for row in rows}
    missing = [str(it) for it in wanted if it not in found]
    if missing:
        raise DeclarationError(
            f"quarantine: there is no reject {', '.join(missing)}; one that is released is gone",
            hint="See which there are: strandline quarantine list --state all",
        )
    return [found[it] for it in wanted]


def of_entries(connection: Connection, entries: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    """What is in the quarantine of these entries, (stream, raw_id)."""
    noted = state.reject
    of_these = or_(*((noted.c.stream == stream) & (noted.c.raw_id == raw_id) for stream, raw_id in entries))
    found = connection.execute(select(noted).where(of_these).order_by(noted.c.reject_id)).mappings()
    return [dict(row) for row in found]


def is_told_by_others(reject: Mapping[str, Any]) -> bool:
    """Whether other records decide on it, and nobody else can."""
    return reject["rule"] in (*late.RELATIVE, circle.RULE)


def refuse_told_by_others(rejects: Iterable[dict[str, Any]]) -> None:
    """Raise DeclarationError for a reject that other records decide on: nobody else can."""
    for it in rejects:
        if is_told_by_others(it):
            raise DeclarationError(
                f"reject {it['reject_id']} ({it['rule']}): other records decide on it: {it['reason']}",
                hint="It goes by itself when one of them changes at the source.",
            )


def discard(connection: Connection, reject_ids: Sequence[int], *, reason: str, by: str) -> int:
    """Set these aside for good: what they say stays out of every table; how many were not so before."""
    if not reason.strip():
        raise DeclarationError(
            "quarantine discard: no reason was given", hint='Say why: --reason "a test record"'
        )
    refuse_told_by_others(pick(connection, reject_ids))
    noted = state.reject.c
    is_meant = (noted.reject_id.in_(reject_ids), noted.state != state.DISCARDED)
    told = {"discard_reason": reason.strip(), "discarded_by": by, "discarded_at": func.now()}
    thrown = update(state.reject).where(*is_meant).values(state=state.DISCARDED, **told)
    discarded: int = connection.execute(thrown).rowcount
    return discarded


def trends(connection: Connection, choice: Choice, *, days: int) -> list[dict[str, Any]]:
    """How many rejects each day of the last brought, by stream, field and rule, and how much more that is
    than in as many days before: what grows most comes first.
    """
    noted = state.reject.c
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first, middle = today - timedelta(days=2 * days - 1), today - timedelta(days=days - 1)
    day = func.date(func.timezone("UTC", noted.rejected_at))
    if connection.dialect.name == "sqlite":
        day = func.date(noted.rejected_at)
    kind = (noted.stream, noted.target, noted.field, noted.rule)
    counted = (
        select(*kind, day.label("day"), func.count().label("rejects"))
        .where(*choice.conditions(), noted.rejected_at >= first)
        .group_by(*kind, day)
    )
    kinds: dict[tuple[str, ...], dict[str, Any]] = {}
    for stream, target, field, rule, on, rejects in connection.execute(counted):
        names = {"stream": stream, "target": target, "field": field, "rule": rule}
        it = kinds.setdefault((stream, target, field, rule), {**names, "rejects": 0, "before": 0, "days": {}})
        if str(on) >= str(middle.date()):
            it["rejects"] += rejects
            it["days"] = dict(sorted({**it["days"], str(on): rejects}.items()))
        else:
            it["before"] += rejects
    found = [it | {"growth": it["rejects"] - it["before"]} for it in kinds.values()]
    return sorted(found, key=lambda it: (-it["growth"], -it["rejects"], it["stream"], it["field"]))


def printable(text: bytes | str) -> str:
    """The text with what is no character, and what a terminal would obey, spelled out."""
    words = text if isinstance(text, str) else bytes(text).decode("utf-8", "backslashreplace")
    if words.isprintable():
        return words
    return "".join(it if it.isprintable() or it in "\n\t" else _spelled(it) for it in words)


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
