"""What a condition of a list may be: one on the columns of its model, and on no other's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ClauseElement, select

from strandline.errors import DeclarationError
from strandline.model.base import Base


def check(model: type[Base], condition: Any) -> None:
    """Raise DeclarationError for a condition that would be another's, or none: it would be asked of whatever
    is there, or of nothing.
    """
    element = getattr(condition, "__clause_element__", lambda: condition)()
    if not isinstance(element, ClauseElement):
        raise DeclarationError(
            f"{model.__name__}: {condition!r} is no condition on its columns",
            hint=f'{model.__name__}.updated_at > …, say; "is None" in Python is .is_(None) in SQL.',
        )
    froms = select(model).where(condition).get_final_froms()
    others = [it for it in froms if it is not model.__table__]
    if others:
        raise DeclarationError(
            f"{model.__name__}: {element} asks for columns of {others[0]}, which a list of it does not have",
            hint="work.session takes selects with joins; so does star(…).",
        )
