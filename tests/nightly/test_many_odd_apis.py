"""Many scenarios of odd APIs, each a seed: what tests/property/test_simulated_api.py tries a few of.

make nightly                        250 scenarios
make nightly SCENARIOS=2000         more, from the same first seed
"""

import os
from collections.abc import Iterator
from random import Random

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import URL
from tests.simulated import play, prepared, quirks_of

pytestmark = pytest.mark.nightly

SCENARIOS = int(os.environ.get("SCENARIOS", "250"))
TOGETHER = 25
FIRST = 20261128


@pytest.fixture(scope="module")
def empty(postgres_server: URL) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment, prepared(postgres_server) as name:
        environment.setenv("STRANDLINE_SECRET_KEY", Fernet.generate_key().decode())
        yield name


@pytest.mark.parametrize("first", range(FIRST, FIRST + SCENARIOS, TOGETHER))
def test_nothing_is_lost_to_odd_apis(postgres_server: URL, empty: str, first: int) -> None:
    for seed in range(first, min(first + TOGETHER, FIRST + SCENARIOS)):
        quirks = quirks_of(Random(f"quirks {seed}"))
        try:
            play(postgres_server, empty, quirks, seed=seed)
        except AssertionError as error:
            error.add_note(f"seed {seed}: {quirks}")
            raise
