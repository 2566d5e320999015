"""How much is tried at random: little enough to wait for and always the same; at night more, and others."""

import os
from typing import Final

from hypothesis import HealthCheck, settings

TIMES: Final = int(os.environ.get("CASES", "1"))
"""So many times as many cases as usual; `make nightly` and `make mutants` set it."""


def cases(usual: int) -> settings:
    """A decorator: so many cases, each of which may take as long as a merge in a real database takes."""
    return settings(
        max_examples=usual * TIMES,
        derandomize=TIMES == 1,  # what fails then is what was changed
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
