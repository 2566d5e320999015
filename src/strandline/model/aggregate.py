"""Aggregates: a fact summed up to a coarser grain, declared by the query that sums it up.

The query is an ordinary SQLAlchemy select over one fact and what it refers to. Its labels are the columns,
and it groups by exactly the grain, so that each of its rows is one row of the table. An empty value is a
group like any other; that is why every column may be empty in the table, whatever its annotation says.
"""

from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Literal

from sqlalchemy import (
    Alias,
    ClauseList,
    Column,
    ColumnElement,
    FromClause,
    Index,
    Join,
    Label,
    Over,
    Select,
    SelectBase,
    Table,
)
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column
from sqlalchemy.sql import functions, visitors

from strandline.errors import DeclarationError
from strandline.model.base import ANALYTICS, Base, refuse_reserved
from strandline.model.bridge import Bridge
from strandline.model.column import Grain, Measure, role
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.group import comparable, kind_of
from strandline.model.hierarchy import Hierarchy
from strandline.model.prepared import Prepared

Refresh = Literal["groups", "full"]


_DECLARED: list[type["Aggregate"]] = []


class Aggregate(Base):
    """A fact at a coarser grain. Subclass it, declare `grain` and `measure` columns, and give the `query`;
    the name starts with Agg.

    It is kept up in the transactions that change the fact or a dimension that the query reads: by the groups
    that they touch, or as a whole with `class AggSales(Aggregate, refresh="full")`.
    """

    __abstract__ = True
    __table_args__: Any = {"schema": ANALYTICS}  # noqa: RUF012  # as SQLAlchemy has it
    is_refreshed_in_full: ClassVar[bool] = False

    updated_at: Mapped[datetime] = mapped_column(sort_order=901, comment="When this row last changed")
    run_id: Mapped[int] = mapped_column(sort_order=906, comment="The run that last wrote it")

    def __init_subclass__(cls, refresh: Refresh = "groups", **arguments: Any) -> None:
        if refresh not in ("groups", "full"):
            raise DeclarationError(
                f"{cls.__name__}: refresh={refresh!r} is not a way that is known",
                hint='Give refresh="groups" or refresh="full".',
            )
        cls.is_refreshed_in_full = refresh == "full"
        _identify_by_grain(cls)
        super().__init_subclass__(**arguments)
        if "__table__" in cls.__dict__:
            _check_columns(cls)
            _check_query(cls)
            _check_reads(cls)
            _constrain(cls)
            _DECLARED.append(cls)

    @classmethod
    def query(cls) -> SelectBase:
        """What the rows are: a select over one fact, labelled with the columns and grouped by the grain."""
        raise DeclarationError(
            f"{cls.__name__} has no query",
            hint="Give it a classmethod query(cls) that returns select(…).group_by(…).",
        )

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def grain(cls) -> list[Column[Any]]:
        """The columns that tell one group from another."""
        return [column for column in cls.table().c if isinstance(role(column), Grain)]

    @classmethod
    def measures(cls) -> list[Column[Any]]:
        """The columns that are calculated for each group."""
        return [column for column in cls.table().c if isinstance(role(column), Measure)]

    @classmethod
    def fact(cls) -> type[Fact]:
        """The fact that is summed up."""
        return next(model for model in cls.reads() if issubclass(model, Fact))

    @classmethod
    def fact_source(cls) -> FromClause:
        """The fact as the query names it: its table, or an alias of it."""
        key = cls.fact().table().key
        return next(source for source in _sources(cls) if _table_key(source) == key)

    @classmethod
    def reads(cls) -> list[type[Any]]:
        """The models that the query reads, as often as it names them."""
        return list(_read(cls))

    @classmethod
    def distant(cls) -> set[type[Dimension]]:
        """The dimensions that the query reaches in another way than by the fact's own references, as by an
        outrigger or a hierarchy.
        """
        models = cls.reads()
        read = [model for model in models if issubclass(model, Dimension)]
        referred = [it.dimension for it in cls.fact().references().values()]
        above = {model.dimension for model in models if issubclass(model, Hierarchy)}
        return above | {model for model in read if read.count(model) > referred.count(model)}

    @classmethod
    def groups(cls) -> list[ColumnElement[Any]]:
        """What the query groups by, in the order of the grain."""
        selected = declared_query(cls).selected_columns
        return [_bare(selected[column.name]) for column in cls.grain()]


@cache  # an alias in it is another one each time that it is made
def declared_query(aggregate: type[Aggregate]) -> Select[Any]:
    """The aggregate's query, always the same object."""
    query = aggregate.query()
    if not isinstance(query, Select):
        raise DeclarationError(
            f"{aggregate.__name__}.query() is {query!r}, and no select", hint="Return select(…).group_by(…)."
        )
    return query


def aggregates_of(summed: set[type[Fact]]) -> list[type[Aggregate]]:
    """The aggregates that are declared of these facts."""
    return sorted((it for it in _DECLARED if it.fact() in summed), key=lambda it: it.__name__)


def _bare(written: Any) -> Any:
    """An expression without its label, and without what SQLAlchemy wraps around it in GROUP BY."""
    if isinstance(written, ClauseList) and len(written.clauses) == 1:
        return _bare(written.clauses[0])
    return written.element if isinstance(written, Label) else written


@cache
def _sources(aggregate: type[Aggregate]) -> tuple[FromClause, ...]:
    """What the query reads from, joins taken apart."""
    found: list[FromClause] = []
    waiting: list[FromClause] = list(declared_query(aggregate).get_final_froms())
    while waiting:
        it = waiting.pop(0)
        if isinstance(it, Join):
            waiting[:0] = [it.left, it.right]
        else:
            found.append(it)
    return tuple(found)


@cache
def _read(aggregate: type[Aggregate]) -> tuple[type[Any], ...]:
    models = _mapped()
    return tuple(models[key] for it in _sources(aggregate) if (key := _table_key(it)) in models)


def _mapped() -> dict[object, type[Any]]:
    """The models by the keys of their tables."""
    tables = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    return {table.key: model for table, model in tables.items() if isinstance(table, Table)}


def _table_key(source: FromClause) -> str | None:
    table = source.element if isinstance(source, Alias) else source
    return table.key if isinstance(table, Table) else None


def _identify_by_grain(cls: type[Aggregate]) -> None:
    """A group may be NULL, which no primary key may: the grain identifies a row for the ORM only."""
    grain = []
    for base in reversed(cls.__mro__):
        for name, declared in base.__dict__.items():
            if isinstance(declared, MappedColumn) and isinstance(role(declared.column), Grain):
                declared.column.primary_key = False
                grain.append(name)
    if grain:
        cls.__mapper_args__ = {**getattr(cls, "__mapper_args__", {}), "primary_key": grain}
    elif not cls.__dict__.get("__abstract__", False):
        raise DeclarationError(
            f"{cls.__name__} has no grain",
            hint="Declare what one row is: year_month: Mapped[str] = grain(String(7)).",
        )


def _check_columns(cls: type[Aggregate]) -> None:
    own = [column for column in cls.table().c if column.name not in ("updated_at", "run_id")]
    refuse_reserved(cls, (column.name for column in cls.table().c if role(column) is not None))
    for column in own:
        if not isinstance(role(column), Grain | Measure):
            raise DeclarationError(
                f"{cls.__name__}.{column.name}: neither a grain nor a measure",
                hint=f"{column.name} = grain(…) where the query groups by it, else measure(…).",
            )
    for column in cls.grain():
        if kind_of(column.type) is None:
            raise DeclarationError(
                f"{cls.__name__}.{column.name}: {column.type!r} is nothing to group by",
                hint="Group by text, numbers, truth values, days, moments or UUIDs.",
            )


def _check_query(cls: type[Aggregate]) -> None:
    query = declared_query(cls)
    where = f"{cls.__name__}.query()"
    columns = {column.name for column in (*cls.grain(), *cls.measures())}
    labels = set(query.selected_columns.keys())
    if labels != columns:
        missing = f"has no {', '.join(sorted(columns - labels))}" if columns - labels else ""
        extra = f"gives {', '.join(sorted(map(str, labels - columns)))}" if labels - columns else ""
        raise DeclarationError(
            f"{where} {' and '.join(filter(None, (missing, extra)))}, unlike the columns of {cls.__name__}",
            hint="Select each column once, as <expression>.label(<column>).",
        )
    if query._has_row_limiting_clause or query._distinct:
        raise DeclarationError(
            f"{where} leaves rows out by LIMIT, OFFSET or DISTINCT", hint="Let the grain say what a row is."
        )
    _check_grouping(cls, query, where=where)
    _check_deterministic(query, where=where)


def _check_grouping(cls: type[Aggregate], query: Select[Any], *, where: str) -> None:
    wanted = dict(zip((it.name for it in cls.grain()), cls.groups(), strict=True))
    grouped: set[str] = set()
    for clause in query._group_by_clauses:
        element = getattr(clause, "element", clause)
        named = element if isinstance(element, str) else None
        bare = _bare(clause)
        name = next((it for it, group in wanted.items() if it == named or group.compare(bare)), None)
        if name is None:
            raise DeclarationError(
                f"{where} groups by {clause}, which is no column of the grain ({', '.join(wanted)})",
                hint="Select it, and declare its column as grain(…).",
            )
        grouped.add(name)
    if left := [name for name in wanted if name not in grouped]:
        raise DeclarationError(
            f"{where} does not group by {', '.join(left)}",
            hint=f"The grain is {', '.join(wanted)}: add what is selected as {left[0]} to group_by(…).",
        )


def _check_deterministic(query: Select[Any], *, where: str) -> None:
    for element in visitors.iterate(query):
        if isinstance(element, functions.now | functions.AnsiFunction):
            raise DeclarationError(
                f"{where} asks for {element}, and what it gives would depend on when it is run",
                hint="Leave the clock to whoever reads the aggregate.",
            )
        if isinstance(element, functions.sum):
            _check_additive(element, where=where)


def _check_additive(total: functions.sum[Any], *, where: str) -> None:
    for argument in total.clauses:
        meaning = role(argument) if isinstance(argument, Column) else None
        if isinstance(meaning, Measure) and meaning.additive is False:
            raise DeclarationError(
                f"{where} sums {argument}, which is declared additive=False",
                hint="Take its average, minimum or maximum, or sum a product such as price * quantity.",
            )


def _check_reads(cls: type[Aggregate]) -> None:
    """Raise DeclarationError where it could not be told which groups a change touches."""
    query = declared_query(cls)
    where, read = f"{cls.__name__}.query()", cls.reads()
    facts = [model for model in read if issubclass(model, Fact)]
    if len(facts) != 1:
        raise DeclarationError(
            f"{where} reads {', '.join(it.__name__ for it in facts) or 'no fact'}",
            hint="Sum up one fact in an aggregate, and name it once.",
        )
    followed = (Fact, Dimension, Prepared, Combination, Hierarchy, Bridge)
    strange = [it.__name__ for it in read if not issubclass(it, followed)]
    models = _mapped()
    strange += [str(it) for it in _sources(cls) if isinstance(it, Table) and _table_key(it) not in models]
    if strange:
        raise DeclarationError(
            f"{where} reads {', '.join(strange)}, whose changes nobody tells",
            hint="Read the fact, its dimensions, and what these refer to.",
        )
    if not cls.is_refreshed_in_full and (why := _whole(query)):
        raise DeclarationError(
            f"{where} has {why}, so a change of one group may touch others",
            hint=f'class {cls.__name__}(Aggregate, refresh="full") calculates it as a whole each time.',
        )


def _whole(query: Select[Any]) -> str | None:
    """What in the query does not belong to one group alone."""
    if query._having_criteria:
        return "a HAVING"
    for element in visitors.iterate(query):
        if isinstance(element, Over):
            return "a window function"
        if isinstance(element, SelectBase) and element is not query:
            return "a query within"
    return None


def _constrain(cls: type[Aggregate]) -> None:
    for column in (*cls.grain(), *cls.measures()):
        column.nullable = True
    group = [part for column in cls.grain() for part in comparable(column, column)]
    Index(f"uq_{cls.table().name}_group", *group, unique=True)
