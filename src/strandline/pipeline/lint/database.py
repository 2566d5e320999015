"""Rules on what is in the database: what must hold in the rows, whoever wrote them."""

from __future__ import annotations

from typing import Final

from strandline.pipeline.lint.rule import Rule, Rules

RULES: Final = Rules()

RULES.elsewhere(
    "version-overlap",
    "error",
    """A version of a member ends before the next begins, or a fact of that time belongs to two.

    Look at it with strandline why, and let strandline replay build the member again.
    """,
)
RULES.elsewhere(
    "version-number",
    "error",
    """Versions are numbered 1, 2, 3 in the order of time.

    Let strandline replay build the member again.
    """,
)
RULES.elsewhere(
    "version-latest",
    "error",
    """A member's last version, and no other, is current or deleted, or it is counted twice or not at all.

    Let strandline replay build the member again.
    """,
)
RULES.elsewhere(
    "durable-key",
    "error",
    """A member has one durable key, and shares it with nobody.

    Somebody has written it: restore the table, or let strandline replay build it again.
    """,
)
RULES.elsewhere(
    "type-1-drift",
    "error",
    """A column that is overwritten is the same in all versions of a member.

    Let strandline replay build the member again.
    """,
)
RULES.elsewhere(
    "fact-orphan",
    "error",
    """A fact's key is that of a row of the dimension, or the fact is lost in each join.

    Restore the dimension, or let strandline replay build the fact again.
    """,
)
RULES.elsewhere(
    "fact-version",
    "error",
    """A fact points at the version that was valid when it happened.

    Let strandline replay build the fact again.
    """,
)
RULES.elsewhere(
    "fact-waiting",
    "error",
    """A fact that remembers whom it waits for has the unknown key.

    Let strandline replay build the fact again.
    """,
)
RULES.elsewhere(
    "bridge-weights",
    "error",
    """The weights of a group sum to one, so that what is multiplied by them sums to the total.

    Let strandline replay build what holds the group again.
    """,
)
RULES.elsewhere(
    "aggregate-query",
    "error",
    """An aggregate is what its query gives now.

    Let strandline replay build its fact again.
    """,
)

EXPECTATION: Final[Rule] = RULES.elsewhere(
    "expectation",
    "error",
    """What a pipeline expects of its tables holds in all rows, whoever wrote them and when.

    Look at the rows, and mend the source, the mapper or the expectation.
    """,
)
