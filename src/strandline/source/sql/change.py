"""What has changed in a table of PostgreSQL, by the numbers of the transactions that wrote its rows.

A row bears the number of its transaction, `xmin`. A snapshot knows below which number every transaction is
over: whatever it does not see has that number or a later one, however early it was begun and however late it
ends. So a read remembers that number, and the next one asks for the rows that bear it or a later one: no
commit is late for it, and nothing depends on clocks.

Rows bear 32 bits of a number of 64. The other half is completed to the latest number that the row can have;
so a row that is very old may be read again, and none is left out, also when the 32 bits begin over. Freezing
leaves `xmin` as it is, since PostgreSQL 9.4. Numbers mean something within one server and one history of it:
after a failover or a restored backup everything is read once more. So is a table or partition that has come
in the place of another, or been attached: its rows may have been written long before they were seen there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    all_,
    bindparam,
    cast,
    literal_column,
    or_,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, OID

from strandline import log
from strandline.errors import UnexpectedResponse

TURN: Final = 2**32
"""After so many transactions a row's 32 bits begin over."""

# The timeline tells histories of one server apart; it is part of the name of the log's current file.
SNAPSHOT: Final = text("""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS over,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
        pg_is_in_recovery() AS is_standby,
        has_function_privilege('pg_control_system()', 'execute') AS may_identify
""")
TIMELINE: Final = text("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
TABLES: Final = text("""
    WITH RECURSIVE read(oid) AS (
        SELECT to_regclass(:name)::oid
        UNION SELECT inhrelid FROM pg_inherits JOIN read ON inhparent = read.oid
    ) SELECT oid::bigint FROM read ORDER BY oid
""")
IDENTITY: Final = text("SELECT system_identifier::text FROM pg_control_system()")


class Reached(msgspec.Struct, forbid_unknown_fields=True):
    """The state of such a stream: everything that was written by earlier transactions has been read."""

    server: str
    """Which server, and which of its histories."""
    transaction: int
    tables: list[int]
    """Of these: the table and its partitions, by the numbers that the server has for them."""


@dataclass(frozen=True)
class Moment:
    """What a snapshot knows of the transactions of its server, and of the table that is read."""

    server: str
    over: int
    """Every transaction with a lower number has ended."""
    next: int
    """None with this number or a higher one had ended, so no row that is seen bears one."""
    tables: list[int]

    @property
    def state(self) -> str:
        """What has been read when this snapshot has been."""
        return msgspec.json.encode(Reached(self.server, self.over, self.tables)).decode()

    def since(self, state: str | None, *, where: str) -> Reached:
        """From where on it is to be read: from that state, or from the beginning.

        Raises UnexpectedResponse for a text that is no such state.
        """
        beginning = Reached(self.server, 0, [])
        if state is None:
            return beginning
        reached = _decoded(state, where)
        if reached.server == self.server and reached.transaction <= self.next:
            return reached
        log.warn("reading everything", where=where, reason="the server is another one, or its history is")
        return beginning

    def parameters(self, reached: Reached) -> dict[str, Any]:
        """The values of `is_changed` for what was not reached."""
        span = min(self.next - reached.transaction, TURN)
        return {"latest": (self.next - 1) % TURN, "span": span, "tables": reached.tables}


def is_changed(xmin: ColumnElement[Any], tableoid: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a row that bears this number may be one of the last `span` transactions', or is in none of the
    `tables`.
    """
    bits = cast(cast(xmin, Text), BigInteger)
    distance = (bindparam("latest", type_=BigInteger()) - bits + TURN) % TURN
    known = cast(bindparam("tables", type_=ARRAY(BigInteger)), ARRAY(OID))
    return or_(distance < bindparam("span", type_=BigInteger()), tableoid != all_(known))


IS_CHANGED: Final = is_changed(literal_column("xmin"), literal_column("tableoid"))
"""The same of a row of the table that is read."""


def look(connection: Connection, name: str, *, where: str) -> Moment:
    """What the connection's snapshot knows of that table. Raises UnexpectedResponse on a standby."""
    found = connection.execute(SNAPSHOT).one()
    if found.is_standby:
        raise UnexpectedResponse(
            f"{where}: the server is a standby, which does not know when its history becomes another",
            hint="Read changes from the primary, or declare a cursor with a lag.",
        )
    identity = connection.scalar(IDENTITY) if found.may_identify else ""
    tables = list(connection.scalars(TABLES, {"name": name}))
    return Moment(f"{identity}/{connection.scalar(TIMELINE)}", found.over, found.next, tables)


def _decoded(since: str, where: str) -> Reached:
    try:
        return msgspec.json.decode(since, type=Reached)
    except msgspec.DecodeError as error:
        raise UnexpectedResponse(
            f"{where}: its mark is no state of such a stream: {error}",
            hint="Run once with --full to start a new mark.",
        ) from error
