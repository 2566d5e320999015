"""Hierarchies of any depth: a table of who stands above whom in a dimension, made from a column that names
the parent.

    class BridgeUnit(Hierarchy, of=DimUnit, parent="parent_id"):
        \"\"\"Who stands above whom among the units.\"\"\"

One row says that one member stands above another, or is it: `depth` counts the steps, 0 is the member itself.
So a fact joined through the table is counted for everybody above it, once each. This is the bridge for ragged
hierarchies of Kimball & Ross, The Data Warehouse Toolkit (3rd ed.), chapter 7.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from msgspec.structs import replace
from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError
from strandline.model.base import Base
from strandline.model.column import ROLE, Attribute, role
from strandline.model.dimension import SPECIAL_MEMBERS, Dimension
from strandline.model.partial import PartialIndex

_DECLARED: dict[type[Dimension], list[type["Hierarchy"]]] = {}


class Hierarchy(Base):
    """Who stands above whom. Subclass it with `of`, the dimension, and `parent`, its attribute that holds the
    parent's natural key.
    """

    __abstract__ = True
    dimension: ClassVar[type[Dimension]]
    parent: ClassVar[str]

    descendant_durable_key: Mapped[int] = mapped_column(
        BigInteger(), primary_key=True, autoincrement=False, sort_order=1, comment="Who stands below"
    )
    ancestor_durable_key: Mapped[int] = mapped_column(
        BigInteger(),
        primary_key=True,
        autoincrement=False,
        sort_order=2,
        index=True,
        comment="Who stands above, or the member itself",
    )
    depth: Mapped[int] = mapped_column(
        Integer(), sort_order=3, comment="Steps from the ancestor down to the descendant; 0: itself"
    )
    is_leaf: Mapped[bool] = mapped_column(
        Boolean(), sort_order=4, default=False, comment="Nobody stands below the descendant"
    )
    is_root: Mapped[bool] = mapped_column(Boolean(), sort_order=5, comment="Nobody stands above the ancestor")
    is_cut: Mapped[bool] = mapped_column(
        Boolean(), sort_order=6, comment="The ancestor is a root only because it stands above itself"
    )
    created_at: Mapped[datetime] = mapped_column(sort_order=900, comment="When this row was first written")
    updated_at: Mapped[datetime] = mapped_column(sort_order=901, comment="When this row last changed")
    run_id: Mapped[int] = mapped_column(sort_order=906, comment="The run that last wrote it")

    def __init_subclass__(
        cls, *, of: type[Dimension] | None = None, parent: str | None = None, **arguments: Any
    ) -> None:
        if not cls.__dict__.get("__abstract__", False):
            cls.dimension, cls.parent = _checked(cls, of, parent)
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _mark_parent(cls)
            _DECLARED.setdefault(cls.dimension, []).append(cls)

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table


def hierarchies_of(dimension: type[Any]) -> list[type[Hierarchy]]:
    """The hierarchies that are declared of this dimension."""
    return list(_DECLARED.get(dimension, ()))


def special_rows() -> Iterable[dict[str, object]]:
    """The members -1 and -2, each by itself, so that a fact without a member is not lost in a join."""
    for key in SPECIAL_MEMBERS:
        yield {
            "descendant_durable_key": key,
            "ancestor_durable_key": key,
            "depth": 0,
            "is_leaf": True,
            "is_root": True,
            "is_cut": False,
        }


def _checked(
    cls: type[Hierarchy], of: type[Dimension] | None, parent: str | None
) -> tuple[type[Dimension], str]:
    if not (isinstance(of, type) and issubclass(of, Dimension)) or parent is None:
        raise DeclarationError(
            f"{cls.__name__} does not say whose hierarchy it is, or by which column",
            hint=f'class {cls.__name__}(Hierarchy, of=<dimension>, parent="<attribute>"): ...',
        )
    where, attributes = f'{cls.__name__}: parent="{parent}"', {it.name: it for it in of.attributes()}
    if parent not in attributes:
        raise DeclarationError(
            f"{where} is no attribute of {of.__name__}", hint=f"Its attributes are {', '.join(attributes)}."
        )
    if not isinstance(attributes[parent].type, String):
        raise DeclarationError(
            f"{where}: a natural key is text, and the column is {attributes[parent].type}",
            hint=f"{parent}: Mapped[str | None] = attribute().",
        )
    return of, parent


def _mark_parent(cls: type[Hierarchy]) -> None:
    """From now on the mapper spells the parent as natural keys are spelt, and children are found by it."""
    table = cls.dimension.table()
    column: Column[Any] = table.c[cls.parent]
    meaning = role(column)
    assert isinstance(meaning, Attribute)
    if not meaning.is_parent:
        column.info[ROLE] = replace(meaning, is_parent=True)
        current = table.c.is_current
        PartialIndex(None, column, where=current)
