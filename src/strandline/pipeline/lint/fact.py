"""Rules on facts: what a row is, what may be summed, and whom it is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from strandline.model.aggregate import Aggregate
from strandline.model.base import summary
from strandline.model.calendar import Calendar
from strandline.model.column import Degenerate, Reference, role
from strandline.model.fact import Fact
from strandline.model.milestone import AccumulatingSnapshot
from strandline.model.period import PeriodicSnapshot
from strandline.pipeline.lint import word
from strandline.pipeline.lint.declared import Declared, Model
from strandline.pipeline.lint.rule import Found, Rules
from strandline.pipeline.lint.star import Star

RULES: Final = Rules()


def _references(fact: type[Fact]) -> dict[str, Reference]:
    """Every key of the fact, by column."""
    meanings = {column.name: role(column) for column in fact.table().c}
    return {name: it for name, it in meanings.items() if isinstance(it, Reference)}


@RULES.table("warning")
def grain_statement(it: Model) -> str | None:
    """The first thing to be said of a fact is what one row of it is; who does not know it sums wrongly.

    Begin the docstring with it: One row an order line.
    """
    told = summary(it.cls)
    if not issubclass(it.cls, Fact) or told is None:
        return None
    if any(f"{number} row" in told.lower() for number in ("one", "a", "each", "every", "per")):
        return None
    return f"the docstring does not say what one row is: {told}"


@RULES.table("warning")
def fact_without_reference(it: Model) -> str | None:
    """A fact that refers to no dimension can be counted, and by nothing.

    Declare references(…) to whatever it is about.
    """
    if not issubclass(it.cls, Fact) or _references(it.cls):
        return None
    return "it refers to no dimension"


@RULES.table("warning")
def fact_without_time(it: Model) -> str | None:
    """Without a moment nobody knows which version of a member was valid, and there is nothing to report over.

    Declare event_time(), or a period or milestone in the kind of fact that has them.
    """
    if not issubclass(it.cls, Fact) or issubclass(it.cls, PeriodicSnapshot | AccumulatingSnapshot):
        return None
    if it.cls.event_time_column() is not None or it.cls.date_references():
        return None
    return "it does not say when it happened"


@RULES.table("info")
def fact_without_calendar(it: Model) -> str | None:
    """Weeks, holidays and fiscal years are in the date dimension, and otherwise in every report anew.

    Add order_date_key: Mapped[int] = references(DimDate, on="ordered_at").
    """
    if not issubclass(it.cls, Fact) or issubclass(it.cls, PeriodicSnapshot | AccumulatingSnapshot):
        return None
    references = _references(it.cls).values()
    if it.cls.event_time_column() is None or not references:
        return None
    if any(issubclass(each.dimension, Calendar) for each in references):
        return None
    return "it has a time and no key of a date dimension"


@RULES.table("warning")
def centipede_fact(it: Model) -> str | None:
    """With a key for everything a fact is mostly keys, and most of these dimensions are levels of others.

    Put what belongs together into one dimension, flags into a JunkDimension; most_references says how many
    are too many.
    """
    if not issubclass(it.cls, Fact) or len(_references(it.cls)) <= it.choice.most_references:
        return None
    return f"it has {len(_references(it.cls))} keys, more than {it.choice.most_references}"


@RULES.table("info")
def junk_dimension(it: Model) -> str | None:
    """Flags on each row of a fact take the room that one key of their combination would take.

    Declare a JunkDimension with them; most_flags says how many are too many.
    """
    if not issubclass(it.cls, Fact):
        return None
    flags = [each.name for each in it.columns if isinstance(each.meaning, Degenerate) and _is_flag(each)]
    if len(flags) <= it.choice.most_flags:
        return None
    return f"it has {len(flags)} flags: {', '.join(flags)}"


def _is_flag(it: Declared) -> bool:
    return it.is_boolean or word.last(it.name) in ("status", "type", "flag", "kind", "code", "channel")


@RULES.column("error")
def rate_additive(it: Declared) -> str | None:
    """The sum of two rates, or of two prices of one piece, is nothing.

    Declare measure(…, additive=False), or keep what the rate is calculated from.
    """
    if it.measure is None or it.measure.additive is not True or word.holds(it.name, word.HELD):
        return None
    if not issubclass(it.model, Fact):  # of an aggregate its query tells
        return None
    is_rate = word.holds(it.name, word.NEVER_SUMMED) or word.holds(it.name, ("unit_price", "unit_cost"))
    return f"{it.name} is declared as if it could be summed" if is_rate else None


@RULES.column("error")
def balance_additive(it: Declared) -> str | None:
    """A balance of January and one of February are not two balances: it adds up over everything but time.

    Declare measure(…, additive="semi").
    """
    if it.measure is None or it.measure.additive is not True or not word.holds(it.name, word.HELD):
        return None
    return f"{it.name} is declared as if it could be summed over time"


@RULES.column("warning")
def non_additive_comment(it: Declared) -> str | None:
    """Whoever may not sum a measure wants to know what else to do.

    Say it in the comment: measure(…, additive=False, comment="Weigh it by quantity").
    """
    if it.measure is None or it.measure.additive is not False or it.column.comment:
        return None
    return f"{it.name} must not be summed, and no comment says how it is reported"


@RULES.column("info")
def nullable_measure(it: Declared) -> str | None:
    """An average leaves empty values out, and a sum of nothing else is empty: nobody sees whether it is zero.

    Declare it without None where zero is meant, and say in a comment what it means to be empty.
    """
    if it.measure is None or not it.column.nullable or it.measure.additive is not True:
        return None
    if not issubclass(it.model, Fact) or issubclass(it.model, AccumulatingSnapshot) or it.column.comment:
        return None
    return f"{it.name} may be empty"


@RULES.column("error")
def nullable_key(it: Declared) -> str | None:
    """A row with an empty key is lost in each join; who is unknown or does not apply has a member of its own.

    Declare Mapped[int]: an empty natural key becomes the member -2.
    """
    if not isinstance(it.meaning, Reference) or not it.column.nullable:
        return None
    return f"{it.name} may be empty"


@RULES.column("error")
def key_without_reference(it: Declared) -> str | None:
    """A column that is called like a key, and leads to no dimension, is joined with something all the same.

    Declare references(…), or call a natural key …_id.
    """
    is_of_star = it.meaning is not None and not issubclass(it.model, Aggregate)
    if isinstance(it.meaning, Reference) or not it.name.endswith("_key") or not is_of_star:
        return None
    return f"{it.name} leads to no dimension"


@RULES.column("warning")
def personal_fact(it: Declared) -> str | None:
    """A fact is kept when a person is erased, and what stays on it would still say who it was.

    Move it to the dimension: attribute(…, pii=True).
    """
    if not isinstance(it.meaning, Degenerate) or not it.is_text:
        return None
    if not word.holds(it.name, (*word.PERSONAL, *it.choice.personal_words)):
        return None
    return f"{it.name} seems to point at a person"


@RULES.table("warning")
def single_milestone(it: Model) -> str | None:
    """A process with one milestone has a beginning and no end: it is an event.

    Declare the milestones that come after it, or a Fact with an event_time().
    """
    if not issubclass(it.cls, AccumulatingSnapshot) or len(it.cls.milestones()) > 1:
        return None
    return f"its only milestone is {next(iter(it.cls.milestones()))}"


@RULES.table("info")
def milestone_order(it: Model) -> str | None:
    """A parcel that arrived before it was sent is a mistake of the source, and nobody notices it.

    Say what comes before: milestone(after="ordered_at").
    """
    if not issubclass(it.cls, AccumulatingSnapshot) or len(it.cls.milestones()) < 2:
        return None
    if any(each.after for each in it.cls.milestones().values()):
        return None
    return "none of its milestones says after which one it comes"


@RULES.star("warning")
def milestone_required(star: Star) -> Iterator[Found]:
    """What has not happened yet has no time, and a process that is under way would be a reject.

    Declare Mapped[datetime | None].
    """
    for fact in star.facts:
        if issubclass(fact, AccumulatingSnapshot):
            for name in list(fact.milestones())[1:]:
                if not fact.table().c[name].nullable:
                    yield Found(fact, name, f"{name} must be filled from the beginning")
