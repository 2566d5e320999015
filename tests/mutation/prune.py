"""The mutants of a prune, and of what is told where it has been: see `mutant`."""

from tests.mutation.mutant import Mutant

MUTANTS = (
    # What goes out of a raw log that is kept for a time.
    Mutant("prune", "what is not merged yet goes", "entry.raw_id <= self.applied,", "literal(1) == 1,"),
    Mutant("prune", "what is young goes", "entry.fetched_at < self.before,", "literal(1) == 1,"),
    Mutant(
        "prune",
        "what is in the quarantine goes",
        "~exists().where(noted.stream == self.stream, noted.raw_id == entry.raw_id),",
        "literal(1) == 1,",
    ),
    Mutant("prune", "what is old is needed itself", "not_(self.is_old),", "literal(1) == 1,"),
    Mutant("prune", "what was erased is needed", "entry.operation != raw.ERASED,", "literal(1) == 1,"),
    Mutant(
        "prune",
        "what is in the quarantine is not needed",
        "or_(~exists().where(*of_entry), exists().where(*of_entry, not_(is_out))),",
        "~exists().where(*of_entry),",
    ),
    Mutant(
        "prune",
        "what was discarded is needed",
        "is_out = or_(noted.state == state.DISCARDED, noted.rule == horizon.RULE)",
        "is_out = noted.rule == horizon.RULE",
    ),
    Mutant(
        "prune",
        "what took effect before the horizon is needed",
        "is_out = or_(noted.state == state.DISCARDED, noted.rule == horizon.RULE)",
        "is_out = noted.state == state.DISCARDED",
    ),
    Mutant(
        "prune",
        "what was needed before the horizon is needed",
        "~exists().where(*of_key, p.until >= entry.effective_at),",
        "literal(1) == 1,",
    ),
    Mutant(
        "prune",
        "what took effect with what is needed goes",
        "w.effective_at < k.needed_since)",
        "w.effective_at <= k.needed_since)",
    ),
    Mutant(
        "prune",
        "what took effect after what is needed goes",
        "before_all = or_(k.needed_since.is_(None), w.effective_at < k.needed_since)",
        "before_all = literal(1) == 1",
    ),
    Mutant("prune", "a key goes of which a moment is not known", "k.is_unsure == 0, ", ""),
    Mutant(
        "prune",
        "what was so at the horizon goes",
        "o.effective_at < o.begins_at,",
        "o.effective_at <= o.begins_at,",
    ),
    Mutant("prune", "what was read last goes", "o.raw_id < o.last_raw_id, ", ""),
    Mutant("prune", "what tells where a value comes from goes", ", *(~it for it in traced)", ""),
    Mutant("prune", "the first record goes where a column keeps it", "or_(is_latest, is_first)", "is_latest"),
    Mutant(
        "prune",
        "a horizon goes back",
        "case((note.excluded.until > p.c.until, note.excluded.until), else_=p.c.until)",
        "note.excluded.until",
    ),
    Mutant(
        "prune",
        "a horizon stays",
        "else_=p.c.until)\n    connection",
        "else_=p.c.until)\n    later = p.c.until\n    connection",
    ),
    # What is told of before a horizon.
    Mutant(
        "horizon",
        "what took effect at the horizon is merged",
        "or_(s.effective_at <= p.until, ",
        "or_(s.effective_at < p.until, ",
    ),
    Mutant("horizon", "what undoes a change is merged", "_may_undo(member, member.staged), ", ""),
    Mutant(
        "horizon",
        "what undoes a change itself follows",
        "_stays(member, more), not_(_may_undo(member, more))",
        "_stays(member, more)",
    ),
    Mutant("horizon", "what uncovers a value is merged", ", _may_uncover(member)", ""),
    Mutant("horizon", "a deletion beside another record is refused", "not_(left), not_(follows)", "true()"),
    Mutant("horizon", "what stays is another one that was deleted", "not_(or_(*tombstones)),", ""),
    Mutant("horizon", "what came later counts", "o.raw_id < s.raw_id,", ""),
    Mutant("horizon", "what was refused stays", "member.log.accepted(entry),\n        _stays", "_stays"),
    Mutant("horizon", "what lies before the horizon stays", "o.effective_at > member.until,", ""),
    Mutant(
        "horizon",
        "a version that begins at the horizon is forgotten",
        "begun = v.valid_from <= member.until",
        "begun = v.valid_from < member.until",
    ),
    Mutant(
        "horizon",
        "an end at the horizon is forgotten",
        "v.valid_to <= member.until, ~follows",
        "v.valid_to < member.until, ~follows",
    ),
    Mutant("horizon", "a version ends where another follows", "member.until, ~follows", "member.until"),
    Mutant("horizon", "an inferred version tells something", ", not_(v.is_inferred))", ")"),
)
