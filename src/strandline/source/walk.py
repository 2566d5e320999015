"""A walk over the pages of an endpoint: the paginator asks, the client fetches, the guard watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from strandline.errors import SourceError
from strandline.source import lenient
from strandline.source.body import Reader
from strandline.source.client import Client, Fetched
from strandline.source.guard import Guard, Seen
from strandline.source.page import Cut, Page, Pages
from strandline.source.request import Answer, Paginator, Request, Walk
from strandline.source.sizing import TooMuch
from strandline.source.tally import Tally

MOST_RECORDS: Final = 50_000
"""Of one page; an answer with more becomes several."""
PART_RECORDS: Final = 2_500
"""Of one page, where an answer is too large to be held."""
PART_BYTES: Final = 4 * 1024 * 1024
"""Of its payloads."""


def walk(
    client: Client,
    first: Request,
    *,
    paginator: Paginator,
    read: Reader,
    name: str,
    methods: tuple[str, ...],
    tally: Tally | None = None,
) -> Pages:
    """The pages, as they come; the stream's name and the methods that only read are the client's to know."""
    tally = tally or Tally(None, None)
    guard = Guard(client.show_token)
    steps = paginator.walk(first)
    request = next(steps)
    number = 1
    while True:
        guard.check_request(request, where=name, number=number)
        try:
            fetched = client.fetch(
                request,
                stream=name,
                methods=methods,
                read=read.read,
                nothing=Cut([], {}),
                spools=read.spools,
            )
        except TooMuch as error:
            request = steps.throw(error)
            continue
        held, seen, earlier = fetched.content.records, Seen(fetched.content.records), 0
        try:
            for more in _rest(client, fetched):
                if held:
                    yield from _pages(fetched, held, number=number, earlier=earlier, is_part=True)
                earlier += len(held)
                seen.add(more)
                held = more
        except SourceError:
            yield from _pages(fetched, held, number=number, earlier=earlier, is_part=True)
            raise
        guard.check_page(seen, where=fetched.where, number=number, request=request)
        answer = _answer(fetched, held, earlier=earlier)
        following = _next(steps, answer)
        state = tally.take(answer) or answer.state
        yield from _pages(fetched, answer.records, number=number, earlier=earlier, state=state)
        if following is None:
            tally.end()
            return
        request, number = following, number + 1


def _next(steps: Walk, answer: Answer) -> Request | None:
    try:
        return steps.send(answer)
    except StopIteration:
        return None


def _rest(client: Client, fetched: Fetched[Cut]) -> Iterator[list[bytes]]:
    """The records of a body that is too large to be held, in parts."""
    if fetched.content.rest is None:
        return
    with closing(fetched.content.rest) as rest:
        part, size = list[bytes](), 0
        try:
            for payload in rest:
                part.append(payload)
                size += len(payload)
                if len(part) >= PART_RECORDS or size >= PART_BYTES:
                    yield part
                    part, size = [], 0
        except (lenient.Truncated, lenient.Unreadable) as error:
            if part:
                yield part
            raise client.explain_late(error, fetched) from None
        if part:
            yield part


def _pages(
    fetched: Fetched[Cut],
    records: list[bytes],
    *,
    number: int,
    earlier: int,
    is_part: bool = False,
    state: str | None = None,
) -> Pages:
    """One page, or several where one answer is a whole export, each with the numbers of its rows; the last
    has the state.
    """
    is_part = is_part or earlier > 0 or len(records) > MOST_RECORDS
    for first in range(0, len(records) or 1, MOST_RECORDS):
        some = records[first : first + MOST_RECORDS] if len(records) > MOST_RECORDS else records
        start = earlier + first
        rows = f", rows {start + 1} to {start + len(some)}" if is_part else ""
        yield Page(
            records=some,
            number=number,
            request=fetched.request + rows,
            status=fetched.status,
            fetched_at=fetched.fetched_at,
            size=sum(map(len, some)) if rows else fetched.size,
            state=state if first + len(some) >= len(records) else None,
        )


def _answer(fetched: Fetched[Cut], records: list[bytes], *, earlier: int) -> Answer:
    return Answer(
        where=fetched.where,
        url=fetched.url,
        headers=fetched.headers,
        count=earlier + len(records),
        found=fetched.content.found,
        records=records,
        earlier=earlier,
        size=fetched.size,
        status=fetched.status,
    )
