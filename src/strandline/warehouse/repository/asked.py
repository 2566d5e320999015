"""What a condition of a list may be: one on the columns of its model, and on no other's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ClauseElement, FromClause, select

from strandline.errors import DeclarationError
from strandline.model.base import Base


def check(model: type[Base], conditions: Sequence[Any]) -> None:
    """Raise DeclarationError for a condition that would be another's, or none: it would be asked of whatever
    is there, or of nothing.
    """
    for condition in conditions:
        if not isinstance(_element(condition), ClauseElement):
            raise DeclarationError(
                f"{model.__name__}: {condition!r} is no condition on its columns",
                hint=f'{model.__name__}.updated_at > …, say; "is None" in Python is .is_(None) in SQL.',
            )
    if _others(model, conditions):  # to look costs as much as to ask, so all are looked at together first
        for condition in conditions:
            for other in _others(model, [condition]):
                raise DeclarationError(
                    f"{model.__name__}: {_element(condition)} asks for columns of {other}, which a list of it"
                    " does not have",
                    hint="work.session takes selects with joins; so does star(…).",
                )


def _element(condition: Any) -> Any:
    return getattr(condition, "__clause_element__", lambda: condition)()


def _others(model: type[Base], conditions: Sequence[Any]) -> list[FromClause]:
    froms = select(model).where(*conditions).get_final_froms()
    return [it for it in froms if it is not model.__table__]
