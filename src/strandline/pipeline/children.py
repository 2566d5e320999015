"""The parents whose children a pass reads: those that have come or changed, so many at a time.

The mark of a stream of children says up to which entry of their parents' raw log they have been read. It
moves behind its own parents only, so whatever is broken off, no child is lost, and no parent asked for twice.
Parents that their contract refuses are noted when it passes them; once the contract accepts one its children
are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Table

from strandline.errors import RecordRejected
from strandline.pipeline.advance import ReadMark
from strandline.source.contract import Record
from strandline.source.cursor import CursorValue
from strandline.source.parent import Parents
from strandline.source.stream import Stream
from strandline.warehouse import mark, parent, quarantine, raw

AT_ONCE: Final = 200
"""So many parents have their children read before the mark moves."""

ENTRY: Final = "int:"
"""How a mark begins that is an entry of a raw log."""


class EntryMark(ReadMark):
    """The read mark of a stream of children: an entry of its parents' raw log."""

    _after: int = 0
    _up_to: int = 0
    _refused: Sequence[int] = ()
    _settled: Sequence[int] = ()

    @property
    def entry(self) -> int:
        """The entry up to which they have been read."""
        if self.before is None or self.is_full or not self.before.startswith(ENTRY):
            return 0
        return int(self.before.removeprefix(ENTRY))

    def pass_on(self, after: int, up_to: int, *, refused: Sequence[int]) -> None:
        """The next part is of the parents between these entries, and not of those that are refused."""
        self._after, self._up_to, self._refused, self._settled = after, up_to, refused, ()

    def settle(self, settled: Sequence[int]) -> None:
        """The next part is of parents that were refused once."""
        self._after, self._up_to, self._refused, self._settled = self.entry, self.entry, (), settled

    def move(self, *, highest: CursorValue | None, reached: str | None, is_end: bool) -> None:
        """Move it at the end of a part."""
        if not is_end or not self._up_to:
            return
        self.after = f"{ENTRY}{self._up_to}"
        mark.move_read(self._connection, self._name, mark=self.after, run_id=self._run_id)
        parent.forget(self._connection, self._name, self._settled)
        span = {"after": self._after, "up_to": self._up_to}
        parent.note(self._connection, self._name, self._refused, **span, run_id=self._run_id)


class _Judged(Struct):
    """What their contract says of some parents, by the entries of their log."""

    records: dict[int, Record] = {}
    keys: dict[int, str] = {}
    refused: dict[int, str] = {}
    """And why."""


class Children:
    """The parents of one pass over a stream of children; why some are refused stands in `unread`."""

    def __init__(
        self, connection: Connection, stream: Stream, per: Parents, mark: EntryMark, *, unread: dict[str, str]
    ) -> None:
        self._connection = connection
        self._name = stream.qualified_name
        self._per = per
        self._mark = mark
        self._unread = unread
        self._parents = per.of(stream.source)
        self._log = log_of(self._parents)

    def told(self) -> Iterator[Sequence[object]]:
        """What the stream's method is to be told, part by part."""
        yield from self._of_refused()
        with self._connection.begin():
            last = raw.last(self._connection, self._log)
        done = self._mark.entry
        while done < last:
            with self._connection.begin():
                found = raw.changed_after(self._connection, self._log, done, up_to=last, limit=AT_ONCE)
                reach = found[-1].raw_id if len(found) == AT_ONCE else last
                found += parent.keyless(self._connection, self._log, after=done, up_to=reach)
            judged = self._judge(found)
            self._unread |= {judged.keys.get(it, f"entry {it}"): why for it, why in judged.refused.items()}
            self._mark.pass_on(done, reach, refused=list(judged.refused))
            done = reach
            yield list(self._per.told(list(judged.records.values())))

    def _of_refused(self) -> Iterator[Sequence[object]]:
        """What it is to be told of parents that were refused once, and are accepted now."""
        with self._connection.begin():
            left = parent.refused(self._connection, self._name, up_to=self._mark.entry)
        for first in range(0, len(left), AT_ONCE):
            some = left[first : first + AT_ONCE]
            with self._connection.begin():
                records, settled = self._accepted(some)
                if not records:
                    parent.forget(self._connection, self._name, settled)
            if records:
                self._mark.settle(settled)
                yield list(self._per.told(records))

    def _accepted(self, raw_ids: Sequence[int]) -> tuple[list[Record], list[int]]:
        """Of these entries the records that are accepted now, and the entries that need no note any more:
        those, and what has come again, is gone or was discarded.
        """
        judged = self._judge(parent.entries(self._connection, self._log, raw_ids))
        name, span = self._parents.qualified_name, (raw_ids[0] - 1, raw_ids[-1])
        discarded = quarantine.discarded(self._connection, stream=name, after=span[0], up_to=span[1])
        over = {it for it, targets in discarded.items() if "" in targets}
        over |= parent.is_followed(self._connection, self._log, judged.keys)
        records = [record for it, record in judged.records.items() if it not in over]
        return records, [it for it in raw_ids if it in over or it not in judged.refused]

    def _judge(self, found: Sequence[raw.Latest]) -> _Judged:
        judged = _Judged()
        for it in found:
            if it.source_id is not None:
                judged.keys[it.raw_id] = it.source_id
            try:
                record = self._parents.parse(it.payload)
                key = self._parents.natural_key(record)
            except RecordRejected as error:
                judged.refused[it.raw_id] = error.message
                continue
            if key is None:
                judged.refused[it.raw_id] = "it has no natural key"
            else:
                judged.keys[it.raw_id] = key
                judged.records[it.raw_id] = record
        return judged


def log_of(stream: Stream) -> Table:
    """The stream's raw log."""
    return raw.raw_table(stream.qualified_name, cursor=stream.cursor_type, tie_break=stream.tie_break_type)
