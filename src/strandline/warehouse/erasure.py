"""Erasure: what of one natural key the raw log, the quarantine, the stage and the ledger hold, taken away.

An erased entry keeps its number, its times and its run, so that the marks stay true, and says nothing any
more: whoever rebuilds a table out of the log makes nothing of it. The key is noted, so that what the source
still sends of it stays away; a certificate says what was changed, and knows the key only by a salted hash.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Identity,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    inspect,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from xxhash import xxh3_128_digest

from strandline.errors import DeclarationError
from strandline.model.base import STAGING, BigKey
from strandline.warehouse import raw, reject, state, statistic
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.quote import WITHHELD

certificate = Table(
    "erasure",
    state.OWN_TABLES,
    Column("erasure_id", BigKey, Identity(), primary_key=True),
    Column("stream", Text, nullable=False),
    Column("key_hash", Text, nullable=False, comment="SHA-256 of the salt, which was told once, and the key"),
    Column("reason", Text, nullable=False),
    Column("until", state.MOMENT, comment="What took effect later stays; NULL: nothing does"),
    Column("counts", state.JSON_VALUE, nullable=False, comment="What was changed, in rows by table"),
    Column("kept", state.JSON_VALUE, nullable=False, comment="Rows of facts that refer to the member still"),
    Column("run_id", BigInteger, nullable=False),
    Column("erased_at", state.MOMENT, nullable=False, server_default=func.now()),
    Column("erased_by", Text, nullable=False, comment="The database user"),
    Column("only_pii", Boolean, nullable=False, server_default=text("false")),
    Column("pseudonymised", Boolean, nullable=False, server_default=text("false")),
    Column("exported_to", state.JSON_VALUE, comment="Folders that have what was pruned before still"),
    comment="The certificates of what was erased",
)


class Meant(Struct, frozen=True):
    """Whose records are erased, and up to when; None: all."""

    stream: str
    log: Table
    source_id: str
    until: datetime | None
    raw_ids: Sequence[int] = ()
    """Further entries, which have no natural key."""
    only_pii: bool = False
    """Only what is personal goes."""

    @property
    def source_name(self) -> str:
        """Whose natural key it is."""
        return self.stream.partition(".")[0]

    @property
    def is_meant(self) -> ColumnElement[bool]:
        """The entry of the raw log is one of them."""
        entry = self.log.c
        mine = entry.source_id == self.source_id
        if self.until is not None:
            mine &= or_(entry.effective_at.is_(None), entry.effective_at <= self.until)
        return and_(entry.operation != raw.ERASED, or_(mine, entry.raw_id.in_(self.raw_ids)))


def is_said_to_be_there(connection: Connection, log: Table, source_id: str) -> bool:
    """Whether any record says that the member is there, or is kept for facts that name it."""
    says_so = and_(log.c.source_id == source_id, log.c.operation.in_([raw.UPSERT, raw.RETURN, raw.FACTS]))
    return connection.execute(select(literal(1)).where(says_so).limit(1)).first() is not None


def entries(connection: Connection, meant: Meant) -> Sequence[Any]:
    """What is to be erased: raw_id, payload, and run and page of its request."""
    entry = meant.log.c
    return connection.execute(
        select(entry.raw_id, entry.payload, entry.run_id, entry.request).where(meant.is_meant)
    ).all()


def is_known(connection: Connection, meant: Meant) -> bool:
    """Whether the raw log has the natural key, erased or not."""
    found = select(literal(1)).where(meant.log.c.source_id == meant.source_id).limit(1)
    return connection.execute(found).first() is not None


def keyless_entries(connection: Connection, stream: str, reject_ids: Sequence[int]) -> list[int]:
    """The entries of these rejects. Raises DeclarationError for one of another stream, or with a key."""
    found = []
    for it in reject.pick(connection, reject_ids) if reject_ids else ():
        if it["stream"] != stream or it["source_id"] is not None:
            raise DeclarationError(
                f"erase: reject {it['reject_id']} is of {it['stream']}, with the key {it['source_id']!r}",
                hint="Only records of the stream that have no key are named by their rejects.",
            )
        found.append(it["raw_id"])
    return found


def blank(connection: Connection, meant: Meant, *, keeping: Sequence[int] | None) -> int:
    """Take what they say out of the entries, `keeping` those that facts are made of; how many. Where there
    are such, the others are no word on a fact any more, so that they do not outdo them.
    """
    nothing = {
        "payload": literal(raw.ERASED_PAYLOAD, LargeBinary),
        "payload_hash": literal(xxh3_128_digest(raw.ERASED_PAYLOAD), LargeBinary),
        "operation": raw.ERASED,
        "cursor_value": null(),
    }
    those = meant.is_meant
    if keeping is not None:
        nothing["effective_at"] = null()
        those &= meant.log.c.raw_id.not_in(keeping)
    blanked: int = connection.execute(update(meant.log).where(those).values(**nothing)).rowcount
    return blanked


def refused(connection: Connection, meant: Meant) -> set[int]:
    """Which of the entries their contract has refused, for all targets."""
    noted = state.reject.c
    found = select(meant.log.c.raw_id).where(meant.is_meant, meant.log.c.raw_id == noted.raw_id)
    return set(connection.scalars(found.where(noted.stream == meant.stream, noted.target == "")))


def forget_rejects(
    connection: Connection, stream: str, raw_ids: Sequence[int], *, but: Sequence[str] = ()
) -> list[str]:
    """Take these entries out of the quarantine, but for these targets; the reasons, which show values."""
    noted = state.reject.c
    theirs = (noted.stream == stream, noted.raw_id.in_(raw_ids), noted.target.not_in(but))
    reasons = list(connection.scalars(select(noted.reason).where(*theirs)))
    connection.execute(delete(state.reject).where(*theirs))
    return reasons


def withhold_reasons(
    connection: Connection, stream: str, *, raw_ids: Collection[int], words: Sequence[str]
) -> int:
    """Withhold these words in the reasons for which entries of the stream were refused; how many."""
    noted = state.reject
    theirs = (noted.c.stream == stream) & noted.c.raw_id.in_(raw_ids)
    return _replace(connection, noted, ["reason"], theirs, words)


def forget_staged(
    database: Database, connection: Connection, *, stream: str, source_ids: Sequence[str]
) -> dict[str, int]:
    """Take them off every stage that the stream has ever had; how many rows, by table."""
    found = {}
    for staged in _stages(database, connection, stream):
        mine = delete(staged).where(staged.c.source_id.in_(source_ids))
        found[f"staging.{staged.name}"] = connection.execute(mine).rowcount
    return found


def drop_stages(database: Database, connection: Connection, stream: str) -> list[str]:
    """Drop the stages of the stream, which the next run makes again: what the planner has noted of their
    rows outlives these. What they are called in this database.
    """
    stages = _stages(database, connection, stream)
    for staged in stages:
        staged.drop(connection)
    return [database.qualified(it) for it in stages]


def _stages(database: Database, connection: Connection, stream: str) -> list[Table]:
    schema = database.schema_of(Table("any", MetaData(), schema=STAGING))
    names = inspect(connection).get_table_names(schema=schema)
    return [
        Table(name, MetaData(), Column("source_id", Text), schema=STAGING)
        for name in names
        if name.startswith(f"{raw.table_name(stream)}__")
    ]


def withhold(
    connection: Connection, stream: str, *, requests: Iterable[tuple[int, int]], words: Sequence[str]
) -> dict[str, int]:
    """Withhold these words wherever the ledger quotes a record: in errors, in their hints, and in what these
    requests (run and page) asked for; how many rows, by table.
    """
    s, r, q, e = state.run_stream.c, state.run.c, state.request.c, state.expectation.c
    read = select(s.run_id).where(s.stream == stream)
    of_stream = (s.stream == stream) & or_(s.error.is_not(None), s.hint.is_not(None))
    of_run = r.error.is_not(None) & r.run_id.in_(read)
    of_expectation = (e.stream == stream) & e.detail.is_not(None)
    found = {
        "strandline.expectation": _replace(connection, state.expectation, ["detail"], of_expectation, words),
        "strandline.run": _replace(connection, state.run, ["error"], of_run, words),
        "strandline.run_stream": _replace(connection, state.run_stream, ["error", "hint"], of_stream, words),
        "strandline.request": 0,
    }
    for (run_id, number), records in Counter(requests).items():
        asked = (q.stream == stream) & (q.run_id == run_id) & (q.number == number)
        alone = connection.scalar(select(q.request).where(asked, q.records <= records)) or ""
        # What was asked when nobody else was answered of may have named the member in other words.
        asked_for = [alone.partition("?")[2]] if alone.partition("?")[2] else []
        found["strandline.request"] += _replace(
            connection, state.request, ["request"], asked, [*asked_for, *words]
        )
    return found


def _replace(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    where: ColumnElement[bool],
    words: Sequence[str],
) -> int:
    keys = [column.name for column in table.primary_key]
    rows = connection.execute(select(table).where(where)).mappings().all()
    changed = []
    for row in rows:
        now = {name: _without(row[name], words) for name in columns}
        if any(now[name] != row[name] for name in columns):
            changed.append({**{f"is_{name}": row[name] for name in keys}, **now})
    if changed:
        mine = (table.c[name] == bindparam(f"is_{name}", type_=table.c[name].type) for name in keys)
        becomes = {name: bindparam(name, type_=Text()) for name in columns}
        connection.execute(update(table).where(*mine).values(**becomes), changed)
    return len(changed)


def _without(message: str | None, words: Sequence[str]) -> str | None:
    if message is None:
        return None
    for word in words:
        message = message.replace(word, WITHHELD)
    return message


def keep_away(connection: Connection, meant: Meant) -> None:
    """Note whose records are not stored any more; who was noted before stays away at least as long."""
    noted = state.erased_key
    add = upsert(noted).values(stream=meant.stream, source_id=meant.source_id, until=meant.until)
    is_later = true() if meant.until is None else noted.c.until < meant.until
    widened = and_(noted.c.until.is_not(None), is_later)
    connection.execute(
        add.on_conflict_do_update(
            index_elements=[noted.c.stream, noted.c.source_id], set_={"until": meant.until}, where=widened
        )
    )


def keys_kept_away(connection: Connection, stream: str) -> dict[str, datetime | None]:
    """Whose records of the stream stay away, and up to when; None: whatever comes."""
    noted = state.erased_key.c
    found = connection.execute(select(noted.source_id, noted.until).where(noted.stream == stream))
    return {row.source_id: row.until for row in found}


def note_sent_again(connection: Connection, stream: str, source_ids: Iterable[str]) -> None:
    """Note that the source still sends them."""
    noted = state.erased_key.c
    mine = (noted.stream == stream, noted.source_id.in_(list(source_ids)))
    connection.execute(update(state.erased_key).where(*mine).values(sent_again_at=func.now()))


def new_salt() -> str:
    """A salt that nobody can guess."""
    return secrets.token_hex(16)


def hash_of(source_id: str, salt: str) -> str:
    """What a certificate knows of a natural key: who has the salt and the key can show that it is the one."""
    return hashlib.sha256(f"{salt}{source_id}".encode()).hexdigest()


def user(connection: Connection) -> str:
    """The database user."""
    if is_sqlite(connection):
        return "sqlite"
    return str(connection.scalar(select(cast(literal_column("session_user"), Text))))


def exported(connection: Connection, streams: Sequence[str]) -> list[str]:
    """Where files are that still have what was pruned of these streams."""
    noted = state.prune.c
    theirs = (noted.stream.in_(streams), noted.exported_to.is_not(None), noted.entries > 0)
    return sorted(connection.scalars(select(noted.exported_to).where(*theirs).distinct()))


def keep(connection: Connection, told: Mapping[str, Any]) -> int:
    """Keep the certificate; its number."""
    add = insert(certificate).values(**told).returning(certificate.c.erasure_id)
    number: int = connection.execute(add).scalar_one()
    return number


def certificates(connection: Connection) -> list[dict[str, Any]]:
    """All that were kept, newest first."""
    newest = select(certificate).order_by(certificate.c.erasure_id.desc())
    return [dict(row) for row in connection.execute(newest).mappings()]


def versions(connection: Connection, meant: Meant, table: Table) -> int:
    """How many versions the member has in a dimension that say something."""
    theirs = select(func.count()).where(*_rows_of(meant, table), not_(table.c.is_inferred))
    return connection.scalar(theirs) or 0


def empty(connection: Connection, meant: Meant, table: Table, *, columns: Collection[str]) -> None:
    """Leave nothing in these columns of the member's rows."""
    is_filled = or_(*(table.c[name].is_not(None) for name in columns))
    nothing = dict.fromkeys(columns)
    connection.execute(update(table).where(*_rows_of(meant, table), is_filled).values(**nothing))


def _rows_of(meant: Meant, table: Table) -> tuple[ColumnElement[bool], ...]:
    return table.c.source_system == meant.source_name, table.c.source_id == meant.source_id


def vacuum(database: Database, tables: Iterable[str]) -> None:
    """Clear dead rows out of the files, and old values out of the planner's statistics."""
    if is_sqlite(database.engine):
        return
    with database.connect() as connection:
        outside = connection.execution_options(isolation_level="AUTOCOMMIT")
        for name in dict.fromkeys(tables):
            outside.execute(text(f"VACUUM (ANALYZE) {name}"))
            statistic.forget(outside, name)
