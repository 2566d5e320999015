"""Hundreds more of the random stars that tests/property/test_fact_against_oracle.py draws."""

import pytest
from hypothesis import HealthCheck, given, settings
from tests.property import test_fact_against_oracle as facts
from tests.property.test_fact_against_oracle import Bed, Sent, bed, loads

pytestmark = pytest.mark.nightly

__all__ = ["bed"]


@given(loads)
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_fact_points_at_the_version_of_its_time_in_hundreds_of_stars(
    bed: Bed,
    batches: list[list[Sent]],
) -> None:
    facts.test_every_fact_points_at_the_version_of_its_time_whatever_arrives_first.hypothesis.inner_test(  # type: ignore[attr-defined]  # what Hypothesis keeps of a test
        bed, batches
    )
