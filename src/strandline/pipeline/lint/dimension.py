"""Rules on dimensions: which attributes they have, what keeps a history, and what points at a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Table

from strandline.model.aggregate import Aggregate
from strandline.model.column import Attribute, Degenerate, Grain
from strandline.model.dimension import Dimension
from strandline.pipeline.lint import word
from strandline.pipeline.lint.declared import Declared, Model
from strandline.pipeline.lint.rule import Found, Rules, columns_of
from strandline.pipeline.lint.star import Star

RULES: Final = Rules()

FEW: Final = 5
"""With so many attributes or fewer, a history of each is no sign of carelessness."""


@RULES.table("warning")
def wide_dimension(it: Model) -> str | None:
    """A version is a whole row: with hundreds of columns each change of one copies all of them.

    Put what changes often into a MiniDimension, and what belongs to somebody else into a dimension of its
    own; most_attributes says how many are too many.
    """
    if not issubclass(it.cls, Dimension) or len(it.cls.attributes()) <= it.choice.most_attributes:
        return None
    return f"it has {len(it.cls.attributes())} attributes, more than {it.choice.most_attributes}"


@RULES.table("info")
def all_history(it: Model) -> str | None:
    """Where each attribute opens versions, a corrected spelling does too, and the versions say little.

    Choose by attribute what a change does: scd=1 for what is corrected, scd=2 for what facts are counted by.
    """
    if not issubclass(it.cls, Dimension) or len(it.cls.attributes()) <= FEW:
        return None
    if len(it.cls.attributes(2)) < len(it.cls.attributes()):
        return None
    return f"each of its {len(it.cls.attributes())} attributes opens versions"


@RULES.column("warning")
def volatile_attribute(it: Declared) -> str | None:
    """What changes with every visit opens a version with every visit, and the dimension outgrows its facts.

    Declare scd=1, or make a fact of it, or a MiniDimension of bands.
    """
    if it.attribute is None or 2 not in it.attribute.scd or not word.holds(it.name, word.VOLATILE):
        return None
    return f"{it.name} changes often, and each change opens a version"


@RULES.column("warning")
def measure_as_attribute(it: Declared) -> str | None:
    """A number that is added up belongs to a fact: in a dimension it is counted once a version.

    Declare measure(…) in a fact, or bands of it in a MiniDimension.
    """
    if it.attribute is None or 2 not in it.attribute.scd or not it.is_number:
        return None
    if word.last(it.name) not in word.MEASURED or word.holds(it.name, word.VOLATILE):
        return None
    return f"{it.name} is counted or summed, and keeps a history in a dimension"


@RULES.column("info")
def personal_unmarked(it: Declared) -> str | None:
    """What is marked is hidden in logs, and erased with the person.

    Declare attribute(…, pii=True).
    """
    if it.attribute is None or it.attribute.pii or not issubclass(it.model, Dimension):
        return None
    if not word.holds(it.name, (*word.PERSONAL, *it.choice.personal_words)) or it.is_boolean:
        return None
    return f"{it.name} seems to point at a person, and is not marked"


@RULES.column("info")
def personal_history(it: Declared) -> str | None:
    """Every address that somebody ever had is kept, and seldom needed.

    Declare scd=1 unless reports ask for what was.
    """
    if it.attribute is None or not it.attribute.pii or not {2, 3} & set(it.attribute.scd):
        return None
    return f"{it.name} points at a person, and what it was before is kept"


@RULES.column("warning")
def outrigger_chain(it: Declared) -> str | None:
    """Each step from dimension to dimension is one more join in every report: a snowflake.

    Map the attribute that is asked for into this dimension, or refer to the far one from the fact.
    """
    named = it.attribute.outrigger if it.attribute else None
    if named is None or named is it.model or not named.outriggers():
        return None
    further = ", ".join(other.__name__ for other in named.outriggers())
    return f"{it.name} leads to {named.__name__}, and from there to {further}"


@RULES.star("warning")
def conformed_type(star: Star) -> Iterator[Found]:
    """What is called alike in two tables is compared across them: a country of two letters finds none of
    sixty.

    Give it the same type in both, or another name in one.
    """
    first: dict[str, Declared] = {}
    for it in columns_of(star):
        if not isinstance(it.meaning, Attribute | Grain | Degenerate) or issubclass(it.model, Aggregate):
            continue
        other = first.setdefault(it.name, it)
        if _spelled(it) != _spelled(other) and other.model is not it.model:
            what = f"{it.name} is {_spelled(it)}, and {_spelled(other)} in {other.model.__name__}"
            yield Found(it.model, it.name, what)


def _spelled(it: Declared) -> str:
    return str(it.column.type)


@RULES.table("info")
def redundant_index(it: Model) -> str | None:
    """An index whose columns another one begins with is written with each row, and read by nobody.

    Leave it out of __table_args__.
    """
    found = _redundant(it.table)
    return None if found is None else f"the index on {found[0]} repeats the beginning of that on {found[1]}"


def _redundant(table: Table) -> tuple[str, str] | None:
    """The columns of an index that another one begins with, and those of the other."""
    plain = [it for it in table.indexes if not it.unique and not it.dialect_kwargs]
    others = [[column.name for column in it.columns] for it in table.indexes if not it.dialect_kwargs]
    others.append([column.name for column in table.primary_key])
    for own in ([column.name for column in it.columns] for it in plain):
        for other in others:
            if len(other) > len(own) and other[: len(own)] == own:
                return ", ".join(own), ", ".join(other)
    return None
