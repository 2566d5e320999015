"""One answer of an address that does not come."""

import pytest

from strandline.errors import SourceUnavailable
from strandline.source.profile import fetch
from strandline.testing.server import Hang, Latency, ScriptedApi, Truncated


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Latency(5), "no answer within 0.3 seconds"),
        (Hang(), "no answer within 0.3 seconds"),
        (Truncated(), "the connection broke"),
    ],
)
def test_an_address_that_does_not_answer_in_time_is_told(fault: object, message: str) -> None:
    with ScriptedApi() as api:
        api.respond("/orders", b"[]" * 5000)
        api.fail("/orders", fault)  # type: ignore[arg-type]
        with pytest.raises(SourceUnavailable, match=message) as told:
            fetch.read_url(f"{api.url}/orders", headers={}, timeout=0.3)

    assert "Is it running, and is the address right?" in str(told.value.hint)
