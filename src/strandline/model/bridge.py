"""Bridges for several members of one dimension: a group of them has a key, and each of them a weight in it.

    class BridgeDiagnosis(Bridge, to=DimDiagnosis):
        \"\"\"The diagnoses of a stay.\"\"\"

A row says that a member belongs to a group, and with which share; the weights of a group sum to one, so that
a report that multiplies by them sums to the total. The same members with the same weights are one group,
which is found by its `members`: a JSON object of weights by natural key, in one spelling.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, ClassVar, Final

from msgspec import Struct
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from strandline.errors import DeclarationError
from strandline.model.base import Base, BigKey, snake_case
from strandline.model.column import NOT_APPLICABLE_KEY, UNKNOWN_KEY
from strandline.model.type import Exact
from strandline.natural_key import NaturalKeys

PLACES: Final = 12
"""Weights have so many decimal places. Equal ones are cut to it, and the first gets what is left over."""

STEP: Final = Decimal(1).scaleb(-PLACES)
WEIGHT: Final = Exact(PLACES + 1, PLACES)

MEMBERS: Final = "members"
SHOWN: Final = 10


class Bridge(Base):
    """The members of groups and their weights. Subclass it with `to`, the dimension that they belong to; the
    name starts with Bridge.
    """

    __abstract__ = True
    dimension: ClassVar[type[Any]]
    group_name: ClassVar[str]
    """The class name without Bridge, in snake case: `diagnosis`, as in `diagnosis_group_key`."""
    groups: ClassVar[Table]
    """The table of the groups: the key of each, and what it is found by."""

    weight: Mapped[Decimal] = mapped_column(WEIGHT, sort_order=3, comment="The member's share of the group")
    created_at: Mapped[datetime] = mapped_column(sort_order=900, comment="When this row was written")
    run_id: Mapped[int] = mapped_column(sort_order=906, comment="The run that wrote it")

    def __init_subclass__(cls, *, to: type[Any] | None = None, **arguments: Any) -> None:
        if not cls.__dict__.get("__abstract__", False):
            cls.dimension = _checked(cls, to)
            cls.group_name = snake_case(cls.__name__.removeprefix("Bridge"))
            _declare_keys(cls)
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            cls.groups = _groups(cls)

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def group_key(cls) -> str:
        """`<name>_group_key`."""
        return f"{cls.group_name}_group_key"

    @classmethod
    def member_key(cls) -> str:
        """`<dimension>_durable_key`."""
        return f"{cls.dimension.dimension_name}_durable_key"


def _checked(cls: type[Bridge], to: type[Any] | None) -> type[Any]:
    if to is None or not hasattr(to, "durable_key_column"):
        raise DeclarationError(
            f"{cls.__name__} does not say of which dimension its groups have members",
            hint=f"class {cls.__name__}(Bridge, to=<dimension>): ...",
        )
    return to


def _declare_keys(cls: type[Bridge]) -> None:
    keys = (cls.group_key(), "The group"), (cls.member_key(), f"→ {cls.dimension.__name__}")
    for order, (name, comment) in enumerate(keys):
        column = mapped_column(
            BigInteger(),
            primary_key=True,
            autoincrement=False,
            index=order > 0,
            sort_order=order,
            comment=comment,
        )
        setattr(cls, name, column)


def _groups(cls: type[Bridge]) -> Table:
    """The groups. An ordinary index would refuse a group of some hundred members, as too long a text."""
    table = cls.table()
    return Table(
        f"{table.name}_group",
        cls.metadata,
        Column(cls.group_key(), BigKey, Identity(start=1), primary_key=True),
        Column("source_system", Text, nullable=False, comment="Whose natural keys they are"),
        Column(MEMBERS, Text, nullable=False, comment="The weights by natural key, as JSON"),
        Column("created_at", DateTime(timezone=True), nullable=False, comment="When it was first met"),
        Column("run_id", BigInteger, nullable=False, comment="The run that met it first"),
        Index(None, MEMBERS, postgresql_using="hash"),
        comment=f"The groups of {table.name}",
    )


def special_groups() -> dict[int, str]:
    """The groups -1 and -2, each with the member of that key."""
    return {UNKNOWN_KEY: "unknown", NOT_APPLICABLE_KEY: "not applicable"}


def composer(keys: NaturalKeys) -> Callable[[Any], str | None]:
    """A function from what a mapper gives, natural keys, pairs of a key and its weight or a dict of them, to
    the group's text; None for none at all. ValueError for what is no group.
    """

    def compose(given: Any) -> str | None:
        if given is None:
            return None
        members = [_member(it, keys) for it in _several(given)]
        _refuse_twice(members)
        return _spell(_weighed(members)) if members else None

    return compose


def parse(members: str) -> dict[str, Decimal]:
    """The weights of a group's text by natural key."""
    found: dict[str, Decimal] = json.loads(members, parse_float=Decimal, parse_int=Decimal)
    return found


def rename(members: str, before: str, now: str) -> str:
    """A group's text with another natural key in the place of one; weights that were left out stay equal."""
    weights = parse(members)
    if before not in weights:
        return members
    renamed = {now if key == before else key: weight for key, weight in weights.items()}
    is_equal = weights == _equal(sorted(weights))
    return _spell(_equal(sorted(renamed)) if is_equal else renamed)


class _Member(Struct, frozen=True):
    key: str
    weight: Decimal | None


def _several(given: Any) -> Iterable[Any]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValueError(f"{given!r} is a {type(given).__name__}, not a list of natural keys")
    if isinstance(given, dict):
        return [(key, Decimal(it) if type(it) is int else it) for key, it in given.items()]
    return given


def _member(given: Any, keys: NaturalKeys) -> _Member:
    """A key, or a pair of a key and its weight: a weight is a Decimal, and no part of a key is one."""
    is_pair = isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[1], Decimal | float)
    key = keys.encode(given[0] if is_pair else given)
    if key is None:
        raise ValueError(f"{given!r} has no natural key")
    return _Member(key, _weight(key, given[1]) if is_pair else None)


def _weight(key: str, weight: Decimal | float) -> Decimal:
    if not isinstance(weight, Decimal):
        raise ValueError(
            f"the weight {weight!r} of {key!r} is a float, which is not exact; declare a Decimal"
        )
    if not weight.is_finite() or not 0 <= weight <= 1:
        raise ValueError(f"the weight {weight} of {key!r} does not lie between 0 and 1")
    if weight != (stored := weight.quantize(STEP)):
        raise ValueError(f"the weight {weight} of {key!r} has more than {PLACES} decimal places")
    return stored.copy_abs()


def _refuse_twice(members: list[_Member]) -> None:
    seen: set[str] = set()
    for it in members:
        if it.key in seen:
            raise ValueError(f"{it.key!r} is a member twice")
        seen.add(it.key)


def _weighed(members: list[_Member]) -> dict[str, Decimal]:
    declared = {it.key: it.weight for it in members if it.weight is not None}
    if not declared:
        return _equal(sorted(it.key for it in members))
    if len(declared) < len(members):
        bare = next(it.key for it in members if it.weight is None)
        raise ValueError(f"{bare!r} has no weight, and others have")
    if (total := sum(declared.values())) != 1:
        raise ValueError(f"the weights {_shown(declared)} sum to {_plain(Decimal(total))}, not to 1")
    return declared


def _equal(keys: list[str]) -> dict[str, Decimal]:
    share = (1 / Decimal(len(keys))).quantize(STEP, rounding=ROUND_DOWN)
    rest = 1 - share * (len(keys) - 1)
    return {key: share if number else rest for number, key in enumerate(keys)}


def _shown(weights: dict[str, Decimal]) -> str:
    first = list(weights.values())[:SHOWN]
    return " + ".join([*map(_plain, first), *(["…"] if len(weights) > SHOWN else [])])


def _plain(weight: Decimal) -> str:
    """A number in one spelling, without exponent and without zeros at the end. Nothing is rounded."""
    text = format(weight, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _spell(weights: dict[str, Decimal]) -> str:
    parts = (f"{json.dumps(key, ensure_ascii=False)}:{_plain(weights[key])}" for key in sorted(weights))
    return f"{{{','.join(parts)}}}"
