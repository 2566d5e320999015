"""A walk over the pages of an endpoint: the paginator asks, the client fetches, the guard watches."""

from __future__ import annotations

from typing import Final

from strandline.source.body import Reader
from strandline.source.client import Client, Fetched
from strandline.source.guard import Guard
from strandline.source.page import Cut, Page, Pages
from strandline.source.request import Answer, Paginator, Request, Walk
from strandline.source.sizing import TooMuch
from strandline.source.tally import Tally

MOST_RECORDS: Final = 50_000
"""Of one page; an answer with more becomes several."""


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
            fetched = client.fetch(request, stream=name, methods=methods, read=read, nothing=Cut([], {}))
        except TooMuch as error:
            request = steps.throw(error)
            continue
        records = fetched.content.records
        guard.check_page(records, where=fetched.where, number=number, request=request)
        answer = _answer(fetched)
        following = _next(steps, answer)
        yield from _pages(fetched, answer, number, tally.take(answer) or answer.state)
        if following is None:
            tally.end()
            return
        request, number = following, number + 1


def _next(steps: Walk, answer: Answer) -> Request | None:
    try:
        return steps.send(answer)
    except StopIteration:
        return None


def _pages(fetched: Fetched[Cut], answer: Answer, number: int, state: str | None) -> Pages:
    """One page, or several where one answer is a whole export, each with the numbers of its rows; the last
    has the state.
    """
    records = answer.records
    for first in range(0, len(records) or 1, MOST_RECORDS):
        some = records[first : first + MOST_RECORDS] if len(records) > MOST_RECORDS else records
        rows = f", rows {first + 1} to {first + len(some)}" if some is not records else ""
        yield Page(
            records=some,
            number=number,
            request=fetched.request + rows,
            status=fetched.status,
            fetched_at=fetched.fetched_at,
            size=sum(map(len, some)) if rows else fetched.size,
            state=state if first + len(some) >= len(records) else None,
        )


def _answer(fetched: Fetched[Cut]) -> Answer:
    return Answer(
        where=fetched.where,
        url=fetched.url,
        headers=fetched.headers,
        count=len(fetched.content.records),
        found=fetched.content.found,
        records=fetched.content.records,
        size=fetched.size,
        status=fetched.status,
    )
