"""The formats: what becomes of a body's rows, and that what is wrong with one of them stays with it."""

import csv
import gzip
import io
import json
import zipfile
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from strandline.errors import DeclarationError, RecordRejected
from strandline.source import Csv, Format, Json, JsonLines, Record, Xml, compression, lenient
from strandline.source.contract import Contract


class Row(Record):
    """Anything with an id."""

    id: str


PARSE = Contract(Row).parse


def read(format: Format, body: bytes, **options: Any) -> list[Any]:  # noqa: A002  # as users write it
    """The records, or why a contract refuses them."""
    return [_parsed(payload) for payload in format.records(io.BytesIO(body), **options)]


def _parsed(payload: bytes) -> Any:
    try:
        return PARSE(payload).model_dump()
    except RecordRejected as error:
        return f"{error.rule}: {error.message}"


def test_a_csv_row_is_an_object_of_texts() -> None:
    body = b'id,name\r\n007,"Bo, ""the""\nsecond"\r\n\r\n8,\r\n'

    assert list(Csv().records(io.BytesIO(body))) == [
        b'{"id":"007","name":"Bo, \\"the\\"\\nsecond"}',
        b'{"id":"8","name":""}',
    ]


def test_a_header_may_have_quotes_and_lines_in_its_names() -> None:
    """As spreadsheets export them."""
    assert list(Csv().records(io.BytesIO(b'"price\n(EUR)","9"" size",a\\b\n1,2,3\n'))) == [
        b'{"price\\n(EUR)":"1","9\\" size":"2","a\\\\b":"3"}'
    ]


def test_what_is_wrong_with_a_csv_row_stays_with_it() -> None:
    body = b'id,name\n1,Ada\n2\n3,\xff\n4,"x"y\n5,"never\n6,closed\n7,Bo\n8,"open'

    assert read(Csv(), body) == [
        {"id": "1", "name": "Ada"},
        "malformed: Row: row 2: 1 field, where there are 2 columns",
        "malformed: Row: row 3: bytes that are none of the encoding's",
        "malformed: Row: row 4: ',' expected after '\"'",
        "malformed: Row: row 5: ',' expected after '\"'",
        {"id": "6", "name": "closed"},
        {"id": "7", "name": "Bo"},
        "malformed: Row: row 8: unexpected end of data",
    ]


def test_a_malformed_row_keeps_its_text() -> None:
    *_, payload = Csv().records(io.BytesIO(b"id,name\n1,\xff,'\n"))

    assert json.loads(payload)[1].encode("utf-8", "surrogateescape") == b"1,\xff,'\n"


@pytest.mark.parametrize(
    ("declared", "body", "charset"),
    [
        (Csv(), "id,name\n1,Ä\n".encode(), None),
        (Csv(), "id,name\n1,Ä\n".encode("utf-8-sig"), "latin-1"),
        (Csv(), "id,name\n1,Ä\n".encode("utf-16"), None),
        (Csv(), "id,name\n1,Ä\n".encode("cp1252"), "cp1252"),
        (Csv(encoding="cp1252"), "id,name\n1,Ä\n".encode("cp1252"), "utf-8"),
        (Csv(encoding="utf-8"), "id,name\n1,Ä\n".encode("utf-8-sig"), None),
        (Csv(delimiter="\t"), "id\tname\n1\tÄ".encode(), None),
        (Csv(delimiter=";", quote="'"), "id;name\n1;'Ä'\n".encode(), None),
        (Csv(escape="\\"), 'id,name\n1,"Ä"\n'.encode(), None),
        (Csv(columns=("id", "name")), "1,Ä\n".encode(), None),
        (Csv(skip=2, columns=("id", "name")), "Report\nno;names\n1,Ä\n".encode(), None),
    ],
)
def test_csv_is_read_as_it_is_declared(declared: Csv, body: bytes, charset: str | None) -> None:
    assert read(declared, body, charset=charset) == [{"id": "1", "name": "Ä"}]


def test_texts_that_stand_for_null_become_null() -> None:
    assert read(Csv(null=("", "NULL")), b"id,a,b\n1,,NULL\n") == [{"id": "1", "a": None, "b": None}]


@given(st.lists(st.tuples(st.text(), st.text()), max_size=8))
def test_csv_gives_back_what_was_written(rows: list[tuple[str, str]]) -> None:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("id", "name"), *rows])
    try:
        body = file.getvalue().encode()
    except UnicodeEncodeError:  # a lone surrogate, which no file can have
        return

    assert [tuple(it.values()) for it in read(Csv(), body)] == rows


@given(
    st.text(alphabet='a",\n\r\\;', max_size=60), st.sampled_from([Csv(), Csv(escape="\\"), Csv(quote=None)])
)
def test_no_letter_of_a_csv_is_lost(rows: str, declared: Csv) -> None:
    """Whatever quotes and lines are like: it is in a record, or in the text of a malformed row."""
    payloads = list(declared.records(io.BytesIO(b"x,y\n" + rows.encode())))

    kept = [json.loads(it) for it in payloads]
    texts = [it[1] if isinstance(it, list) else "".join(it.values()) for it in kept]
    assert sum(text.count("a") for text in texts) == rows.count("a")


@given(
    st.one_of(st.binary(max_size=80), st.text(alphabet='<a>/="! &;[]{}\n', max_size=80).map(str.encode)),
    st.sampled_from([Csv(), JsonLines(), Json(), Xml("//a")]),
)
def test_any_bytes_are_read_or_refused(body: bytes, declared: Format) -> None:
    try:
        payloads = list(declared.records(io.BytesIO(body)))
    except (lenient.Truncated, lenient.Unreadable):
        return
    assert all(isinstance(it, bytes) for it in payloads)


@pytest.mark.parametrize(
    ("declared", "body", "said"),
    [
        (Csv(), b"<!DOCTYPE html><html></html>", "no CSV but a page of markup"),
        (Csv(), b' {"error": "expired"}', "no CSV but a JSON object"),
        (Csv(), b'[{"error": "expired"}]', "no CSV but a JSON array"),
        (Csv(), b"", "no header"),
        (Csv(), b"id,id\n", "names 'id' twice"),
        (JsonLines(), b"<html>", "no JSON lines but a page of markup"),
        (Json(), b"<html>", "no JSON"),
        (Xml("feed/entry"), b"<!doctype html><html></html>", "a web page"),
        (Xml("feed/entry"), b'{"error": 1}', "not well-formed"),
        (Xml("feed/entry"), b"<error/>", "its root is <error>, not <feed>"),
        (Xml("feed/entry"), b"<feed><entry></feed>", "mismatched tag"),
        (Xml("feed/entry"), b" ", "empty"),
        (Xml("//a"), b"<a>" * 300, "more than 200 deep"),
    ],
    ids=str,
)
def test_what_is_something_else_is_unreadable(declared: Format, body: bytes, said: str) -> None:
    with pytest.raises(lenient.Unreadable, match=said):
        read(declared, body)


def test_a_line_of_json_lines_keeps_its_bytes() -> None:
    body = b'\xef\xbb\xbf{"id":  "1", "n": 1.10}\r\n\n{bad\n{"id": "2"}'

    assert list(JsonLines().records(io.BytesIO(body))) == [
        b'{"id":  "1", "n": 1.10}',
        b"{bad",
        b'{"id": "2"}',
    ]


@pytest.mark.parametrize(
    ("declared", "body"),
    [
        (JsonLines(), b'{"id": "1"}\n{"id": '),
        (Json(), b'[{"id": "1"}'),
        (Xml("//entry"), b"<feed><entry><id>1</id></entry>"),
        (Xml("//entry"), b"<feed><entry><id>1</id></entry></fee"),
    ],
    ids=str,
)
def test_a_body_that_ends_too_early_is_noticed(declared: Format, body: bytes) -> None:
    with pytest.raises(lenient.Truncated):
        read(declared, body)


def test_an_element_becomes_an_object() -> None:
    body = """<feed xmlns="urn:a" xmlns:g="urn:g" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
        <entry g:rank="3"><id>1</id><tag>a</tag><tag>b</tag><line/><g:price unit="EUR">5 &lt; 6</g:price>
        <gone xsi:nil="true"/></entry>
        <entry><id>2</id></entry><other/>
    </feed>""".encode("utf-16")
    declared = Xml("feed/entry", lists=("line",), namespaces={"g": "urn:g"})

    assert read(declared, body) == [
        {
            "@g:rank": "3",
            "id": "1",
            "tag": ["a", "b"],
            "line": [""],
            "g:price": {"@unit": "EUR", "#text": "5 < 6"},
            "gone": None,
        },
        {"id": "2"},
    ]


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/evil.dtd">',
    ],
)
def test_entities_are_refused_before_they_can_grow(doctype: str) -> None:
    with pytest.raises(lenient.Unreadable, match="document type declaration"):
        read(Xml("a/b"), f"{doctype}<a><b>&b;</b></a>".encode())


def test_xml_follows_the_charset_of_its_transport() -> None:
    assert read(Xml("a/b"), "<a><b><id>Ä</id></b></a>".encode("latin-1"), charset="iso-8859-1") == [
        {"id": "Ä"}
    ]


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Csv(delimiter=";;"),
        lambda: Csv(encoding="utf-9"),
        lambda: Csv(columns=("a", "a")),
        lambda: Csv(null="NULL"),
        lambda: Xml("feed//entry"),
        lambda: Xml("a", lists="line"),
    ],
    ids=range(6),
)
def test_a_format_that_cannot_be_is_refused_where_it_is_declared(declare: Any) -> None:
    with pytest.raises(DeclarationError):
        declare()


PACKERS: dict[str, Any] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("encoding", PACKERS)
def test_half_of_what_is_compressed_is_noticed(encoding: str) -> None:
    packed = PACKERS[encoding](bytes(range(256)) * 100)
    blocks = [packed[start : start + 7] for start in range(0, len(packed), 7)]

    assert b"".join(compression.inflate(blocks, encoding)) == bytes(range(256)) * 100
    with pytest.raises(lenient.Truncated):
        list(compression.inflate(blocks[: len(blocks) // 2], encoding))
    with pytest.raises(lenient.Unreadable):
        list(compression.inflate([b"not compressed at all, but long enough"], encoding))


def test_a_file_that_is_compressed_is_known_by_its_first_bytes() -> None:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("export.csv", b"content")

    for packed in (b"content", gzip.compress(b"con") + gzip.compress(b"tent"), zipped.getvalue()):
        assert compression.unpacked(io.BytesIO(packed)).read() == b"content"
    with pytest.raises(lenient.Truncated):
        compression.unpacked(io.BytesIO(zipped.getvalue()[:-10]))
