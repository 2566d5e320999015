"""What is found in `strandline.testing`, as type checkers see it."""

from strandline.testing.crash import crash_anywhere as crash_anywhere
from strandline.testing.dataset import Dataset as Dataset
from strandline.testing.drawn import assert_drawn as assert_drawn
from strandline.testing.drawn import drawn as drawn
from strandline.testing.idempotence import assert_idempotent as assert_idempotent
from strandline.testing.migration import assert_migrations_round_trip as assert_migrations_round_trip
from strandline.testing.order import assert_order_independent as assert_order_independent
from strandline.testing.quirk import Quirks as Quirks
from strandline.testing.record import example_records as example_records
from strandline.testing.record import records as records
from strandline.testing.server import Hang as Hang
from strandline.testing.server import Html as Html
from strandline.testing.server import Latency as Latency
from strandline.testing.server import ReceivedRequest as ReceivedRequest
from strandline.testing.server import Reset as Reset
from strandline.testing.server import Response as Response
from strandline.testing.server import ScriptedApi as ScriptedApi
from strandline.testing.server import Status as Status
from strandline.testing.server import Truncated as Truncated
from strandline.testing.simulator import Simulator as Simulator
from strandline.testing.tables import create_tables as create_tables
from strandline.testing.tokens import Tokens as Tokens

HOMES: dict[str, str]
__all__: list[str]
