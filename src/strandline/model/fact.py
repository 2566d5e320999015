"""Facts: one row an event at a declared grain, its numbers, and keys of the members that it concerns."""

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from msgspec.structs import replace
from sqlalchemy import Column, Index, Table
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column

from strandline.errors import DeclarationError
from strandline.model.base import Audited, Base, models_below, refuse_reserved
from strandline.model.bridge import Bridge
from strandline.model.column import (
    ROLE,
    UNKNOWN_KEY,
    Deletes,
    EventTime,
    Grain,
    Lag,
    Milestone,
    Period,
    Reference,
    durable_column,
    durable_member,
    missing_column,
    missing_member,
    reversal,
    role,
)
from strandline.model.combination import Combination
from strandline.model.custom import index_custom_fields
from strandline.model.dimension import Dimension
from strandline.model.mini import MiniDimension
from strandline.model.partial import PartialIndex
from strandline.model.prepared import Prepared
from strandline.model.type import UtcDateTime
from strandline.model.validity import Aging

KINDS: Final[dict[type, str]] = {
    Milestone: "AccumulatingSnapshot",
    Lag: "AccumulatingSnapshot",
    Period: "PeriodicSnapshot",
}
"""What a column can mean in one kind of fact only."""


class Fact(Audited, Aging, Base):
    """What happened. Subclass it and declare `grain`, `event_time`, `references` and `measure` columns."""

    __abstract__ = True

    only_here: ClassVar[tuple[type, ...]] = ()
    """What a column of this kind of fact may mean besides what one of any fact may."""
    restates_history: ClassVar[bool] = False
    """A row is made of several records of its key, so that a late one has all of them read again."""
    __deletes__: ClassVar[Deletes] = "remove"
    """What becomes of the row of a deleted record: it goes, or a row that negates it stands beside it."""

    source_system: Mapped[str] = mapped_column(
        sort_order=903, primary_key=True, comment="The source it comes from"
    )

    def __init_subclass__(cls, *, deletes: Deletes | None = None, **arguments: Any) -> None:
        cls.__deletes__ = deletes or cls.__deletes__
        _declare_companions(cls)
        if cls.__deletes__ == "reverse" and not cls.__dict__.get("__abstract__", False):
            cls.restates_history = True
            bring(cls, 'deletes="reverse"', "is_reversal", reversal())
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _check(cls)
            _index(cls)

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def grain(cls) -> list[Column[Any]]:
        """The columns that tell one row from another, besides the source."""
        return [column for column in cls.table().c if isinstance(role(column), Grain)]

    @classmethod
    def row_key(cls) -> list[Column[Any]]:
        """The columns of the primary key, besides the source: the grain, and what strandline adds to it."""
        return [column for column in cls.table().primary_key if column.name != "source_system"]

    @classmethod
    def at_deletion(cls) -> list[str]:
        """The columns that a deletion fills with its own moment, where its row stays."""
        happened = cls.event_time_column()
        if cls.__deletes__ == "remove" or happened is None:
            return []
        days = [name for name, it in cls.date_references().items() if it.on == happened.name]
        return [happened.name, *days]

    @classmethod
    def event_time_column(cls) -> Column[Any] | None:
        """When it happened, where that is declared."""
        return next((column for column in cls.table().c if isinstance(role(column), EventTime)), None)

    @classmethod
    def references(cls) -> dict[str, Reference]:
        """The references to dimensions with members from a source, by column."""
        return {name: it for name, it in _found(cls).items() if issubclass(it.dimension, Dimension)}

    @classmethod
    def combinations(cls) -> dict[str, type[Combination]]:
        """The references to dimensions of combinations, by column."""
        found = {name: it.dimension for name, it in _found(cls).items()}
        return {name: it for name, it in found.items() if issubclass(it, Combination)}

    @classmethod
    def bridges(cls) -> dict[str, type[Bridge]]:
        """The references to groups of members, by column."""
        found = {name: it.dimension for name, it in _found(cls).items()}
        return {name: it for name, it in found.items() if issubclass(it, Bridge)}

    @classmethod
    def date_references(cls) -> dict[str, Reference]:
        """The references to a date dimension, by column."""
        return {name: it for name, it in _found(cls).items() if issubclass(it.dimension, Prepared)}

    @classmethod
    def index_records(cls) -> None:
        """Let rows be found by their record, where the grain does not say it; a table that is there already
        is not altered.
        """
        record = cls.table().c.source_id
        if not any(list(index.columns) == [record] for index in cls.table().indexes):
            Index(None, record)

    @classmethod
    def as_of(cls, reference: str) -> Column[Any] | None:
        """The column whose moment picks the version for this reference; None: the latest version."""
        declared = cls.references()[reference].as_of
        return cls.table().c[declared] if declared else cls.event_time_column()


def _found(cls: type[Fact]) -> dict[str, Reference]:
    meanings = {column.name: role(column) for column in cls.table().c}
    return {name: it for name, it in meanings.items() if isinstance(it, Reference)}


def facts_of(dimension: type[Dimension]) -> Iterator[type[Fact]]:
    """The facts that are declared with a reference to this dimension."""
    return (fact for fact in facts() if any(it.dimension is dimension for it in fact.references().values()))


def facts() -> Iterator[type[Fact]]:
    """All facts that are declared."""
    return models_below(Fact)


def _declare_companions(cls: type[Fact]) -> None:
    for name, declared in list(cls.__dict__.items()):
        meaning = role(declared.column) if isinstance(declared, MappedColumn) else None
        if isinstance(meaning, Reference) and issubclass(meaning.dimension, MiniDimension):
            meaning = _of_history(meaning)
            declared.column.info[ROLE] = meaning
        if not isinstance(meaning, Reference) or not issubclass(meaning.dimension, Dimension):
            continue
        if meaning.remembers:
            bring(cls, name, missing_column(name), missing_member())
        if meaning.durable:
            bring(cls, name, durable_column(name), durable_member(name, meaning.dimension))


def _of_history(reference: Reference) -> Reference:
    """A reference to a mini-dimension looks members up in its history, and is found by them again."""
    mini = reference.dimension
    return replace(reference, dimension=mini.history, gives=mini.key_column().name, durable=True)


def bring(cls: type[Fact], reference: str, name: str, column: MappedColumn[Any]) -> None:
    """Give the fact a column of ours, which something that it declares brings along."""
    if name in cls.__dict__:
        raise DeclarationError(
            f"{cls.__name__}.{name}: {reference} brings a column of that name along",
            hint=f"Give your {name!r} another name.",
        )
    setattr(cls, name, column)


def _check(cls: type[Fact]) -> None:
    if not cls.grain():
        raise DeclarationError(
            f"{cls.__name__} has no grain", hint="Declare what one row is: order_id: Mapped[str] = grain()."
        )
    columns = set(cls.table().c.keys())
    _check_kind(cls)
    _check_deletes(cls)
    refuse_reserved(cls, (column.name for column in cls.table().c if role(column) is not None))
    for name, reference in _found(cls).items():
        where = f"{cls.__name__}.{name}: references({reference.dimension.__name__})"
        for option, column in (("as_of", reference.as_of), ("on", reference.on)):
            if column is not None and column not in columns:
                raise DeclarationError(
                    f"{where}: {option}={column!r} is no column of {cls.__name__}",
                    hint=f"Its columns are {', '.join(cls.table().c.keys())}.",
                )
        _check_dimension(where, reference)
        _check_moment(cls, where, reference)
        if issubclass(reference.dimension, Combination | Bridge):
            _check_plain(where, reference)
        elif reference.gap != "last" and (reference.on is not None or cls.as_of(name) is None):
            raise DeclarationError(
                f"{where}: gap={reference.gap!r} needs the moment that may fall into a gap",
                hint='Declare an event_time(), or give as_of="<column>".',
            )


def _check_kind(cls: type[Fact]) -> None:
    """What only another kind of fact has."""
    for column in cls.table().c:
        for meaning, base in KINDS.items():
            if isinstance(role(column), meaning) and meaning not in cls.only_here:
                raise DeclarationError(
                    f"{cls.__name__}.{column.name}: {meaning.__name__.lower()}() is for another kind of fact",
                    hint=f"class {cls.__name__}({base}): ...",
                )


def _check_moment(cls: type[Fact], where: str, reference: Reference) -> None:
    """A date has no time of day."""
    if reference.on is None:
        return
    from strandline.model.time_of_day import TimeOfDay  # most facts have none

    if not issubclass(reference.dimension, TimeOfDay):
        return
    if not isinstance(cls.table().c[reference.on].type, UtcDateTime):
        raise DeclarationError(
            f"{where}: on={reference.on!r} has no time of day", hint="Name a Mapped[datetime] column."
        )


def _check_deletes(cls: type[Fact]) -> None:
    where = f"{cls.__name__}: deletes={cls.__deletes__!r}"
    happened = cls.event_time_column()
    if cls.__deletes__ not in ("remove", "reverse"):
        raise DeclarationError(
            f"{where} is no policy that is known", hint='Give deletes="remove" or deletes="reverse".'
        )
    if cls.__deletes__ == "remove":
        return
    if cls.only_here:
        raise DeclarationError(
            f"{where} is for facts that are events; a snapshot is restated", hint="Leave it out."
        )
    if happened is not None and not isinstance(happened.type, UtcDateTime):
        raise DeclarationError(
            f"{where} happens at a moment, and {happened.name} is none",
            hint=f"{happened.name}: Mapped[datetime] = event_time()",
        )


def _check_dimension(where: str, reference: Reference) -> None:
    if reference.on is not None and not issubclass(reference.dimension, Prepared):
        raise DeclarationError(
            f"{where}: on= is for a dimension of days or minutes", hint="Use as_of= instead."
        )
    if reference.on is not None and reference.durable:
        raise DeclarationError(
            f"{where}: durable= is for a dimension with versions, and a day has none", hint="Leave it out."
        )
    if reference.on is None and not issubclass(reference.dimension, Dimension | Combination | Bridge):
        raise DeclarationError(f"{where} needs the date that is meant", hint='Give on="<column>".')


def _check_plain(where: str, reference: Reference) -> None:
    word = "group" if issubclass(reference.dimension, Bridge) else "combination"
    if reference != Reference(reference.dimension):
        raise DeclarationError(
            f"{where}: a {word} is always there, and has no versions",
            hint=f"references({reference.dimension.__name__}) is all that it takes.",
        )


def _index(cls: type[Fact]) -> None:
    # A new version takes over the facts that happened in it: found by the key they had before, and by time.
    table = cls.table()
    index_custom_fields(table)
    for name in (*cls.combinations(), *cls.bridges()):
        Index(None, table.c[name])
    for name, reference in cls.references().items():
        moment = cls.as_of(name)
        Index(None, table.c[name], *([] if moment is None else [moment]))
        if reference.durable:
            Index(None, table.c[durable_column(name)])
        if reference.remembers:
            waiting = table.c[name] == UNKNOWN_KEY
            remembered = table.c[missing_column(name)]
            PartialIndex(None, remembered, where=waiting)
