"""What strandline says while it works: structlog on stderr, unless the program has set structlog up itself.

structlog is loaded when the first line is said: most runs say nothing, and should not wait for it.
"""

from __future__ import annotations

import sys


def warn(event: str, **facts: object) -> None:
    """Say that something is not as it should be, and that the work goes on."""
    import structlog

    if not structlog.is_configured():
        # Stdout is for data. Stderr is looked up for each line: progress bars put themselves in front of it.
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    structlog.get_logger("strandline").warning(event, **facts)
