"""Column types take what their rules allow, as it is, and refuse the rest, whichever way they check it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import make_url

from strandline.model.type import Exact, NormalizedEmail

POSTGRESQL = make_url("postgresql+psycopg://").get_dialect()()

decimals = st.decimals() | st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**20), 10**20), st.integers(-3, 8)
)


@given(precision=st.integers(1, 18), scale=st.integers(0, 6), value=decimals)
@example(precision=4, scale=2, value=Decimal("99.99"))
@example(precision=4, scale=2, value=Decimal("-100.00"))
@example(precision=4, scale=2, value=Decimal("1E+1"))
@example(precision=2, scale=4, value=Decimal("0.0099"))
@example(precision=2, scale=4, value=Decimal("0.0100"))
@example(precision=4, scale=2, value=Decimal("-0.00"))
@example(precision=4, scale=2, value=Decimal("NaN"))
@example(precision=4, scale=2, value=Decimal("-Infinity"))
def test_an_exact_number_is_stored_as_it_is_or_refused(precision: int, scale: int, value: Decimal) -> None:
    has_room = value.is_finite() and (
        value == 0 or (int(value.logb()) < precision - scale and last_digit(value) >= -scale)
    )
    assert taken(Exact(precision, scale), value) == (value if has_room else None)


@given(st.text(alphabet="a@. ÄB", max_size=6))
def test_an_address_has_one_at_with_something_on_both_sides(text: str) -> None:
    address = text.strip().lower()
    is_one = [bool(part) for part in address.split("@")] == [True, True]
    assert taken(NormalizedEmail(), text) == (address if is_one else None)


def last_digit(value: Decimal) -> int:
    """The power of ten of the last digit that is no zero."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    written = "".join(map(str, digits))
    return exponent + len(written) - len(written.rstrip("0"))


def taken(type_: Exact | NormalizedEmail, value: object) -> object:
    """What is stored of it; None where it is refused."""
    try:
        return type_.process_bind_param(value, POSTGRESQL)  # type: ignore[arg-type]  # whatever comes
    except ValueError:
        return None
