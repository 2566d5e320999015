"""Periodic snapshots: one row a thing and period, as it stood at the end of it.

    class FactBalance(PeriodicSnapshot, every="month", fill="last"):
        account_id: Mapped[str] = grain(String(40))
        month: Mapped[date] = period()
        balance: Mapped[Decimal] = measure(Money, additive="semi")

The period of a record is the one that its effective time lies in, and it is called by its first day. The
latest word within a period stands. Kimball & Ross, The Data Warehouse Toolkit (3rd ed.), chapter 4.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Boolean, Column, Index
from sqlalchemy.orm import MappedColumn, mapped_column

from strandline.errors import DeclarationError
from strandline.model.column import ROLE, DeletedIn, Filled, Period, role
from strandline.model.fact import Fact, bring
from strandline.model.type import Day

Every = Literal["day", "week", "month", "quarter", "year"]
Fill = Literal["last"]

MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
IS_FILLED: Final = "is_filled"
DELETED_IN: Final = "deleted_in"


def period(*, comment: str | None = None) -> MappedColumn[Any]:
    """The first day of the period, part of the grain and calculated from the record's effective time."""
    told = comment or "First day of the period"
    return mapped_column(Day(), info={ROLE: Period()}, primary_key=True, comment=told)


class PeriodicSnapshot(Fact):
    """How things stand, period by period. Subclass it and declare a `period` column beside those of a fact.

    `every` is "day", "week" (from Monday), "month", "quarter" or "year", in `zone`. With `fill="last"` a
    period without a record repeats the row before it, from a thing's first period to the latest of the fact.
    The grain, besides the period, is one column, the natural key of the record.
    """

    __abstract__ = True

    only_here: ClassVar[tuple[type, ...]] = (Period,)
    restates_history: ClassVar[bool] = True
    __every__: ClassVar[Every | None] = None
    __fill__: ClassVar[Fill | None] = None
    __zone__: ClassVar[str] = "UTC"

    def __init_subclass__(
        cls,
        *,
        every: Every | None = None,
        fill: Fill | None = None,
        zone: str | None = None,
        **arguments: Any,
    ) -> None:
        cls.__every__ = every or cls.__every__
        cls.__fill__ = fill or cls.__fill__
        cls.__zone__ = zone or cls.__zone__
        is_mapped = not cls.__dict__.get("__abstract__", False)
        if is_mapped:
            _check_options(cls)
        if is_mapped and cls.__fill__:
            bring(cls, 'fill="last"', IS_FILLED, _filled())
            bring(cls, 'fill="last"', DELETED_IN, _deleted_in())
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _check(cls)
            if cls.__fill__:
                Index(None, cls.table().c[IS_FILLED], cls.period_column())

    @classmethod
    def period_column(cls) -> Column[Any]:
        """The period."""
        return next(column for column in cls.table().c if isinstance(role(column), Period))

    @classmethod
    def period_of(cls) -> Callable[[datetime], date]:
        """What finds the period that a moment lies in."""
        zone, every = ZoneInfo(cls.__zone__), cls.__every__
        assert every is not None
        return lambda moment: first_day(moment.astimezone(zone).date(), every)

    @classmethod
    def at_deletion(cls) -> list[str]:
        """The columns that a deletion fills with its own moment: it ends its thing in that period."""
        return [cls.period_column().name]


def first_day(day: date, every: Every) -> date:
    """The first day of the period that the day lies in."""
    if every == "day":
        return day
    if every == "week":
        return day - timedelta(days=day.weekday())
    months = MONTHS[every]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def steps(first: date, last: date, *, every: Every) -> Iterator[date]:
    """Every period from one to another, both included."""
    at = first
    while at <= last:
        yield at
        # Longer than any period, and shorter than two.
        days = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}[every]
        at = first_day(at + timedelta(days=days), every)


def _filled() -> MappedColumn[Any]:
    return mapped_column(
        Boolean(),
        info={ROLE: Filled()},
        sort_order=800,
        comment="No record is of this period: the row before it, repeated",
    )


def _deleted_in() -> MappedColumn[Any]:
    return mapped_column(
        Day(),
        info={ROLE: DeletedIn()},
        nullable=True,
        sort_order=801,
        comment="The period in which the source deleted it, with no record between: nothing is repeated then",
    )


def _check_options(cls: type[PeriodicSnapshot]) -> None:
    if cls.__every__ not in get_args(Every):
        raise DeclarationError(
            f"{cls.__name__}: every={cls.__every__!r} is no period that is known",
            hint=f'class {cls.__name__}(PeriodicSnapshot, every="month"): …, or "day", "week", "quarter",'
            ' "year".',
        )
    if cls.__fill__ not in (None, "last"):
        raise DeclarationError(
            f"{cls.__name__}: fill={cls.__fill__!r} is no way that is known",
            hint='Give fill="last", or leave it out, and missing periods stay missing.',
        )
    try:
        ZoneInfo(cls.__zone__)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DeclarationError(
            f"{cls.__name__}: zone={cls.__zone__!r} is no time zone", hint='Give one such as "Europe/Berlin".'
        ) from error


def _check(cls: type[PeriodicSnapshot]) -> None:
    found = [column.name for column in cls.table().c if isinstance(role(column), Period)]
    if len(found) != 1:
        raise DeclarationError(
            f"{cls.__name__} has {len(found) or 'no'} period{'s' if found else ''}",
            hint="Declare one: month: Mapped[date] = period().",
        )
