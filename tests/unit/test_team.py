"""When a run hires workers: once records have been work for a while, and most of what it does."""

import pytest

from strandline.pipeline.team import BUSY, WORTHWHILE, is_worthwhile


@pytest.mark.parametrize(
    ("worked", "of", "is_hired"),
    [
        (WORTHWHILE - 0.01, WORTHWHILE, False),  # a short read ends sooner than a worker is there
        (WORTHWHILE, WORTHWHILE, True),
        (WORTHWHILE, WORTHWHILE / BUSY, True),
        (WORTHWHILE, WORTHWHILE / BUSY + 0.1, False),  # the source is what the run waits for
        (60.0, 60.0 / BUSY, True),
        (60.0, 60.0 / BUSY + 1, False),
    ],
)
def test_a_worker_helps_who_is_busy_with_records(worked: float, of: float, is_hired: bool) -> None:
    assert is_worthwhile(worked, of=of) is is_hired


def test_workers_that_were_asked_for_are_there_from_the_first_page_on() -> None:
    assert is_worthwhile(0.0, of=100.0, after=0)
