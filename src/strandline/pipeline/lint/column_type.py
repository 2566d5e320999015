"""Rules on what columns hold: types that keep what the name promises."""

from __future__ import annotations

from typing import Final

from strandline.model.column import Attribute, Degenerate, Grain, Measure, Reference
from strandline.model.dimension import SPECIAL_MEMBERS, Dimension
from strandline.pipeline.lint import word
from strandline.pipeline.lint.declared import Declared
from strandline.pipeline.lint.rule import Rules

RULES: Final = Rules()


def _kind(it: Declared) -> str:
    return str(it.column.type)


@RULES.column("warning")
def boolean_type(it: Declared) -> str | None:
    """A column that is asked with yes or no and holds Y, N, J or nothing is asked wrongly some day.

    Declare Mapped[bool]; BooleanStringType takes the words that sources write.
    """
    if it.is_boolean or word.words(it.name)[0] not in word.BOOLEAN:
        return None
    return f"{it.name} promises yes or no, and is {_kind(it)}"


@RULES.column("warning")
def moment_type(it: Declared) -> str | None:
    """What is called after a moment is compared with moments.

    Declare Mapped[datetime], or call a date …_date.
    """
    if word.last(it.name) != "at" or it.is_moment or it.is_text:
        return None
    return f"{it.name} promises a moment, and is {_kind(it)}"


@RULES.column("warning")
def date_type(it: Declared) -> str | None:
    """What is called after a date is compared with dates, and a time of day in it makes them unequal.

    Declare Mapped[date], or call a moment …_at.
    """
    if word.last(it.name) != "date" or it.is_day or it.is_text:
        return None
    return f"{it.name} promises a date, and is {_kind(it)}"


@RULES.column("error")
def date_as_text(it: Declared) -> str | None:
    """Text sorts 9.3. behind 10.2., takes the 31st of February, and cannot say how many days lie between.

    Declare Mapped[date] or Mapped[datetime], and read it in the contract.
    """
    if not it.is_text or word.last(it.name) not in ("date", "at", "day", "on"):
        return None
    return f"{it.name} promises a date, and is text"


@RULES.column("error")
def number_as_text(it: Declared) -> str | None:
    """Text sorts 9 behind 10, and cannot be summed.

    Declare a number: Money, Numeric(18, 4) or Integer.
    """
    if not it.is_text or word.last(it.name) not in word.PLAIN_NUMBER:
        return None
    return f"{it.name} promises a number, and is text"


@RULES.column("error")
def float_money(it: Declared) -> str | None:
    """A float cannot hold ten cents, and a sum of floats depends on the order of its parts.

    Declare Mapped[Decimal] with Money.
    """
    if not it.is_float or not word.holds(it.name, (*word.MONEY, *it.choice.money_words)):
        return None
    return f"{it.name} is money, and {_kind(it)}"


@RULES.column("warning")
def float_measure(it: Declared) -> str | None:
    """A sum of floats depends on the order of its parts, so two reports of the same rows may differ.

    Declare Numeric with as many places as the source sends.
    """
    if it.measure is None or not it.is_float or word.holds(it.name, (*word.MONEY, "count")):
        return None
    return f"{it.name} is measured as {_kind(it)}, which is not exact"


@RULES.column("warning")
def amount_type(it: Declared) -> str | None:
    """A whole number of money is either cents, which its name does not say, or rounded.

    Declare Money, or call it …_cents.
    """
    if word.last(it.name) != "amount" or not (it.is_whole or (it.is_exact and it.scale == 0)):
        return None
    return f"{it.name} promises money, and is {_kind(it)}"


@RULES.column("warning")
def count_type(it: Declared) -> str | None:
    """Things are counted in whole numbers; a fraction of one means that it is no count.

    Declare Mapped[int], or call it after what it is.
    """
    if word.last(it.name) != "count" or it.is_whole or it.is_text:
        return None
    return f"{it.name} promises a count, and is {_kind(it)}"


@RULES.column("warning")
def rate_type(it: Declared) -> str | None:
    """A rate lies between whole numbers, and a whole one has been rounded.

    Declare Numeric with as many places as the source sends.
    """
    if word.last(it.name) not in word.RATE or not (it.is_whole or it.is_boolean):
        return None
    return f"{it.name} promises a rate, and is {_kind(it)}"


@RULES.column("warning")
def id_type(it: Declared) -> str | None:
    """Natural keys are text: a number loses its leading zeros, and one day the source sends a letter.

    Declare Mapped[str].
    """
    if word.last(it.name) != "id" or it.is_text or isinstance(it.meaning, Reference):
        return None
    return f"{it.name} promises a natural key, and is {_kind(it)}"


@RULES.column("error")
def naive_timestamp(it: Declared) -> str | None:
    """A moment without a zone is anybody's guess, and twice a year it is two moments.

    Leave the type out: Mapped[datetime] is UtcDateTime.
    """
    if not it.is_moment or it.stored.timezone:
        return None
    return f"{it.name} has no time zone"


@RULES.column("info")
def text_length(it: Declared) -> str | None:
    """A length is a policy: what is far too long is no name, and stops at the door instead of in a report.

    Declare String(…), or let it pass where any length is right.
    """
    described = isinstance(it.meaning, Attribute | Degenerate | Grain)
    if not described or it.is_decorated or it.names_member or not it.is_text:
        return None
    return f"{it.name} may be of any length" if it.stored.length is None else None


@RULES.column("info")
def placeholder_cut(it: Declared) -> str | None:
    """The unknown member shows a word in every required text, and in a short one half of it: Unk.

    Let it be empty, Mapped[str | None], or longer, or expand the code to a word.
    """
    if not issubclass(it.model, Dimension) or not it.is_text or not it.is_required:
        return None
    shortest = min(map(len, SPECIAL_MEMBERS.values()))
    length = it.stored.length
    if length is None or length >= shortest:
        return None
    return f"{it.name} has room for {length} letters, and Unknown has {shortest}"


@RULES.column("warning")
def numeric_precision(it: Declared) -> str | None:
    """A number of any precision keeps what a division leaves, and equal amounts are no longer equal.

    Declare precision and scale, as in Numeric(18, 4).
    """
    if it.is_exact and not it.is_decorated and it.stored.precision is None:
        return f"{it.name} has neither precision nor scale"
    return None


@RULES.column("warning")
def structured_column(it: Declared) -> str | None:
    """A list or an object in a column can be neither grouped by nor joined, and each change of it is one of
    all.

    Give each value a column, a list of members a Bridge, and what comes and goes CustomFields.
    """
    return f"{it.name} holds several values in one: {_kind(it)}" if it.is_structured else None


@RULES.column("warning")
def binary_column(it: Declared) -> str | None:
    """Pictures and documents fill a warehouse and answer no question.

    Keep where they are: a path or an address.
    """
    return f"{it.name} holds bytes" if it.is_binary else None


@RULES.column("info")
def nullable_boolean(it: Declared) -> str | None:
    """Of yes, no and nothing a condition forgets one: where not is_active leaves out whoever is unknown.

    Declare Mapped[bool] and a default in the mapper: field("…", default=False).
    """
    if not it.is_boolean or it.is_required or not isinstance(it.meaning, Attribute | Degenerate):
        return None
    return f"{it.name} is yes, no or nothing"


@RULES.column("error")
def measure_type(it: Declared) -> str | None:
    """A measure is counted, summed or averaged, and only numbers can be.

    Declare a number, or degenerate(…) for what describes the row.
    """
    if not isinstance(it.meaning, Measure) or it.is_number:
        return None
    return f"{it.name} is a measure, and {_kind(it)}"


@RULES.column("warning")
def measure_undeclared(it: Declared) -> str | None:
    """A number that is no measure does not say whether it may be summed.

    Declare measure(…, additive=…).
    """
    if not isinstance(it.meaning, Degenerate):
        return None
    if not (it.is_exact or it.is_float or (it.is_whole and word.last(it.name) in word.MEASURED)):
        return None
    return f"{it.name} is a number, and declared as a describing column"
