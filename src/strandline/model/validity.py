"""What can be asked of a version of a member or of a fact, in Python of a row and in SQL of the table alike.

row.valid_at(moment)                                       True or False
select(DimCustomer).where(DimCustomer.valid_at(moment))    the rows of which it is true
"""

from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import Mapped
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from strandline.errors import DeclarationError
from strandline.model.type import UtcDateTime

SECONDS_OF_A_DAY = 86_400


class whole_days(FunctionElement[int]):  # noqa: N801  # it stands where a function does
    """How many whole days lie between two moments; fewer than none where the second comes first."""

    type = Integer()
    inherit_cache = True
    name = "whole_days"

    def __init__(self, start: Any, end: Any) -> None:
        super().__init__(start, end)


@compiles(whole_days)
def _floor(element: whole_days, compiler: SQLCompiler, **options: Any) -> str:
    left, right = (compiler.process(it, **options) for it in element.clauses)
    return f"CAST(floor(EXTRACT(epoch FROM {right} - {left}) / {SECONDS_OF_A_DAY}) AS INTEGER)"


@compiles(whole_days, "sqlite")
def _floor_on_sqlite(element: whole_days, compiler: SQLCompiler, **options: Any) -> str:
    # Moments are texts there, all with six decimals; a quotient of whole numbers is cut towards zero.
    left, right = (compiler.process(it, **options) for it in element.clauses)
    fraction = f"(substr({right}, 20) < substr({left}, 20))"
    seconds = f"(strftime('%s', {right}) - strftime('%s', {left}) - {fraction})"
    rest = f"(({seconds} % {SECONDS_OF_A_DAY} + {SECONDS_OF_A_DAY}) % {SECONDS_OF_A_DAY})"
    return f"(({seconds} - {rest}) / {SECONDS_OF_A_DAY})"


def _is_valid(version: Any, when: Any) -> bool:
    return bool(version.valid_from <= when and (version.valid_to is None or when < version.valid_to))


def _is_valid_in_sql(version: Any, when: Any) -> ColumnElement[bool]:
    moment = _moment(when)
    return and_(version.valid_from <= moment, or_(version.valid_to.is_(None), version.valid_to > moment))


def _days(version: Any, at: Any) -> int:
    end = at if version.valid_to is None else min(at, version.valid_to)
    return int((end - version.valid_from).total_seconds() // SECONDS_OF_A_DAY)


def _days_in_sql(version: Any, at: Any) -> ColumnElement[int]:
    moment = _moment(at)
    return whole_days(version.valid_from, case((version.valid_to < moment, version.valid_to), else_=moment))


def _age(fact: Any, at: Any) -> int | None:
    happened = getattr(fact, _event_time(type(fact)))
    if happened is None:
        return None
    if not isinstance(happened, datetime):
        happened = datetime.combine(happened, time(), UTC)
    return int((at - happened).total_seconds() // SECONDS_OF_A_DAY)


def _age_in_sql(fact: Any, at: Any) -> ColumnElement[Any]:
    return whole_days(getattr(fact, _event_time(fact)), _moment(at))


def _event_time(fact: type[Any]) -> str:
    column = fact.event_time_column()
    if column is None:
        raise DeclarationError(
            f"{fact.__name__}.age_in_days: it has no event time",
            hint="Declare one: happened_at: Mapped[datetime] = event_time().",
        )
    return str(column.name)


def _moment(when: Any) -> Any:
    return literal(when, UtcDateTime) if isinstance(when, datetime) else when


class Validity:
    """Whether, and for how long, a version is valid."""

    is_current: Mapped[bool]
    is_deleted: Mapped[bool]
    key: Any

    valid_at = hybrid_method(_is_valid, _is_valid_in_sql)
    """Whether the version is valid at this moment; in SQL the moment may be a column, too."""

    days_valid = hybrid_method(_days, _days_in_sql)
    """For how many whole days the version has been valid at this moment, or was before it ended."""

    @hybrid_property
    def is_latest(self) -> bool:
        """Whether the version is the member's last: the one that is valid now or, of a member that is
        deleted, the one that was.
        """
        return self.is_current or self.is_deleted

    @is_latest.inplace.expression
    @classmethod
    def _is_latest(cls) -> ColumnElement[bool]:
        return or_(cls.is_current, cls.is_deleted)

    @hybrid_property
    def is_special(self) -> bool:
        """Whether it is the unknown or the not-applicable member."""
        return bool(self.key < 0)

    @is_special.inplace.expression
    @classmethod
    def _is_special(cls) -> ColumnElement[bool]:
        special: ColumnElement[bool] = cls.key < 0
        return special


class Aging:
    """How long ago something happened."""

    age_in_days = hybrid_method(_age, _age_in_sql)
    """How many whole days before this moment it happened; None where it is not known when."""
