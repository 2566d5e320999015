"""Allocation: an amount of a header shared out over its lines, so that the parts sum to it to the last unit.

Each line gets its proportion, rounded towards zero at the column's scale; the units that are left over go one
by one to the lines that lost most by it, of equals to the first. This is the method of the largest remainder
(Hamilton's, for seats in a parliament). That header amounts belong on the lines at all: Kimball & Ross, The
Data Warehouse Toolkit (3rd ed.), chapter 6, "allocated facts".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation
from math import lcm
from typing import Any, Final

Number = Decimal | int | float
Share = Callable[[Decimal | int | None, Sequence[Any]], Sequence[Decimal | None]]
"""(amount, lines) → the part of each line"""

_DIGITS: Final = 1000
_EXACT: Final = Context(prec=2 * _DIGITS, traps=[InvalidOperation, Inexact])


def share_out(amount: Decimal | int, weights: Sequence[Number], *, scale: int) -> list[Decimal]:
    """The part of each weight, in order; evenly where all weights are 0.

    Raises ValueError for what is no amount at this scale, for a weight that is negative or no number, and
    for an amount without a line to bear it.
    """
    units = _units(amount, scale)
    if not weights:
        if units:
            raise ValueError(f"{amount} is to be shared out, and there is no line")
        return []
    parts = _share(abs(units), _proportions(weights))
    sign = -1 if units < 0 else 1
    return [_EXACT.scaleb(Decimal(sign * part), -scale) for part in parts]


def share_between(weigh: Callable[[Any], Number] | None, *, scale: int) -> Share:
    """A function that shares an amount out over lines by what `weigh` finds in each, or evenly without it."""

    def share(amount: Decimal | int | None, lines: Sequence[Any]) -> Sequence[Decimal | None]:
        if amount is None:
            return [None] * len(lines)
        weights: list[Number] = [1] * len(lines) if weigh is None else [weigh(line) for line in lines]
        return share_out(amount, weights, scale=scale)

    return share


def _units(amount: Decimal | int, scale: int) -> int:
    """The amount in the smallest unit that the scale knows."""
    if isinstance(amount, bool) or not isinstance(amount, Decimal | int):
        raise ValueError(f"{amount!r} is a {type(amount).__name__}; an amount is a Decimal or an int")
    exact = Decimal(amount)
    if not exact.is_finite() or abs(exact.adjusted()) > _DIGITS:
        raise ValueError(f"{amount} is no amount")
    units = _EXACT.scaleb(exact, scale)
    if units != int(units):
        raise ValueError(f"{amount} has more than {scale} decimal places")
    return int(units)


def _proportions(weights: Sequence[Number]) -> list[int]:
    """Whole numbers in the proportion of the weights."""
    ratios = [_ratio(weight, number) for number, weight in enumerate(weights, 1)]
    common = lcm(*(denominator for _, denominator in ratios))
    found = [numerator * (common // denominator) for numerator, denominator in ratios]
    return found if any(found) else [1] * len(found)


def _ratio(weight: Number, number: int) -> tuple[int, int]:
    if isinstance(weight, bool) or not isinstance(weight, Decimal | int | float):
        raise ValueError(f"line {number} has the weight {weight!r}, which is no number")
    if isinstance(weight, Decimal) and (not weight.is_finite() or abs(weight.adjusted()) > _DIGITS):
        raise ValueError(f"line {number} has the weight {weight}, which is out of all proportion")
    if not 0 <= weight < float("inf"):
        raise ValueError(f"line {number} has the weight {weight}, and a weight is 0 or more")
    return weight.as_integer_ratio()


def _share(units: int, proportions: Sequence[int]) -> list[int]:
    total = sum(proportions)
    shares = [divmod(units * proportion, total) for proportion in proportions]
    parts = [part for part, _ in shares]
    # sorted() keeps equals in their order, so that of equal remainders the first line's comes first.
    by_remainder = sorted(range(len(parts)), key=lambda line: -shares[line][1])
    for line in by_remainder[: units - sum(parts)]:
        parts[line] += 1
    return parts
