"""What strandline knows of its own work: the tables of the schema `strandline`, and nothing else.

What is done with them is told where it is done: `ledger`, `mark`, `quarantine`, `register` and so on.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
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


def _key(name: str, comment: str | None = None) -> Column[str]:
    """A name or natural key by which rows are told apart."""
    return Column(name, Text, primary_key=True, comment=comment)


def _counted(name: str, comment: str | None = None) -> Column[int]:
    """A figure that is 0 in the rows that were there before it."""
    return Column(name, BigInteger, nullable=False, server_default="0", comment=comment)


def _now(name: str) -> Column[Any]:
    """When the row was written, or last written."""
    return Column(name, MOMENT, nullable=False, server_default=func.now())


run = Table(
    "run",
    OWN_TABLES,
    Column("run_id", BigKey, Identity(), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column(
        "kind", Text, nullable=False, server_default=text("'run'"), comment="run, retry, replay, erasure, …"
    ),
    _now("started_at"),
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
    _key("stream"),
    Column("status", Text, nullable=False, comment="done, partial (some rejects), failed or skipped"),
    Column("pages", Integer, nullable=False, server_default="0"),
    _counted("records", "Records that the source sent"),
    _counted("stored", "New entries of the raw log"),
    _counted("unchanged", "Same as their key's latest entry"),
    _counted("rejected"),
    _counted("released", "Rejects of earlier runs that were accepted now"),
    _counted("resumed", "Entries left over from a run before"),
    _counted("replayed", "Entries of the raw log that were merged again"),
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
    _key("stream"),
    _key("target"),
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
    _key("stream"),
    _key("target"),
    _key("name", "Kind and columns, or what it says"),
    Column("severity", Text, nullable=False, comment="fail or warn"),
    Column("status", Text, nullable=False, comment="passed, warned, failed, or unanswered by the source"),
    Column("failing", BigInteger, nullable=False, comment="Rows that break it"),
    Column("samples", JSON_VALUE, nullable=False, comment="Source and natural key of the first"),
    Column("detail", Text, comment="What was found, in words"),
    Column("seconds", Double, nullable=False),
    comment="The ledger: what a run has looked at that is expected, also where the merge was rolled back",
)

dbt_result = Table(
    "dbt_result",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    Column("step", Integer, primary_key=True, comment="Which of the run's calls of dbt, from 1 on"),
    _key("node", "dbt's unique_id; what was typed, where dbt itself has failed"),
    Column("status", Text, nullable=False, comment="success, pass, warn, fail, error, skipped, …"),
    Column("failures", BigInteger, comment="Rows that a test has found"),
    Column("message", Text),
    Column("hint", Text, comment="What to type next"),
    Column("seconds", Double, nullable=False),
    comment="The ledger: what dbt has said behind a run",
)

read_mark = Table(
    "read_mark",
    OWN_TABLES,
    _key("stream"),
    Column("mark", Text, nullable=False, comment="The high-water mark, with its type: datetime:2026-03-01T…"),
    Column("run_id", BigInteger, nullable=False, comment="0: it was set by hand"),
    _now("moved_at"),
    comment="How far each source has been read",
)

mark_change = Table(
    "mark_change",
    OWN_TABLES,
    Column("change_id", BigKey, Identity(), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("before", Text, comment="NULL: there was none"),
    Column("after", Text, comment="NULL: it was taken away, and the next run reads everything"),
    Column("reason", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    _now("changed_at"),
    comment="Read marks that were set by hand, and why",
)

backfill = Table(
    "backfill",
    OWN_TABLES,
    _key("stream"),
    _key("since"),
    _key("until", comment="Empty: up to the moment at which it runs"),
    Column("reached", Text, nullable=False, comment="Up to there everything is in the raw log"),
    Column("run_id", BigInteger, nullable=False),
    _now("moved_at"),
    comment="How far backfills are that have not come to their end",
)

refused_parent = Table(
    "refused_parent",
    OWN_TABLES,
    _key("stream", "That of the children"),
    Column("raw_id", BigInteger, primary_key=True, comment="The entry of their parents' raw log"),
    Column("run_id", BigInteger, nullable=False),
    comment="Parents that their contract has refused, and whose children are still to be read",
)

applied_mark = Table(
    "applied_mark",
    OWN_TABLES,
    _key("stream"),
    _key("target"),
    Column("raw_id", BigInteger, nullable=False),
    Column("columns", JSON_VALUE, nullable=False, comment="The columns that the target has been filled in"),
    Column("version", Text, comment="Of the mapper and contract that all its rows are of"),
    Column("newest", Text, comment="Of those that the last run has used"),
    Column("latest_at", MOMENT, comment="The latest moment that anything up to there took effect at"),
    Column("run_id", BigInteger, nullable=False),
    _now("moved_at"),
    comment="How far into the raw log each target has been built",
)

declared = Table(
    "declared",
    OWN_TABLES,
    _key("model"),
    Column("digest", Text, nullable=False, comment="A hash of what its rows were made from"),
    Column("rows", BigInteger, nullable=False),
    comment="Which dimensions of days and minutes are filled, and from what",
)

inception = Table(
    "inception",
    OWN_TABLES,
    _key("model"),
    Column("table_oid", BigInteger, nullable=False, comment="PostgreSQL's number of the table"),
    _now("filled_at"),
    comment="Which tables that migrations have made have got the rows that they begin with",
)

request = Table(
    "request",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    _key("stream"),
    Column("number", Integer, primary_key=True, comment="The page within the run, from 1"),
    Column("request", Text, nullable=False, comment="Method and URL without secrets"),
    Column("status", Integer, nullable=False),
    Column("records", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("fetched_at", MOMENT, nullable=False),
    comment="Every page that was read, and when",
)

sweep = Table(
    "sweep",
    OWN_TABLES,
    Column("run_id", BigInteger, primary_key=True),
    _key("stream"),
    Column("means", Text, nullable=False, comment="absence or ids"),
    Column(
        "status", Text, nullable=False, comment="done, unproven (nothing was deleted), stopped or confirmed"
    ),
    Column("members", BigInteger, nullable=False, comment="Natural keys that were there, as far as is known"),
    Column("absent", BigInteger, nullable=False, comment="Those of them that the source did not bring"),
    _counted("deleted", "Deletions that were put into the raw log"),
    Column("detail", Text, comment="Why nothing was deleted"),
    Column(
        "began_at", MOMENT, nullable=False, comment="When the source was asked: deletions count from then"
    ),
    Column("seconds", Double, nullable=False, comment="What comparing took"),
    comment="The ledger: which runs have looked for who is gone, and what they found",
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
    _now("rejected_at"),
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
    _counted("repeats", "How often the source has sent the same payload again"),
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
    _key("aggregate", "The model's name"),
    Column("digest", Text, nullable=False, comment="Of the query and the columns that it was built by"),
    Column("run_id", BigInteger, nullable=False),
    _now("built_at"),
    comment="By which query each aggregate has been built; from then on it is kept up",
)

erased_key = Table(
    "erased_key",
    OWN_TABLES,
    _key("stream"),
    _key("source_id"),
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
    Column("versions", JSON_VALUE, comment="By dimension: of which mapper and contract its rows were then"),
    Column("run_id", BigInteger, nullable=False),
    _now("pruned_at"),
    comment="What was taken out of the raw logs for its age",
)

pruned_key = Table(
    "pruned_key",
    OWN_TABLES,
    _key("stream"),
    _key("source_id"),
    Column("until", MOMENT, nullable=False, comment="Of what took effect up to then not all is there"),
    Column("entries", BigInteger, nullable=False, comment="How many are gone"),
    comment="Of which natural keys the raw log lacks entries",
)

field = Table(
    "field",
    OWN_TABLES,
    _key("stream"),
    _key("path", "Dots between names; empty: the record itself"),
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

credential = Table(
    "credential",
    OWN_TABLES,
    _key("name", "The source's name and the credential's"),
    Column("sealed", LargeBinary, nullable=False, comment="Encrypted with STRANDLINE_SECRET_KEY"),
    _now("saved_at"),
    comment="Credentials that change, such as refresh tokens that are good for one use",
)
