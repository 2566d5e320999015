"""What nightly tests can ask for: what property tests can."""

from tests.property.conftest import another, both

__all__ = ["another", "both"]
