"""Queries of dimensions and facts that are often needed, as plain selects to go on with.

current(DimCustomer)                 its members as they are now
as_of(DimCustomer, moment)           its members as they were then
modified_since(FactOrder, moment)    what was written since
version_at(DimCustomer, …)           for the ON of a join: the version of a member for a moment
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, or_, select

from strandline.errors import DeclarationError
from strandline.model.base import Audited
from strandline.model.dimension import Dimension
from strandline.model.type import UtcDateTime


def current(dimension: type[Dimension]) -> Select[Any]:
    """The members as they are now: one version each, without those that are deleted, and without the unknown
    and the not-applicable one.
    """
    return select(dimension).where(dimension.is_current, ~dimension.is_special)


def as_of(dimension: type[Dimension], when: datetime | ColumnElement[datetime]) -> Select[Any]:
    """The members that were there at this moment, each in the version that was valid then."""
    return select(dimension).where(dimension.valid_at(aware(when)), ~dimension.is_special)


def modified_since(model: type[Audited], when: datetime) -> Select[Any]:
    """The rows that were written at this moment or later, by loads and by applications.

    A row's time is that of the beginning of the transaction that wrote it, and shows when this has ended. So
    whoever asks again and again asks for some minutes more than have passed.
    """
    return select(model).where(model.updated_at >= aware(when))


def version_at(
    dimension: Any,
    *,
    source_id: Any,
    at: Any,
    source: str | ColumnElement[str],
) -> ColumnElement[bool]:
    """For the ON of a join: whether a row of the dimension, or of an alias of it, is the version of this
    member for this moment.

    As for a fact, the first version stands for the time before it as well. Where the member was deleted then,
    there is none.
    """
    return and_(
        dimension.source_id == source_id, dimension.source_system == source, answers_at(dimension, aware(at))
    )


def answers_at(version: Any, moment: Any) -> ColumnElement[bool]:
    """Whether a version answers for this moment: valid then, or the first one and not valid yet."""
    return and_(
        or_(version.version == 1, version.valid_from <= moment),
        or_(version.valid_to.is_(None), version.valid_to > moment),
    )


def aware(when: Any) -> Any:
    """A moment for a statement; one without a zone is refused before there is one."""
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:
        raise DeclarationError(
            f"{when.isoformat()} has no time zone, so nobody knows which moment is meant",
            hint="datetime(2026, 3, 1, tzinfo=UTC), say.",
        )
    return literal(when, UtcDateTime)
