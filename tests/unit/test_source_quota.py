"""What the headers of an answer say of a quota, in every dialect."""

import httpx
import pytest

from strandline.source.quota import Quota, read_backoff, read_quota

NOON = {"date": "Wed, 04 Mar 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "30"}, (7, 30, 100)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772625660", **NOON}, (0, 60, None)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772625660.5", **NOON}, (0, 60.5, None)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772625660000", **NOON}, (0, 60, None)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2026-03-04T12:01:00Z", **NOON}, (0, 60, None)),
        (
            {
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "Wed, 04 Mar 2026 12:01:00 GMT",
                **NOON,
            },
            (0, 60, None),
        ),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1772625000", **NOON}, (0, 0, None)),
        ({"X-Rate-Limit-Remaining": "3", "X-Rate-Limit-Reset": "9"}, (3, 9, None)),
        (
            {
                "X-RateLimit-Remaining": "1",
                "X-RateLimit-Reset": "1772625660",
                "X-RateLimit-Reset-After": "2.5",
            },
            (1, 2.5, None),
        ),
        (
            {"RateLimit-Limit": "100, 100;w=60", "RateLimit-Remaining": "50", "RateLimit-Reset": "30"},
            (50, 30, 100),
        ),
        ({"RateLimit": "limit=100, remaining=50, reset=30"}, (50, 30, 100)),
        ({"RateLimit": '"default";r=50;t=30'}, (50, 30, None)),
        (
            {
                "RateLimit": '"burst";r=2;t=1, "daily";r=1;t=3600',
                "RateLimit-Policy": '"burst";q=10;w=1, "daily";q=1000;w=86400',
            },
            (1, 3600, 1000),
        ),
        ({"X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Remaining": "5"}, None),
        ({"RateLimit": "???"}, None),
        ({}, None),
    ],
    ids=range(17),
)
def test_a_quota_is_read_in_every_dialect(
    headers: dict[str, str], quota: tuple[int, float, int | None] | None
) -> None:
    assert read_quota(httpx.Headers(headers)) == (quota and Quota(*quota))


def test_a_backoff_is_seconds() -> None:
    found = read_backoff(httpx.Headers({"Backoff": "10"}))
    assert found is not None
    assert found.total_seconds() == 10
    assert read_backoff(httpx.Headers()) is None
