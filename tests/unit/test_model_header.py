"""Mappers that give a row for each line of a record: what they give, and what is wrong with one."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Boolean, Integer, String, make_url
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    AccumulatingSnapshot,
    Calendar,
    Dimension,
    Fact,
    JunkDimension,
    Mapper,
    Money,
    Span,
    allocate,
    attribute,
    combination,
    degenerate,
    event_time,
    field,
    grain,
    line,
    line_number,
    measure,
    milestone,
    references,
)
from strandline.model.conversion import FAILURES, compile_mapper
from strandline.source import Record, Reference

POSTGRES = make_url("postgresql+psycopg://").get_dialect()()
AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Part(Record):
    """A line."""

    sku: str
    amount: Decimal | None = None
    due: datetime | None = None
    unit: Reference | None = None
    is_gift: bool = False


class Head(Record):
    """A record with lines, tags, and a number that is no list."""

    id: str
    at: datetime = AT
    freight: Decimal | None = None
    parts: list[Part] | None = None
    tags: tuple[str, ...] = ()
    number: int = 0


class DimHeadPart(Dimension):
    """An article."""

    label: Mapped[str | None] = attribute(String(20))


class JunkHeadPart(JunkDimension):
    """A line's flags."""

    is_gift: Mapped[bool] = attribute(Boolean)


class HeadPartDays(Calendar):
    """A few days."""

    span = Span(date(2026, 1, 1), date(2026, 1, 31))


class FactHeadPart(Fact):
    """One row a line."""

    head_id: Mapped[str] = grain(String(20))
    line_number: Mapped[int] = grain(Integer)
    at: Mapped[datetime] = event_time()
    due: Mapped[datetime | None] = degenerate()
    part_key: Mapped[int] = references(DimHeadPart)
    flags_key: Mapped[int] = references(JunkHeadPart)
    date_key: Mapped[int] = references(HeadPartDays, on="at")
    due_date_key: Mapped[int] = references(HeadPartDays, on="due")
    unit: Mapped[str | None] = degenerate(String(3))
    model: Mapped[str | None] = degenerate(String(9))
    freight: Mapped[Decimal | None] = measure(Money)
    freight_evenly: Mapped[Decimal] = measure(Money)
    amount: Mapped[Decimal | None] = measure(Money)


class FlagsOfPart(Mapper[Part, JunkHeadPart]):
    """Flags of a line."""

    is_gift = field("is_gift")


class HeadPart(Mapper[Head, FactHeadPart], each="parts"):
    """Parts; a column may be called as the mapper's own model is."""

    head_id = field("id")
    line_number = line_number()
    at = field("at")
    due = line("due")
    part_key = line("sku", source="catalogue")
    flags_key = combination(FlagsOfPart)
    unit = line("unit.name", default="pc", using=str.lower)
    freight = allocate("freight", by="amount")
    freight_evenly = allocate("freight", default=Decimal(0))

    def model(self, record: Head) -> str:  # type: ignore[override]  # users without mypy may
        """Of the record."""
        return f"of {record.id}"

    def amount(self, record: Head, line: Part) -> Decimal | None:
        """Of the line."""
        return None if line.amount is None else line.amount * record.number


class FactHeadTag(Fact):
    """One row a tag of a record: no measure."""

    head_id: Mapped[str] = grain(String(20))
    tag: Mapped[str] = grain(String(9))


class FactHeadSteps(AccumulatingSnapshot):
    """One row a record, with when it was first paid."""

    head_id: Mapped[str] = grain(String(20))
    paid_at: Mapped[datetime | None] = milestone()


class HeadTag(Mapper[Head, FactHeadTag], each="tags"):
    """Tags, which are text."""

    head_id = field("id")
    tag = line(using=str.lower)


def rows(mapper: type[Mapper[Any, Any]], record: BaseModel) -> list[dict[str, Any]]:
    """What a record becomes, by column."""
    conversion = compile_mapper(mapper, POSTGRES)
    found = conversion.convert(record, 7, "H1", AT, AT)
    assert all(row[:5] == (7, "H1", AT, AT, False) for row in found)
    return [dict(zip((it.name for it in conversion.columns), row[5:], strict=True)) for row in found]


def explain(record: Head) -> tuple[str, str, str]:
    """Why a record is refused: field, rule and message."""
    conversion = compile_mapper(HeadPart, POSTGRES)
    with pytest.raises(FAILURES):
        conversion.convert(record, 7, "H1", AT, AT)
    why = conversion.explain(record)
    return why.field, why.rule, why.message


def test_a_record_becomes_a_row_for_each_line_with_what_is_the_records_on_all() -> None:
    parts = [
        Part(sku="a", amount=Decimal(1), due=AT, unit=Reference(name="KG")),
        Part(sku="b", amount=Decimal(2)),
    ]
    one, two = rows(HeadPart, Head(id="H1", freight=Decimal("1.00"), parts=parts, number=3))

    shared = {"head_id": "H1", "at": AT, "date_key": 20260105, "model": "of H1", "flags_key": "[false]"}
    assert one == {
        **shared,
        "line_number": 1,
        "part_key": "a",
        "due": AT,
        "due_date_key": 20260105,
        "unit": "kg",
        "freight": Decimal("0.33"),
        "freight_evenly": Decimal("0.50"),
        "amount": Decimal(3),
    }
    assert two == {
        **shared,
        "line_number": 2,
        "part_key": "b",
        "due": None,
        "due_date_key": -2,
        "unit": "pc",
        "freight": Decimal("0.67"),
        "freight_evenly": Decimal("0.50"),
        "amount": Decimal(6),
    }


def test_a_list_that_is_empty_or_not_there_gives_no_row() -> None:
    assert rows(HeadPart, Head(id="H1")) == rows(HeadPart, Head(id="H1", parts=[])) == []


def test_a_line_may_be_a_plain_value() -> None:
    assert rows(HeadTag, Head(id="H1", tags=("A", "b"))) == [
        {"head_id": "H1", "tag": "a"},
        {"head_id": "H1", "tag": "b"},
    ]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (
            {"parts": [Part(sku="a"), Part(sku="b", due=datetime(2026, 2, 1, tzinfo=UTC))]},
            ("due_date_key", "ValueError", "HeadPart.due_date_key (from parts[2]): 2026-02-01 lies outside"),
        ),
        (
            {"parts": [Part(sku="a"), Part(sku="b", due=datetime(2026, 1, 1))]},  # noqa: DTZ001  # naive it must be
            ("due", "ValueError", "HeadPart.due (from parts[2].due): 2026-01-01T00:00:00 has no time zone"),
        ),
        (
            {"parts": [Part(sku="a", amount=Decimal("0.001"))], "number": 1},
            ("amount", "ValueError", "HeadPart.amount (from parts[1]): 0.001 has more than 2 decimal places"),
        ),
        (
            {"parts": [Part(sku="a", amount=Decimal(-1))], "freight": Decimal(1)},
            (
                "freight",
                "ValueError",
                "HeadPart.freight (from freight): line 1 has the weight -1, and a weight",
            ),
        ),
        (
            {"parts": [Part(sku="a")], "freight": Decimal(1)},
            (
                "freight",
                "ValueError",
                "HeadPart.freight (from freight): line 1 has the weight None, which is",
            ),
        ),
        (
            {"parts": [], "freight": Decimal(1)},
            (
                "freight",
                "ValueError",
                "HeadPart.freight (from freight): 1 is to be shared out, and there is no",
            ),
        ),
        (
            {"at": datetime(2026, 1, 1), "parts": [Part(sku="a")]},  # noqa: DTZ001  # naive it must be
            ("at", "ValueError", "HeadPart.at (from at): 2026-01-01T00:00:00 has no time zone"),
        ),
    ],
)
def test_what_is_wrong_with_a_record_is_told_with_its_line(
    head: dict[str, Any], told: tuple[str, str, str]
) -> None:
    column, rule, message = explain(Head.model_construct(id="H1", **{"at": AT, "number": 0, **head}))

    assert (column, rule) == told[:2]
    assert message.startswith(told[2])


def to_a_dimension() -> None:
    class Wrong(Mapper[Head, DimHeadPart], each="parts"):
        label = line("sku")


def to_milestones() -> None:
    class Wrong(Mapper[Head, FactHeadSteps], each="parts"):
        head_id = field("id")


def of_no_list() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="number"):
        head_id = field("id")


def of_nothing() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="part"):
        head_id = field("id")


def without_each() -> None:
    class Wrong(Mapper[Head, FactHeadTag]):
        head_id = field("id")
        tag = line("sku")


def misspelt() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")
        tag = line("skuu")


def field_of_a_line() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")
        tag = field("parts.sku")


def one_grain() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")
        tag = field("id")


def number_in_text() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")
        tag = line_number()


def parts_in_text() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")
        tag = allocate("freight")


def weight_misspelt() -> None:
    class Wrong(Mapper[Head, FactHeadPart], each="parts"):
        freight = allocate("freight", by="amuont")


def source_of_a_measure() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")
        tag = line("sku", source="x")


def too_many_arguments() -> None:
    class Wrong(Mapper[Head, FactHeadTag], each="parts"):
        head_id = field("id")

        def tag(self, record: Head, line: Part, more: int) -> str:
            return line.sku


@pytest.mark.parametrize(
    ("declare", "message", "hint"),
    [
        (
            to_a_dimension,
            'Wrong(each="parts"): lines are rows of a fact, and DimHeadPart is none',
            "Leave each= out",
        ),
        (
            to_milestones,
            'Wrong(each="parts"): FactHeadSteps has one row a record, made of all that was said of it',
            "Map the lines to a Fact.",
        ),
        (
            of_no_list,
            "Wrong(each=\"number\"): 'number' is int in Head, and no list",
            "Give the path of a list",
        ),
        (of_nothing, "Wrong(each=\"part\"): path 'part': Head has no field 'part'", "Did you mean 'parts'?"),
        (
            without_each,
            "Wrong.tag is about a line, and Wrong gives one row a record",
            "class Wrong(Mapper[…], each=",
        ),
        (misspelt, "Wrong.tag: path 'skuu': Part has no field 'skuu'", "Did you mean 'sku'?"),
        (
            field_of_a_line,
            "Wrong.tag: 'parts.sku' is in a line, and the record is read here",
            'tag = line("sku")',
        ),
        (one_grain, 'Wrong(each="parts"): the lines of a record are all at one grain', "Add line_number"),
        (number_in_text, "Wrong.tag: a line's number is a whole one", "tag: Mapped[int]"),
        (parts_in_text, "Wrong.tag: an amount is shared out to the last unit", "tag: Mapped[Decimal]"),
        (weight_misspelt, "Wrong.freight: by=: path 'amuont': Part has no field", "Did you mean 'amount'?"),
        (source_of_a_measure, "Wrong.tag: source= is for a reference", "Leave it out"),
        (too_many_arguments, "Wrong.tag takes 3 arguments", "Take (self, record), or (self, record, line)."),
    ],
)
def test_a_declaration_that_cannot_work_is_told_with_what_to_type(
    declare: Callable[[], None], message: str, hint: str
) -> None:
    with pytest.raises(DeclarationError) as told:
        declare()

    assert told.value.message.startswith(message)
    assert hint in (told.value.hint or "")
