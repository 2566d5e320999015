"""When a change takes effect, where a record does not say it in a field of its own."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Final


class EffectiveTime(Enum):
    """When a change takes effect, where no field says it."""

    READ_TIME = "when it was read"
    CURSOR = "the cursor's field if that is a timestamp, else when it was read"


READ_TIME: Final = EffectiveTime.READ_TIME

KEEP_HINT: Final = "Say how long: keep=timedelta(days=400)."

A_DAY: Final = timedelta(days=1)
"""As much as clocks and zones may be off without a date being wrong."""
