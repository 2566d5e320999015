"""What strandline says while it works: structlog on stderr, unless the program has set structlog up itself.

structlog is loaded when the first line is said: most runs say nothing, and should not wait for it.
"""

from __future__ import annotations

import sys
from typing import Any


def warn(event: str, **facts: object) -> None:
    """Say that something is not as it should be, and that the work goes on."""
    _logger().warning(event, **facts)


def say(event: str, **facts: object) -> None:
    """Say something that somebody else has said, a program that reads a source for instance."""
    _logger().info(event, **facts)


def _logger() -> Any:
    import structlog

    if not structlog.is_configured():
        # Stdout is for data. Stderr is looked up for each line: progress bars put themselves in front of it.
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    return structlog.get_logger("strandline")
