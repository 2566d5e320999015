"""Conditions asked of rows in memory: what SQLAlchemy would have a database ask of them.

A condition is true, false or, where something is empty, neither, as in SQL. What is understood is what
applications mostly ask: columns compared with values and with one another, `in_`, `between`, `is_`, and,
or, not, hybrids that are made of these, and conditions on custom fields. For all else there is SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Column
from sqlalchemy.sql import elements, operators
from sqlalchemy.types import TypeDecorator

from strandline.errors import DeclarationError
from strandline.model.custom import CustomCondition
from strandline.model.value import DIALECT

COMPARISONS: Final[dict[Any, Callable[[Any, Any], bool]]] = {
    operators.eq: lambda one, other: bool(one == other),
    operators.ne: lambda one, other: bool(one != other),
    operators.lt: lambda one, other: bool(one < other),
    operators.le: lambda one, other: bool(one <= other),
    operators.gt: lambda one, other: bool(one > other),
    operators.ge: lambda one, other: bool(one >= other),
}
"""Where one of the two is empty, none of them is true or false."""


def holds(condition: Any, row: Mapping[str, Any]) -> bool:
    """Whether the condition is true of a row, its values by the names of the columns."""
    return _ask(getattr(condition, "expression", condition), row) is True


def check(condition: Any, names: Iterable[str]) -> None:
    """Raise DeclarationError where the condition could not be asked of any row."""
    holds(condition, dict.fromkeys(names))


def _ask(element: Any, row: Mapping[str, Any]) -> Any:
    """The value of an expression: None where it is neither true nor false, or empty."""
    ask = _asked_by(type(element))
    if ask is None:
        raise _not_understood(element)
    return ask(element, row)


def _find(kind: Any) -> Callable[[Any, Mapping[str, Any]], Any] | None:
    return next((ask for known, ask in KINDS.items() if issubclass(kind, known)), None)


# It is looked up for each row.
_asked_by: Final[Callable[[Any], Callable[[Any, Mapping[str, Any]], Any] | None]] = cache(_find)


def _ask_custom(element: CustomCondition, row: Mapping[str, Any]) -> bool:
    column = next(iter(element.clauses))
    assert isinstance(column, Column)
    return element.is_true_of(row[column.name])


def _ask_unary(element: elements.UnaryExpression[Any], row: Mapping[str, Any]) -> Any:
    if element.operator is not operators.inv:
        raise _not_understood(element)
    return _not(_ask(element.element, row))


def _ask_truth(element: elements.AsBoolean, row: Mapping[str, Any]) -> Any:
    found = _ask(element.element, row)
    return _not(found) if element.operator is operators.is_false else found


def _together(operator: Any, found: list[Any]) -> Any:
    if operator is operators.and_:
        return False if False in found else None if None in found else True
    return True if True in found else None if None in found else False


def _not(found: Any) -> Any:
    return None if found is None else not found


def _compare(element: Any, row: Mapping[str, Any]) -> Any:
    operator = element.operator
    left, right = _ask(element.left, row), _side(element.right, row)
    match operator:
        case operators.is_:
            return left is right or left == right
        case operators.is_not:
            return not (left is right or left == right)
        case operators.in_op:
            return _among(left, right)
        case operators.not_in_op:
            return _not(_among(left, right))
        case operators.between_op:
            return _between(left, *right)
        case operators.not_between_op:
            return _not(_between(left, *right))
    if operator in COMPARISONS:
        return _compared(operator, left, right)
    raise _not_understood(element)


def _between(value: Any, low: Any, high: Any) -> Any:
    bounds = [_compared(operators.ge, value, low), _compared(operators.le, value, high)]
    return _together(operators.and_, bounds)


def _side(element: Any, row: Mapping[str, Any]) -> Any:
    """What stands on the right: of IN all values, of BETWEEN both."""
    if type(element) in (elements.ClauseList, elements.ExpressionClauseList):
        return [_ask(it, row) for it in element.clauses]
    return _ask(element, row)


def _compared(operator: Any, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    try:
        return COMPARISONS[operator](left, right)
    except TypeError as error:
        raise DeclarationError(f"{left!r} and {right!r} cannot be compared: {error}") from error


def _among(left: Any, right: list[Any]) -> bool | None:
    if left is None:
        return None if right else False
    return True if left in [it for it in right if it is not None] else None if None in right else False


def _bound(element: Any) -> Any:
    """A value as the column's type would have sent it."""
    type_, value = element.type, element.effective_value
    if element.expanding:
        return [_converted(type_, it) for it in value]
    return _converted(type_, value)


def _converted(type_: Any, value: Any) -> Any:
    if not isinstance(type_, TypeDecorator):
        return value
    try:
        return type_.process_bind_param(value, DIALECT)
    except ValueError as error:
        raise DeclarationError(f"a condition has a value that its column does not take: {error}") from error


def _not_understood(element: Any) -> DeclarationError:
    return DeclarationError(
        f"nobody can ask this of rows in memory: {element}",
        hint='Try it on SQLite: UnitOfWork(Database("sqlite://")).',
    )


KINDS: Final[dict[Any, Callable[[Any, Mapping[str, Any]], Any]]] = {
    elements.Grouping: lambda element, row: _ask(element.element, row),
    CustomCondition: _ask_custom,
    elements.BooleanClauseList: lambda element, row: _together(
        element.operator, [_ask(it, row) for it in element.clauses]
    ),
    elements.BinaryExpression: _compare,
    elements.AsBoolean: _ask_truth,
    elements.UnaryExpression: _ask_unary,
    Column: lambda element, row: row[element.name],
    BindParameter: lambda element, _row: _bound(element),
    elements.True_: lambda _element, _row: True,
    elements.False_: lambda _element, _row: False,
    elements.Null: lambda _element, _row: None,
}
"""What each kind of expression is; what is derived from another comes before it."""
