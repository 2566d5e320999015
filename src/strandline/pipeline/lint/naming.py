"""Rules on names: of tables, and what all names have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from strandline.model.aggregate import Aggregate
from strandline.model.base import STAGING, summary
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination, JunkDimension
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy
from strandline.model.prepared import Prepared
from strandline.pipeline.lint import word
from strandline.pipeline.lint.declared import Declared, Model
from strandline.pipeline.lint.rule import Found, Rules
from strandline.pipeline.lint.star import Star

RULES: Final = Rules()

LONGEST_IN_DATABASE: Final = 63
"""PostgreSQL cuts names after so many bytes."""

PLAIN_PREFIXES: Final = {
    "dim_": "Dimension",
    "fact_": "Fact",
    "agg_": "Aggregate",
}


def _begins(it: Model, prefix: str) -> str | None:
    name = it.table.name
    return None if name.startswith(prefix) else f"the table is called {name}, without {prefix}"


@RULES.table("warning")
def dimension_prefix(it: Model) -> str | None:
    """In a list of tables, and in every query, one should see what facts are counted by.

    Call the class Dim…, as in DimCustomer.
    """
    return _begins(it, "dim_") if issubclass(it.cls, Dimension | Combination | Prepared) else None


@RULES.table("warning")
def fact_prefix(it: Model) -> str | None:
    """In a list of tables, and in every query, one should see what can be counted and summed.

    Call the class Fact…, as in FactOrder.
    """
    return _begins(it, "fact_") if issubclass(it.cls, Fact) else None


@RULES.table("warning")
def bridge_prefix(it: Model) -> str | None:
    """A join through a bridge gives a fact several rows, and nobody should come upon it unprepared.

    Call the class Bridge…, as in BridgeDiagnosis.
    """
    return _begins(it, "bridge_") if issubclass(it.cls, Bridge | Hierarchy) else None


@RULES.table("warning")
def aggregate_prefix(it: Model) -> str | None:
    """An aggregate that looks like a fact is summed up together with it, and everything counts twice.

    Call the class Agg…, as in AggSalesMonth.
    """
    return _begins(it, "agg_") if issubclass(it.cls, Aggregate) else None


@RULES.table("warning")
def staging_prefix(it: Model) -> str | None:
    """A table on the way to the star should not be taken for a part of it.

    Call the class Stg…, as in StgCustomer.
    """
    return _begins(it, "stg_") if it.is_plain and it.table.schema == STAGING else None


@RULES.table("warning")
def plain_table(it: Model) -> str | None:
    """A table that is called like a part of the star, and is none, has neither versions nor keys nor a run
    that fills it.

    Let the class inherit from Dimension, Fact or Aggregate, or give it another name.
    """
    name = it.table.name
    kind = next((kind for prefix, kind in PLAIN_PREFIXES.items() if name.startswith(prefix)), None)
    return f"the table is called {name}, and the class is no {kind}" if kind and it.is_plain else None


@RULES.table("warning")
def bridge_weight(it: Model) -> str | None:
    """Without weights that sum to one, a fact is counted in full for each member of its group.

    Let the class inherit from Bridge, which has weights, or give it a column weight.
    """
    table = it.table
    if not it.is_plain or not table.name.startswith("bridge_") or "weight" in table.c:
        return None
    return f"{table.name} has no column weight"


@RULES.table("warning")
def table_number(it: Model) -> str | None:
    """Names that are now singular and now plural have to be looked up each time.

    Name the table after one of its rows: DimCustomer, FactOrder. For a house that writes plurals there is
    table_names: plural.
    """
    if issubclass(it.cls, JunkDimension | Aggregate | Prepared | Hierarchy):
        return None
    name, wanted = it.table.name, it.choice.table_names
    if word.is_plural(name) == (wanted == "plural") or not word.SNAKE.fullmatch(name):
        return None
    return f"the table is called {name}, and names are {wanted} here"


@RULES.star("warning")
def snake_case(star: Star) -> Iterator[Found]:
    """PostgreSQL turns what is not quoted into lower case, so another name has to be quoted for ever.

    Write small letters, digits and single underscores.
    """
    for owner, member, name in _names(star):
        if not word.SNAKE.fullmatch(name):
            yield Found(owner, member, f"{name} is not in snake case: {word.snake(name)}")


@RULES.star("warning")
def reserved_word(star: Star) -> Iterator[Found]:
    """A word of SQL has to be quoted in each query, and whoever forgets it gets an error or, worse, none.

    Say what it is of: order_status instead of order, customer_group instead of group.
    """
    for owner, member, name in _names(star):
        if name.lower() in word.RESERVED:
            yield Found(owner, member, f"{name} is a reserved word of PostgreSQL")


@RULES.star("warning")
def name_length(star: Star) -> Iterator[Found]:
    """Indexes and constraints are named after tables and columns, and what gets too long is cut to a number
    that tells nobody anything.

    Find a shorter name; longest_name says how long one may be.
    """
    longest = star.choice.longest_name
    for owner, member, name in _names(star):
        if longest < len(name) <= LONGEST_IN_DATABASE:
            yield Found(owner, member, f"{name} has {len(name)} letters, more than {longest}")


@RULES.star("error")
def name_cut(star: Star) -> Iterator[Found]:
    """PostgreSQL cuts names after 63 bytes, and two that begin alike become one.

    Find a name of 63 letters or fewer.
    """
    for owner, member, name in _names(star):
        if len(name.encode()) > LONGEST_IN_DATABASE:
            yield Found(owner, member, f"{name} has {len(name.encode())} bytes, more than 63")


@RULES.table("warning")
def table_comment(it: Model) -> str | None:
    """The class's docstring is the table's comment: what people read who meet the table in a tool.

    Say in a docstring what one row is.
    """
    return None if summary(it.cls) else "there is no docstring, so the table has no comment"


@RULES.column("off")
def column_comment(it: Declared) -> str | None:
    """A column's comment is shown by every tool that shows the column.

    Give comment="…" to attribute, measure, degenerate, grain or event_time. The rule is off until a project
    turns it on.
    """
    return None if it.column.comment else "there is no comment"


def _names(star: Star) -> Iterator[tuple[type[Any], str | None, str]]:
    """Every name that somebody has given: tables and columns."""
    for cls in star.models:
        model = Model(cls, star.choice)
        yield cls, None, model.table.name
        for it in model.columns:
            yield cls, it.name, it.name
