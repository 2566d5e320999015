"""Records that are drawn satisfy their contract, however odd it is, and show all that it allows."""

import importlib.util
import json
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, Required
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    Field,
    FutureDatetime,
    HttpUrl,
    IPvAnyAddress,
    Json,
    NaiveDatetime,
    PastDate,
    StringConstraints,
    field_validator,
    model_validator,
)
from tests.effort import cases
from typing_extensions import TypedDict

from strandline.errors import DeclarationError
from strandline.source import (
    BooleanString,
    Contract,
    Cursor,
    HttpSource,
    Pages,
    Record,
    Reference,
    Widened,
    Zone,
    stream,
)
from strandline.testing import example_records, records
from strandline.testing.recipe import Recipe

ROOT = Path(__file__).parents[2]


class Kind(Enum):
    """What it is."""

    SAW = "saw"
    PLANE = "plane"


class Texts(Record):
    """Texts of all sorts."""

    code: Annotated[str, Field(min_length=2, max_length=5, pattern="^[a-z]+$")] = Field(alias="theCode")
    tagged: Annotated[str, StringConstraints(pattern=r"[A-Z]{2}-\d+")]
    lower: Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1)]
    kind: Kind
    word: Literal["yes", "no"] | None
    number: UUID
    page: HttpUrl
    raw: bytes
    listed: Json[list[int]]
    short: str = Field("", max_length=3)


class Numbers(Record):
    """Numbers within bounds."""

    step: Annotated[int, Field(ge=1, multiple_of=5)]
    below: Annotated[int, Field(lt=-(10**12))]
    money: Decimal = Field(max_digits=8, decimal_places=2, ge=0)
    long: Decimal = Field(max_digits=40, decimal_places=10)
    quarter: Annotated[Decimal, Field(gt=Decimal("0.5"), lt=Decimal("1.5"), multiple_of=Decimal("0.25"))]
    any_amount: Annotated[Decimal | None, Field(gt=0)] = None
    share: float = Field(gt=0, le=1)
    rate: float
    count: int | str


class Moments(Record):
    """Days and times."""

    at: AwareDatetime
    local: Annotated[datetime, Zone("Europe/Berlin")]
    naive: NaiveDatetime
    early: Annotated[AwareDatetime, Field(lt=datetime.fromisoformat("1999-01-01T00:00:00+02:00"))]
    coming: FutureDatetime
    day: date
    gone: PastDate
    hour: time
    lasts: Annotated[timedelta, Field(le=timedelta(hours=1))]


class Cat(Record):
    """A cat."""

    kind: Literal["cat"]
    lives: int


class Dog(Record):
    """A dog."""

    kind: Literal["dog"]
    name: str | None = None


class Part(TypedDict, total=False):
    """A part of something."""

    number: Required[int]
    name: str


class Nested(Record):
    """Contracts within a contract, and itself."""

    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    parts: list[Part] = Field(min_length=1)
    by_name: dict[str, Cat] = Field(default_factory=dict)
    by_number: dict[int, bool] = Field(default_factory=dict)
    pair: tuple[int, str]
    several: tuple[int, ...]
    different: set[int] = Field(min_length=2)
    deep: str = Field(validation_alias=AliasPath("inner", 1, "word"))
    other: int = Field(validation_alias=AliasChoices("a", AliasPath("b", "c")))
    whatever: Any
    children: list["Nested"] = Field(default_factory=list)
    parent: "Nested | None" = None


class Sent(Record):
    """What our own types take."""

    is_active: BooleanString = Field(alias="isActive")
    rep: Reference | None = None
    label: Annotated[str, Widened(int)]
    tags: Annotated[list[str], Widened(str)]


class Strict(Record, strict=True):
    """Nothing is converted."""

    id: str
    amount: Decimal
    at: AwareDatetime
    day: date
    number: UUID
    is_on: bool
    size: float


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


class Judged(Record):
    """Functions judge what is sent."""

    pairs: Annotated[int, AfterValidator(_even)]
    first: int
    last: int

    @field_validator("first")
    @classmethod
    def is_not_zero(cls, value: int) -> int:
        """Zero is nobody's first."""
        if value == 0:
            raise ValueError("zero")
        return value

    @model_validator(mode="after")
    def is_in_order(self) -> "Judged":
        """First things first."""
        if self.first > self.last:
            raise ValueError("out of order")
        return self


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"loaded_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _of_the_examples() -> list[type[Record]]:
    module = load(ROOT / "examples" / "sales" / "source.py")
    return [module.Customer, module.Product, module.Order]


ODD: list[type[Record]] = [Texts, Numbers, Moments, Nested, Sent, Strict]
contracts = pytest.mark.parametrize("contract", [*ODD, *_of_the_examples()], ids=lambda it: it.__name__)


@contracts
@given(data=st.data())
@cases(13)
def test_what_is_made_of_a_contract_satisfies_it(contract: type[Record], data: st.DataObject) -> None:
    """None of it is tried on the contract first."""
    record = data.draw(Recipe(contract).record({}))
    Contract(contract).parse(json.dumps(record).encode())


@given(record=records(Judged))
@cases(13)
def test_what_functions_refuse_is_not_drawn(record: dict[str, Any]) -> None:
    assert record["pairs"] % 2 == 0
    assert 0 != record["first"] <= record["last"]


def seen(contract: type[Record], what: Callable[[dict[str, Any]], Any], **fields: Any) -> set[Any]:
    return {what(it) for it in example_records(contract, 20, **fields)}


def test_the_same_seed_gives_the_same_whatever_else_is_loaded(tmp_path: Path) -> None:
    chosen = (Numbers, Texts)
    before = [example_records(contract, 10, seed=3) for contract in chosen]
    assert before != [example_records(contract, 10, seed=4) for contract in chosen]
    load(_module_of_constants(tmp_path))
    assert before == [example_records(contract, 10, seed=3) for contract in chosen]


def _module_of_constants(folder: Path) -> Path:
    """Hypothesis looks for values to try in every module that is loaded."""
    module = folder / "constants_of_somebody.py"
    numbers = ", ".join(f"{it}, {it}.5" for it in range(1000, 1200))
    words = ", ".join(f"'word{it}'" for it in range(1000, 1200))
    module.write_text(f"NUMBERS = ({numbers})\nWORDS = ({words})\n")
    return module


def test_all_that_a_contract_allows_is_drawn() -> None:
    assert seen(Texts, lambda it: it["word"]) == {"yes", "no", None}
    assert seen(Texts, lambda it: it["kind"]) == {"saw", "plane"}
    assert seen(Texts, lambda it: "short" in it) == {True, False}
    assert seen(Numbers, lambda it: type(it["money"])) >= {str, float}
    assert seen(Numbers, lambda it: Decimal(str(it["quarter"]))) == {
        Decimal("0.75"),
        Decimal(1),
        Decimal("1.25"),
    }
    assert seen(Moments, lambda it: datetime.fromisoformat(it["local"]).tzinfo is None) == {True, False}
    assert seen(Nested, lambda it: it["pet"]["kind"]) == {"cat", "dog"}
    assert seen(Nested, lambda it: type(it.get("parent"))) == {dict, type(None)}
    assert len(seen(Sent, lambda it: str(it["isActive"]))) > 8


def test_names_are_those_of_the_api() -> None:
    names = {name for it in example_records(Texts, 5) for name in it}
    assert "theCode" in names
    assert "code" not in names
    assert {(type(it["inner"][1]["word"]), type(it["a"])) for it in example_records(Nested, 5)} == {
        (str, int)
    }


def test_what_is_open_is_kept_to_what_tables_hold() -> None:
    for it in example_records(Moments, 40):
        assert "2000" <= it["day"][:4] <= "2025"
        assert "1999-12-31" <= it["at"] < "2026-01-01T03"


class Settings(Record):
    """Two fields that make a key."""

    shop: str
    number: int
    at: AwareDatetime
    size: int | None = None


class Stall(HttpSource):
    """A stall."""

    base_url = "http://127.0.0.1"

    @stream(Settings, key=("shop", "number"), cursor=Cursor("at"))
    def things(self, since: datetime | None) -> Pages:
        """Whatever it has."""
        return self.pages("/things", params={"since": since})


@given(st.lists(records(Stall.things, size=st.sampled_from([1, 2])), max_size=5))
@cases(13)
def test_a_record_of_a_stream_has_a_natural_key(found: list[dict[str, Any]]) -> None:
    for it in found:
        assert Stall.things.natural_key(Stall.things.parse(json.dumps(it).encode())) is not None
        assert it["size"] in (1, 2)


def test_examples_are_the_same_by_their_seed_and_have_a_key_each() -> None:
    first = example_records(Stall.things, 50, seed=7)
    assert first == example_records(Stall.things, 50, seed=7)
    assert first != example_records(Stall.things, 50, seed=8)
    assert len({(it["shop"], it["number"]) for it in first}) == 50
    assert example_records(Stall.things, 0) == []


def test_examples_may_be_drawn_for_examples() -> None:
    def shops(depth: int) -> list[str]:
        inner = st.builds(lambda: "+".join(shops(depth - 1))) if depth else st.just("x")
        return [it["shop"] for it in example_records(Stall.things, 1, shop=inner, number=1)]

    assert shops(3) == ["x"]


def test_fields_may_be_given_as_python_has_them() -> None:
    moment = datetime.fromisoformat("2026-03-01T09:30:00+01:00")
    inner = Cat(kind="cat", lives=9)
    assert seen(Moments, lambda it: it["at"], at=moment) == {"2026-03-01T09:30:00+01:00"}
    assert seen(Numbers, lambda it: it["money"], money=Decimal("9.50")) == {"9.50"}
    assert seen(Texts, lambda it: it["kind"], kind=Kind.SAW) == {"saw"}
    assert seen(Nested, lambda it: it["pet"]["lives"], pet=inner, children=[], parent=None) == {9}


class Foreign(Record):
    """A field whose type is a function."""

    id: str
    host: IPvAnyAddress


class Hopeless(Record):
    """A field that nobody could guess."""

    id: str
    checked: str

    @field_validator("checked")
    @classmethod
    def is_checked(cls, value: str) -> str:
        """Only one will do."""
        if value != "3-598-21508-8":
            raise ValueError("no such book")
        return value


def test_what_nobody_can_tell_has_to_be_said() -> None:
    with pytest.raises(DeclarationError, match=r"Foreign\.host: nobody can tell") as untold:
        records(Foreign)
    assert untold.value.hint == "Say it: records(Foreign, host=<strategy or value>)."
    assert len(example_records(Foreign, 3, host="10.0.0.1")) == 3

    with pytest.raises(DeclarationError, match=r"whatever is drawn is refused.*no such book") as refused:
        example_records(Hopeless, 3)
    assert refused.value.hint == "Say what fits: records(Hopeless, checked=<strategy or value>)."
    assert len(example_records(Hopeless, 3, checked="3-598-21508-8")) == 3


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeclarationError, match="Texts has no field 'theCode'"):
        records(Texts, theCode="x")
    with pytest.raises(DeclarationError, match="only 2 are found that are not alike"):
        example_records(Stall.things, 3, shop="A", number=st.sampled_from([1, 2]))
