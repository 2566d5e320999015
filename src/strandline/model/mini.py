"""Mini-dimensions: what changes often about a dimension's members, banded and combined, type 4 and 5.

    class DimCustomerProfile(MiniDimension, of=DimCustomer):
        age_band: Mapped[str | None] = attribute(String(12))
        income_band: Mapped[str | None] = attribute(String(20))

The table holds the combinations. Which of them a member had when is kept in a dimension of its own,
`DimCustomerProfileHistory`, whose one attribute of type 2 is the combination, so that late records, deletions
and returns are what they are everywhere. A fact refers to the mini-dimension by the member's natural key; it
gets the key of the combination that was valid at its moment, and the member's durable key in the history, by
which it is found when the history changes. With `outrigger=True`, type 5, every version of the base has the
key of the member's present combination. Kimball & Ross, The Data Warehouse Toolkit (3rd ed.), chapter 5.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, ClassVar, Final

from sqlalchemy import Text
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model.column import attribute
from strandline.model.combination import COMBINATION, Combination, add_key, foreign_key
from strandline.model.dimension import Dimension

Number = int | Decimal

_OUTRIGGERS: Final[dict[type[Dimension], list[type["MiniDimension"]]]] = {}


class History(Dimension):
    """Which combination of a mini-dimension a member had when; made with the mini-dimension."""

    __abstract__ = True
    mini: ClassVar[type["MiniDimension"]]


class MiniDimension(Combination):
    """What changes often about a dimension's members. Subclass it with `of`, the dimension, and declare
    `attribute` columns.
    """

    __abstract__ = True
    base: ClassVar[type[Dimension]]
    history: ClassVar[type[History]]
    is_outrigger: ClassVar[bool]

    def __init_subclass__(
        cls, *, of: type[Dimension] | None = None, outrigger: bool = False, **arguments: Any
    ) -> None:
        is_abstract = cls.__dict__.get("__abstract__", False)
        if not is_abstract:
            cls.base, cls.is_outrigger = _checked(cls, of), outrigger
        super().__init_subclass__(**arguments)
        if not is_abstract:
            cls.history = _history(cls)
            if outrigger:
                add_key(cls, to=cls.base, comment=f"→ {cls.__name__}, as the member is now")
                _OUTRIGGERS.setdefault(cls.base, []).append(cls)


def outriggers_of(dimension: type[Any]) -> Sequence[type[MiniDimension]]:
    """The mini-dimensions whose present combination stands on this dimension."""
    return _OUTRIGGERS.get(dimension, ())


def _checked(cls: type[MiniDimension], of: type[Dimension] | None) -> type[Dimension]:
    if isinstance(of, type) and issubclass(of, Dimension):
        return of
    raise DeclarationError(
        f"{cls.__name__} does not say whose members it describes",
        hint=f"class {cls.__name__}(MiniDimension, of=<dimension>): ...",
    )


def _history(cls: type[MiniDimension]) -> type[History]:
    combined = attribute(Text(), scd=2, comment="The values, by which the combination is found")
    namespace = {
        "__module__": cls.__module__,
        "__doc__": f"Which combination of {cls.__tablename__} a member of {cls.base.__tablename__} had when.",
        "__annotations__": {COMBINATION: Mapped[str | None]},
        COMBINATION: combined,
        cls.key_column().name: foreign_key(cls, f"→ {cls.__name__}"),
        "mini": cls,
    }
    return type(f"{cls.__name__}History", (History,), namespace)


def bands(*edges: Number) -> Callable[[Number], str]:
    """A function for `using=` that says in which band a number lies: `bands(0, 18, 65)` says "under 0",
    "0 to 17", "18 to 64" or "65 and over".

    A band begins at its edge and ends before the next one, so 17.5 is in "0 to 17". Where an edge is no whole
    number, bands are called "0.5 to under 1.5".
    """
    if not edges or list(edges) != sorted(set(edges)):
        raise DeclarationError(
            f"bands{edges}: the edges of bands are numbers that rise", hint="bands(0, 18, 30, 65)"
        )
    names = _band_names(edges)

    def band(value: Number) -> str:
        if value != value:
            raise ValueError(f"{value!r} lies in no band")
        return names[bisect_right(edges, value)]

    return band


def _band_names(edges: tuple[Number, ...]) -> list[str]:
    are_whole = all(isinstance(edge, int) for edge in edges)
    between = []
    for low, high in pairwise(edges):
        if not are_whole:
            between.append(f"{low} to under {high}")
        else:
            between.append(f"{low}" if high - low == 1 else f"{low} to {high - 1}")
    return [f"under {edges[0]}", *between, f"{edges[-1]} and over"]
