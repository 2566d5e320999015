"""How long to wait before another try, and what is said when it was no use."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from strandline.errors import DeclarationError, QuotaExhausted, SourceUnavailable
from strandline.source import Rate, Retry
from strandline.source.quota import read_retry_after
from strandline.source.retry import Transient, run
from strandline.source.throttle import Throttle

QUICK = Retry(attempts=3, wait_initial=timedelta(milliseconds=1), wait_max=timedelta(milliseconds=2))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "Wed, 04 Mar 2026 12:00:30 GMT", "date": "Wed, 04 Mar 2026 12:00:00 GMT"}, 30),
        ({"retry-after": "Wed, 04 Mar 2026 11:00:00 GMT", "date": "Wed, 04 Mar 2026 12:00:00 GMT"}, 0),
        ({"retry-after": "Wed, 04 Mar 2020 11:00:00 GMT"}, 0),
        ({"retry-after": "9" * 400}, 10**9),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({}, None),
    ],
    ids=range(9),
)
def test_retry_after_is_seconds_or_a_date_on_the_sources_clock(
    headers: dict[str, str], seconds: int | None
) -> None:
    asked = read_retry_after(httpx.Headers(headers))

    assert asked == (None if seconds is None else timedelta(seconds=seconds))


def test_an_attempt_that_recovers_is_all_that_is_seen() -> None:
    answers: Iterator[Any] = iter([Transient("503"), Transient("504"), "page"])

    def attempt() -> str:
        answer = next(answers)
        if isinstance(answer, Transient):
            raise answer
        return str(answer)

    assert run(attempt, policy=QUICK, where="crm.customers") == "page"


def test_giving_up_tells_how_often_how_long_and_the_last_answer() -> None:
    tries = itertools.count(1)

    def attempt() -> None:
        raise Transient(f"503 for the {next(tries)}th time")

    with pytest.raises(
        SourceUnavailable, match=r"crm: gave up after 3 attempts over 0.\d s; last answer: 503 for the 3th"
    ):
        run(attempt, policy=QUICK, where="crm")


@pytest.mark.parametrize(
    "policy", [Retry(retry_after_cap=timedelta(seconds=10)), Retry(budget=timedelta(seconds=40))]
)
def test_a_quota_that_is_used_up_for_too_long_ends_it_at_once_and_tells_when_to_come_back(
    policy: Retry,
) -> None:
    def attempt() -> None:
        raise Transient("429 Too Many Requests", retry_after=timedelta(seconds=50), rate_limited=True)

    with pytest.raises(QuotaExhausted, match=r"crm: the quota is used up: 429 .* again in 0:00:50") as caught:
        run(attempt, policy=policy, where="crm")

    assert caught.value.retry_at
    assert 49 < (caught.value.retry_at - datetime.now(UTC)).total_seconds() < 52


def test_a_source_that_is_down_for_long_is_asked_again_up_to_the_cap() -> None:
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise Transient("503", retry_after=timedelta(hours=1))

    policy = Retry(attempts=2, retry_after_cap=timedelta(milliseconds=5))
    with pytest.raises(SourceUnavailable, match="2 attempts"):
        run(attempt, policy=policy, where="crm")
    assert len(tries) == 2


def test_other_errors_are_not_tried_again() -> None:
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(attempt, policy=QUICK, where="crm")
    assert len(tries) == 1


@pytest.mark.parametrize(("requests", "per"), [(0, "second"), (-1, "second"), (1, "fortnight")])
def test_a_rate_that_makes_no_sense_is_refused(requests: float, per: Any) -> None:
    with pytest.raises(DeclarationError, match="a rate is more than 0"):
        Rate(requests, per)


def test_a_rate_spaces_requests() -> None:
    assert Rate(10).spacing == 0.1
    assert Rate(30, per="minute").spacing == 2
    Throttle(None).wait()
