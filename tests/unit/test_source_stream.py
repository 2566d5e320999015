"""A stream's declaration is checked when the class is made, and knows how to read what it declares."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field

from strandline.errors import DeclarationError, RecordRejected
from strandline.source import READ_TIME, Cursor, Pages, Record, Source, Stream, Zone, stream

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Customer(Record):
    """With a field of every kind that a cursor may or may not be."""

    id: str = Field(alias="internalId")
    region: str | None = None
    version: int = 0
    born_on: date | None = None
    limit: Decimal | None = None
    last_modified: AwareDatetime = Field(alias="lastModified")
    changed_at: datetime | None = None
    local_at: Annotated[datetime, Zone("Europe/Berlin")] | None = None


def declare(**declaration: Any) -> Stream:
    class NetLedger(Source):
        @stream(Customer, **{"key": "id", **declaration})
        def customers(self, since: object) -> Pages:
            """The customers.

            All of them.
            """
            raise NotImplementedError

    return NetLedger.customers


def raw(**fields: object) -> bytes:
    return json.dumps({"internalId": "C-1", "lastModified": AT.isoformat(), **fields}).encode()


def test_a_stream_knows_its_source_and_says_its_name() -> None:
    customers = declare(cursor=Cursor("last_modified"))

    assert (customers.source_name, customers.name) == ("net_ledger", "customers")
    assert customers.qualified_name == "net_ledger.customers"
    assert repr(customers) == "<stream net_ledger.customers>"
    assert customers.contract is Customer
    assert customers.key == ("id",)
    assert customers.doc == "The customers.\n\nAll of them."
    assert customers.source.streams() == {"customers": customers}


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("Crm", "crm"), ("NetLedger", "net_ledger"), ("HTTPShop", "http_shop"), ("D365Sales", "d365_sales")],
)
def test_a_sources_name_is_its_class_in_snake_case(class_name: str, name: str) -> None:
    made: Any = type(class_name, (Source,), {})

    assert made.name == name


def test_a_stream_is_inherited_under_the_subclasss_name() -> None:
    base: Any = declare(cursor=Cursor("last_modified")).source

    class Emea(base):  # type: ignore[misc]  # a class that mypy cannot see
        name = "ledger_emea"

    assert Emea.customers.qualified_name == "ledger_emea.customers"
    assert base.customers.qualified_name == "net_ledger.customers"


@pytest.mark.parametrize(
    ("declaration", "said", "hint"),
    [
        ({"key": "idd"}, "NetLedger.customers: key 'idd' is no field of Customer", "'id'"),
        ({"key": "internalId"}, "key 'internalId'", "'id'"),
        ({"key": ("id", "regoin")}, "key 'regoin'", "'region'"),
        ({"key": ()}, "needs a key", 'key="id"'),
        ({"cursor": Cursor("last_modifed")}, "cursor 'last_modifed'", "'last_modified'"),
        ({"cursor": Cursor("zzz")}, "cursor 'zzz'", "Its fields are id, region"),
        ({"cursor": Cursor("limit")}, "cursor 'limit' is a", "datetime, date, int or str"),
        ({"cursor": Cursor("version", lag=timedelta(1))}, "lag and lookback mean nothing", None),
        ({"effective_at": "modified"}, "effective_at 'modified'", "'last_modified'"),
        ({"effective_at": "born_on"}, "effective_at 'born_on' is a", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wrong_declaration_names_class_stream_field_and_the_nearest_spelling(
    declaration: dict[str, Any], said: str, hint: str | None
) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare(**declaration)

    assert said in caught.value.message
    assert hint is None or hint in str(caught.value.hint)


def test_a_stream_with_a_cursor_takes_since() -> None:
    with pytest.raises(DeclarationError, match="has a cursor but takes no `since`"):

        class Shop(Source):
            @stream(Customer, key="id", cursor=Cursor("version"))
            def customers(self) -> Pages:
                raise NotImplementedError


@pytest.mark.parametrize(
    ("declaration", "field"),
    [
        ({"cursor": Cursor("last_modified")}, "last_modified"),
        ({"cursor": Cursor("local_at")}, "local_at"),
        ({"cursor": Cursor("version")}, None),
        ({"cursor": Cursor("born_on")}, None),
        ({}, None),
        ({"cursor": Cursor("last_modified"), "effective_at": READ_TIME}, None),
        ({"cursor": Cursor("last_modified"), "effective_at": None}, None),
        ({"cursor": Cursor("version"), "effective_at": "changed_at"}, "changed_at"),
    ],
    ids=str,
)
def test_changes_take_effect_at_the_cursor_the_declared_field_or_the_time_of_reading(
    declaration: dict[str, Any], field: str | None
) -> None:
    assert declare(**declaration).effective_at == field


def test_a_reader_gives_record_key_and_cursor_value() -> None:
    record, key, cursor_value = declare(cursor=Cursor("last_modified")).compile_reader()(raw())

    assert record == Customer(id="C-1", last_modified=AT)
    assert (key, cursor_value) == ("C-1", AT)


def test_a_composite_key_is_one_text() -> None:
    customers = declare(key=("region", "id"))

    assert customers.natural_key(customers.parse(raw(region="north"))) == '["north","C-1"]'
    assert customers.natural_key(customers.parse(raw())) is None


def test_a_key_that_the_warehouse_cannot_hold_is_a_reject() -> None:
    customers = declare()

    with pytest.raises(RecordRejected, match=r"Customer.id: an identifier cannot contain NUL"):
        customers.natural_key(customers.parse(raw(internalId="a\x00b")))


def test_a_naive_cursor_value_rejects_the_record_unless_the_zone_is_declared() -> None:
    with pytest.raises(
        RecordRejected, match=r"Customer.changed_at: 2026-01-01T00:00:00 has no zone"
    ) as caught:
        declare(cursor=Cursor("changed_at")).parse(raw(changed_at="2026-01-01T00:00:00"))

    assert (caught.value.field, caught.value.rule) == ("changed_at", "timezone_aware")
    local: Any = declare(cursor=Cursor("local_at")).parse(raw(local_at="2026-01-01T01:00:00"))
    assert local.local_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("record", "key", "cursor_value"),
    [
        (raw(region=5), "C-1", AT),
        (raw(internalId=4711), "4711", AT),
        (raw(lastModified="yesterday"), "C-1", None),
        (raw(lastModified="2026-01-01T00:00:00"), "C-1", None),
        (b'{"id": "C-2", "last_modified": "2026-03-04T05:06:07Z", "x": "\\ud800 \xff"}', "C-2", AT),
        (raw(internalId=True), None, AT),
        (raw(internalId="a\x00"), None, AT),
        (raw(internalId=None), None, AT),
        (b"[]", None, None),
        (b"nonsense", None, None),
        (b"[" * 100_000, None, None),
    ],
    ids=range(11),
)
def test_a_rejected_record_is_described_as_far_as_it_can_be(
    record: bytes, key: str | None, cursor_value: datetime | None
) -> None:
    described = declare(cursor=Cursor("last_modified")).describe(record)

    assert (described.natural_key, described.cursor_value) == (key, cursor_value)
    assert described.effective_at == cursor_value


@given(
    st.binary()
    | st.recursive(st.none() | st.booleans() | st.text() | st.floats(), st.lists)
    .map(json.dumps)
    .map(str.encode)
)
def test_describing_never_fails(record: bytes) -> None:
    declare(cursor=Cursor("last_modified")).describe(record)


@pytest.mark.parametrize("flag", [True, "T", "yes", 1, "2026-03-04T05:06:07Z", "2026-03-04"], ids=repr)
def test_a_tombstone_is_recognised_by_its_flag(flag: object) -> None:
    """It carries key and time and nothing else, so it would fail the contract."""
    customers = declare(cursor=Cursor("last_modified"), deleted="deleted")

    described: Any = customers.tombstone(raw(deleted=flag))

    assert (described.natural_key, described.cursor_value, described.effective_at) == ("C-1", AT, AT)


@pytest.mark.parametrize("flag", [False, "F", 0, None, ""], ids=repr)
def test_a_record_that_is_not_deleted_is_no_tombstone(flag: object) -> None:
    assert declare(deleted="deleted").tombstone(raw(deleted=flag)) is None


@pytest.mark.parametrize(
    "record", [raw(), b'{"deleted": nonsense', b'{"x": "\\"deleted\\""}', b'["deleted"]']
)
def test_what_only_looks_like_a_tombstone_is_none(record: bytes) -> None:
    assert declare(deleted="deleted").tombstone(record) is None
    assert declare().tombstone(record) is None


def test_a_flag_that_the_contract_names_is_found_under_its_alias() -> None:
    customers = declare(deleted="changed_at")

    assert customers.tombstone(raw(changed_at="2026-01-01T00:00:00Z")) is not None


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"deleted": "perhaps"}, "tombstone_flag"),
        ({"deleted": {}}, "tombstone_flag"),
        ({"deleted": 1, "internalId": None}, "tombstone_key"),
    ],
    ids=str,
)
def test_an_unclear_deletion_is_a_reject_and_not_ignored(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(RecordRejected, match=r"Customer\.deleted") as caught:
        declare(deleted="deleted").tombstone(raw(**fields))

    assert caught.value.rule == rule
