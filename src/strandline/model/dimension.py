"""Dimensions: one row a version of a member, validity half-open in UTC, keys that the warehouse gives.

A dimension's table has, beside the attributes that its class declares,

    <name>_key             surrogate key: one a version
    <name>_durable_key     one a member, over all its versions
    version                1, 2, 3 … within the member
    valid_from, valid_to   [from, to); to is NULL while the version is valid
    is_current             valid now; a deleted member has no current version
    is_inferred            known only by its key, from a fact that came first
    is_deleted             the last version of a member that its source deleted

and two members from its creation: -1 unknown and -2 not applicable. The database itself keeps a member from
having two open versions. What is required is required of real members only, hence by a check and not by NOT
NULL.
"""

import inspect
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    Identity,
    Index,
    Integer,
    String,
    Table,
    and_,
    or_,
)
from sqlalchemy.orm import Mapped, MappedColumn, declared_attr, mapped_column, synonym

from strandline.errors import DeclarationError
from strandline.model.base import Audited, Base, BigKey, refuse_reserved, snake_case
from strandline.model.column import (
    NOT_APPLICABLE_KEY,
    ROLE,
    UNKNOWN_KEY,
    Attribute,
    ChangedAt,
    CombinationKey,
    Current,
    GroupKey,
    Outrigger,
    Previous,
    companions,
    role,
)
from strandline.model.custom import index_custom_fields
from strandline.model.partial import PartialIndex
from strandline.model.validity import Validity

Companion = Current | Previous | ChangedAt | Outrigger | CombinationKey

BEGINNING: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""From when members that no source dated are valid: unknown, not applicable and inferred ones."""

SPECIAL_MEMBERS: Final = {UNKNOWN_KEY: "Unknown", NOT_APPLICABLE_KEY: "Not applicable"}
SPECIAL_SOURCE: Final = "strandline"


class Dimension(Audited, Validity, Base):
    """What facts are counted by. Subclass it and declare `attribute` columns; the name starts with Dim."""

    __abstract__ = True
    dimension_name: ClassVar[str]
    """The class name without Dim, in snake case: `customer`, as in `customer_key`."""

    version: Mapped[int] = mapped_column(
        Integer(), sort_order=-97, server_default="1", comment="1 is a member's first version"
    )
    valid_from: Mapped[datetime] = mapped_column(sort_order=-96, comment="Valid from this moment on")
    valid_to: Mapped[datetime | None] = mapped_column(
        sort_order=-95, comment="Valid before this moment; NULL: still valid"
    )
    is_current: Mapped[bool] = mapped_column(
        Boolean(), sort_order=-94, comment="The version that is valid now"
    )
    is_inferred: Mapped[bool] = mapped_column(
        Boolean(), sort_order=-93, default=False, comment="Known only by its key so far"
    )
    is_deleted: Mapped[bool] = mapped_column(
        Boolean(), sort_order=-92, default=False, comment="The source deleted the member at valid_to"
    )

    @declared_attr
    def key(cls) -> Mapped[int]:
        """The surrogate key, whatever the column is called."""
        return synonym(f"{cls.dimension_name}_key")

    @declared_attr
    def durable_key(cls) -> Mapped[int]:
        """The durable key, whatever the column is called."""
        return synonym(f"{cls.dimension_name}_durable_key")

    def __init_subclass__(cls, **arguments: Any) -> None:
        if not cls.__dict__.get("__abstract__", False):
            cls.dimension_name = snake_case(cls.__name__.removeprefix("Dim"))
            _declare_keys(cls)
            _declare_companions(cls)
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _constrain(cls)

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        return _table(cls)

    @classmethod
    def key_column(cls) -> Column[Any]:
        """`<name>_key`."""
        return cls.table().c[f"{cls.dimension_name}_key"]

    @classmethod
    def durable_key_column(cls) -> Column[Any]:
        """`<name>_durable_key`."""
        return cls.table().c[f"{cls.dimension_name}_durable_key"]

    @classmethod
    def attributes(cls, *scd: int) -> list[Column[Any]]:
        """The declared columns in order, of these types only when some are given."""
        return [
            column
            for column in cls.table().c
            if isinstance(meaning := role(column), Attribute) and (not scd or set(scd) & set(meaning.scd))
        ]

    @classmethod
    def filled(cls) -> dict[str, str]:
        """Which columns of a version a record fills, and from which attribute: each from itself, and the
        current value of type 6 from its own.
        """
        own = {column.name: column.name for column in cls.attributes()}
        return own | {column.name: column.info[ROLE].of for column in cls.companions(Current)}

    @classmethod
    def overwritten(cls) -> dict[str, str]:
        """Which columns are the same on every version of a member, and which attribute's last value it is."""
        same = {column.name: column.name for column in cls.attributes(1, 3) if role(column).scd != (1, 2)}  # type: ignore[attr-defined]  # an Attribute
        return same | {column.name: column.info[ROLE].of for column in cls.companions(Current)}

    @classmethod
    def companions(
        cls, kind: type[Current | Previous | ChangedAt | Outrigger | GroupKey | CombinationKey]
    ) -> list[Column[Any]]:
        """The columns of this kind that attributes have brought along."""
        return [column for column in cls.table().c if isinstance(role(column), kind)]

    @classmethod
    def outriggers(cls) -> list[type["Dimension"]]:
        """The dimensions whose members its attributes name."""
        return list(dict.fromkeys(column.info[ROLE].dimension for column in cls.companions(Outrigger)))

    @classmethod
    def bridges(cls) -> list[type[Any]]:
        """The bridges whose groups its attributes hold."""
        return [column.info[ROLE].bridge for column in cls.companions(GroupKey)]

    @classmethod
    def placeholders(cls, *, word: str = SPECIAL_MEMBERS[UNKNOWN_KEY]) -> dict[str, str | None]:
        """What stands in the filled columns of a member that nothing is known of."""
        attributes = cls.table().c
        return {name: placeholder(attributes[of], word=word) for name, of in cls.filled().items()}

    @classmethod
    def required(cls) -> list[Column[Any]]:
        """The columns that every real member must fill."""
        return [column for column in cls.attributes() if column.info["required"]]


def _table(cls: type[Base]) -> Table:
    table = cls.__table__
    assert isinstance(table, Table)
    return table


def _declare_keys(cls: type[Dimension]) -> None:
    name = cls.dimension_name
    key = mapped_column(
        BigKey, Identity(start=1), primary_key=True, sort_order=-99, comment="Surrogate key: one a version"
    )
    durable = mapped_column(
        BigInteger(),
        nullable=False,
        sort_order=-98,
        comment="Durable key: one a member, over all its versions",
    )
    setattr(cls, f"{name}_key", key)
    setattr(cls, f"{name}_durable_key", durable)


def _declare_companions(cls: type[Dimension]) -> None:
    annotations = inspect.get_annotations(cls)
    for name, declared in list(cls.__dict__.items()):
        if isinstance(declared, MappedColumn):
            for other, (annotation, column) in companions(name, declared, annotations.get(name)).items():
                if other in cls.__dict__:
                    raise DeclarationError(
                        f"{cls.__name__}.{name}: it brings {other} along, which is there already",
                        hint=f"Call {name} something else.",
                    )
                if annotation is not None:
                    annotations[other] = annotation
                setattr(cls, other, column)
    cls.__annotations__ = annotations


def _constrain(cls: type[Dimension]) -> None:
    table = cls.table()
    refuse_reserved(cls, (column.name for column in cls.attributes()))
    for column in cls.attributes():
        column.info["required"] = not column.nullable
        column.nullable = True
        _check_outrigger(cls, column)
    if not cls.attributes():
        raise DeclarationError(
            f"{cls.__name__} has no attribute", hint="Declare one: name: Mapped[str] = attribute()."
        )
    table.append_constraint(CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="validity"))
    table.append_constraint(
        CheckConstraint("is_current = (valid_to IS NULL) AND NOT (is_current AND is_deleted)", name="current")
    )
    required = cls.required()
    if required:
        filled = and_(*(column.is_not(None) for column in required))
        free = or_(table.c.is_inferred, cls.key_column() < 0)
        table.append_constraint(CheckConstraint(or_(free, filled), name="required"))
    # The natural key's own part first: it tells two rows apart at once, where most have one source.
    member = (table.c.source_id, table.c.source_system)
    latest = table.c.is_current | table.c.is_deleted
    Index(None, *member, table.c.valid_from, unique=True)
    index_custom_fields(table)
    PartialIndex(f"uq_{table.name}_latest", *member, where=latest, unique=True)


def _check_outrigger(cls: type[Dimension], column: Column[Any]) -> None:
    meaning = role(column)
    assert isinstance(meaning, Attribute)
    named: Any = meaning.outrigger or meaning.bridge
    if named is None:
        return
    word = "outrigger" if meaning.outrigger else "bridge"
    where = f"{cls.__name__}.{column.name}: {word}={getattr(named, '__name__', named)!s}"
    if meaning.outrigger and not (isinstance(named, type) and issubclass(named, Dimension)):
        raise DeclarationError(f"{where} is no dimension", hint="Name a subclass of Dimension.")
    if not isinstance(column.type, String):
        raise DeclarationError(
            f"{where}: a natural key is text, and the column is {column.type}",
            hint=f"{column.name}: Mapped[str | None] = attribute({word}={named.__name__}).",
        )


def special_members(cls: type[Dimension]) -> list[dict[str, object]]:
    """The rows of the members -1 and -2: their words in every text column, nothing in the others."""
    return [_special(cls, key=key, word=word) for key, word in SPECIAL_MEMBERS.items()]


def placeholder(column: Column[Any], *, word: str = SPECIAL_MEMBERS[UNKNOWN_KEY]) -> str | None:
    """What stands in a column of a member that nothing is known of, so that a report shows a word and not a
    gap.
    """
    if not column.info["required"] or not isinstance(column.type, String) or isinstance(column.type, Enum):
        return None
    return word[: column.type.length] if column.type.length else word


def _special(cls: type[Dimension], *, key: int, word: str) -> dict[str, object]:
    row: dict[str, object] = {**cls.placeholders(word=word)}
    row |= {
        **{it.name: key for kind in (Outrigger, GroupKey, CombinationKey) for it in cls.companions(kind)},
        cls.key_column().name: key,
        cls.durable_key_column().name: key,
        "version": 1,
        "valid_from": BEGINNING,
        "is_current": True,
        "is_inferred": False,
        "is_deleted": False,
        "source_system": SPECIAL_SOURCE,
        "source_id": word.lower(),
        "schema_version": cls.__schema_version__,
    }
    return row
