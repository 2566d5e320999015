"""The shortcut past a contract gives what the contract gives, to the value, or nothing at all."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from types import new_class
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model, field_validator
from sqlalchemy import Integer, String, make_url
from sqlalchemy.orm import Mapped
from tests.effort import cases

from strandline.errors import RecordRejected
from strandline.model import (
    CustomFields,
    Dimension,
    Fact,
    Mapper,
    Money,
    ReferenceType,
    attribute,
    event_time,
    field,
    grain,
    line,
    line_number,
    measure,
)
from strandline.pipeline.definition import Sync
from strandline.pipeline.intake import Intake
from strandline.pipeline.target import target_of
from strandline.source import BooleanString, Cursor, Page, Pages, Record, Reference, Source, stream
from strandline.source.census import Census
from strandline.source.contract import Contract
from strandline.source.shortcut import Shortcut, compile_shortcut


class Place(BaseModel):
    """Where a boat lies; Pydantic's own model, which drops what it does not name."""

    quay: str = "north"
    depth: Decimal | None = None


class Trip(Record):
    """One way out and back."""

    out: datetime
    back: AwareDatetime | None = None
    catch: Decimal = Decimal("1.5")
    crew: list[str] = Field(default_factory=list)


class Boat(Record):
    """A boat, with a field of every kind that there is a shortcut past."""

    id: str = Field(alias="boatId")
    name: str | None = None
    length: int = 0
    price: Decimal
    fee: Decimal | None = Field(default=None, alias="yearlyFee")
    afloat: BooleanString
    rented: BooleanString | None = None
    built: date | None = None
    seen: AwareDatetime | None = None
    rig: Literal["sloop", "ketch"] = "sloop"
    is_new: bool = False
    owner: Reference | None = None
    place: Place | None = None
    trips: list[Trip] = Field(default_factory=list)


contract = Contract(Boat)
watch = Census(Boat).watcher()

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MOMENTS = [
    "2026-03-04T05:06:07Z",
    "2026-03-04T05:06:07.123456+02:00",
    "2026-03-04T05:06:07.1234567Z",
    "2026-03-04T05:06:59.9999999Z",
    "2026-03-04 05:06:07-00:00",
    "2026-03-04T05:06:07",
    "2026-03-04T05:06Z",
    "0001-01-01T00:00:00+23:59",
    "2026-03-04",
    1_772_600_767,
]
NUMBERS = [
    "12.50",
    " 7 ",
    "1_000",
    "NaN",
    "-Infinity",
    "1e5",
    "",
    "0x1",
    3,
    2**70,
    0.1,
    5.0,
    -0.0,
    1e22,
    True,
]
BREAKING = [b'"', b"\\", b",", b"\\ud800", b"1e400", b"}"]
WORDS = ["T", "f", "Yes", " no ", "maybe", True, 0, 1, 2, 1.0, None]

texts = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["\0", "\ud800", "ü", 5, 5.5, ["x"], {}]))
floats = st.floats(allow_nan=False)
numbers = st.one_of(st.sampled_from(NUMBERS), st.decimals().map(str), floats, st.integers())
words = st.sampled_from(WORDS)
moments = st.one_of(
    st.sampled_from(MOMENTS), st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat), st.none()
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), floats, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
extra_names = st.sampled_from(["custom_a", "custom_b", 'quo"te', "id", "fee", "extra_0", "", "größe"])
extras = st.dictionaries(extra_names, anything, max_size=2)


def objects(needed: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these members and others."""
    members = st.fixed_dictionaries(needed, optional=optional)
    return st.builds(lambda known, more: more | known, members, extras)


trips = objects({"out": moments}, {"back": moments, "catch": numbers, "crew": st.lists(texts, max_size=2)})
owners = objects({}, {"id": texts, "name": texts, "displayName": texts, "display_name": texts})
right = {"boatId": st.text(max_size=5), "price": st.sampled_from(["1.5", 2]), "afloat": st.sampled_from("TF")}
boats = objects(
    right,
    {
        "name": texts,
        "length": st.one_of(st.integers(), st.sampled_from(["5", 5.0, True, 2**63])),
        "yearlyFee": numbers,
        "rented": words,
        "built": st.sampled_from(["2026-03-04", "2026-03-04T00:00:00", "2026-02-30", 5, None]),
        "seen": moments,
        "rig": st.sampled_from(["sloop", "ketch", "yawl"]),
        "is_new": words,
        "owner": st.none() | owners,
        "place": st.none() | objects({}, {"quay": texts, "depth": numbers}),
        "trips": st.none() | st.lists(trips, max_size=2),
    },
)
payloads = st.builds(
    lambda record, *, escaped: json.dumps(record, ensure_ascii=escaped).encode(errors="surrogatepass"),
    boats,
    escaped=st.booleans(),
)


def plain(value: Any) -> Any:
    """The value with each object as what stands in its fields, and each value with its type."""
    if isinstance(value, Struct):
        names = [it for it in value.__struct_fields__ if not it.startswith("extra_")]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, list):
        return [plain(it) for it in value]
    if isinstance(value, datetime):
        return value, value.utcoffset()
    return type(value), repr(value)


def wholly(payload: bytes) -> Record | None:
    """What the contract makes of it."""
    try:
        return contract.parse(payload)
    except RecordRejected:
        return None


def shortcut() -> Shortcut:
    """One that has learned nothing yet."""
    made = compile_shortcut(Boat)
    assert made is not None
    return made


def agree(short: Shortcut, payload: bytes) -> bool:
    """Whether the record was taken; then it is what the contract makes of it."""
    found, record = short.read(payload), wholly(payload)
    if found is None:
        short.miss()
        if record is not None:
            short.learn(watch(record))
        return False
    assert record is not None
    assert plain(found[0]) == plain(record)
    assert found[1] == watch(record)
    return True


def boat(**members: object) -> bytes:
    return json.dumps({"boatId": "b", "price": "1", "afloat": "T", **members}).encode()


@given(st.lists(payloads, min_size=1, max_size=8))
@example([boat(seen=it) for it in MOMENTS])
@example([boat(seen="x").replace(b'"x"', b'"2026-03-04T05:06:07\\u002e9999999Z"')])
@example([boat(yearlyFee=it) for it in NUMBERS] + [boat(rented=it) for it in WORDS])
@example([boat(custom=1.5), boat(custom=1.5), boat(yearlyFee="x").replace(b'"x"', b"0.10000000000000000555")])
@example([boat(c=0, b=1), boat(b=0.5, c=2), boat(c=0).replace(b"0", b"0.12345678901234567")])
@example([boat(owner={"id": "1", "note": "x"}), boat(owner={"name": "y", "note": None}), boat(owner=None)])
@cases(15)
def test_what_the_shortcut_takes_is_what_the_contract_makes(given_payloads: list[bytes]) -> None:
    short = shortcut()
    for payload in given_payloads:
        agree(short, payload)


@given(payloads, st.data())
@cases(15)
def test_broken_bytes_are_taken_only_if_the_contract_takes_them(payload: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(payload) - 1))
    instead = data.draw(
        st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b",", b"\\ud800", b"1e400", b"}"])
    )
    short = shortcut()
    agree(short, payload)
    agree(short, payload[:place] + instead + payload[place + 1 :])


class GuardedBoat(Boat):
    """The same, which goes the whole way."""

    @field_validator("id")
    @classmethod
    def _check(cls, value: str) -> str:
        return value


GuardedBoat.__name__ = "Boat"  # as messages call it


class Harbour(Source):
    """Boats, of which nobody asks."""

    @stream(Boat, key="id", cursor=Cursor("length"), effective_at="seen", deleted="sunk")
    def boats(self, since: int | None) -> Pages:
        """None."""
        return iter(())


class GuardedHarbour(Source):
    """The same."""

    name = "harbour"

    @stream(GuardedBoat, key="id", cursor=Cursor("length"), effective_at="seen", deleted="sunk")
    def boats(self, since: int | None) -> Pages:
        """None."""
        return iter(())


class DimHarbourBoat(Dimension, CustomFields):
    """A boat."""

    name: Mapped[str] = attribute(String(5), scd=2)
    fee: Mapped[Decimal | None] = attribute(Money)
    owner: Mapped[str | None] = attribute(ReferenceType)
    seen_at: Mapped[datetime | None] = attribute()


class FactHarbourTrip(Fact):
    """One row per trip."""

    boat_id: Mapped[str] = grain(String(40))
    trip: Mapped[int] = grain(Integer)
    out_at: Mapped[datetime] = event_time()
    catch: Mapped[Decimal] = measure(Money)


def mappers(contract: type[Boat]) -> list[type[Mapper[Any, Any]]]:
    """The same mappers of either contract."""
    one = {"name": field("name", using=str.strip), "fee": field("fee"), "owner": field("owner")}
    each = {"boat_id": field("id"), "trip": line_number(), "out_at": line("out"), "catch": line("catch")}
    boat_of, trip_of = Mapper[contract, DimHarbourBoat], Mapper[contract, FactHarbourTrip]  # type: ignore[valid-type]  # either
    return [
        new_class("HarbourBoat", (boat_of,), {}, lambda it: it.update(one, seen_at=field("seen"))),
        new_class("HarbourTrip", (trip_of,), {"each": "trips"}, lambda it: it.update(each)),
    ]


def taken(source: type[Any], contract: type[Boat], records: list[bytes]) -> dict[str, Any]:
    """What an intake makes of the records, as far as it can be compared."""
    rows = make_url("postgresql+psycopg://").get_dialect()()
    targets = [target_of(Sync(source.boats, it), sources=[source], rows=rows) for it in mappers(contract)]
    intake = Intake(source.boats, targets, run_id=1)
    for number in range(1, 3):
        intake.take(Page(records, number, "", status=200, fetched_at=NOW, size=0), number)
    chunk = intake.chunk
    return {
        "entries": [tuple(map(plain, it)) for it in chunk.entries],
        "rejects": chunk.rejects,
        "unknown": [
            ([(where, names, types) for where, _, names, types in shape], raw_ids)
            for shape, raw_ids in chunk.unknown.items()
        ],
        "rows": [[tuple(map(plain, row)) for row in it.rows] for it in targets],
        "highest": intake.highest,
    }


@given(st.lists(payloads, min_size=1, max_size=8))
@example(
    [boat(name="Ebb", yearlyFee="1.234"), boat(name="Ebb", custom=1), boat(name="Ebb", custom=2, sunk=1)]
)
@example([boat(name="Ebb", length=2**70), boat(name="Ebb", boatId="\0"), boat(name="Ebb", boatId="")])
@example([boat(name="Ebb", seen="2100-01-01T00:00:00Z"), boat(name="Ebb", seen="0001-01-01T00:00:00+23:59")])
@example([boat(name="Ebb", owner={"name": ""}), boat(name="Ebb", trips=[{"out": None}, {"out": MOMENTS[0]}])])
@cases(15)
def test_a_run_makes_the_same_of_records_by_either_way(given_payloads: list[bytes]) -> None:
    """Entries, rejects with their reasons, rows, what is carried besides, and the highest cursor value."""
    assert Intake(Harbour.boats, [], run_id=1).reader.has_shortcut
    short = taken(Harbour, Boat, given_payloads)

    assert short == taken(GuardedHarbour, GuardedBoat, given_payloads)


def test_nearly_every_good_record_is_taken() -> None:
    """Else the tests above would say nothing."""
    good = [
        boat(name="Ebb", length=3, custom="x"),
        boat(custom="y", yearlyFee=12.5, seen="2026-03-04T05:06:07.5Z", owner={"id": "1", "name": "Ada"}),
        boat(custom=None, trips=[{"out": MOMENTS[0], "catch": "2"}], place={"quay": "south", "depth": 3}),
    ]
    short = shortcut()

    assert [agree(short, it) for it in good] == [False, True, True]


def test_a_shortcut_that_takes_too_few_closes() -> None:
    short = shortcut()
    for _ in range(1_000):
        assert not agree(short, boat(name=5))

    assert short.read(boat(name="Ebb")) is None
    short.learn(watch(contract.parse(boat(custom="x"))))
    assert short.read(boat(name="Ebb")) is None


class Guarded(Record):
    """A validator has a say."""

    a: str

    @field_validator("a")
    @classmethod
    def _check(cls, value: str) -> str:
        return value


class Lowered(Record):
    """A setting has a say."""

    model_config = ConfigDict(str_to_lower=True)

    a: str


OPAQUE: dict[str, type[Record]] = {
    "validator": Guarded,
    "setting": Lowered,
    "any": create_model("Opaque", __base__=Record, a=(Any, ...)),
    "float": create_model("Opaque", __base__=Record, a=(float, ...)),
    "dict": create_model("Opaque", __base__=Record, a=(dict[str, str], ...)),
    "union": create_model("Opaque", __base__=Record, a=(str | int, ...)),
    "length": create_model("Opaque", __base__=Record, a=(str, Field(max_length=3))),
    "bound": create_model("Opaque", __base__=Record, a=(Decimal, Field(ge=0))),
    "decimals": create_model("Opaque", __base__=Record, a=(list[Decimal], ...)),
    "nothing in a list": create_model("Opaque", __base__=Record, a=(list[str | None], ...)),
    "default of another type": create_model("Opaque", __base__=Record, a=(Decimal, 0)),
    "alias that is another's name": create_model(
        "Opaque", __base__=Record, a=(str, Field(alias="b")), b=(str | None, Field(alias="c", default=None))
    ),
}


@pytest.mark.parametrize("model", OPAQUE.values(), ids=OPAQUE)
def test_there_is_no_shortcut_past_what_only_pydantic_can_tell(model: type[Record]) -> None:
    assert compile_shortcut(model) is None
