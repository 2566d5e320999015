"""The parts of an amount sum to it exactly, whatever the amount, its scale and the weights."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline.model.allocation import Number, share_between, share_out

scales = st.integers(0, 4)
weights = st.lists(
    st.one_of(
        st.integers(0, 1000),
        st.decimals(0, 10**6, places=4),
        st.floats(0, 1e9, allow_nan=False),
        st.just(Decimal(0)),
    ),
    min_size=1,
    max_size=12,
)


@given(scales, st.integers(-(10**15), 10**15), weights)
def test_the_parts_sum_to_the_amount_and_none_is_a_unit_off_its_proportion(
    scale: int, units: int, by: list[Number]
) -> None:
    amount = Decimal(units).scaleb(-scale)
    parts = share_out(amount, by, scale=scale)
    total = sum(map(Fraction, by))

    assert sum(parts) == amount
    assert parts == share_out(amount, by, scale=scale)
    for part, weight in zip(parts, by, strict=True):
        proportion = Fraction(weight) / total if total else Fraction(1, len(by))
        assert abs(Fraction(part) - Fraction(amount) * proportion) < Fraction(1, 10**scale)
        assert part == 0 or (part < 0) == (amount < 0)
        assert part == 0 or weight or not total


@given(scales, st.integers(0, 10**9), weights)
def test_what_is_taken_back_is_what_was_given(scale: int, units: int, by: list[Number]) -> None:
    """A credit note has the parts of its invoice, negated."""
    amount = Decimal(units).scaleb(-scale)

    assert share_out(-amount, by, scale=scale) == [-part for part in share_out(amount, by, scale=scale)]


@pytest.mark.parametrize(
    ("amount", "by", "parts"),
    [
        ("10.00", [1, 1, 1], ["3.34", "3.33", "3.33"]),
        ("-10.00", [1, 1, 1], ["-3.34", "-3.33", "-3.33"]),
        ("0.01", [0, 0], ["0.01", "0.00"]),
        ("0.02", [0, 1, 1, 1], ["0.00", "0.01", "0.01", "0.00"]),
        ("1.00", ["0.10", "0.20"], ["0.33", "0.67"]),
        ("5", [Decimal("1E-900"), Decimal("3E-900")], ["1.25", "3.75"]),
        ("0.00", [1, 2], ["0", "0"]),
    ],
)
def test_what_is_left_over_goes_to_the_largest_remainders_and_of_equals_to_the_first(
    amount: str, by: list[Number | str], parts: list[str]
) -> None:
    given_weights = [Decimal(it) if isinstance(it, str) else it for it in by]

    assert share_out(Decimal(amount), given_weights, scale=2) == [Decimal(it) for it in parts]


@pytest.mark.parametrize(
    ("amount", "by", "why"),
    [
        (Decimal("0.001"), [1], "0.001 has more than 2 decimal places"),
        (1.5, [1], "1.5 is a float; an amount is a Decimal or an int"),
        (True, [1], "True is a bool; an amount is a Decimal or an int"),
        (Decimal("NaN"), [1], "NaN is no amount"),
        (Decimal("1E+99999"), [1], r"1E\+99999 is no amount"),
        (1, [1, None], "line 2 has the weight None, which is no number"),
        (1, [1, -2], "line 2 has the weight -2, and a weight is 0 or more"),
        (1, [float("nan")], "line 1 has the weight nan, and a weight is 0 or more"),
        (1, [float("inf")], "line 1 has the weight inf, and a weight is 0 or more"),
        (1, [Decimal("NaN")], "line 1 has the weight NaN, which is out of all proportion"),
        (1, [Decimal("1E+99999")], r"line 1 has the weight 1E\+99999, which is out of all proportion"),
        (1, [True], "line 1 has the weight True, which is no number"),
        (1, [], "1 is to be shared out, and there is no line"),
    ],
)
def test_what_cannot_be_shared_out_is_told_with_its_value(
    amount: Decimal, by: list[Number], why: str
) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        share_out(amount, by, scale=2)


def test_nothing_over_nothing_is_nothing_and_no_amount_is_no_part() -> None:
    share = share_between(None, scale=2)

    assert share(Decimal(0), []) == []
    assert share(None, ["a", "b"]) == [None, None]
    assert share(1, ["a", "b"]) == [Decimal("0.5"), Decimal("0.5")]
