"""How many rejects are too many."""

from typing import Any

import pytest

from strandline.errors import DeclarationError
from strandline.pipeline import Rejects


@pytest.mark.parametrize(
    ("limits", "rejected", "records", "is_too_many"),
    [
        ({}, 20, 20, False),
        ({}, 21, 210, False),
        ({}, 21, 209, True),
        ({"share": None}, 21, 10**6, True),
        ({"share": None}, 20, 20, False),
        ({"count": None}, 1, 9, True),
        ({"count": None}, 1, 10, False),
        ({"count": None, "share": 0}, 1, 10**6, True),
        ({"count": 0, "share": 0}, 0, 0, False),
    ],
)
def test_a_stream_fails_above_both_limits_or_above_the_only_one(
    limits: dict[str, Any], rejected: int, records: int, is_too_many: bool
) -> None:
    assert Rejects(**limits).exceeded(rejected=rejected, records=records) is is_too_many


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "20 and 10%"),
        ({"count": None, "share": 0.001}, "0.1%"),
        ({"count": None, "share": 0}, "0%"),
        ({"count": None, "share": 1}, "100%"),
        ({"share": None}, "20"),
    ],
)
def test_the_limit_is_told_in_words(limits: dict[str, Any], words: str) -> None:
    assert Rejects(**limits).limit == words


@pytest.mark.parametrize(
    "limits", [{"count": None, "share": None}, {"count": -1}, {"share": 10}, {"share": -0.1}]
)
def test_limits_that_limit_nothing_are_a_wrong_declaration(limits: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        Rejects(**limits)
