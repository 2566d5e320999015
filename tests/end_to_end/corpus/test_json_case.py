"""Every kind of JSON, and of what is none, through the whole way: over HTTP into the raw log, and from there
into the dimension as it is, or into the quarantine with a reason.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped
from tests.end_to_end.corpus.json_case import ACCEPTED, BOM, CASES, REJECTED

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import HttpSource, Pages, Record, Retry, SourceSettings, stream
from strandline.source.lenient import Truncated, Unreadable
from strandline.source.page import split
from strandline.testing import ScriptedApi
from strandline.warehouse.database import Database

JSON_SPACE = b" \t\r\n"
BEFORE, AFTER = b'{"id": "before %d"}', b'{"id": "after %d"}'


class Thing(Record):
    """A thing, with anything for a note."""

    id: str
    note: Any = None


class ShelfSettings(SourceSettings):
    """Where the shelf's API is."""

    base_url: str


class Shelf(HttpSource):
    """Things, in bodies that each have a path of their own."""

    settings: ShelfSettings
    retry = Retry(attempts=1)
    paths: tuple[str, ...] = ()

    @stream(Thing, key="id")
    def things(self) -> Pages:
        """One page for each path."""
        for path in self.paths:
            yield from self.pages(path)


class DimShelfThing(Dimension):
    """A thing."""

    note: Mapped[Any | None] = attribute(JSONB)


class ShelfThing(Mapper[Thing, DimShelfThing]):
    """Things."""

    note = field("note")


shelf = Pipeline("shelf")
shelf.sync(Shelf.things, ShelfThing, rejects=Rejects(count=10**9))


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def load(warehouse: Database, api: ScriptedApi, *bodies: bytes) -> RunReport:
    """One run over these bodies, each of them a page."""
    for number, body in enumerate(bodies):
        api.respond(f"/{number}", body)
    source = Shelf(settings=ShelfSettings(base_url=api.url))
    source.paths = tuple(f"/{number}" for number in range(len(bodies)))
    with source:
        return run(shelf, warehouse, sources={"shelf": source})


def between(number: int, record: bytes) -> bytes:
    """A page of this record between two good ones."""
    return b"[%s,%s,%s]" % (BEFORE % number, record, AFTER % number)


def as_record(_name: str, case: bytes) -> bytes:
    """The case is the record."""
    return case


def as_value(name: str, case: bytes) -> bytes:
    """The case is a value in a record."""
    return b'{"id": %s, "note": %s}' % (json.dumps(name).encode(), case)


def is_cut(body: bytes) -> bool:
    """Whether the body can be told apart into records at all: its brackets and quotes must be even."""
    try:
        split(body)
    except (Truncated, Unreadable):
        return False
    return True


def stored(warehouse: Database) -> list[bytes]:
    with warehouse.connect() as connection:
        return [bytes(it) for it in connection.scalars(text("SELECT payload FROM raw.shelf_things"))]


def refused(warehouse: Database) -> dict[bytes, str]:
    """Why which payload is in the quarantine."""
    query = "SELECT l.payload, r.reason FROM strandline.reject r JOIN raw.shelf_things l USING (raw_id)"
    with warehouse.connect() as connection:
        return {bytes(it.payload): it.reason for it in connection.execute(text(query))}


def notes(warehouse: Database) -> dict[str, Any]:
    """The notes as they are in the dimension, by natural key."""
    query = "SELECT source_id, note::text AS note FROM warehouse.dim_shelf_thing WHERE shelf_thing_key > 0"
    with warehouse.connect() as connection:
        return {it.source_id: exactly(it.note) for it in connection.execute(text(query))}


def exactly(written: str | bytes) -> Any:
    """What JSON says, with every number as it is."""
    return json.loads(written, parse_float=Decimal, parse_int=Decimal)


TOO_DEEP = {"array deeper", "object deeper", "array very deep", "object very deep"}
WITH_NUL = {"text of an escaped NUL", "text of only a NUL"}


def test_every_case_as_a_value_is_stored_exactly_or_refused_with_a_reason(
    warehouse: Database, api: ScriptedApi
) -> None:
    """Among good neighbours, which all arrive."""
    records = {name: as_value(name, case) for name, case in CASES.items()}
    pages = {name: between(number, record) for number, (name, record) in enumerate(records.items())}
    whole = {name: body for name, body in pages.items() if is_cut(body)}
    report = load(warehouse, api, *whole.values())
    in_log, why, found = stored(warehouse), refused(warehouse), notes(warehouse)

    assert report.streams[0].status == "partial"
    assert set(ACCEPTED) <= set(whole)
    assert len(in_log) == len(set(in_log)) == 3 * len(whole)
    assert {records[name] for name in whole} < set(in_log)
    assert sum(name.startswith(("before ", "after ")) for name in found) == 2 * len(whole)
    for name in whole:
        assert (records[name] in why) is not (name in found), name
        assert why.get(records[name], "so") != "", name
        if name in found:
            assert found[name] == exactly(CASES[name]), name
    assert {name for name in ACCEPTED if name not in found} == WITH_NUL
    assert not REJECTED.keys() & found.keys()


def test_every_case_as_a_record_is_stored_exactly_and_refused_with_a_reason(
    warehouse: Database, api: ScriptedApi
) -> None:
    """None of them is a thing with an id."""
    pages = {name: between(number, case) for number, (name, case) in enumerate(CASES.items())}
    whole = {name for name, body in pages.items() if is_cut(body)}
    load(warehouse, api, *(pages[name] for name in whole))
    in_log, why = stored(warehouse), refused(warehouse)
    cases = {CASES[name].strip(JSON_SPACE) for name in whole}
    neighbours = {it for it in in_log if it.startswith((b'{"id": "before', b'{"id": "after'))}

    assert set(ACCEPTED) <= whole
    assert len(neighbours) == 2 * len(whole)
    assert set(in_log) - neighbours == cases == set(why)
    assert all(why.values())


def test_what_cannot_be_told_apart_stops_the_stream_and_leaves_nothing(
    warehouse: Database, api: ScriptedApi
) -> None:
    """A bracket or a quote too many: where the next record begins is anybody's guess."""
    shapes = (as_value, as_record)
    bodies = [between(0, shape(name, case)) for shape in shapes for name, case in CASES.items()]
    broken = [body for body in bodies if not is_cut(body)]
    for body in broken:
        report = load(warehouse, api, body)

        assert (report.streams[0].status, report.exit_code) == ("failed", 1), body
        assert "/0" in (report.streams[0].error or "")
    assert 20 < len(broken) < 50
    assert stored(warehouse) == []


def test_every_case_as_a_whole_body_is_read_to_the_last_record_or_stops_the_stream(
    warehouse: Database, api: ScriptedApi
) -> None:
    arrays = {name: case for name, case in CASES.items() if is_cut(case)}
    load(warehouse, api, *arrays.values())
    in_log = stored(warehouse)

    assert {name for name, it in ACCEPTED.items() if it.strip(JSON_SPACE)[:1] == b"["} <= set(arrays)
    for name in ACCEPTED.keys() & arrays.keys():
        wanted = exactly(CASES[name])
        assert all(any(exactly(it) == value for it in in_log if _is_json(it)) for value in wanted), name
    for it in in_log:
        assert any(it in case for case in arrays.values()), it
    for name in ("array without an end", "text of NaN", "nothing but bytes", "object of one"):
        assert load(warehouse, api, CASES[name]).streams[0].status == "failed", name


def _is_json(payload: bytes) -> bool:
    try:
        exactly(payload)
    except (ValueError, RecursionError):
        return False
    return True


def test_a_body_in_another_encoding_is_refused_and_one_with_a_mark_is_read(
    warehouse: Database, api: ScriptedApi
) -> None:
    body = '[{"id": "é"}]'
    for encoding in ("utf-16", "utf-16-le", "utf-32"):
        assert load(warehouse, api, body.encode(encoding)).streams[0].status == "failed"
    load(warehouse, api, BOM + body.encode())

    assert stored(warehouse) == ['{"id": "é"}'.encode()]


def test_records_that_differ_in_spaces_or_twice_said_keys_are_records_of_their_own(
    warehouse: Database, api: ScriptedApi
) -> None:
    """The last of two keys counts, as in every parser; the log has both."""
    same = [
        b'{"id":"a","note":1}',
        b'{"id": "a","note":1}',
        b'{\n"id":"a","note":1 }',
        b'{"note":1,"id":"a"}',
    ]
    twice = b'{"id":"x","note":1,"note":2,"id":"b"}'
    load(warehouse, api, b"[%s]" % b",".join([*same, twice]))

    assert stored(warehouse) == [*same, twice]
    assert notes(warehouse) == {"a": 1, "b": 2}


def test_a_record_of_five_megabytes_arrives_as_it_is(warehouse: Database, api: ScriptedApi) -> None:
    large = as_value("large", b'["' + b"\xc3\xa9x" * 1_700_000 + b'"]')
    load(warehouse, api, between(0, large))

    assert len(large) > 5_000_000
    assert large in stored(warehouse)
    assert len(notes(warehouse)["large"][0]) == 3_400_000
