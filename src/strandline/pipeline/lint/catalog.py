"""All rules, by their ids."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from strandline.errors import DeclarationError
from strandline.pipeline.lint import (
    aggregate,
    column_name,
    column_type,
    database,
    dimension,
    fact,
    mapping,
    naming,
    relation,
)
from strandline.pipeline.lint.rule import Rule, Rules

OF_CHOICES: Final = Rules()

WITHOUT_REASON: Final = OF_CHOICES.elsewhere(
    "ignore-without-reason",
    "warning",
    """Whoever meets a rule that is let pass wants to know whether that is still right.

    Write the reason beside it.
    """,
)
UNUSED: Final = OF_CHOICES.elsewhere(
    "ignore-unused",
    "warning",
    """What lets nothing pass any more lets the next mistake pass.

    Take it out.
    """,
)
UNKNOWN: Final = OF_CHOICES.elsewhere(
    "ignore-unknown-rule",
    "error",
    """A rule that is not there lets nothing pass, whatever was meant.

    Write its id as docs/reference/rules.md does.
    """,
)

PARTS: Final = {
    "Names": naming.RULES,
    "What columns are called": column_name.RULES,
    "What columns hold": column_type.RULES,
    "Dimensions": dimension.RULES,
    "Facts": fact.RULES,
    "Aggregates": aggregate.RULES,
    "What belongs together": relation.RULES,
    "Contracts and mappers": mapping.RULES,
    "What is in the database": database.RULES,
    "What is let pass": OF_CHOICES,
}
"""The rules by theme, in the order of the page that tells of them."""

ALL: Final[dict[str, Rule]] = {rule.id: rule for rules in PARTS.values() for rule in rules}


def verify(names: Iterable[str], *, where: str) -> None:
    """Raise DeclarationError for a name that no rule has."""
    for name in names:
        if name not in ALL:
            near = get_close_matches(name, list(ALL), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else "strandline check --rules lists all."
            raise DeclarationError(f"{where}: there is no rule {name!r}", hint=hint)
