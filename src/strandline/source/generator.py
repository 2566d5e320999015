"""A Python generator as a source, for everything that no other kind of source reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from strandline.errors import StrandlineError, UnexpectedResponse
from strandline.source.contract import show
from strandline.source.page import Page, Pages
from strandline.source.state import State
from strandline.source.stream import reading

MOST_BYTES: Final = 4 * 1024 * 1024
"""A page of large records ends here."""


def paged(records: Iterable[Any], *, size: int = 1_000) -> Pages:
    """Pages of so many records that an iterable yields: what the method of a stream returns.

    A record that is bytes stays as it is. Anything else becomes the JSON that Pydantic writes of it: dicts,
    models and dataclasses, a Decimal as a text with all its digits, a moment as ISO 8601, and NaN as `NaN`,
    which is no JSON, so that nobody takes it for a null. Nothing is read before its page is asked for.
    A `State` says how far the source has been read with the records before it: the last one goes with the
    page, is stored with it, and is the next run's `since`. Raises UnexpectedResponse for a value that has no
    such form, naming the record.
    """
    asked_by = reading.get()
    where = asked_by.qualified_name if asked_by else "paged"
    first, number = 1, 1
    for payloads, state in _batches(_payloads(records, where), size):
        what = f"records {first} to {first + len(payloads) - 1}" if payloads else "no records"
        yield _page(payloads, number, f"{where}: {what}", state)
        first, number = first + len(payloads), number + 1


def _page(payloads: list[bytes], number: int, request: str, state: str | None) -> Page:
    size = sum(map(len, payloads))
    return Page(payloads, number, request, status=200, fetched_at=datetime.now(UTC), size=size, state=state)


def _payloads(records: Iterable[Any], where: str) -> Iterator[bytes | State]:
    number = 0
    for record in records:
        if isinstance(record, State):
            yield record
            continue
        number += 1
        if isinstance(record, bytes):
            yield record
            continue
        try:
            yield to_json(record, inf_nan_mode="constants", by_alias=True)
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise UnexpectedResponse(
                f"{where}: record {number} cannot be written as JSON: {error}: {show(record)}",
                hint="Yield bytes, or dicts of texts, numbers, moments, lists and dicts.",
            ) from error


def _batches(payloads: Iterable[bytes | State], size: int) -> Iterator[tuple[list[bytes], str | None]]:
    """What makes a page, and the last state before its end; one at least."""
    batch, held, state, is_first = list[bytes](), 0, None, True
    try:
        for it in payloads:
            if isinstance(it, State):
                state = it.text
                continue
            batch.append(it)
            held += len(it)
            if len(batch) >= size or held >= MOST_BYTES:
                yield batch, state
                batch, held, state, is_first = [], 0, None, False
    except StrandlineError:
        if batch:  # what came before the source failed is kept
            yield batch, state
        raise
    if batch or is_first or state is not None:
        yield batch, state
