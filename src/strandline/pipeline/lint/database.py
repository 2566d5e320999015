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
RULES.elsewhere(
    "missing-member",
    "error",
    """The members -1 unknown and -2 not applicable are always there, or facts without a member are lost.

    Somebody has removed them: restore them, or let a new table be made and replay it.
    """,
)
RULES.elsewhere(
    "version-gap",
    "error",
    """Between two versions of a member that nobody has deleted there is no time at which none is valid.

    Let strandline replay build the member again.
    """,
)
RULES.elsewhere(
    "future-version",
    "warning",
    """A version of tomorrow is current today: a clock or a date of the source is wrong.

    Look at it with strandline why; @stream(…, future=…) says how far ahead a record may be.
    """,
)
RULES.elsewhere(
    "stale-inferred",
    "warning",
    """A member of whom nothing but the key has come for a week does not exist at the source, or is not read.

    Read the stream that has it, map the key as that source spells it, or declare missing="unknown".
    """,
)
RULES.elsewhere(
    "outrigger-orphan",
    "error",
    """A durable key beside a natural key is that of a member, or unknown.

    Let strandline replay build the dimension again.
    """,
)
RULES.elsewhere(
    "bridge-orphan",
    "error",
    """Each member of a group is one of the dimension, or its share of the group is lost in the join.

    Let strandline replay build what holds the groups again.
    """,
)
RULES.elsewhere(
    "empty-column",
    "info",
    """A column that is empty in all rows is mapped from a field that never comes, or from the wrong one.

    Look at what comes with strandline fields list, and map that, or leave the column out.
    """,
)
RULES.elsewhere(
    "volatile-history",
    "warning",
    """A column that is another in each load makes a version of each member in each load.

    Declare scd=1, or make a fact of it, or a MiniDimension of bands.
    """,
)
RULES.elsewhere(
    "unknown-share",
    "warning",
    """Where many facts have the unknown member, what is counted by the dimension is not what is meant.

    Look at which keys they wait for, in the column …_missing, and read the stream that has them.
    """,
)
RULES.elsewhere(
    "column-missing",
    "error",
    """What the model has and the table has not, no run can fill: it stops and says so.

    Add it: strandline run tells the statement.
    """,
)
RULES.elsewhere(
    "column-type",
    "error",
    """A table whose column is of another type takes other values than the model says, or refuses them.

    Alter it, and replay what was lost on the way: strandline run tells the statement.
    """,
)
RULES.elsewhere(
    "column-dropped",
    "info",
    """What the table has and the model has not is filled by nobody any more.

    Drop it when nothing reads it.
    """,
)
RULES.elsewhere(
    "column-nullability",
    "warning",
    """What may be empty in the table alone is empty some day; what may not refuses rows that are right.

    Type in psql: ALTER TABLE … ALTER COLUMN … SET NOT NULL, or DROP NOT NULL.
    """,
)
RULES.elsewhere(
    "missing-index",
    "warning",
    """The merge and the joins of the star find rows by the indexes that the model declares.

    Create it with CREATE INDEX CONCURRENTLY; a table that is there already is not altered by a run.
    """,
)
RULES.elsewhere(
    "missing-constraint",
    "warning",
    """The database itself keeps what the model promises, whoever writes; without the constraint nobody does.

    Add it NOT VALID, and then VALIDATE it.
    """,
)
RULES.elsewhere(
    "invalid-index",
    "error",
    """An index whose building was broken off is written with each row, and answers nothing.

    Type in psql: REINDEX INDEX CONCURRENTLY …, or drop it.
    """,
)
RULES.elsewhere(
    "unvalidated-constraint",
    "warning",
    """A constraint that was added NOT VALID holds for new rows; of the old ones nobody knows.

    Type in psql: ALTER TABLE … VALIDATE CONSTRAINT ….
    """,
)
RULES.elsewhere(
    "comment-differs",
    "info",
    """The comment is what people read in the database, and it should be what the model says.

    Type in psql: COMMENT ON TABLE … IS '…'.
    """,
)
RULES.elsewhere(
    "undeclared-table",
    "info",
    """A table that is called like a part of the star, and that no model declares, is a leftover or a copy.

    Drop it when nothing reads it, or call it something else.
    """,
)

EXPECTATION: Final[Rule] = RULES.elsewhere(
    "expectation",
    "error",
    """What a pipeline expects of its tables holds in all rows, whoever wrote them and when.

    Look at the rows, and mend the source, the mapper or the expectation.
    """,
)
