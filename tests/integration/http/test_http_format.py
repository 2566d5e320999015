"""An HttpSource reads bodies of every format, and says what came where it is another one."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from strandline.errors import DeclarationError, SourceUnavailable, UnexpectedResponse
from strandline.source import Csv, Format, JsonLines, LinkInBody, TokenInBody, Xml
from strandline.testing.server import Html, ReceivedRequest, Response, ScriptedApi


def read(crm: Any, format: Format | None, **options: Any) -> list[bytes]:  # noqa: A002  # as users write it
    return [record for page in crm.pages("/export", format=format, **options) for record in page.records]


def test_a_csv_is_read_in_the_charset_of_its_content_type(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    body = "id;name\n1;Ä\n".encode("cp1252")
    api.respond("/export", Response(body, content_type="text/csv; charset=windows-1252"))

    assert read(open_crm(), Csv(delimiter=";")) == ['{"id":"1","name":"Ä"}'.encode()]


def test_a_download_that_is_a_compressed_file_is_unpacked(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    packed = gzip.compress(b'{"id": 1}\n{"id": 2}\n')
    api.respond("/export", Response(packed, content_type="application/gzip"))
    crm = open_crm()

    assert read(crm, JsonLines()) == [b'{"id": 1}', b'{"id": 2}']
    api.respond("/export", Response(packed[:-5], content_type="application/gzip"))
    with pytest.raises(SourceUnavailable, match="cut short: the gzip stream has no end"):
        read(crm, JsonLines())


def test_an_xml_feed_is_followed_by_what_stands_in_it(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    def answer(request: ReceivedRequest) -> Response:
        token = request.query.get("page_token", "")
        following = b"" if token else b"<next>more</next>"
        return Response(b"<feed>%s<entry>%d</entry></feed>" % (following, request.number))

    api.respond("/export", answer)

    pages = read(open_crm(), Xml("feed/entry"), paginator=TokenInBody("feed.next"))
    assert pages == [b'{"#text":"1"}', b'{"#text":"2"}']


@pytest.mark.parametrize("declared", [Csv(), JsonLines(), Xml("feed/entry")])
def test_a_login_page_is_no_data(api: ScriptedApi, open_crm: Callable[..., Any], declared: Format) -> None:
    api.fail("/export", Html())

    with pytest.raises(UnexpectedResponse, match=r"text/html.*Please sign in"):
        read(open_crm(), declared)


def test_nothing_is_no_record(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/export", Response(status=204))

    assert read(open_crm(), Csv()) == []


def test_a_large_export_comes_in_pages_that_name_their_rows(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    api.respond("/export", b"id\n" + b"1\n" * 50_001)

    first, second = open_crm().pages("/export", format=Csv())
    assert (len(first.records), len(second.records)) == (50_000, 1)
    assert second.request == f"GET {api.url}/export, rows 50001 to 50001"


def test_what_cannot_be_found_in_a_format_is_refused(open_crm: Callable[..., Any]) -> None:
    crm = open_crm()

    with pytest.raises(DeclarationError, match="CSV holds records only"):
        read(crm, Csv(), paginator=LinkInBody())
    with pytest.raises(DeclarationError, match="the format says where"):
        read(crm, Csv(), records="data")
