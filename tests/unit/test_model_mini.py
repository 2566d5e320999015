"""Mini-dimensions and bands: what is declared, what comes along, and what cannot be."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import (
    Dimension,
    Fact,
    MiniDimension,
    attribute,
    bands,
    event_time,
    grain,
    references,
)


class DimReader(Dimension):
    """A reader."""

    reader_name: Mapped[str | None] = attribute()


class DimReaderHabit(MiniDimension, of=DimReader, outrigger=True):
    """What changes often about a reader."""

    age_band: Mapped[str | None] = attribute()


class FactLoan(Fact):
    """One row a loan."""

    loan_id: Mapped[str] = grain()
    lent_at: Mapped[datetime] = event_time()
    habit_key: Mapped[int] = references(DimReaderHabit)


def test_a_mini_dimension_brings_its_history_and_its_keys_along() -> None:
    history = DimReaderHabit.history

    assert history.table().name == "dim_reader_habit_history"
    assert [column.name for column in history.attributes(2)] == ["combination"]
    assert "reader_habit_key" in DimReader.table().c
    assert "habit_durable_key" in FactLoan.table().c
    assert FactLoan.references()["habit_key"].dimension is history


@pytest.mark.parametrize(
    ("edges", "value", "band"),
    [
        ((0, 18, 65), -1, "under 0"),
        ((0, 18, 65), 0, "0 to 17"),
        ((0, 18, 65), Decimal("17.9"), "0 to 17"),
        ((0, 18, 65), 18, "18 to 64"),
        ((0, 18, 65), 65, "65 and over"),
        ((0, 1, 2), 1, "1"),
        ((Decimal("0.5"), Decimal("1.5")), Decimal("1.49"), "0.5 to under 1.5"),
        ((7,), 6, "under 7"),
    ],
)
def test_a_band_begins_at_its_edge_and_ends_before_the_next(edges: Any, value: Any, band: str) -> None:
    assert bands(*edges)(value) == band


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), ("5", TypeError)])
def test_what_is_no_number_lies_in_no_band(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        bands(0, 18)(value)


def _of_nothing() -> object:
    class DimNobody(MiniDimension):
        band: Mapped[str] = attribute()

    return DimNobody


def _taken_column() -> object:
    class DimMaker(Dimension):
        maker_mood_key: Mapped[str] = attribute()

    class DimMakerMood(MiniDimension, of=DimMaker, outrigger=True):
        mood: Mapped[str] = attribute()

    return DimMakerMood


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_of_nothing, "DimNobody does not say whose members it describes"),
        (_taken_column, "DimMakerMood: DimMaker has a column 'maker_mood_key' already"),
        (bands, "the edges of bands are numbers that rise"),
        (lambda: bands(1, 1), "bands(1, 1): the edges of bands are numbers that rise"),
        (lambda: bands(2, 1), "bands(2, 1): the edges of bands are numbers that rise"),
    ],
)
def test_what_cannot_be_is_told_when_it_is_declared(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()

    assert message in caught.value.message
    assert caught.value.hint
