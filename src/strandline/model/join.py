"""Stars: a fact joined with its dimensions, each under the name of the role that it plays.

    orders = star(FactOrder)
    orders.as_was()     the members as they were when it happened: the versions that the fact points at
    orders.as_is()      the members as they are now
    orders.as_of(day)   the members as they were at that moment, whenever it happened

Each is a plain select: of all that there is to see, or of the columns that are asked for. A dimension that
plays two roles is joined twice, and its columns are called after the role: `order_date_year` and
`shipping_date_year`. Groups of a bridge are left out, for they would make several rows of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Select, and_, select
from sqlalchemy.orm import aliased

from strandline.errors import DeclarationError
from strandline.model.column import (
    Attribute,
    Current,
    Degenerate,
    EventTime,
    Filled,
    Grain,
    Lag,
    Measure,
    Milestone,
    Period,
    Previous,
    Reference,
    durable_column,
    role,
)
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.mini import History
from strandline.model.path import nearest
from strandline.model.prepared import Prepared
from strandline.model.query import answers_at, aware

F = TypeVar("F", bound=Fact)

OF_FACT: Final = (Grain, Period, EventTime, Milestone, Degenerate, Measure, Lag, Filled)
OF_DIMENSION: Final = (Attribute, Current, Previous)

Join = Callable[[Select[Any], "Role"], Select[Any]]
"""How a fact is joined with a dimension of which there are versions."""

Wanted = Callable[[Any], ColumnElement[bool]]
"""Which version of a member is meant."""


@dataclass(frozen=True)
class Role:
    """A dimension as a fact refers to it by one of its columns."""

    name: str
    reference: Column[Any]
    member: Any
    """The alias of the dimension, under the role's name."""

    @property
    def meaning(self) -> Reference:
        """What was declared of the reference."""
        declared: Reference = role(self.reference)  # type: ignore[assignment]  # found by it
        return declared

    def label(self, column: str) -> str:
        """What a column of the dimension is called in this role: `order_date` and `date_name` make
        `order_date_name`, for what ends the one and begins the other is not said twice.
        """
        before, behind = self.name.split("_"), column.split("_")
        shared = next(
            n for n in range(min(len(before), len(behind)), -1, -1) if before[len(before) - n :] == behind[:n]
        )
        return "_".join([*before, *behind[shared:]])


class Star(Generic[F]):
    """A fact with its dimensions. `star.customer`, or `star["customer"]`, is the dimension in that role, to
    select from and to ask for.
    """

    def __init__(self, fact: type[F], roles: tuple[str, ...] = ()) -> None:
        """`roles` are those that are joined: all unless some are named."""
        self.fact = fact
        known = {it.name: it for it in _roles(fact)}
        for name in roles:
            if name not in known:
                raise DeclarationError(
                    f"star({fact.__name__}): no dimension plays the role {name!r} there",
                    hint=nearest(name, known),
                )
        self.roles: dict[str, Role] = {name: known[name] for name in roles or known}

    def __getitem__(self, name: str) -> Any:
        if name not in self.roles:
            raise DeclarationError(
                f"star({self.fact.__name__}): no dimension plays the role {name!r} there",
                hint=nearest(name, self.roles),
            )
        return self.roles[name].member

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.__dict__.get("roles", ()):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}, and no dimension plays that role"
            )
        return self.roles[name].member

    def as_was(self, *columns: Any) -> Select[Any]:
        """The facts with their members as they were when it happened."""
        return self._select(columns, _then)

    def as_is(self, *columns: Any) -> Select[Any]:
        """The facts with their members as they are now; one that is deleted, as it was last."""
        return self._select(columns, _wherever(lambda version: version.is_latest))

    def as_of(self, when: datetime, *columns: Any) -> Select[Any]:
        """The facts with their members as they were at this moment, whenever it happened: as a report of that
        day had them. The columns of a member who was deleted then are NULL.
        """
        moment = aware(when)
        return self._select(columns, _wherever(lambda version: answers_at(version, moment)))

    def columns(self) -> list[Any]:
        """All that there is to see: the fact's columns, and those of each role under its name."""
        found = [column for column in self.fact.table().c if isinstance(role(column), OF_FACT)]
        shown: dict[str, Any] = {column.name: getattr(self.fact, column.name) for column in found}
        for it in self.roles.values():
            for column in _shown(it):
                name = it.label(column)
                name = f"{it.name}_{column}" if name in shown else name
                shown[name] = getattr(it.member, column).label(name)
        return list(shown.values())

    def _select(self, columns: tuple[Any, ...], join: Join) -> Select[Any]:
        query = select(*(columns or self.columns())).select_from(self.fact)
        for it in self.roles.values():
            query = join(query, it) if issubclass(it.meaning.dimension, Dimension) else _then(query, it)
        return query


def star(fact: type[F], *roles: str) -> Star[F]:
    """A fact with its dimensions: `star(FactOrder)` with all, `star(FactOrder, "customer")` with some.

    A role is called as the key without `_key`: `customer_key` is `customer`.
    """
    return Star(fact, roles)


def _roles(fact: type[Fact]) -> Iterator[Role]:
    for column in fact.table().c:
        meaning = role(column)
        if isinstance(meaning, Reference) and issubclass(
            meaning.dimension, Dimension | Combination | Prepared
        ):
            name = column.name.removesuffix("_key")
            yield Role(name, column, aliased(_model(meaning), name=name))


def _model(meaning: Reference) -> Any:
    """Whose columns are shown: of a mini-dimension its combinations, and not who had them when."""
    dimension = meaning.dimension
    return dimension.mini if issubclass(dimension, History) else dimension


def _shown(it: Role) -> list[str]:
    model = _model(it.meaning)
    table = model.table()
    if issubclass(model, Prepared):
        return [column.name for column in table.c if not column.primary_key]
    return [column.name for column in table.c if isinstance(role(column), OF_DIMENSION)]


def _key(it: Role) -> Any:
    """The key by which a fact finds a row of the dimension that is shown."""
    model = _model(it.meaning)
    return getattr(it.member, next(iter(model.table().primary_key)).name)


def _then(query: Select[Any], it: Role) -> Select[Any]:
    return query.outerjoin(it.member, _key(it) == it.reference)


def _wherever(wanted: Wanted) -> Join:
    """How a fact is joined with the version of its member of which this is true."""

    def join(query: Select[Any], it: Role) -> Select[Any]:
        meaning, gives = it.meaning, it.meaning.gives
        version = it.member if gives is None else aliased(meaning.dimension, name=f"{it.name}_history")
        if meaning.durable:
            same = version.durable_key == it.reference.table.c[durable_column(it.reference.name)]
        else:
            had = aliased(meaning.dimension, name=f"{it.name}_then")
            query = query.outerjoin(had, had.key == it.reference)
            same = and_(version.source_id == had.source_id, version.source_system == had.source_system)
        query = query.outerjoin(version, and_(same, wanted(version)))
        return query if gives is None else query.outerjoin(it.member, _key(it) == getattr(version, gives))

    return join
