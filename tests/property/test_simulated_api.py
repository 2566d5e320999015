"""Promises 1 and 2 at the source's edge: however odd an API is, nothing is lost and nothing kept twice.

The scenarios are of tests/simulated.py; the night plays many more, by their seeds.
"""

from collections.abc import Iterator
from random import Random

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL
from tests.effort import cases
from tests.simulated import play, prepared, quirks_of


@pytest.fixture(scope="module")
def empty(postgres_server: URL) -> Iterator[str]:
    """The name of a database to copy."""
    with pytest.MonkeyPatch.context() as environment, prepared(postgres_server) as name:
        environment.setenv("STRANDLINE_SECRET_KEY", Fernet.generate_key().decode())
        yield name


@given(st.randoms(use_true_random=False), st.integers(0, 2**16))
@cases(6)
def test_nothing_is_lost_to_an_odd_api(postgres_server: URL, empty: str, dice: Random, seed: int) -> None:
    """After every run all that the API has is kept or asked for next; in the end we have it."""
    play(postgres_server, empty, quirks_of(dice), seed=seed)


def test_who_is_deleted_twice_at_one_time_is_gone_or_there(postgres_server: URL, empty: str) -> None:
    """Seed 20330221: a clock of minutes, in one of which a thing was deleted, made again and to be deleted
    again. Both tombstones would be the same bytes, and are told once.
    """
    play(postgres_server, empty, quirks_of(Random("quirks 20330221")), seed=20330221)
