"""Accumulating snapshots: one row a process, whose milestones fill as they happen.

    class FactFulfilment(AccumulatingSnapshot):
        order_id: Mapped[str] = grain(String(40))
        ordered_at: Mapped[datetime | None] = milestone()
        shipped_at: Mapped[datetime | None] = milestone(after="ordered_at")
        days_to_ship: Mapped[Decimal | None] = lag("ordered_at", "shipped_at", unit="days")

A milestone holds the latest word that is not empty, by effective time, so that it never un-happens unless the
source corrects what it said of the same instant. Every other column holds the latest word. Kimball & Ross,
The Data Warehouse Toolkit (3rd ed.), chapter 4.
"""

from typing import Any, ClassVar, Final, Literal

from sqlalchemy import Column, Numeric
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator

from strandline.errors import DeclarationError
from strandline.model.column import ROLE, Lag, Milestone, role
from strandline.model.fact import Fact
from strandline.model.type import UtcDateTime

Unit = Literal["seconds", "hours", "days"]

SECONDS: Final[dict[Unit, int]] = {"seconds": 1, "hours": 3_600, "days": 86_400}


def milestone(*, after: str | None = None, comment: str | None = None) -> MappedColumn[Any]:
    """A moment that a process passes. `after` names the milestone that comes before: a record in which they,
    or it and one further before, are the wrong way round is a reject.
    """
    return mapped_column(info={ROLE: Milestone(after)}, comment=comment)


def lag(start: str, end: str, /, *, unit: Unit, comment: str | None = None) -> MappedColumn[Any]:
    """The time from one milestone to another, in seconds, hours or days with six decimals; empty while one of
    them is. It is calculated, never mapped.
    """
    if unit not in SECONDS:
        raise DeclarationError(
            f'lag("{start}", "{end}", unit={unit!r}): not a unit that is known',
            hint='Give unit="seconds", "hours" or "days".',
        )
    told = comment or f"{unit.capitalize()} from {start} to {end}"
    return mapped_column(info={ROLE: Lag(start, end, SECONDS[unit])}, comment=told)


class AccumulatingSnapshot(Fact):
    """The state of a process with a beginning and an end. Subclass it and declare `milestone` and `lag`
    columns beside those of a fact.

    The grain is one column, the natural key of the record. References look their versions up as of the event
    time or, where none is declared, the first milestone.
    """

    __abstract__ = True

    only_here: ClassVar[tuple[type, ...]] = (Milestone, Lag)
    restates_history: ClassVar[bool] = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _check(cls)

    @classmethod
    def milestones(cls) -> dict[str, Milestone]:
        """The milestones in the order of their declaration."""
        meanings = {column.name: role(column) for column in cls.table().c}
        return {name: it for name, it in meanings.items() if isinstance(it, Milestone)}

    @classmethod
    def lags(cls) -> dict[str, Lag]:
        """What is calculated from them."""
        meanings = {column.name: role(column) for column in cls.table().c}
        return {name: it for name, it in meanings.items() if isinstance(it, Lag)}

    @classmethod
    def following(cls) -> dict[str, str]:
        """The columns that are filled with a milestone: itself, and the keys of its day."""
        dates = {name: it.on for name, it in cls.date_references().items() if it.on in cls.milestones()}
        return {**{name: name for name in cls.milestones()}, **{name: on for name, on in dates.items() if on}}

    @classmethod
    def event_time_column(cls) -> Column[Any] | None:
        """When it happened: the event time that is declared, or the first milestone."""
        return super().event_time_column() or next(
            (cls.table().c[name] for name in cls.milestones()),
            None,
        )


def predecessors(table: Any, name: str) -> list[str]:
    """The milestones that this one may not lie before, the nearest first."""
    found: list[str] = []
    meaning = role(table.c[name])
    while isinstance(meaning, Milestone) and meaning.after is not None:
        found.append(meaning.after)
        meaning = role(table.c[meaning.after])
    return found


def _check(cls: type[AccumulatingSnapshot]) -> None:
    seen: list[str] = []
    for name, it in cls.milestones().items():
        if not isinstance(cls.table().c[name].type, UtcDateTime):
            raise DeclarationError(
                f"{cls.__name__}.{name}: milestone() is a moment",
                hint=f"{name}: Mapped[datetime | None] = milestone()",
            )
        if it.after is not None and it.after not in seen:
            raise DeclarationError(
                f"{cls.__name__}.{name}: milestone(after={it.after!r}) names no milestone above it",
                hint=f"Above it are {', '.join(seen) or 'none'}.",
            )
        seen.append(name)
    if not seen:
        raise DeclarationError(
            f"{cls.__name__} has no milestone",
            hint="Declare what happens: shipped_at: Mapped[datetime | None] = milestone().",
        )
    for name, of in cls.lags().items():
        _check_lag(cls, name, of)


def _check_lag(cls: type[AccumulatingSnapshot], name: str, of: Lag) -> None:
    where = f'{cls.__name__}.{name}: lag("{of.start}", "{of.end}")'
    columns = cls.table().c
    for end in (of.start, of.end):
        if end not in cls.milestones():
            raise DeclarationError(
                f"{where}: {end!r} is no milestone of {cls.__name__}",
                hint=f"Its milestones are {', '.join(cls.milestones())}.",
            )
    may_be_empty = columns[of.start].nullable or columns[of.end].nullable
    if not _is_decimal(columns[name]) or (may_be_empty and not columns[name].nullable):
        kind = "Decimal | None" if may_be_empty else "Decimal"
        raise DeclarationError(
            f"{where} is a number with decimals{', empty while a milestone is' if may_be_empty else ''}",
            hint=f"{name}: Mapped[{kind}] = lag(…)",
        )


def _is_decimal(column: Column[Any]) -> bool:
    type_ = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    return isinstance(type_, Numeric) and type_.asdecimal
