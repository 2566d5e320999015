"""Rollups of a calendar: a row a month, a quarter or a fiscal week, for what is counted or planned by those.

    class DimMonth(CalendarRollup, of=DimDate, attributes=("year", "quarter", "month", "year_month")):
        \"\"\"Months.\"\"\"

The columns are those of the calendar, and the key is the first day of the period as yyyymmdd: it stays when
the calendar is widened. Kimball & Ross, The Data Warehouse Toolkit (3rd ed.), chapter 4.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from sqlalchemy import Date, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError
from strandline.model.base import snake_case
from strandline.model.calendar import Calendar, date_key, describe, special_days
from strandline.model.column import NOT_APPLICABLE_KEY
from strandline.model.path import nearest
from strandline.model.prepared import Finder, Prepared

Period = tuple[date, date, tuple[Any, ...]]
"""First day, last day within the calendar, and what the attributes are in between."""


class CalendarRollup(Prepared):
    """The periods of a calendar. Subclass it with `of`, the calendar, and `attributes`, the names of its
    columns that are the same on all days of a period.
    """

    __abstract__ = True
    base: ClassVar[type[Calendar]]
    shared: ClassVar[tuple[str, ...]]

    first_date: Mapped[date | None] = mapped_column(Date(), sort_order=1, comment="The period's first day")
    last_date: Mapped[date | None] = mapped_column(
        Date(), sort_order=2, comment="The last of its days that the calendar covers"
    )

    def __init_subclass__(
        cls, *, of: type[Calendar] | None = None, attributes: Sequence[str] = (), **arguments: Any
    ) -> None:
        if not cls.__dict__.get("__abstract__", False):
            cls.base, cls.shared = _checked(cls, of, attributes)
            _declare_columns(cls)
        super().__init_subclass__(**arguments)

    @classmethod
    def key_name(cls) -> str:
        """What its key is called: `month_key` of DimMonth."""
        return f"{snake_case(cls.__name__.removeprefix('Dim'))}_key"

    @classmethod
    def periods(cls) -> Iterator[Period]:
        """Every period, in order. Raises DeclarationError where days of one are apart."""
        began: dict[tuple[Any, ...], tuple[date, date]] = {}
        for day in cls.base.span.days():
            said = cls._said(day)
            first, last = began.get(said, (None, day - timedelta(days=1)))
            if last != day - timedelta(days=1):
                raise DeclarationError(
                    f"{cls.__name__}: {last} and {day} are alike in {', '.join(cls.shared)}, and days between"
                    " them are not",
                    hint="Add what tells the periods apart, the year perhaps, to attributes=.",
                )
            began[said] = (first or cls._first_day(day, said), day)
        for said, (first, last) in began.items():
            yield first, last, said

    @classmethod
    def _said(cls, day: date) -> tuple[Any, ...]:
        described = describe(day, fiscal=cls.base.fiscal_year_rule(), holidays=cls.base.holidays)
        return tuple(described[name] for name in cls.shared)

    @classmethod
    def _first_day(cls, day: date, said: tuple[Any, ...]) -> date:
        """Where the period begins, which may be before the calendar does."""
        if day != cls.base.span.first:
            return day
        while day > date.min and cls._said(day - timedelta(days=1)) == said:
            day -= timedelta(days=1)
        return day

    @classmethod
    def rows(cls) -> Iterator[dict[str, Any]]:
        """The two special members, then a row a period."""
        for special in special_days():
            said = {it: _word(cls.table().c[it].type, special["date_name"]) for it in cls.shared}
            yield {cls.key_name(): special["date_key"], "first_date": None, "last_date": None, **said}
        for first, last, values in cls.periods():
            said = dict(zip(cls.shared, values, strict=True))
            yield {cls.key_name(): date_key(first), "first_date": first, "last_date": last, **said}

    @classmethod
    def declaration(cls) -> str:
        """What the calendar is made from, and which of its columns are shared."""
        return repr((cls.base.declaration(), cls.shared))

    @classmethod
    def finder(cls, *, zone: str) -> Finder:
        """A function from a moment to the key of its period in the zone; ValueError outside the calendar."""
        tz = ZoneInfo(zone)
        day_of = cls.base.finder(zone=zone)
        key_of = cls._keys()

        def find(moment: datetime | date | None) -> int:
            if moment is None:
                return NOT_APPLICABLE_KEY
            day = moment.astimezone(tz).date() if isinstance(moment, datetime) else moment
            return key_of[day] if day in cls.base.span else day_of(day)

        return find

    @classmethod
    def _keys(cls) -> Mapping[date, int]:
        """The key of the period of each day; to look at all days takes longer than a small run."""
        declared, known = cls.declaration(), _KEYS.get(cls)
        if known is None or known[0] != declared:
            known = (
                declared,
                {
                    day: date_key(first)
                    for first, last, _ in cls.periods()
                    for day in (first + timedelta(days=it) for it in range((last - first).days + 1))
                },
            )
            _KEYS[cls] = known
        return known[1]


_KEYS: WeakKeyDictionary[type[CalendarRollup], tuple[str, Mapping[date, int]]] = WeakKeyDictionary()
"""Of which declaration the keys are, and the keys."""


def _word(type_: Any, word: str) -> str | None:
    """What stands in a column of the members unknown and not applicable."""
    return word[: type_.length] if isinstance(type_, String) else None


def _declare_columns(cls: type[CalendarRollup]) -> None:
    key = mapped_column(
        Integer(), primary_key=True, autoincrement=False, sort_order=-99, comment="Its first day, yyyymmdd"
    )
    setattr(cls, cls.key_name(), key)
    for name in cls.shared:
        column = cls.base.table().c[name]
        setattr(cls, name, mapped_column(column.type, nullable=True, comment=column.comment))


def _checked(
    cls: type[CalendarRollup], of: type[Calendar] | None, names: Sequence[str]
) -> tuple[type[Calendar], tuple[str, ...]]:
    if not (isinstance(of, type) and issubclass(of, Calendar)) or not names or isinstance(names, str):
        raise DeclarationError(
            f"{cls.__name__} does not say which days of which calendar are one",
            hint=f'class {cls.__name__}(CalendarRollup, of=DimDate, attributes=("year", "month")): ...',
        )
    known = [it.name for it in of.table().c if it.name not in ("date_key", "full_date", "date_name")]
    for name in names:
        if name not in known:
            raise DeclarationError(
                f"{cls.__name__}: {of.__name__} has no column {name!r} that days share",
                hint=nearest(name, known),
            )
    return of, tuple(names)
