"""How long a stream keeps its records, as it is declared."""

from datetime import datetime, timedelta

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline.cli.prune import read_days
from strandline.errors import DeclarationError
from strandline.model import AccumulatingSnapshot, Mapper, field, grain, milestone
from strandline.pipeline import Pipeline
from strandline.source import Pages, Record, Source, stream


class Parcel(Record):
    """A parcel."""

    id: str
    sent_at: AwareDatetime | None = None


class Post(Source):
    """Parcels."""

    @stream(Parcel, key="id", keep=timedelta(days=400))
    def parcels(self) -> Pages:
        """None."""
        yield from ()


class FactParcelKept(AccumulatingSnapshot):
    """One row a parcel."""

    parcel_id: Mapped[str] = grain(String(40))
    sent_at: Mapped[datetime | None] = milestone()


class PostParcel(Mapper[Parcel, FactParcelKept]):
    """Parcels."""

    parcel_id = field("id")
    sent_at = field("sent_at")


def test_a_stream_says_how_long_it_keeps_its_records() -> None:
    assert Post.parcels.keep == timedelta(days=400)


def test_a_stream_that_would_keep_nothing_is_refused() -> None:
    with pytest.raises(DeclarationError, match="would keep nothing"):

        class Bin(Source):
            @stream(Parcel, key="id", keep=timedelta(0))
            def parcels(self) -> Pages:
                yield from ()


def test_a_row_that_is_made_of_all_records_needs_all_of_them() -> None:
    with pytest.raises(DeclarationError, match="keeps its records for 400 days, and a row of FactParcelKept"):
        Pipeline("post").sync(Post.parcels, PostParcel)


@pytest.mark.parametrize("given", ["", "400", "d", "4w", "-1d", "1.5d", "99999999d"])
def test_a_number_of_days_is_written_so(given: str) -> None:
    assert read_days("400d") == timedelta(days=400)
    with pytest.raises(DeclarationError, match="is no number of days"):
        read_days(given)
