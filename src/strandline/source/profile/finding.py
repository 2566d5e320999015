"""What was found, how sure that is, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Sureness = Literal["sure", "likely", "unsure"]
RANKS: Final[dict[str, int]] = {"sure": 0, "likely": 1, "unsure": 2}


@dataclass(frozen=True)
class Finding:
    """Something that a sample tells."""

    what: str
    """A field, a path, or the Python that declares it."""
    sure: Sureness
    why: str

    @property
    def rank(self) -> int:
        """0 for the surest."""
        return RANKS[self.sure]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"what": self.what, "sure": self.sure, "why": self.why}
