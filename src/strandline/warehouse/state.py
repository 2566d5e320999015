"""What strandline knows of its own work: runs, marks, requests, rejects; the tables of the schema
`strandline`.

The read mark says how far a source has been read and moves with the payloads; the applied mark says how far
into the raw log a target has been built and moves with the rows. Both move in the transaction of what they
vouch for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.types import JSON

from strandline.model.base import NAMING, OWN, BigKey

PASSED: Final = "passed"
"""The status of an expectation that nothing breaks."""

OWN_TABLES = MetaData(schema=OWN, naming_convention=NAMING)

MOMENT = DateTime(timezone=True)
JSON_VALUE = JSON().with_variant(JSONB(), "postgresql")

OPEN: Final = "open"
SUPERSEDED: Final = "superseded"
DISCARDED: Final = "discarded"
RELEASED: Final = "released"
"""What becomes of a reject; one that is released is so only within the transaction that merges it."""

run = Table(
    "run",
    OWN_TABLES,
    Column("run_id", BigKey, Identity(), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column(
        "kind", Text, nullable=False, server_default=text("'run'"), comment="run, retry, replay, erasure, …"
    ),
    Column("started_at", MOMENT, nullable=False, server_default=func.now()),
    Column("finished_at", MOMENT, comment="NULL: running, or ended without a word"),
    Column("status", Text, nullable=False, comment="running, done, partial, failed, stopped or crashed"),
    Column("error", Text),
    Column("strandline_version", Text, nullable=False),
    comment="The ledger: one row a run of a pipeline",
)

run_stream = Table(
    "run_stream",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("status", Text, nullable=False, comment="done, partial (some rejects), failed or skipped"),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("records", BigInteger, nullable=False, server_default="0", comment="Records that the source sent"),
    Column("stored", BigInteger, nullable=False, server_default="0", comment="New entries of the raw log"),
    Column(
        "unchanged",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="Same as their key's latest entry",
    ),
    Column("rejected", BigInteger, nullable=False, server_default="0"),
    Column(
        "released",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="Rejects of earlier runs that were accepted now",
    ),
    Column(
        "resumed",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="Entries left over from a run before",
    ),
    Column(
        "replayed",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="Entries of the raw log that were merged again",
    ),
    Column("mark_before", Text),
    Column("mark_after", Text),
    Column("seconds", Double, nullable=False, server_default="0"),
    Column("error", Text),
    Column("kind", Text, comment="The name of the error"),
    Column("hint", Text, comment="What to type next"),
    comment="The ledger: what a run read of each stream",
)

run_target = Table(
    "run_target",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("counts", JSON_VALUE, nullable=False, comment="Rows by what happened to them"),
    Column("applied_before", BigInteger, nullable=False),
    Column("applied_after", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    comment="The ledger: what a run merged into each target",
)

expectation = Table(
    "expectation",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="Kind and columns, or what it says"),
    Column("severity", Text, nullable=False, comment="fail or warn"),
    Column("status", Text, nullable=False, comment="passed, warned, failed, or unanswered by the source"),
    Column("failing", BigInteger, nullable=False, comment="Rows that break it"),
    Column("samples", JSON_VALUE, nullable=False, comment="Source and natural key of the first"),
    Column("detail", Text, comment="What was found, in words"),
    Column("seconds", Double, nullable=False),
    comment="The ledger: what a run has looked at that is expected, also where the merge was rolled back",
)

read_mark = Table(
    "read_mark",
    OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("mark", Text, nullable=False, comment="The high-water mark, with its type: datetime:2026-03-01T…"),
    Column("run_id", BigInteger, nullable=False),
    Column("moved_at", MOMENT, nullable=False, server_default=func.now()),
    comment="How far each source has been read",
)

applied_mark = Table(
    "applied_mark",
    OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("raw_id", BigInteger, nullable=False),
    Column("columns", JSON_VALUE, nullable=False, comment="The columns that the target has been filled in"),
    Column("version", Text, comment="Of the mapper and contract that all its rows are of"),
    Column("newest", Text, comment="Of those that the last run has used"),
    Column("latest_at", MOMENT, comment="The latest moment that anything up to there took effect at"),
    Column("run_id", BigInteger, nullable=False),
    Column("moved_at", MOMENT, nullable=False, server_default=func.now()),
    comment="How far into the raw log each target has been built",
)

declared = Table(
    "declared",
    OWN_TABLES,
    Column("model", Text, primary_key=True),
    Column("digest", Text, nullable=False, comment="A hash of what its rows were made from"),
    Column("rows", BigInteger, nullable=False),
    comment="Which dimensions of days and minutes are filled, and from what",
)

request = Table(
    "request",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("number", Integer, primary_key=True, comment="The page within the run, from 1"),
    Column("request", Text, nullable=False, comment="Method and URL without secrets"),
    Column("status", Integer, nullable=False),
    Column("records", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("fetched_at", MOMENT, nullable=False),
    comment="Every page that was read, and when",
)

reject = Table(
    "reject",
    OWN_TABLES,
    Column("reject_id", BigKey, Identity(), primary_key=True),
    Column("stream", Text, nullable=False),
    Column(
        "target", Text, nullable=False, comment="The model it was meant for; empty: its contract refused it"
    ),
    Column("raw_id", BigInteger, nullable=False, comment="The payload, in the stream's raw log"),
    Column("source_id", Text),
    Column("field", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run_id", BigInteger, nullable=False),
    Column("rejected_at", MOMENT, nullable=False, server_default=func.now()),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=text("'open'"),
        comment="open, superseded or discarded; what is released is gone",
    ),
    Column("version", Text, comment="Of contract and mapper that refused it; NULL: to be tried again"),
    Column("last_seen_at", MOMENT, server_default=func.now(), comment="When it was last sent or refused"),
    Column("last_run_id", BigInteger, comment="The run that found it last"),
    Column(
        "repeats",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="How often the source has sent the same payload again",
    ),
    Column("superseded_by", BigInteger, comment="The entry of the raw log that is right"),
    Column("discard_reason", Text),
    Column("discarded_by", Text),
    Column("discarded_at", MOMENT),
    Index(None, "stream", "raw_id", "target", unique=True),
    Index(None, "stream", "source_id"),
    comment="The quarantine: records that failed their contract or their mapping",
)

aggregate = Table(
    "aggregate",
    OWN_TABLES,
    Column("aggregate", Text, primary_key=True, comment="The model's name"),
    Column("digest", Text, nullable=False, comment="Of the query and the columns that it was built by"),
    Column("run_id", BigInteger, nullable=False),
    Column("built_at", MOMENT, nullable=False, server_default=func.now()),
    comment="By which query each aggregate has been built; from then on it is kept up",
)

erased_key = Table(
    "erased_key",
    OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("until", MOMENT, comment="What took effect later is taken in; NULL: nothing is"),
    Column("sent_again_at", MOMENT, comment="When the source last sent what is to stay away"),
    comment="Whose records are not stored any more",
)

prune = Table(
    "prune",
    OWN_TABLES,
    Column("prune_id", BigKey, Identity(), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("before", MOMENT, nullable=False, comment="What was read from then on stays"),
    Column("up_to", BigInteger, nullable=False, comment="The last entry that was in all targets"),
    Column("entries", BigInteger, nullable=False, comment="How many are gone"),
    Column("exported_to", Text, comment="The folder that has them; NULL: none has"),
    Column("run_id", BigInteger, nullable=False),
    Column("pruned_at", MOMENT, nullable=False, server_default=func.now()),
    comment="What was taken out of the raw logs for its age",
)

pruned_key = Table(
    "pruned_key",
    OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("until", MOMENT, nullable=False, comment="Of what took effect up to then not all is there"),
    Column("entries", BigInteger, nullable=False, comment="How many are gone"),
    comment="Of which natural keys the raw log lacks entries",
)

field = Table(
    "field",
    OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("path", Text, primary_key=True, comment="Dots between names; empty: the record itself"),
    Column("is_declared", Boolean, nullable=False, comment="The contract names it"),
    Column("is_personal", Boolean, nullable=False, comment="May point at a person: no examples are kept"),
    Column("records", BigInteger, nullable=False, comment="How many records were looked at"),
    Column("filled", BigInteger, nullable=False, comment="In how many of them it was there and not null"),
    Column("types", JSON_VALUE, nullable=False, comment="text, integer, number, boolean, object, list, null"),
    Column("examples", JSON_VALUE, nullable=False, comment="A few short values"),
    Column("first_seen", MOMENT, comment="When it was read first; NULL: never"),
    Column("last_seen", MOMENT),
    Column("first_run_id", BigInteger, comment="The run that saw it first"),
    Column("last_run_id", BigInteger, comment="The run that saw it last"),
    Column("renamed_from", Text, comment="A guess: what it was called before"),
    comment="The field register: which fields the records of each stream carry",
)


def read_mark_of(connection: Connection, stream: str) -> str | None:
    """How far this stream has been read; None before its first complete read."""
    return connection.scalar(select(read_mark.c.mark).where(read_mark.c.stream == stream))


def move_read_mark(connection: Connection, stream: str, *, mark: str, run_id: int) -> None:
    """Move the read mark, in the transaction that stores what it vouches for."""
    move = insert(read_mark).values(stream=stream, mark=mark, run_id=run_id)
    connection.execute(
        move.on_conflict_do_update(
            index_elements=[read_mark.c.stream],
            set_={"mark": mark, "run_id": run_id, "moved_at": func.now()},
            where=read_mark.c.mark != mark,
        )
    )


def put_read_mark_back(connection: Connection, stream: str, *, mark: str | None, run_id: int) -> None:
    """Set the read mark to what it was before, or to none."""
    if mark is None:
        connection.execute(read_mark.delete().where(read_mark.c.stream == stream))
    else:
        move_read_mark(connection, stream, mark=mark, run_id=run_id)


def applied_mark_of(connection: Connection, stream: str, target: str) -> tuple[int, list[str]]:
    """How far into the stream's raw log this target has been built, and in which columns; 0 and none before
    the first merge.
    """
    mark = applied_mark.c
    found = connection.execute(
        select(mark.raw_id, mark.columns).where(mark.stream == stream, mark.target == target)
    ).first()
    return (found.raw_id, found.columns) if found else (0, [])


def latest_applied(connection: Connection, stream: str, target: str) -> datetime | None:
    """The latest moment at which anything that the target has been built from took effect; None where that
    is not known.
    """
    mark = applied_mark.c
    return connection.scalar(select(mark.latest_at).where(mark.stream == stream, mark.target == target))


def note_latest(connection: Connection, stream: str, target: str, *, latest_at: datetime | None) -> None:
    """Note that moment beside the applied mark, in the same transaction."""
    mark = applied_mark.c
    here = (mark.stream == stream, mark.target == target, mark.latest_at.is_distinct_from(latest_at))
    connection.execute(update(applied_mark).where(*here).values(latest_at=latest_at))


def note_newest(connection: Connection, stream: str, target: str, *, version: str) -> None:
    """Note the version of the mapper that fills the target from now on."""
    mark = applied_mark.c
    here = (mark.stream == stream, mark.target == target, mark.newest.is_distinct_from(version))
    connection.execute(update(applied_mark).where(*here).values(newest=version))


def move_applied_mark(
    connection: Connection,
    stream: str,
    target: str,
    *,
    raw_id: int,
    columns: Sequence[str],
    version: str | None = None,
    run_id: int,
) -> None:
    """Move the applied mark, in the transaction that merges what it vouches for; `version` is that of the
    mapper, where all rows are of it now.
    """
    becomes: dict[str, Any] = {"raw_id": raw_id, "columns": list(columns), "run_id": run_id}
    becomes |= {} if version is None else {"version": version, "newest": version}
    move = insert(applied_mark).values(stream=stream, target=target, **becomes)
    connection.execute(
        move.on_conflict_do_update(
            index_elements=[applied_mark.c.stream, applied_mark.c.target],
            set_={**becomes, "moved_at": func.now()},
        )
    )


def note_declared(connection: Connection, model: str, *, digest: str, rows: int) -> None:
    """Remember from what a model's rows were made, and how many there are."""
    becomes = {"digest": digest, "rows": rows}
    note = insert(declared).values(model=model, **becomes)
    connection.execute(note.on_conflict_do_update(index_elements=[declared.c.model], set_=becomes))
