"""The columns that a user declares on a dimension or a fact, and what strandline remembers about each.

`mapped_column` of SQLAlchemy stays underneath; what a column means to the star is kept in its `info` under
`ROLE`.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, Column, Text
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.types import NullType

from strandline.errors import DeclarationError
from strandline.model.type import UtcDateTime, exactly

ROLE: Final = "strandline"

Missing = Literal["infer", "unknown", "reject"]
Gap = Literal["last", "unknown"]
Deletes = Literal["remove", "reverse"]
Additive = bool | Literal["semi"]

SCD_TYPES: Final[dict[int | tuple[int, ...], tuple[int, ...]]] = {
    0: (0,),
    1: (1,),
    2: (2,),
    3: (3,),
    6: (1, 2),
    (1, 2): (1, 2),
    (2, 1): (1, 2),
}

UNKNOWN_KEY: Final = -1
NOT_APPLICABLE_KEY: Final = -2


class Attribute(Struct, frozen=True):
    """A describing column of a dimension; `scd` numbers what a change does to it, as Kimball's types do.

    0 keeps the first value, 1 overwrites it on every version, 2 opens a new version, 3 overwrites it and
    keeps the value before. (1, 2), which is type 6, opens a new version and keeps today's value beside it.
    """

    scd: tuple[int, ...]
    pii: bool = False
    outrigger: type[Any] | None = None
    """The dimension of which it holds a natural key."""
    is_parent: bool = False
    """It holds the natural key of a member above, in the same dimension."""
    bridge: type[Any] | None = None
    """It holds a group of this bridge."""


class Current(Struct, frozen=True):
    """Beside a column of type 6: the value that it has now, on every version."""

    of: str


class Previous(Struct, frozen=True):
    """Beside a column of type 3: the value that it had before its last change."""

    of: str


class ChangedAt(Struct, frozen=True):
    """Beside a column of type 3: when its last change took effect."""

    of: str


class Outrigger(Struct, frozen=True):
    """Beside a column that names a member of another dimension: that member's durable key."""

    of: str
    dimension: type[Any]


class CombinationKey(Struct, frozen=True):
    """On a dimension: the key of a combination, that a version has or the member now."""

    dimension: type[Any]


class GroupKey(Struct, frozen=True):
    """Beside a column that holds a group of members: the key of the group."""

    of: str
    bridge: type[Any]


class Grain(Struct, frozen=True):
    """One of the columns that together say what a single row of a fact is."""


class Degenerate(Struct, frozen=True):
    """A describing column of a fact that has no dimension of its own."""


class EventTime(Struct, frozen=True):
    """When the fact happened."""


class Measure(Struct, frozen=True):
    """A number of a fact; `additive` says whether it may be summed over every dimension, or over all but
    time.
    """

    additive: Additive


class Milestone(Struct, frozen=True):
    """A moment that a process passes, after another one."""

    after: str | None


class Lag(Struct, frozen=True):
    """The time from one milestone to another, in units of so many seconds."""

    start: str
    end: str
    seconds: int


class Period(Struct, frozen=True):
    """The period that a row of a periodic snapshot is of."""


class Filled(Struct, frozen=True):
    """Whether the row repeats the one before it."""


class DeletedIn(Struct, frozen=True):
    """The period of the deletion that ends the row."""


class Reference(Struct, frozen=True):
    """A key of a dimension on a fact: one role that the dimension plays."""

    dimension: type[Any]
    as_of: str | None = None
    on: str | None = None
    zone: str = "UTC"
    missing: Missing = "infer"
    durable: bool = False
    gap: Gap = "last"
    gives: str | None = None
    """The column of the dimension that the fact gets; None: the version's key."""

    @property
    def remembers(self) -> bool:
        """Whether the fact notes whom its unknown key stands for."""
        return "unknown" in (self.missing, self.gap)


class DurableKey(Struct, frozen=True):
    """Beside a reference of type 7: the durable key of the member whose version it points at."""

    of: str


def role(column: Column[Any]) -> object:
    """What this column means to the star; None for keys, validity and audit columns."""
    return column.info.get(ROLE)


def _declared(meaning: object, type_: Any, **arguments: Any) -> MappedColumn[Any]:
    positional = () if type_ is None else (exactly(type_() if isinstance(type_, type) else type_),)
    return mapped_column(*positional, info={ROLE: meaning}, **arguments)


def attribute(
    type_: Any = None,
    /,
    *,
    scd: int | tuple[int, ...] = 1,
    pii: bool = False,
    outrigger: type | None = None,
    bridge: type | None = None,
    comment: str | None = None,
) -> MappedColumn[Any]:
    """A describing column of a dimension. `pii=True` marks what points at a person.

    `scd` says what a change does: 0 nothing, the first value stays; 1 overwrites it on every version; 2 opens
    a new version; 3 overwrites it and keeps the value before as `previous_<column>`, with the time of the
    change as `<column>_changed_at`; 6, or (1, 2), opens a new version and keeps today's value on all of them
    as `current_<column>`.

    With `outrigger` the column holds the natural key of a member of that dimension, and `<column without
    _id>_durable_key` beside it that member's durable key. With `bridge` the mapper gives several natural
    keys, or pairs of a key and its weight, and `<bridge>_group_key` beside it is the key of their group.

    Whether a value is required follows from the annotation: `Mapped[str]` must be filled, `Mapped[str |
    None]` may be empty. The unknown, not-applicable and inferred members are free of it.
    """
    if scd not in SCD_TYPES:
        raise DeclarationError(
            f"attribute(scd={scd!r}): not a type that is known",
            hint="Give scd=0, 1, 2, 3 or 6, which is (1, 2).",
        )
    return _declared(Attribute(SCD_TYPES[scd], pii, outrigger, bridge=bridge), type_, comment=comment)


def companions(
    name: str, declared: MappedColumn[Any], annotation: Any
) -> dict[str, tuple[Any, MappedColumn[Any]]]:
    """The columns that an attribute brings along, by name: (annotation, column)."""
    meaning = role(declared.column)
    if not isinstance(meaning, Attribute):
        return {}
    return (
        _of_scd(name, declared, meaning, annotation)
        | _of_outrigger(name, meaning)
        | _of_bridge(name, meaning)
    )


def _of_scd(
    name: str, declared: MappedColumn[Any], meaning: Attribute, annotation: Any
) -> dict[str, tuple[Any, MappedColumn[Any]]]:
    type_ = None if isinstance(declared.column.type, NullType) else declared.column.type
    if meaning.scd == (3,):
        previous = _declared(Previous(name), type_, nullable=True, comment=f"{name} before its last change")
        changed_at = _declared(
            ChangedAt(name), UtcDateTime, nullable=True, comment=f"When the last change of {name} took effect"
        )
        return {f"previous_{name}": (annotation, previous), f"{name}_changed_at": (None, changed_at)}
    if meaning.scd == (1, 2):
        current = _declared(Current(name), type_, nullable=True, comment=f"{name} as it is now")
        return {f"current_{name}": (annotation, current)}
    return {}


def _of_outrigger(name: str, meaning: Attribute) -> dict[str, tuple[Any, MappedColumn[Any]]]:
    if meaning.outrigger is None:
        return {}
    comment = f"→ {meaning.outrigger.__name__}: the durable key of {name}"
    durable = _declared(
        Outrigger(name, meaning.outrigger),
        BigInteger,
        nullable=False,
        server_default=str(UNKNOWN_KEY),
        comment=comment,
    )
    return {f"{name.removesuffix('_id')}_durable_key": (None, durable)}


def _of_bridge(name: str, meaning: Attribute) -> dict[str, tuple[Any, MappedColumn[Any]]]:
    bridge = meaning.bridge
    if bridge is None:
        return {}
    if not hasattr(bridge, "group_key"):
        raise DeclarationError(
            f"attribute(bridge={getattr(bridge, '__name__', bridge)!s}) is no bridge",
            hint="Name a subclass of Bridge.",
        )
    key = _declared(
        GroupKey(name, bridge),
        BigInteger,
        nullable=False,
        server_default=str(UNKNOWN_KEY),
        comment=f"→ {bridge.__name__}: the group of {name}",
    )
    return {bridge.group_key(): (None, key)}


def grain(type_: Any = None, /, *, comment: str | None = None) -> MappedColumn[Any]:
    """A column that tells one row of the fact from another. All of them, with the source, are the primary
    key.
    """
    return _declared(Grain(), type_, comment=comment, primary_key=True, autoincrement=False)


def degenerate(type_: Any = None, /, *, comment: str | None = None) -> MappedColumn[Any]:
    """A describing column that stays on the fact, such as an invoice number or a status."""
    return _declared(Degenerate(), type_, comment=comment)


def event_time(*, comment: str | None = None) -> MappedColumn[Any]:
    """When the fact happened; references look their versions up as of this moment."""
    return _declared(EventTime(), None, comment=comment)


def measure(
    type_: Any = None, /, *, additive: Additive = True, comment: str | None = None
) -> MappedColumn[Any]:
    """A number that is counted, summed or averaged. `additive=False` says that it must not be summed, and
    `additive="semi"` that it may over everything but time, as a balance.
    """
    if additive not in (True, False, "semi"):
        raise DeclarationError(
            f"measure(additive={additive!r}): not a kind that is known", hint='Give True, False or "semi".'
        )
    semi = "Semi-additive: it adds up over everything but time" if additive == "semi" else None
    return _declared(Measure(additive), type_, comment=comment or semi)


def references(
    dimension: type,
    /,
    *,
    as_of: str | None = None,
    on: str | None = None,
    zone: str = "UTC",
    missing: Missing = "infer",
    durable: bool = False,
    gap: Gap = "last",
    comment: str | None = None,
) -> MappedColumn[Any]:
    """The key of a dimension's member, found from the natural key that the mapper gives.

    `as_of` names the column whose moment picks the version (the event time unless told); a moment before the
    first known version finds that first version. A reference to a date dimension takes `on` instead, the
    column whose date in `zone` is meant, and is filled without the mapper. A member that is not there yet is
    inferred (`"infer"`), stands as unknown until it arrives (`"unknown"`), or sends the fact to the
    quarantine (`"reject"`). An empty natural key is the not-applicable member.

    A moment after the member's deletion and before its return finds the version before (`gap="last"`), or is
    unknown (`"unknown"`), also when deletion or return come later than the fact.

    `durable=True`, which is type 7, brings `<role>_durable_key` along: by it the fact finds its member as it
    is now, as by the key itself the member as it was.
    """
    if missing not in ("infer", "unknown", "reject"):
        raise DeclarationError(
            f"references({dimension.__name__}, missing={missing!r}): not a policy that is known",
            hint='Give missing="infer", "unknown" or "reject".',
        )
    if gap not in ("last", "unknown"):
        raise DeclarationError(
            f"references({dimension.__name__}, gap={gap!r}): not a policy that is known",
            hint='Give gap="last" or "unknown".',
        )
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DeclarationError(
            f"references({dimension.__name__}): no such time zone: {zone!r}",
            hint='Name one as in zone="Europe/Berlin".',
        ) from error
    meaning = Reference(dimension, as_of, on, zone, missing, durable, gap)
    return _declared(meaning, None, comment=comment or f"→ {dimension.__name__}")


def reversal() -> MappedColumn[Any]:
    """What tells a negating row from the row that it negates."""
    return mapped_column(
        Boolean(),
        primary_key=True,
        sort_order=800,
        comment="It negates the row beside it, whose record was deleted",
    )


def missing_column(reference: str) -> str:
    """The name of the column that remembers an unknown member: `customer_key` has `customer_missing`."""
    return reference.removesuffix("_key") + "_missing"


def durable_column(reference: str) -> str:
    """The name of the column for the member beside its version: `customer_key` has `customer_durable_key`."""
    return reference.removesuffix("_key") + "_durable_key"


def durable_member(reference: str, dimension: type[Any]) -> MappedColumn[Any]:
    """Where a fact keeps the durable key of the member that it points at."""
    return mapped_column(
        BigInteger(),
        info={ROLE: DurableKey(reference)},
        nullable=False,
        comment=f"→ {dimension.__name__}, over all its versions",
    )


def missing_member() -> MappedColumn[Any]:
    """Where a fact remembers whom it waits for, as `source:natural key`, while its key is unknown."""
    return mapped_column(Text(), nullable=True, sort_order=800, comment="Whom the unknown key waits for")
