"""Shrunken rollup dimensions: the distinct combinations of some attributes of another dimension.

    class DimBrand(ShrunkenDimension, of=DimProduct, attributes=("brand", "category")):
        \"\"\"Brands, for what is counted or planned by brand and not by product.\"\"\"

Each version of the base has the key of its combination in `brand_key`, by which aggregates of its facts find
the row: fact, base, rollup. Kimball & Ross, The Data Warehouse Toolkit (3rd ed.), chapter 4.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from strandline.errors import DeclarationError
from strandline.model.column import attribute
from strandline.model.combination import Combination, add_key
from strandline.model.dimension import Dimension
from strandline.model.path import nearest

_DECLARED: Final[dict[type[Dimension], list[type["ShrunkenDimension"]]]] = {}


class ShrunkenDimension(Combination):
    """The distinct combinations of some attributes of a dimension. Subclass it with `of`, the dimension, and
    `attributes`, their names.
    """

    __abstract__ = True
    base: ClassVar[type[Dimension]]

    def __init_subclass__(
        cls, *, of: type[Dimension] | None = None, attributes: Sequence[str] = (), **arguments: Any
    ) -> None:
        is_abstract = cls.__dict__.get("__abstract__", False)
        if not is_abstract:
            cls.base = _checked(cls, of, attributes)
            for name in attributes:
                column = cls.base.table().c[name]
                declared = attribute(column.type, comment=column.comment)
                declared.column.nullable = not column.info["required"]
                setattr(cls, name, declared)
        super().__init_subclass__(**arguments)
        if not is_abstract:
            add_key(cls, to=cls.base, comment=f"→ {cls.__name__}")
            _DECLARED.setdefault(cls.base, []).append(cls)


def shrunken_of(dimension: type[Any]) -> Sequence[type[ShrunkenDimension]]:
    """The rollups that are declared of this dimension."""
    return _DECLARED.get(dimension, ())


def _checked(
    cls: type[ShrunkenDimension], of: type[Dimension] | None, names: Sequence[str]
) -> type[Dimension]:
    if not (isinstance(of, type) and issubclass(of, Dimension)) or not names or isinstance(names, str):
        raise DeclarationError(
            f"{cls.__name__} does not say of which attributes of which dimension it is",
            hint=f'class {cls.__name__}(ShrunkenDimension, of=<dimension>, attributes=("<attribute>",)): ...',
        )
    known = {column.name: column for column in of.attributes()}
    for name in names:
        if name not in known:
            raise DeclarationError(
                f"{cls.__name__}: {of.__name__} has no attribute {name!r}", hint=nearest(name, known)
            )
    return of
