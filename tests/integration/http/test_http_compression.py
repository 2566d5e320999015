"""An HttpSource asks for compressed answers, and notices half of one, which httpx does not."""

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard

from strandline.errors import SourceUnavailable
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi, Truncated

BODY = b'{"data": [%s]}' % b", ".join(b'{"id": "C-%d"}' % number for number in range(200))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def packing(encoding: str) -> Callable[[ReceivedRequest], Response]:
    return lambda _: Response(PACKERS[encoding](BODY), headers={"Content-Encoding": encoding})


@pytest.mark.parametrize("encoding", PACKERS)
def test_an_answer_is_inflated(api: ScriptedApi, open_crm: Callable[..., Any], encoding: str) -> None:
    api.respond("/customers", packing(encoding))

    (page,) = open_crm().read()
    assert (len(page.records), page.size) == (200, len(BODY))
    assert api.requests[0].headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize("encoding", PACKERS)
def test_half_an_answer_is_noticed_without_a_length(
    api: ScriptedApi, open_crm: Callable[..., Any], encoding: str
) -> None:
    api.respond("/customers", packing(encoding))
    api.fail("/customers", Truncated(content_length=False), request=[1, 3, 4, 5])
    crm = open_crm()

    assert len(crm.read()[0].records) == 200
    with pytest.raises(SourceUnavailable, match=f"the {encoding} stream has no end"):
        crm.read()


def test_what_is_not_compressed_as_it_says_is_an_error(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    api.respond("/customers", Response(BODY, headers={"Content-Encoding": "gzip"}))
    crm = open_crm()

    with pytest.raises(SourceUnavailable, match="cannot be decompressed: it is no gzip"):
        crm.read()
    api.respond("/customers", Response(BODY, headers={"Content-Encoding": "compress"}))
    with pytest.raises(SourceUnavailable, match="'compress', which nobody here knows"):
        crm.read()


def test_several_encodings_are_undone_from_the_last_to_the_first(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    packed = gzip.compress(brotli.compress(BODY))
    api.respond("/customers", Response(packed, headers={"Content-Encoding": "br, identity, gzip"}))

    assert len(open_crm().read()[0].records) == 200
