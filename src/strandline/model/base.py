"""The declarative base of every table: names of constraints, schemas by layer, comments, audit columns."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from inspect import cleandoc
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy import BigInteger, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import JSON

from strandline.errors import DeclarationError
from strandline.model.column import UNKNOWN_KEY
from strandline.model.factory import Factory
from strandline.model.listener import listen
from strandline.model.type import Day, Exact, UtcDateTime

RAW: Final = "raw"
STAGING: Final = "staging"
WAREHOUSE: Final = "warehouse"
ANALYTICS: Final = "analytics"
OWN: Final = "strandline"
SCHEMAS: Final = (RAW, STAGING, WAREHOUSE, ANALYTICS, OWN)
"""The layers' schemas. Models name these; `Settings.schemas` says what they are called in the database."""

NAMING: Final = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}

# SQLite numbers rows by itself only for a column of exactly this type.
BigKey = BigInteger().with_variant(Integer(), "sqlite")


def snake_case(name: str) -> str:
    """`NetLedger` as `net_ledger`, `HTTPLog` as `http_log`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def summary(documented: type) -> str | None:
    """The first paragraph of a class's own docstring on one line: what the database shows as its comment."""
    own = documented.__dict__.get("__doc__")
    return " ".join(cleandoc(own).split("\n\n")[0].split()) if own else None


class Base(Factory, DeclarativeBase):
    """Every model's base.

    A class is a table of the same name in snake case, in the schema `warehouse` unless `__table_args__` says
    otherwise, and its docstring is the table's comment.
    """

    metadata = MetaData(schema=WAREHOUSE, naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        date: Day(),
        datetime: UtcDateTime(),
        Decimal: Exact(),
        int: BigInteger(),
        str: Text(),
        dict[str, Any]: JSON().with_variant(JSONB(), "postgresql"),
    }

    def __init_subclass__(cls, **arguments: Any) -> None:
        if not cls.__dict__.get("__abstract__", False):
            cls.__tablename__ = cls.__dict__.get("__tablename__", snake_case(cls.__name__))
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            table = cls.__table__
            assert isinstance(table, Table)
            table.comment = summary(cls)


OF_DIMENSIONS: Final = ("version", "valid_from", "valid_to", "is_current", "is_inferred", "is_deleted")
OF_AUDIT: Final = (
    *("created_at", "updated_at", "synced_at", "source_system", "source_id", "schema_version"),
    *("run_id", "audit_key"),
)
OF_STAGE: Final = ("raw_id", "effective_at", "tie_break")
RESERVED: Final = frozenset((*OF_DIMENSIONS, *OF_AUDIT, *OF_STAGE))
"""What a model's own columns cannot be called: the columns that strandline fills, on its stage too."""


def refuse_reserved(model: type, columns: Iterable[str]) -> None:
    """Raise DeclarationError for the first of these columns that has a name of strandline's own."""
    for name in columns:
        if name in RESERVED:
            raise DeclarationError(
                f"{model.__name__}.{name}: strandline has a column of that name itself",
                hint=f"Call it something more telling, such as {snake_case(model.__name__)}_{name}.",
            )


class Audited:
    """Audit columns: when, from where and by which run a row was written."""

    __schema_version__: ClassVar[int] = 1
    __audit_columns__: ClassVar[tuple[str, ...]] = OF_AUDIT

    created_at: Mapped[datetime] = mapped_column(sort_order=900, comment="When this row was first written")
    updated_at: Mapped[datetime] = mapped_column(sort_order=901, comment="When this row last changed")
    synced_at: Mapped[datetime] = mapped_column(
        sort_order=902, comment="When the record behind its last change was read from the source"
    )
    source_system: Mapped[str] = mapped_column(sort_order=903, comment="The source it comes from")
    source_id: Mapped[str] = mapped_column(
        sort_order=904, comment="The natural key: what the source calls it"
    )
    schema_version: Mapped[int] = mapped_column(
        Integer(), sort_order=905, comment="The version of the model that wrote it"
    )
    run_id: Mapped[int] = mapped_column(sort_order=906, comment="The run that last wrote it")
    audit_key: Mapped[int] = mapped_column(
        sort_order=907,
        server_default=str(UNKNOWN_KEY),
        comment="→ DimAudit: the load that it last took its values from",
    )


listen(Audited)

M = TypeVar("M", bound=Base)


def models_below(base: type[M]) -> Iterator[type[M]]:
    """The models that are declared below this one."""
    waiting = list(base.__subclasses__())
    while waiting:
        found = waiting.pop()
        waiting += found.__subclasses__()
        if "__table__" in found.__dict__:  # a team may have an abstract base of its own
            yield found
