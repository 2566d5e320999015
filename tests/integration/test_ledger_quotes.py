"""Erasure in what the ledger tells of a person: marks, requests, errors, answers, examples and exports."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pytest
from sqlalchemy import String, select, text
from sqlalchemy.orm import Mapped
from tests.integration.test_erasure import Canaries, dump

from strandline.errors import SourceUnavailable, UnexpectedResponse
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Certificate, Pipeline, RunReport, erase, row_count, run
from strandline.pipeline.pruning import prune
from strandline.source import Cursor, Page, Pages, Personal, Record, Source, reconciliation, stream
from strandline.warehouse import erasure, state
from strandline.warehouse.database import Database


class Clerk(Record):
    """Somebody, in the order of their addresses."""

    id: str
    mail: Annotated[str, Personal()]
    nick: Annotated[str | None, Personal()] = None


class Call(Record):
    """A call of nobody in particular."""

    id: str
    minutes: int


class Office(Source):
    """Whatever it is given; asks for calls by address, and gives no number."""

    name = "office_of_quotes"

    def __init__(self, clerks: list[Any], calls: list[Any], asked: str) -> None:
        super().__init__()
        self.clerk_records, self.call_records, self.asked = clerks, calls, asked

    @stream(Clerk, key="id", cursor=Cursor("mail"))
    def clerks(self, since: str | None) -> Pages:
        """Those."""
        yield self.page(self.clerk_records, "GET /clerks")

    @stream(Call, key="id")
    def calls(self) -> Pages:
        """Those, if there are any."""
        yield self.page(self.call_records, f"GET /calls?who={quote(self.asked)}&n=1")
        if not self.call_records:
            raise SourceUnavailable(f"no calls of {self.asked!r}", hint=f"Ask {self.asked}.")

    @reconciliation
    def count_clerks(self) -> int:
        """Is never known."""
        raise UnexpectedResponse(f"GET /clerks/count?but={quote(self.asked)}: no number")

    def page(self, records: list[Any], request: str) -> Page:
        """A page of them."""
        lines, now = [json.dumps(it).encode() for it in records], datetime.now(UTC)
        return Page(lines, number=1, request=request, status=200, fetched_at=now, size=1)


class DimClerk(Dimension):
    """Somebody."""

    mail: Mapped[str] = attribute(String(60), pii=True)


class DimCall(Dimension):
    """A call."""

    minutes: Mapped[int] = attribute()


class OfficeClerk(Mapper[Clerk, DimClerk]):
    """Clerks."""

    mail = field("mail")


class OfficeCall(Mapper[Call, DimCall]):
    """Calls."""

    minutes = field("minutes")


office = Pipeline("office")
office.sync(Office.clerks, OfficeClerk)
office.sync(Office.calls, OfficeCall)
office.expect(DimClerk, row_count(Office.count_clerks), severity="warn")


def load(warehouse: Database, clerks: list[Any], calls: list[Any], asked: str = "nobody") -> RunReport:
    """Let the office send these."""
    return run(office, warehouse, sources={Office.name: Office(clerks, calls, asked)})


def erased(warehouse: Database, key: str = "k", **arguments: Any) -> Certificate:
    """Erase a clerk."""
    return erase([office], warehouse, Office.clerks.qualified_name, key, reason="a request", **arguments)


def mark(warehouse: Database) -> str | None:
    """How far the clerks have been read."""
    with warehouse.connect() as connection:
        return connection.scalar(select(state.read_mark.c.mark))


def examples(warehouse: Database, path: str) -> Any:
    """What the field register shows of calls."""
    f = state.field.c
    with warehouse.connect() as connection:
        return connection.scalar(
            select(f.examples).where(f.path == path, f.stream == Office.calls.qualified_name)
        )


def test_marks_requests_errors_and_answers_say_nothing_of_the_person(warehouse: Database) -> None:
    """Of other streams of the source too, and not after the source has sent them again."""
    canary = Canaries()
    mail, nick = canary("a@example.com"), canary("nick")
    clerks = [{"id": "k", "mail": mail, "nick": nick}, {"id": "b", "mail": "A@example.com"}]
    load(warehouse, clerks, [{"id": "1", "minutes": 3}], mail)
    assert load(warehouse, clerks, [], nick).status == "partial"
    assert mark(warehouse) == f"str:{mail}"
    assert set(canary.found(dump(warehouse))) == {mail, nick}
    dry = erased(warehouse, is_dry=True)
    certificate = erased(warehouse)

    assert canary.found(dump(warehouse)) == []
    assert mark(warehouse) == "str:A@example.com"
    assert certificate.counts == dry.counts
    assert certificate.counts["strandline.read_mark"] == 1
    again = load(warehouse, clerks, [{"id": "1", "minutes": 3}])
    assert (again.streams[0].unchanged, mark(warehouse)) == (2, "str:A@example.com")
    load(warehouse, [*clerks, {"id": "z", "mail": "Z@example.com"}], [{"id": "1", "minutes": 3}])
    assert mark(warehouse) == "str:Z@example.com"
    assert canary.found(dump(warehouse)) == []


def test_examples_of_other_streams_do_not_show_the_person(warehouse: Database) -> None:
    """Though nobody knows that their records name them; a mark of nobody else is gone."""
    canary = Canaries()
    nick, other = canary("nick"), canary("other")
    calls = [{"id": "1", "minutes": 3, "tag": nick}, {"id": "2", "minutes": 3, "tag": other}]
    load(warehouse, [{"id": "k", "mail": canary("k@example.com"), "nick": nick}], calls)
    assert examples(warehouse, "tag") == [nick, other]
    erased(warehouse)

    assert examples(warehouse, "tag") == [other]
    assert mark(warehouse) is None


def test_a_forgotten_key_is_in_no_mark_and_no_request(warehouse: Database) -> None:
    """Where it is the cursor's value as well, and what is personal alone goes besides."""
    canary = Canaries()
    mail = canary("a@example.com")
    load(warehouse, [{"id": mail, "mail": mail}], [{"id": "1", "minutes": 3}], mail)
    erased(warehouse, mail, pseudonymise=True)
    load(warehouse, [{"id": mail, "mail": mail}], [{"id": "1", "minutes": 3}])

    assert canary.found(dump(warehouse)) == []


def test_a_certificate_says_where_files_still_have_it(warehouse: Database, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for mail in ("a@example.com", "b@example.com", "c@example.com"):
        load(warehouse, [{"id": "k", "mail": mail}], [{"id": "1", "minutes": 3}])
    streams = [Office.clerks.qualified_name]
    prune([office], warehouse, streams, older_than=timedelta(0), export=tmp_path)
    certificate = erased(warehouse)
    with warehouse.connect() as connection:
        (kept,) = erasure.certificates(connection)

    assert certificate.exported_to == kept["exported_to"] == [str(tmp_path)]
    with warehouse.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM raw.office_of_quotes_clerks")) == 2
