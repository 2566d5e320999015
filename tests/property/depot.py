"""A depot whose records are read twice: by a first contract and mappers, and by later ones that see it
otherwise.
"""

from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field
from sqlalchemy import Integer, SelectBase, String, func, select
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.model import (
    Aggregate,
    Dimension,
    Fact,
    Mapper,
    PeriodicSnapshot,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    line,
    line_number,
    measure,
    period,
    references,
)
from strandline.pipeline import Pipeline, Rejects
from strandline.source import Pages, Record, Source, stream


class Good(Record):
    """A good."""

    id: str
    at: AwareDatetime
    word: str | None = None
    size: int = 0


class FirstGood(Good):
    """A good that is small."""

    size: Annotated[int, Field(le=2)] = 0


class Box(Record):
    """What is in a box."""

    word: str | None = None


class Move(Record):
    """A good is moved, in boxes."""

    id: str
    at: AwareDatetime
    moved_at: AwareDatetime
    good: str | None = None
    other: str | None = None
    word: str | None = None
    boxes: list[Box] = Field(default_factory=list)


class Depot(Source):
    """Goods and their moves."""

    name = "depot"

    def __init__(self) -> None:
        super().__init__()
        self.good_records: list[bytes] = []
        self.move_records: list[bytes] = []

    @stream(Good, key="id", effective_at="at", deleted="gone")
    def goods(self) -> Pages:
        """What it was given."""
        return pages(self.good_records)

    @stream(Move, key="id", effective_at="at", deleted="gone")
    def moves(self) -> Pages:
        """What it was given."""
        return pages(self.move_records)


class FirstDepot(Depot):
    """The same, as it was read at first."""

    name = "depot"

    @stream(FirstGood, key="id", effective_at="at", deleted="gone")
    def goods(self) -> Pages:
        """What it was given."""
        return pages(self.good_records)


class DimGood(Dimension):
    """A good, with a column of each type."""

    first: Mapped[str | None] = attribute(String(12), scd=0)
    last: Mapped[str | None] = attribute(String(12), scd=1)
    shelf: Mapped[str | None] = attribute(String(12), scd=2)
    rank: Mapped[str | None] = attribute(String(12), scd=3)
    place: Mapped[str | None] = attribute(String(12), scd=6)


class FactMove(Fact):
    """One row a move."""

    move_id: Mapped[str] = grain(String(40))
    moved_at: Mapped[datetime] = event_time()
    good_key: Mapped[int] = references(DimGood, missing="infer")
    other_key: Mapped[int] = references(DimGood, missing="unknown", gap="unknown", durable=True)
    word: Mapped[str | None] = degenerate(String(12))


class FactBox(Fact):
    """One row a box of a move."""

    move_id: Mapped[str] = grain(String(40))
    number: Mapped[int] = grain(Integer)
    word: Mapped[str | None] = degenerate(String(12))


class FactShelf(PeriodicSnapshot, every="month", fill="last"):
    """What is said of a good, month by month."""

    good_id: Mapped[str] = grain(String(40))
    month: Mapped[date] = period()
    size: Mapped[int] = measure(Integer, additive="semi")


class AggMoved(Aggregate):
    """Moves by the shelf that the good was on."""

    shelf: Mapped[str | None] = grain(String(12))
    word: Mapped[str | None] = grain(String(12))
    moves: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Join the fact with the version of its good."""
        return (
            select(DimGood.shelf, FactMove.word, func.count().label("moves"))
            .join_from(FactMove, DimGood, DimGood.key == FactMove.good_key)
            .group_by(DimGood.shelf, FactMove.word)
        )


def known(word: str | None, *, but: str) -> str | None:
    """The word, if the mapper knows it."""
    if word == but:
        raise ValueError(f"what is {word!r}?")
    return word


class FirstGoodMapper(Mapper[Good, DimGood]):
    """Does not know m."""

    first = field("word")
    last = field("word")
    rank = field("word")
    place = field("word")

    def shelf(self, record: Good) -> str | None:
        """As it is."""
        return known(record.word, but="m")


class GoodMapper(Mapper[Good, DimGood]):
    """Does not know n, and takes x for y."""

    first = field("word")
    last = field("word", default="none")
    place = field("word")

    def rank(self, record: Good) -> str | None:
        """Only of what is not small."""
        return record.word if record.size else None

    def shelf(self, record: Good) -> str | None:
        """Where x is, y is."""
        return "y" if record.word == "x" else known(record.word, but="n")


class FirstMoveMapper(Mapper[Move, FactMove]):
    """Does not know m."""

    move_id = field("id")
    moved_at = field("moved_at")
    good_key = field("good")
    other_key = field("other")

    def word(self, record: Move) -> str | None:
        """As it is."""
        return known(record.word, but="m")


class MoveMapper(Mapper[Move, FactMove]):
    """Does not know n, and takes one good for the other."""

    move_id = field("id")
    moved_at = field("moved_at")
    good_key = field("other")
    other_key = field("good")

    def word(self, record: Move) -> str | None:
        """As it is."""
        return known(record.word, but="n")


class FirstBoxMapper(Mapper[Move, FactBox], each="boxes"):
    """Boxes."""

    move_id = field("id")
    number = line_number()
    word = line("word")


class BoxMapper(Mapper[Move, FactBox], each="boxes"):
    """Does not know n."""

    move_id = field("id")
    number = line_number()

    def word(self, record: Move, line: Box) -> str | None:
        """With that of the move."""
        return known(line.word, but="n") or record.word


class FirstShelfMapper(Mapper[Good, FactShelf]):
    """Sizes."""

    good_id = field("id")
    size = field("size")


class ShelfMapper(Mapper[Good, FactShelf]):
    """Sizes, of what is not x."""

    good_id = field("id")

    def size(self, record: Good) -> int:
        """One more."""
        known(record.word, but="x")
        return record.size + 1


MANY = Rejects(count=10**6)

first_depot = Pipeline("depot")
first_depot.sync(FirstDepot.goods, FirstGoodMapper, rejects=MANY)
first_depot.sync(FirstDepot.goods, FirstShelfMapper)
first_depot.sync(FirstDepot.moves, FirstMoveMapper, rejects=MANY)
first_depot.sync(FirstDepot.moves, FirstBoxMapper)

depot = Pipeline("depot")
depot.sync(Depot.goods, GoodMapper, rejects=MANY)
depot.sync(Depot.goods, ShelfMapper)
depot.sync(Depot.moves, MoveMapper, rejects=MANY)
depot.sync(Depot.moves, BoxMapper)
