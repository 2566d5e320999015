"""One text form per identifier, whatever type the source gave it."""

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline import natural_key

NAIVE = datetime.fromisoformat("2026-01-01T00:00:00")


class Colour(Enum):
    """A key that is an enumeration."""

    RED = "r"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("C-1", "C-1"),
        (" C-1 ", " C-1 "),
        (4711, "4711"),
        (-1, "-1"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("12345678901234567890.5"), "12345678901234567890.5"),
        (date(2026, 3, 4), "2026-03-04"),
        (datetime(2026, 3, 4, 1, tzinfo=timezone(timedelta(hours=1))), "2026-03-04T00:00:00+00:00"),
        (Colour.RED, "r"),
        (None, None),
        ("", None),
        (("a", "b"), '["a","b"]'),
        (["ä", 1], '["ä","1"]'),
        (("a", None), None),
        (("a", ""), None),
        ((), None),
    ],
)
def test_a_key_has_one_text_form(value: Any, text: Any) -> None:
    assert natural_key.encode(value) == text


@pytest.mark.parametrize(
    "value", [True, 1.5, Decimal("NaN"), NAIVE, {"id": 1}, "a\x00b", "\ud800", ("a", True)]
)
def test_what_is_no_identity_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"identifier"):
        natural_key.encode(value)


def test_a_number_in_a_column_that_identifies_is_the_text_of_the_natural_key() -> None:
    assert natural_key.identifier(17, most=100) == natural_key.encode(17) == "17"
    assert natural_key.identifier("17", most=100) == "17"


@pytest.mark.parametrize(("value", "error"), [(True, TypeError), (1.5, TypeError), ("x" * 101, ValueError)])
def test_what_cannot_stand_in_a_column_that_identifies_is_refused(value: Any, error: type) -> None:
    with pytest.raises(error):
        natural_key.identifier(value, most=100)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1
    )
)
def test_different_composite_keys_have_different_texts(parts: list[str]) -> None:
    """The text gives the parts back, so no two keys share it."""
    text = natural_key.encode(tuple(parts))

    assert text is not None
    assert json.loads(text) == parts
