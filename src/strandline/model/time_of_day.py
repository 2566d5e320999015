"""The time-of-day dimension: a row a minute, keyed hhmm, apart from the date so that neither multiplies the
other (Kimball & Ross, The Data Warehouse Toolkit, 3rd ed., chapter 3).
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError
from strandline.model.column import NOT_APPLICABLE_KEY, UNKNOWN_KEY
from strandline.model.prepared import Finder, Prepared

PARTS: Final = MappingProxyType({"night": 0, "morning": 6, "afternoon": 12, "evening": 18})
"""The parts of a day unless declared, and the hours at which they begin."""

LONGEST_PART: Final = 40


class TimeOfDay(Prepared):
    """A time-of-day dimension; `DimTime` is the ready one."""

    __abstract__ = True
    parts: ClassVar[Mapping[str, int]] = PARTS

    time_key: Mapped[int] = mapped_column(Integer(), primary_key=True, autoincrement=False, comment="hhmm")
    time_name: Mapped[str] = mapped_column(String(20), comment="13:05, or Unknown, Not applicable")
    hour: Mapped[int | None] = mapped_column(SmallInteger(), comment="0 to 23")
    minute: Mapped[int | None] = mapped_column(SmallInteger())
    minute_of_day: Mapped[int | None] = mapped_column(SmallInteger(), comment="0 to 1439")
    hour_12: Mapped[int | None] = mapped_column(SmallInteger(), comment="1 to 12")
    am_pm: Mapped[str | None] = mapped_column(String(2))
    part_of_day: Mapped[str | None] = mapped_column(String(LONGEST_PART))

    def __init_subclass__(cls, **arguments: Any) -> None:
        _check(cls.__name__, cls.parts)
        super().__init_subclass__(**arguments)

    @classmethod
    def divide(cls, parts: Mapping[str, int]) -> None:
        """Name the parts of the day and the hours at which they begin, the first at 0; the next run corrects
        the rows. Raises DeclarationError for hours that are not whole, or do not rise from 0 to 23.
        """
        _check(f"{cls.__name__}.divide", parts)
        cls.parts = MappingProxyType(dict(parts))

    @classmethod
    def rows(cls) -> Iterator[dict[str, Any]]:
        """The two special members, then a row a minute."""
        blank = dict.fromkeys(cls.table().c.keys())
        yield {**blank, "time_key": UNKNOWN_KEY, "time_name": "Unknown"}
        yield {**blank, "time_key": NOT_APPLICABLE_KEY, "time_name": "Not applicable"}
        names, begins = list(cls.parts), list(cls.parts.values())
        for minute_of_day in range(24 * 60):
            hour, minute = divmod(minute_of_day, 60)
            yield {
                "time_key": hour * 100 + minute,
                "time_name": f"{hour:02}:{minute:02}",
                "hour": hour,
                "minute": minute,
                "minute_of_day": minute_of_day,
                "hour_12": (hour - 1) % 12 + 1,
                "am_pm": "am" if hour < 12 else "pm",
                "part_of_day": names[bisect_right(begins, hour) - 1],
            }

    @classmethod
    def declaration(cls) -> str:
        """The parts of the day."""
        return repr((dict(cls.parts), cls.table().c.keys()))

    @classmethod
    def finder(cls, *, zone: str) -> Finder:
        """A function from a moment to the key of its minute in the zone."""
        tz = ZoneInfo(zone)

        def find(moment: datetime | date | None) -> int:
            if moment is None:
                return NOT_APPLICABLE_KEY
            if not isinstance(moment, datetime):
                raise ValueError(f"{moment} is a date without a time")  # a value of a record
            local = moment.astimezone(tz)
            return local.hour * 100 + local.minute

        return find


def _check(where: str, parts: Mapping[str, int]) -> None:
    hours = list(parts.values())
    if hours[:1] != [0] or hours != sorted(set(hours) & set(range(24))) or float in map(type, hours):
        raise DeclarationError(
            f"{where}: {dict(parts)} does not divide a day",
            hint='Give whole hours in order, the first 0: {"night": 0, "day": 6}.',
        )
    for name in parts:
        if not 0 < len(name) <= LONGEST_PART:
            raise DeclarationError(
                f"{where}: {name!r} has {len(name)} characters", hint=f"Give 1 to {LONGEST_PART}."
            )


class DimTime(TimeOfDay):
    """The time of day: a row a minute."""
