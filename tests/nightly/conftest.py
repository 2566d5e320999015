"""What nightly tests can ask for: what property tests can."""

import gc
from collections.abc import Iterator

import pytest
from tests.property.conftest import another, both

__all__ = ["another", "both"]


@pytest.fixture(autouse=True)
def _own_garbage() -> Iterator[None]:
    """What a test leaves open is found in that test, and not in whichever Python cleans up in."""
    yield
    gc.collect()
