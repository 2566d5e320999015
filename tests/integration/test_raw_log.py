"""The raw log: what a source sent is there byte for byte, once for every time that it changed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import Row, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import Cursor, Pages, Record, Source, stream
from strandline.warehouse.database import Database
from strandline.warehouse.raw import table_name


class Parcel(Record):
    """A parcel; only its key is asked for."""

    id: str | None = None
    depot: str = "main"
    note: Any = None


class Leg(Record):
    """A leg of a parcel's way, known by two things."""

    parcel: str
    number: int


class Scan(Record):
    """A scan, with cursor fields of every type."""

    id: str
    counter: int = 0
    label: str = ""
    at: AwareDatetime = datetime(2026, 1, 1, tzinfo=UTC)


class Carrier(Source):
    """Parcels, legs and scans."""

    def __init__(self, *records: Given) -> None:
        super().__init__()
        self.records = records

    @stream(Parcel, key="id")
    def parcels(self) -> Pages:
        """What it was given."""
        return pages(self.records)

    @stream(Leg, key=("parcel", "number"))
    def legs(self) -> Pages:
        """What it was given."""
        return pages(self.records)

    @stream(Scan, key="id", cursor=Cursor("counter"))
    def counted(self, since: int | None) -> Pages:
        """What it was given."""
        return pages(self.records)

    @stream(Scan, key="id", cursor=Cursor("label"))
    def labelled(self, since: str | None) -> Pages:
        """What it was given."""
        return pages(self.records)

    @stream(Scan, key="id", cursor=Cursor("at"), future=None)
    def timed(self, since: datetime | None) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimParcel(Dimension):
    """A parcel."""

    depot: Mapped[str] = attribute(scd=2)


class DimLeg(Dimension):
    """A leg."""

    leg_number: Mapped[int] = attribute()


class DimScan(Dimension):
    """A scan."""

    scan_label: Mapped[str] = attribute()


class CarrierParcel(Mapper[Parcel, DimParcel]):
    """Parcels."""

    depot = field("depot")


class CarrierLeg(Mapper[Leg, DimLeg]):
    """Legs."""

    leg_number = field("number")


class CarrierScan(Mapper[Scan, DimScan]):
    """Scans."""

    scan_label = field("id")


MAPPERS: dict[str, type[Mapper[Any, Any]]] = {"parcels": CarrierParcel, "legs": CarrierLeg}


def load(database: Database, stream_name: str, *records: Given) -> RunReport:
    """One run of one stream."""
    mapper = MAPPERS.get(stream_name, CarrierScan)
    pipeline = Pipeline(stream_name)
    pipeline.sync(Carrier.streams()[stream_name], mapper, rejects=Rejects(count=1000))
    report = run(pipeline, database, sources={"carrier": Carrier(*records)})
    assert report.exit_code in (0, 3), report.streams
    return report


def log(database: Database, name: str) -> list[Row[Any]]:
    """The entries in order."""
    query = text(f"SELECT source_id, payload FROM raw.carrier_{name} ORDER BY raw_id")
    with database.connect() as connection:
        return list(connection.execute(query))


def _payloads(database: Database, name: str = "parcels") -> list[bytes]:
    return [bytes(row.payload) for row in log(database, name)]


NASTY = [
    b'{"id": "nul", "note": "a\\u0000b"}',
    b'{"id": "surrogate", "note": "\\ud800"}',
    b'{"id": "digits", "note": 1234567890123456789012345678901234567890.12345678901234567890}',
    b'{"id": "twice", "note": 1, "note": 2}',
    b'{"id": "infinite", "note": 1e400}',
    '{"id": "emoji", "note": "🏳️‍🌈 Ünïcode"}'.encode(),
    b'{"id": "latin", "note": "\xe9\xff"}',
    b'{ "id" : "spaces" ,\n "note":\t[ ] }',
    b'{"id": "cut", "note": ',
    b"\xef\xbb\xbf\x00\xff",
    b"",
    b"null",
    b'{"id": "deep", "note": ' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"id": "long", "note": "' + b"x" * 2_000_000 + b'"}',
]


def test_every_payload_is_there_byte_for_byte_whatever_it_holds(warehouse: Database) -> None:
    """Promise 1, also of what no contract accepts."""
    report = load(warehouse, "parcels", *NASTY)

    assert sorted(_payloads(warehouse)) == sorted(NASTY)
    assert report.streams[0].stored == len(NASTY)


@given(st.lists(st.binary(max_size=40), unique=True))
@example([b'{"id":"\\u0000"}', b'{"id":"\\ud800"}', b'{"id":true}', b'{"id":{}}'])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_at_all_are_kept_and_nothing_twice(warehouse: Database, records: list[bytes]) -> None:
    load(warehouse, "parcels", *records)
    once = _payloads(warehouse)
    load(warehouse, "parcels", *records)

    assert set(records) <= set(once)
    assert _payloads(warehouse) == once


def test_a_payload_that_changes_and_changes_back_makes_three_entries(warehouse: Database) -> None:
    north, south = ({"id": "p", "depot": depot} for depot in ("north", "south"))
    for record in (north, south, north):
        load(warehouse, "parcels", record)

    assert [json.loads(payload)["depot"] for payload in _payloads(warehouse)] == ["north", "south", "north"]


def test_they_are_three_entries_also_within_one_page(warehouse: Database) -> None:
    north, south = ({"id": "p", "depot": depot} for depot in ("north", "south"))
    report = load(warehouse, "parcels", north, north, south, south, north)

    assert len(_payloads(warehouse)) == 3
    assert report.streams[0].unchanged == 2


def test_an_unchanged_snapshot_adds_no_entry(warehouse: Database) -> None:
    snapshot = [{"id": str(number)} for number in range(50)]
    load(warehouse, "parcels", *snapshot)
    report = load(warehouse, "parcels", *snapshot)

    assert len(_payloads(warehouse)) == 50
    assert (report.streams[0].stored, report.streams[0].unchanged, report.targets) == (0, 50, [])


def test_a_record_without_a_key_is_kept_once_and_rejected_once(warehouse: Database) -> None:
    """A NULL natural key is a reject, never a member."""
    nobody: list[Given] = [{"id": None}, {"id": ""}, {"depot": "north"}, b"{}", b"{}"]
    first, second = load(warehouse, "parcels", *nobody), load(warehouse, "parcels", *nobody)

    assert len(_payloads(warehouse)) == 4
    assert (first.streams[0].rejected, second.streams[0].rejected) == (4, 0)
    with warehouse.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM warehouse.dim_parcel WHERE parcel_key > 0")) == 0
        assert connection.scalar(text("SELECT count(*) FROM strandline.reject")) == 4


def test_a_composite_key_tells_what_its_parts_tell(warehouse: Database) -> None:
    """Joined with a comma these two would be one."""
    load(warehouse, "legs", {"parcel": "a,1", "number": 2}, {"parcel": "a", "number": 12})
    with warehouse.connect() as connection:
        query = "SELECT source_id FROM warehouse.dim_leg WHERE leg_key > 0 ORDER BY source_id"
        keys = list(connection.scalars(text(query)))

    assert keys == ['["a","12"]', '["a,1","2"]']


@pytest.mark.parametrize(
    ("name", "good", "odd"),
    [
        ("counted", {"counter": 2**63 - 1}, {"counter": 2**63}),
        ("labelled", {"label": "z"}, {"label": "a\0b"}),
        ("timed", {"at": "9999-12-31T23:59:59Z"}, {"at": "9999-12-31T23:59:59-05:00"}),
        ("timed", {"at": "0001-01-01T00:00:00Z"}, {"at": "0001-01-01T00:00:00+05:00"}),
    ],
)
def test_a_cursor_value_that_cannot_be_stored_rejects_its_record_only(
    warehouse: Database, name: str, good: dict[str, Any], odd: dict[str, Any]
) -> None:
    report = load(warehouse, name, {"id": "good", **good}, {"id": "odd", **odd})
    again = load(warehouse, name, {"id": "good", **good}, {"id": "odd", **odd})

    assert [row.source_id for row in log(warehouse, name)] == ["good", "odd"]
    assert (report.streams[0].rejected, again.streams[0].stored) == (1, 0)
    assert report.streams[0].mark_after is not None


def test_long_names_that_begin_alike_stay_apart() -> None:
    """PostgreSQL would cut both at 63 bytes."""
    names = [f"{'source' * 10}.stream_{number}" for number in (1, 2)]
    tables = [table_name(name) for name in names]

    assert tables[0] != tables[1]
    assert all(len(name.encode()) <= 63 for name in [*tables, table_name("ü" * 60)])


def test_two_streams_whose_logs_would_share_a_table_are_refused_when_declared() -> None:
    class Ship(Source):
        """Its log is ship_log.entries."""

        name = "ship"

        @stream(Parcel, key="id")
        def log_entries(self) -> Pages:
            """Nothing."""
            return pages()

    class ShipLog(Source):
        """Its log is ship_log.entries."""

        @stream(Parcel, key="id")
        def entries(self) -> Pages:
            """Nothing."""
            return pages()

    pipeline = Pipeline("ships")
    pipeline.sync(Ship.log_entries, CarrierParcel)
    with pytest.raises(DeclarationError, match=r"ship\.log_entries would share the raw log ship_log_entries"):
        pipeline.sync(ShipLog.entries, CarrierParcel)
