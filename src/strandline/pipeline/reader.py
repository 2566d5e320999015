"""From a record's bytes to what a run needs to know of it: through the contract, or past it where that gives
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from strandline.errors import RecordRejected
from strandline.model.following import follows_paths
from strandline.model.type import fits_in_utc
from strandline.pipeline.target import Target
from strandline.source.census import Census, Shape
from strandline.source.contract import Record, show
from strandline.source.cursor import CursorValue
from strandline.source.stream import Stream

ReadWholly = Callable[[bytes], tuple[Record, str, CursorValue | None]]
"""(payload) → (record, natural key, cursor value)"""

Read = Callable[[bytes], tuple[Any, str, CursorValue | None, Shape]]
"""The same, and what the record carries besides its contract; the record has the contract's attributes."""


class Reader:
    """Reads records of one stream for mappers to take. Both functions raise RecordRejected."""

    def __init__(self, stream: Stream, targets: Sequence[Target], census: Census) -> None:
        self.wholly = storable(stream)
        """Through the contract; the record is its model."""
        self._shortcut = (
            stream.compile_shortcut() if all(follows_paths(it.sync.mapper) for it in targets) else None
        )
        self.read: Read = self._past_contract(stream, census) if self._shortcut else self._through(census)
        """Past the contract where that gives the same; then the record is what a mapper takes for it."""

    @property
    def has_shortcut(self) -> bool:
        """Whether records may go past the contract at all."""
        return self._shortcut is not None

    def _through(self, census: Census) -> Read:
        wholly, watch = self.wholly, census.watcher()

        def read(payload: bytes) -> tuple[Any, str, CursorValue | None, Shape]:
            record, source_id, cursor_value = wholly(payload)
            return record, source_id, cursor_value, watch(record)

        return read

    def _past_contract(self, stream: Stream, census: Census) -> Read:
        assert self._shortcut is not None
        short, wholly, watch = self._shortcut, self.wholly, census.watcher()
        natural_key, cursor_value = stream.natural_key, stream.cursor_value
        checked = fields_to_check(stream)

        def holds(record: Any) -> bool:
            return all(can_store(getattr(record, it)) for it in checked)

        def read(payload: bytes) -> tuple[Any, str, CursorValue | None, Shape]:
            found = short.read(payload)
            if found is None:
                short.miss()
            else:
                short.taken += 1
                record, shape = found
                try:
                    known = natural_key(record)
                except RecordRejected:  # which the whole way will say as well
                    known = None
                if known is not None and (not checked or holds(record)):
                    return record, known, cursor_value(record), shape
            whole, source_id, value = wholly(payload)
            if shape := watch(whole):
                short.learn(shape)
            return whole, source_id, value, shape

        return read


def fields_to_check(stream: Stream) -> dict[str, str]:
    """The fields whose values the raw log keeps and may not be able to, each with the rule that it breaks."""
    cursor = stream.cursor.field if stream.cursor else None
    checked = {"cursor": cursor, "tie_break": stream.tie_break}
    return {field: rule for rule, field in checked.items() if field and field != stream.effective_at}


def storable(stream: Stream) -> ReadWholly:
    """The stream's reader, which also refuses a record without a natural key, and a cursor value or tie-break
    that the raw log could not hold.
    """
    read, fields = stream.compile_reader(), fields_to_check(stream)

    def read_checked(payload: bytes) -> tuple[Record, str, CursorValue | None]:
        record, source_id, cursor_value = read(payload)
        if source_id is None:
            raise _keyless(stream)
        for name, rule in fields.items():
            value = getattr(record, name)
            if not can_store(value):
                raise RecordRejected(
                    f"{stream.contract.__name__}.{name}: {show(value)} is nothing that PostgreSQL can store",
                    field=name,
                    rule=rule,
                )
        return record, source_id, cursor_value

    return read_checked


def _keyless(stream: Stream) -> RecordRejected:
    field = ".".join(stream.key)
    return RecordRejected(
        f"{stream.contract.__name__}.{field}: the record has no natural key",
        field=field,
        rule="natural_key",
    )


def can_store(value: CursorValue | None) -> bool:
    """Whether the raw log can hold it."""
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return not isinstance(value, datetime) or fits_in_utc(value)
