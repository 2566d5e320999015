"""A number that an API is asked for: exact, wherever it stands, and nothing else in its place."""

from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar

import pytest

from strandline.errors import SourceUnavailable, UnexpectedResponse
from strandline.pipeline.reconciliation import row_count
from strandline.source import HttpSource, Retry, SourceSettings, reconciliation
from strandline.testing import ScriptedApi, Status, Truncated
from strandline.testing.server import Response


class Counter(HttpSource):
    """An API that counts."""

    retry: ClassVar[Retry] = Retry(attempts=1)

    @reconciliation
    def total(self) -> Decimal:
        """What it says."""
        return self.number("/count", params={"limit": 1, "since": None}, at="meta.total")


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


@pytest.fixture
def counter(api: ScriptedApi) -> Iterator[Counter]:
    source = Counter(settings=SourceSettings())
    source.base_url = api.url  # type: ignore[misc]  # of this one only
    with source:
        yield source


EXACT = {
    b'{"meta": {"total": 3}}': "3",
    b'\xef\xbb\xbf{"data": [{"total": 7}], "meta": {"total": 12345678901234567.89}}': "12345678901234567.89",
    b'{"meta": {"total": "0.10"}}': "0.10",
    b'{"meta": {"total": 1, "total": 2}}': "2",
    b'{"meta": {"total": 1e3}}': "1000",
}


@pytest.mark.parametrize("body", EXACT)
def test_a_number_is_read_exactly(api: ScriptedApi, counter: Counter, body: bytes) -> None:
    api.respond("/count", body)

    assert counter.total() == Decimal(EXACT[body])
    assert api.requests_to("/count")[0].query == {"limit": "1"}


@pytest.mark.parametrize("body", [b"42", b"\xef\xbb\xbf 42\n"])
def test_the_whole_answer_may_be_the_number(api: ScriptedApi, counter: Counter, body: bytes) -> None:
    api.respond("/plain", body)

    assert counter.number("/plain") == 42


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"meta": 3}',
        b'{"meta": {"total": null}}',
        b'{"meta": {"total": [3]}}',
        b"<html>",
        b"[3]",
    ],
)
def test_what_is_no_number_is_an_unexpected_response(api: ScriptedApi, counter: Counter, body: bytes) -> None:
    api.respond("/count", body)

    with pytest.raises((UnexpectedResponse, SourceUnavailable)):
        Counter.total.ask(counter)


def test_an_infinite_number_and_an_empty_answer_are_unexpected(api: ScriptedApi, counter: Counter) -> None:
    api.respond("/count", b'{"meta": {"total": Infinity}}')
    with pytest.raises(UnexpectedResponse, match="no number that could be compared"):
        Counter.total.ask(counter)

    api.respond("/count", Response(status=204))
    with pytest.raises(UnexpectedResponse, match="empty answer"):
        counter.total()


@pytest.mark.parametrize("fault", [Status(503), Truncated()])
def test_an_api_that_is_down_is_unavailable(api: ScriptedApi, counter: Counter, fault: object) -> None:
    api.respond("/count", b'{"meta": {"total": 3}}')
    api.fail("/count", fault)  # type: ignore[arg-type]  # one of its faults

    with pytest.raises(SourceUnavailable):
        counter.total()


def test_the_name_of_a_count_is_that_of_its_source() -> None:
    assert row_count(Counter.total).name == "row_count(counter.total)"
