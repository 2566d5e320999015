"""What a test of a pipeline needs: a warehouse of its own, an API that misbehaves on order, drawn tables.

In a `conftest.py`:

    pytest_plugins = ["strandline.testing.plugin"]

and every test can ask for `warehouse`, a database of its own in a real PostgreSQL.
"""

from strandline.testing.dataset import Dataset
from strandline.testing.drawn import assert_drawn, drawn
from strandline.testing.quirk import Quirks
from strandline.testing.server import (
    Hang,
    Html,
    Latency,
    ReceivedRequest,
    Reset,
    Response,
    ScriptedApi,
    Status,
    Truncated,
)
from strandline.testing.simulator import Simulator
from strandline.testing.tokens import Tokens

__all__ = [
    "Dataset",
    "Hang",
    "Html",
    "Latency",
    "Quirks",
    "ReceivedRequest",
    "Reset",
    "Response",
    "ScriptedApi",
    "Simulator",
    "Status",
    "Tokens",
    "Truncated",
    "assert_drawn",
    "drawn",
]
