"""Downloads that are too large for memory: read whole into a file, then piece by piece, in flat memory."""

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from tests.integration.http.lake import MIB, lines

from strandline.errors import PaginationLoop, SourceUnavailable, UnexpectedResponse
from strandline.source import (
    Csv,
    ErrorInBody,
    Excel,
    Format,
    Header,
    IfChanged,
    Json,
    JsonLines,
    Keyset,
    Offset,
    TokenInHeader,
    Xml,
)
from strandline.source.formatted import EAGER
from strandline.source.spool import IN_MEMORY
from strandline.source.walk import PART_BYTES, PART_RECORDS
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi, Truncated

COUNT = 60_000
"""Rows of 400 bytes: more than is held, and more than is read before anybody is given one."""
TEXT = b"x" * 400


def csv_of(count: int) -> bytes:
    return b"id,text\n" + b"".join(b"%d,%s\n" % (number, TEXT) for number in range(count))


def ndjson_of(count: int) -> bytes:
    return b"".join(b'{"id":"%d","text":"%s"}\n' % (number, TEXT) for number in range(count))


def xml_of(count: int) -> bytes:
    rows = b"".join(b"<row><id>%d</id><text>%s</text></row>" % (number, TEXT) for number in range(count))
    return b"<rows>" + rows + b"</rows>"


def json_of(count: int) -> bytes:
    return b'{"data": [' + ndjson_of(count).rstrip().replace(b"\n", b", ") + b"]}"


FORMATS: dict[str, tuple[Format, Callable[[int], bytes]]] = {
    "csv": (Csv(), csv_of),
    "ndjson": (JsonLines(), ndjson_of),
    "xml": (Xml("rows/row"), xml_of),
    "json": (Json("data"), json_of),
}


def ids(pages: Any) -> list[int]:
    return [int(json.loads(record)["id"]) for page in pages for record in page.records]


def open_files() -> int:
    return sum("strandline-" in target or "(deleted)" in target for target in _targets())


def _targets() -> Iterator[str]:
    for handle in Path("/proc/self/fd").iterdir():
        try:
            yield os.readlink(handle)
        except OSError:  # the one that looks
            continue


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zip", "content encoding"])
def test_a_large_body_is_read_whole_and_in_pages(
    api: ScriptedApi, open_crm: Callable[..., Any], name: str, packing: str
) -> None:
    declared, make = FORMATS[name]
    body = make(COUNT)
    assert len(body) > IN_MEMORY + EAGER / 3
    packed = io.BytesIO()
    if packing == "zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("export", body)
    headers = {"Content-Encoding": "gzip"} if packing == "content encoding" else {}
    sent = {"plain": body, "zip": packed.getvalue()}.get(packing) or gzip.compress(body, 1)
    api.respond("/export", Response(sent, headers=headers))
    before = open_files()

    pages = list(open_crm().pages("/export", format=declared))
    assert ids(pages) == list(range(COUNT))
    assert open_files() == before
    assert {page.number for page in pages} == {1}
    assert max(len(page.records) for page in pages) <= PART_RECORDS
    assert all(sum(map(len, page.records)) < PART_BYTES + 4096 for page in pages[-2:])
    first = 1
    for page in pages:
        assert page.request == f"GET {api.url}/export, rows {first} to {first + len(page.records) - 1}"
        first += len(page.records)


def test_who_stops_in_the_middle_leaves_no_file(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/export", csv_of(COUNT))
    before = open_files()

    for stop in (1, 2):
        pages = open_crm().pages("/export", format=Csv())
        assert len(list(islice(pages, stop))) == stop
        assert open_files() == before + 1
        pages.close()
        assert open_files() == before


@pytest.mark.parametrize("length", [True, False], ids=["with a length", "without"])
@pytest.mark.parametrize("name", FORMATS)
def test_a_large_body_that_breaks_off_is_asked_for_again(
    api: ScriptedApi, open_crm: Callable[..., Any], name: str, length: bool
) -> None:
    declared, make = FORMATS[name]
    api.respond("/export", Response(gzip.compress(make(COUNT), 1)))
    api.fail("/export", Truncated(0.9, content_length=length), request=1)
    before = open_files()

    assert ids(open_crm().pages("/export", format=declared)) == list(range(COUNT))
    assert len(api.requests) == 2
    assert open_files() == before


@pytest.mark.parametrize("name", ["ndjson", "xml", "json"])
def test_half_of_a_large_body_without_a_length_is_noticed(
    api: ScriptedApi, open_crm: Callable[..., Any], name: str
) -> None:
    """When some of it has been read on: that is kept, and the stream fails."""
    declared, make = FORMATS[name]
    api.respond("/export", make(COUNT))
    api.fail("/export", Truncated(0.95, content_length=False))
    read = list[int]()

    def read_on() -> None:
        for page in open_crm().pages("/export", format=declared):
            read.extend(ids([page]))

    with pytest.raises(SourceUnavailable, match=r"/export: 200, but the body is cut short"):
        read_on()
    assert read == list(range(len(read)))
    assert COUNT * 0.9 < len(read) < COUNT, len(read)


def test_what_is_wrong_behind_a_large_part_is_told(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/export", xml_of(COUNT) + b"</rows>")

    with pytest.raises(UnexpectedResponse, match=r"/export: 200, but the XML is not well-formed"):
        list(open_crm().pages("/export", format=Xml("rows/row")))


def test_a_row_that_cannot_be_read_has_its_number(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/export", csv_of(COUNT) + b"too,many,fields\n")

    pages = list(open_crm().pages("/export", format=Csv()))
    head, text = json.loads(pages[-1].records[-1])
    assert (head["row"], text) == (COUNT + 1, "too,many,fields\n")


def test_large_pages_follow_each_other(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    """By a header, as bulk exports do, or by their count."""
    big = csv_of(COUNT)

    def answer(request: ReceivedRequest) -> Response:
        locator = request.query.get("locator")
        return Response(
            big if locator is None else b"id,text\n7,x\n", headers={"Next": "" if locator else "2"}
        )

    api.respond("/bulk", answer)
    pages = open_crm().pages("/bulk", format=Csv(), paginator=TokenInHeader("Next", param="locator"))
    assert ids(pages) == [*range(COUNT), 7]

    api.respond("/offset", lambda it: Response(b"id,text\n" if it.query["offset"] != "0" else big))
    assert len(ids(open_crm().pages("/offset", format=Csv(), paginator=Offset()))) == COUNT
    assert api.requests[-1].query["offset"] == str(COUNT)

    api.respond("/loop", big)
    with pytest.raises(PaginationLoop, match=f"has the same {COUNT} records as page 1"):
        list(open_crm().pages("/loop", format=Csv(), paginator=Offset()))


def test_a_walk_that_looks_at_records_is_given_all_of_them(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    big = csv_of(COUNT)
    api.respond("/keyset", lambda it: Response(b"id,text\n" if it.query.get("after") else big))
    paginator = Keyset(cursor="id", param="after", limit=COUNT + 1)

    pages = list(open_crm().pages("/keyset", format=Csv(), paginator=paginator))
    assert ids(pages) == list(range(COUNT))


def test_the_state_goes_with_the_last_page(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/export", Response(csv_of(COUNT), headers={"ETag": '"1"', "Total": f"{COUNT}"}))

    pages = list(open_crm().pages("/export", format=Csv(), paginator=IfChanged(None), total=Header("Total")))
    assert [bool(page.state) for page in pages] == [*[False] * (len(pages) - 1), True]


def test_a_large_body_is_not_looked_through_for_errors(
    api: ScriptedApi, open_crm: Callable[..., Any]
) -> None:
    """An error is small; one among rows is a row."""
    api.respond("/export", b'{"error": "of a row", "id": "0"}\n' + ndjson_of(COUNT))

    pages = open_crm().pages("/export", format=JsonLines(), errors=ErrorInBody("error"))
    assert len(ids(pages)) == COUNT + 1


def test_a_workbook_is_read_over_http(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    """It is a zip archive itself, and not one with a file in it."""
    book, content = Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    for row in (["id", "name"], [1, "a"], [2, "b"]):
        sheet.append(row)
    book.save(content)
    api.respond("/export", content.getvalue())

    assert ids(open_crm().pages("/export", format=Excel())) == [1, 2]


@pytest.fixture
def little_space() -> Iterator[None]:
    """No file of this process may be larger than one that a body of this test needs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (IN_MEMORY // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("little_space")
def test_no_space_for_it_is_told(api: ScriptedApi, open_crm: Callable[..., Any]) -> None:
    api.respond("/export", csv_of(COUNT))
    before = open_files()

    with pytest.raises(
        SourceUnavailable, match=r"/export: the answer is too large for memory, and cannot be kept in /"
    ) as it:
        list(open_crm().pages("/export", format=Csv()))
    assert "TMPDIR" in str(it.value.hint)
    assert open_files() == before
    api.respond("/export", csv_of(10))
    assert len(ids(open_crm().pages("/export", format=Csv()))) == 10


@pytest.mark.parametrize("name", ["csv", "ndjson", "xml", "json", "gzip"])
def test_memory_does_not_grow_with_a_download(name: str) -> None:
    """150 MB over HTTP in a process of its own, whose peak is taken before and after."""
    command = [sys.executable, "-m", "tests.integration.http.lake", name, str(150 * MIB)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    told = json.loads(ran.stdout)

    assert told["records"] == sum(1 for _ in lines(name, 150 * MIB)) + (name == "json")
    assert told["grown"] < 80 * MIB, told
