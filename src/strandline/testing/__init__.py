"""What a test of a pipeline needs: a warehouse of its own, APIs that misbehave on order, drawn records.

In a `conftest.py`:

    pytest_plugins = ["strandline.testing.plugin"]

and every test can ask for `warehouse`, a database of its own in a real PostgreSQL.
"""

from strandline import late

# At once: a module of the same name would stand in the way.
from strandline.testing.drawn import drawn as drawn

HOMES = {
    "Dataset": "testing.dataset",
    "Hang": "testing.server",
    "Html": "testing.server",
    "Latency": "testing.server",
    "Quirks": "testing.quirk",
    "ReceivedRequest": "testing.server",
    "Reset": "testing.server",
    "Response": "testing.server",
    "ScriptedApi": "testing.server",
    "Simulator": "testing.simulator",
    "Status": "testing.server",
    "Tokens": "testing.tokens",
    "Truncated": "testing.server",
    "assert_drawn": "testing.drawn",
    "assert_idempotent": "testing.idempotence",
    "assert_migrations_round_trip": "testing.migration",
    "assert_order_independent": "testing.order",
    "crash_anywhere": "testing.crash",
    "create_tables": "testing.tables",
    "example_records": "testing.record",
    "records": "testing.record",
}

__all__ = sorted([*HOMES, "drawn"])  # noqa: PLE0605

__getattr__ = late.finder(__name__, HOMES)


def __dir__() -> list[str]:
    return __all__
