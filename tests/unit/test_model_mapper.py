"""Mappers: what is wrong with one is told when it is declared, with the nearest spelling."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import Date, String, make_url
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    Calendar,
    Dimension,
    Fact,
    Mapper,
    Money,
    ReferenceType,
    Span,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.model.conversion import FAILURES, Conversion, compile_mapper
from strandline.source import Record, Reference

POSTGRES = make_url("postgresql+psycopg://").get_dialect()()
AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Address(Record):
    """Where someone lives."""

    city: str
    zip_code: str | None = None


class Person(Record):
    """A person as a source sends them."""

    id: str
    full_name: str = "Ada"
    address: Address | None = None
    currency: Reference | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    nested: dict[str, Address] = Field(default_factory=dict)
    born: datetime | None = None
    salary: Any = None


class DimEmployee(Dimension):
    """An employee."""

    employee_name: Mapped[str] = attribute(String(20))
    city: Mapped[str | None] = attribute(scd=2)
    currency: Mapped[str | None] = attribute(ReferenceType)
    salary: Mapped[Decimal | None] = attribute(Money)
    birthday: Mapped[date | None] = attribute(Date)


class Days(Calendar):
    """A few days."""

    span = Span(date(2026, 1, 1), date(2026, 1, 31))


class FactPay(Fact):
    """One row a payment."""

    pay_id: Mapped[str] = grain()
    paid_at: Mapped[datetime | None] = event_time()
    employee_key: Mapped[int] = references(DimEmployee)
    paid_date_key: Mapped[int] = references(Days, on="paid_at")
    note: Mapped[str | None] = degenerate()
    amount: Mapped[Decimal] = measure(Money)


def compiled(mapper: type[Mapper[Any, Any]]) -> Conversion:
    """The mapper for PostgreSQL."""
    return compile_mapper(mapper, POSTGRES)


def convert(mapper: type[Mapper[Any, Any]], record: BaseModel) -> dict[str, Any]:
    """What a record becomes, by column."""
    conversion = compiled(mapper)
    row = conversion.convert(record, 7, "P1", AT, AT)
    assert row[:5] == (7, "P1", AT, AT, False)
    return dict(zip((column.name for column in conversion.columns), row[5:], strict=True))


class PayrollEmployee(Mapper[Person, DimEmployee]):
    """Employees."""

    employee_name = field("full_name")
    city = field("address.city", default="nowhere", using=str.upper)
    currency = field("currency")
    salary = field("salary")

    def birthday(self, record: Person) -> date | None:
        """The day, in UTC."""
        return record.born.date() if record.born else None


class PayrollPay(Mapper[Person, FactPay]):
    """Payments."""

    pay_id = field("id")
    paid_at = field("born")
    employee_key = field("labels.boss")
    amount = field("salary")


def test_a_record_becomes_a_row_through_paths_methods_and_column_types() -> None:
    record = Person(
        id="1",
        address=Address(city="Oslo"),
        currency=Reference(id="1", name="USD"),
        salary=Decimal("1.50"),
        born=AT,
    )

    assert convert(PayrollEmployee, record) == {
        "employee_name": "Ada",
        "city": "OSLO",
        "currency": "USD",
        "salary": Decimal("1.50"),
        "birthday": date(2026, 1, 5),
    }


def test_nothing_anywhere_on_a_path_gives_the_default_and_the_default_is_not_converted() -> None:
    assert convert(PayrollEmployee, Person(id="1"))["city"] == "nowhere"


def test_a_fact_gets_natural_keys_and_the_key_of_its_day() -> None:
    record = Person(id="1", labels={"boss": "B7"}, salary=Decimal(1), born=AT)
    row = convert(PayrollPay, record)

    assert (row["employee_key"], row["paid_date_key"], row["note"]) == ("B7", 20260105, None)
    no_time = convert(PayrollPay, Person(id="1", salary=Decimal(1)))
    assert (no_time["employee_key"], no_time["paid_date_key"]) == (None, -2)


def test_a_path_may_go_through_mappings() -> None:
    class Nested(Mapper[Person, DimEmployee]):
        """A mapping of addresses."""

        employee_name = field("nested.home.city")

    assert convert(Nested, Person(id="1", nested={"home": Address(city="Oslo")}))["employee_name"] == "Oslo"


@pytest.mark.parametrize(
    ("record", "mapper", "field_name", "rule", "words"),
    [
        (
            Person(id="1", salary=0.5),
            PayrollEmployee,
            "salary",
            "ValueError",
            "PayrollEmployee.salary (from salary): 0.5",
        ),
        (Person(id="1"), PayrollPay, "amount", "Empty", "must be filled"),
        (Person(id=""), PayrollPay, "amount", "Empty", "must be filled"),
        (
            Person(id="1", salary=Decimal(1), born=AT.replace(month=2)),
            PayrollPay,
            "paid_date_key",
            "ValueError",
            "2026-02-05 lies outside Days",
        ),
        (
            Person(id="1", salary=Decimal(1), labels={"boss": "a\0"}),
            PayrollPay,
            "employee_key",
            "ValueError",
            "an identifier cannot contain NUL",
        ),
    ],
)
def test_what_fails_is_explained_with_mapper_column_path_and_value(
    record: Person, mapper: type[Mapper[Any, Any]], field_name: str, rule: str, words: str
) -> None:
    conversion = compiled(mapper)
    with pytest.raises(FAILURES):
        conversion.convert(record, 1, "1", AT, AT)
    reject = conversion.explain(record)

    assert (reject.field, reject.rule) == (field_name, rule)
    assert words in reject.message
    assert reject.message.startswith(f"{mapper.__name__}.{field_name}")


def test_a_method_that_raises_rejects_the_record_and_names_the_error() -> None:
    class Broken(Mapper[Person, DimEmployee]):
        """A method that asks for what is not there."""

        def employee_name(self, record: Person) -> str:
            """A label that nobody has."""
            return record.labels["missing"]

    with pytest.raises(KeyError):
        compiled(Broken).convert(Person(id="1"), 1, "1", AT, AT)

    assert compiled(Broken).explain(Person(id="1")).message == "Broken.employee_name: KeyError: 'missing'"


def test_a_grain_that_no_index_could_hold_rejects_the_record() -> None:
    """PostgreSQL would refuse the whole batch for it."""
    longest, longer = Person(id="ü" * 1000, labels={}), Person(id="ü" * 1001, labels={})
    assert convert(PayrollPay, longest.model_copy(update={"salary": 1}))["pay_id"] == longest.id
    with pytest.raises(ValueError, match="2,000 bytes at most, and this one 2,002"):
        compiled(PayrollPay).convert(longer.model_copy(update={"salary": 1}), 1, "1", AT, AT)


def _misspelt_column() -> object:
    class Misspelt(Mapper[Person, DimEmployee]):
        employee_nam = field("full_name")

    return Misspelt


def _misspelt_path() -> object:
    class Misspelt(Mapper[Person, DimEmployee]):
        employee_name = field("address.citty")

    return Misspelt


def _path_too_long() -> object:
    class TooLong(Mapper[Person, DimEmployee]):
        employee_name = field("full_name.first")

    return TooLong


def _unmapped() -> object:
    class Unmapped(Mapper[Person, FactPay]):
        pay_id = field("id")

    return Unmapped


def _neither() -> object:
    class Neither(Mapper[Person, DimEmployee]):
        employee_name = "full_name"

    return Neither


def _no_parameters() -> object:
    class Parameters(Mapper):  # type: ignore[type-arg]  # the mistake that is tested
        employee_name = field("full_name")

    return Parameters


def _source_of_no_reference() -> object:
    class Sourced(Mapper[Person, DimEmployee]):
        employee_name = field("full_name", source="crm")

    return Sourced


def _mapped_date_key() -> object:
    class Dated(Mapper[Person, FactPay]):
        pay_id = field("id")
        employee_key = field("id")
        amount = field("salary")
        paid_date_key = field("id")

    return Dated


@pytest.mark.parametrize(
    ("declare", "message", "hint"),
    [
        (
            _misspelt_column,
            "Misspelt.employee_nam: DimEmployee has no column 'employee_nam'",
            "'employee_name'",
        ),
        (
            _misspelt_path,
            "Misspelt.employee_name: path 'address.citty': Address has no field 'citty'",
            "'city'",
        ),
        (_path_too_long, "nothing can be looked up in str by the name 'first'", "End the path before it"),
        (
            _unmapped,
            "Unmapped leaves columns of FactPay empty that must be filled: employee_key, amount",
            "employee_key",
        ),
        (_neither, "Neither.employee_name is 'full_name', neither a field nor a method", "field("),
        (_no_parameters, "Parameters does not say what it maps", "Mapper[<contract>"),
        (_source_of_no_reference, "Sourced.employee_name: source= is for a reference", "Leave it out"),
        (_mapped_date_key, "Dated.paid_date_key: FactPay has no column 'paid_date_key'", "Did you mean"),
    ],
)
def test_a_mistake_is_told_when_the_mapper_is_declared(
    declare: Callable[[], object], message: str, hint: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert hint in str(caught.value.hint)
