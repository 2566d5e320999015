"""Rules on what columns are called: the name says what kind of value is in it."""

from __future__ import annotations

from typing import Final

from strandline.model.aggregate import Aggregate
from strandline.model.calendar import Calendar
from strandline.model.column import Attribute, Grain, Period, Reference
from strandline.model.time_of_day import TimeOfDay
from strandline.pipeline.lint import word
from strandline.pipeline.lint.declared import Declared
from strandline.pipeline.lint.rule import Rules

RULES: Final = Rules()

IDENTIFYING: Final = ("id", "number", "no", "code", "key", "sku", "ean", "isbn", "iban", "uuid")


@RULES.column("warning")
def boolean_prefix(it: Declared) -> str | None:
    """One should see from the name that it is asked with yes or no, and what yes means.

    Call it is_…, has_… or can_…; boolean_prefixes adds words of your own.
    """
    prefixes = (*word.BOOLEAN, *it.choice.boolean_prefixes)
    if not it.is_boolean or word.words(it.name)[0] in prefixes:
        return None
    return f"yes or no, and called {it.name}: is_{it.name}?"


@RULES.column("info")
def negative_boolean(it: Declared) -> str | None:
    """Who asks for what is not not so makes mistakes.

    Call it after what is so, is_paid instead of is_not_paid, and turn the value round in the mapper.
    """
    if not it.is_boolean or not it.name.startswith(("is_not_", "has_no_", "can_not_", "cannot_")):
        return None
    return f"{it.name} denies something, and a condition may deny it again"


@RULES.column("warning")
def moment_suffix(it: Declared) -> str | None:
    """Whether a column has a time of day decides how it is compared, and the name should tell.

    Call it …_at; moment_suffixes adds words of your own.
    """
    suffixes = (*word.MOMENT, *it.choice.moment_suffixes, "date")  # which date-type looks at
    if not it.is_moment or word.last(it.name) in suffixes:
        return None
    return f"a moment, and called {it.name}, without _at"


@RULES.column("warning")
def date_suffix(it: Declared) -> str | None:
    """Whether a column has a time of day decides how it is compared, and the name should tell.

    Call it …_date; day_suffixes adds words of your own.
    """
    suffixes = (*word.DAY, *it.choice.day_suffixes, "at")  # which moment-type looks at
    if not it.is_day or isinstance(it.meaning, Period) or word.last(it.name) in suffixes:
        return None
    return f"a date, and called {it.name}, without _date"


@RULES.column("warning")
def money_suffix(it: Declared) -> str | None:
    """What is money is rounded, converted and added up in other ways than other numbers.

    Call it …_amount, or let the name say price, cost, fee, balance or the like; money_words adds words of
    your own.
    """
    if not it.is_money or word.holds(it.name, (*word.MONEY, *it.choice.money_words)):
        return None
    return f"money, and called {it.name}, without _amount"


@RULES.column("warning")
def key_suffix(it: Declared) -> str | None:
    """Whoever joins looks for _key, and nobody should take a surrogate key for a value.

    Call it …_key, after the role that the dimension plays.
    """
    if not isinstance(it.meaning, Reference) or it.name.endswith("_key"):
        return None
    return f"the key of {it.meaning.dimension.__name__}, and called {it.name}, without _key"


@RULES.column("warning")
def calendar_key(it: Declared) -> str | None:
    """A fact may have a dozen dates: each key should say that it is one, and which.

    Call it …_date_key, and the key of a time of day …_time_key.
    """
    if not isinstance(it.meaning, Reference) or not it.name.endswith("_key"):
        return None
    for kind, ending in ((Calendar, "date_key"), (TimeOfDay, "time_key")):
        if issubclass(it.meaning.dimension, kind) and not it.name.endswith(ending):
            return f"a key of {it.meaning.dimension.__name__}, and called {it.name}, without _{ending}"
    return None


@RULES.column("warning")
def grain_suffix(it: Declared) -> str | None:
    """The grain is what the source calls the row, and should not look like a describing text.

    Call it …_id, …_number or …_code.
    """
    if issubclass(it.model, Aggregate) or not isinstance(it.meaning, Grain) or not it.is_text:
        return None
    if word.last(it.name) in IDENTIFYING:
        return None
    return f"a text of the grain, and called {it.name}, without _id"


@RULES.column("warning")
def outrigger_suffix(it: Declared) -> str | None:
    """A natural key of somebody else looks like a value unless its name says what it is.

    Call it …_id; the durable key beside it is then called …_durable_key.
    """
    named = it.attribute.outrigger if it.attribute else None
    if named is None or word.last(it.name) in IDENTIFYING:
        return None
    return f"a natural key of {named.__name__}, and called {it.name}, without _id"


@RULES.column("warning")
def generic_name(it: Declared) -> str | None:
    """A report joins ten tables, and a name or a status in it could be of any of them.

    Say of what: customer_name, order_status.
    """
    if it.name not in word.GENERIC or issubclass(it.model, Aggregate):
        return None
    return f"{it.name} says nothing without its table"


@RULES.column("warning")
def duration_unit(it: Declared) -> str | None:
    """Nobody sees from 90 whether it is seconds or minutes.

    Let the name end with the unit: call_duration_seconds.
    """
    if not it.is_number or not word.holds(it.name, word.DURATION) or word.holds(it.name, word.UNIT):
        return None
    return f"how long something takes, and {it.name} does not say in which unit"


@RULES.column("warning")
def hand_made_history(it: Declared) -> str | None:
    """What was before is kept by the merge, and right also where a change comes late; a source seldom knows.

    Declare the attribute itself with scd=3, which brings previous_… along, or scd=6, which brings current_….
    """
    if not isinstance(it.meaning, Attribute):
        return None
    for prefix, scd in (("previous_", 3), ("prior_", 3), ("old_", 3), ("current_", 6)):
        of = it.name.removeprefix(prefix)
        if it.name.startswith(prefix) and of in it.column.table.c:
            return f"{of} has its history in {it.name}, by hand: attribute(scd={scd}) keeps it"
    return None
