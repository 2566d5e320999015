"""The mutants of facts, the keys that they carry and the grain: see `mutant`."""

from tests.mutation.mutant import Mutant

MUTANTS = (
    # Facts and the keys that they carry.
    Mutant("key", "a version answers for its own end", "moment < v.upper", "moment <= v.upper"),
    Mutant("key", "a version does not answer for its own beginning", "moment >= v.lower", "moment > v.lower"),
    Mutant(
        "key",
        "the first version does not answer for the time before",
        "case((table.c.version > 1, table.c.valid_from))",
        "case((table.c.version > 0, table.c.valid_from))",
    ),
    Mutant(
        "key",
        "without a moment the first version answers",
        "return and_(version.c.is_latest)",
        "return version.c.lower.is_(None)",
    ),
    Mutant(
        "key",
        "facts do not follow a new version",
        "and_(event.c.changed, event.c.current_key.is_not(None))",
        "false()",
    ),
    Mutant(
        "key",
        "facts do not follow a rebuilt history",
        "is_moved = or_(event.c.is_rebuilt,",
        "is_moved = or_(event.c.is_rebuilt & event.c.changed,",
    ),
    Mutant(
        "key",
        "who waits is not found again",
        "is_new = event.c.current_key.is_(None)",
        "is_new = event.c.current_key.is_not(None)",
    ),
    Mutant(
        "key",
        "members are inferred twice",
        ".where(source_id.is_not(None), ~known)",
        '.where(source_id.is_not(None), or_(~known, source_id != ""))',
    ),
    Mutant(
        "resolution",
        "an empty reference is unknown",
        "case((s[name].is_(None), NOT_APPLICABLE_KEY), else_=found)",
        "case((s[name].is_(None), UNKNOWN_KEY), else_=found)",
    ),
    Mutant(
        "fact",
        "deletions leave the row",
        "_same_grain(batch, gone), gone.is_deleted",
        "_same_grain(batch, gone), not_(gone.is_deleted)",
    ),
    Mutant(
        "fact",
        "rows are written although nothing differs",
        "differ([table.c[name] for name in names], [r[name] for name in names])",
        "table.c.run_id > 0",
    ),
    Mutant(
        "fact",
        "lines that are gone stay",
        "delete(table).where(is_theirs, ~is_staged)",
        "delete(table).where(is_theirs, is_staged, ~is_staged)",
    ),
    # Several records at one grain.
    Mutant(
        "grain",
        "of two records the earlier stands",
        "[self.staged.c.effective_at.desc(), ",
        "[self.staged.c.effective_at, ",
    ),
    Mutant("grain", "only one line of a record stands", "func.rank().over", "func.row_number().over"),
    Mutant(
        "grain",
        "a reject stays when its record is sent again",
        "s.source_id == noted.source_id, s.raw_id != noted.raw_id",
        "s.source_id == noted.source_id, s.raw_id == noted.raw_id",
    ),
    Mutant(
        "grain",
        "a reject names who has lost as well",
        ".values(reason=contest.reason(s.source_id))",
        ".values(reason=contest.reason(row.source_id))",
    ),
    Mutant(
        "grain",
        "an earlier word of the record that lost its row is the reject",
        ".order_by(entry.c.effective_at.desc(), ",
        ".order_by(entry.c.effective_at, ",
    ),
    Mutant(
        "grain",
        "the row that is there always yields",
        ".where(is_earlier)",
        ".where(is_earlier, s.raw_id < 0)",
    ),
    Mutant(
        "grain",
        "the row of a record that has moved stays",
        "contest.log.source_system, is_theirs, ~is_still)",
        "contest.log.source_system, is_theirs, is_still, ~is_still)",
    ),
    Mutant(
        "grain",
        "who lost to a record that has moved stays out",
        "contest.is_noted(), noted.reason.in_(reasons)",
        "contest.is_noted(), noted.reason.in_(reasons), noted.raw_id < 0",
    ),
    Mutant(
        "grain",
        "two lines at one grain are none too many",
        ".having(func.count() > 1)\n        .subquery()",
        ".having(func.count() > 9)\n        .subquery()",
    ),
)
