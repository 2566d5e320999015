"""One text form per identifier, whatever type the source gave it."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strandline import natural_key


class Colour(Enum):
    RED = "r"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("C-1", "C-1"),
        (" C-1 ", " C-1 "),
        (4711, "4711"),
        (-1, "-1"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("12345678901234567890"), "12345678901234567890"),
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
def test_a_key_has_one_text_form(value, text):
    assert natural_key.encode(value) == text


@pytest.mark.parametrize(
    "value", [True, 1.5, Decimal("NaN"), datetime(2026, 1, 1), {"id": 1}, "a\x00b", "\ud800", ("a", True)]
)
def test_what_is_no_identity_is_refused(value):
    with pytest.raises(ValueError, match=r"identifier"):
        natural_key.encode(value)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1), min_size=1))
def test_different_composite_keys_have_different_texts(parts):
    """The text gives the parts back, so no two keys share it."""
    text = natural_key.encode(tuple(parts))

    assert text is not None
    assert json.loads(text) == parts
