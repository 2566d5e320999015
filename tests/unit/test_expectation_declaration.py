"""Expectations that cannot be: each is told where it is declared, with what would be right."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.expected import DimPatron, FactOuting, Kiosk, KioskBuyer, pipeline

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.model import DimDate
from strandline.pipeline import (
    Pipeline,
    accepted,
    fresh,
    holds,
    not_null,
    refers,
    row_count,
    total,
    unique,
)
from strandline.source import Source, reconciliation

Expect = Callable[..., None]


class Stall(Source):
    """Another source."""

    @reconciliation
    def count(self) -> int:
        """How many it has."""
        return 1


WRONG: dict[str, tuple[Callable[[Expect], Any], str, str]] = {
    "unknown column": (
        lambda expect: expect(DimPatron, not_null("segmnet")),
        "not_null(…): 'segmnet' is no column of DimPatron",
        "Did you mean 'segment'?",
    ),
    "no column": (lambda expect: expect(DimPatron, unique()), "names no column", 'unique("<column>")'),
    "not filled": (
        lambda expect: expect(DimDate, not_null("year")),
        "the pipeline does not fill it",
        "DimPatron, FactOuting",
    ),
    "a mapper": (lambda expect: expect(KioskBuyer, not_null("segment")), "it is a mapper", "DimPatron"),
    "no expectation": (lambda expect: expect(DimPatron, "segment"), "'segment' is no expectation", "unique"),
    "nothing": (lambda expect: expect(DimPatron), "nothing is expected", "unique"),
    "severity": (
        lambda expect: expect(DimPatron, unique("email"), severity="error"),
        "severity='error' is none",
        'severity="warn"',
    ),
    "twice": (
        lambda expect: expect(DimPatron, unique("email"), unique("email")),
        "unique(email) is expected already",
        "once",
    ),
    "no values": (lambda expect: expect(DimPatron, accepted("segment", [])), "values are []", "one at least"),
    "an empty value": (
        lambda expect: expect(DimPatron, accepted("segment", ["a", None])),
        "values are ['a', None]",
        "not_null",
    ),
    "a text for values": (
        lambda expect: expect(DimPatron, accepted("segment", "ab")),
        "the values are one text",
        "['ab']",
    ),
    "no reference": (
        lambda expect: expect(FactOuting, refers("amount")),
        "amount refers to nobody",
        "patron_key, helper_key",
    ),
    "no reference at all": (
        lambda expect: expect(DimPatron, refers("segment")),
        "segment refers to nobody",
        "references(…)",
    ),
    "no share": (
        lambda expect: expect(FactOuting, refers("patron_key", share=1.5)),
        "share=1.5 is no share",
        "share=0.01",
    ),
    "no condition": (
        lambda expect: expect(DimPatron, holds("is so", True)),
        "True is no condition",
        "holds(",
    ),
    "a condition on another table": (
        lambda expect: expect(DimPatron, holds("is so", FactOuting.amount > 0)),
        "the condition names fact_outing.amount",
        "DimPatron only",
    ),
    "no time": (
        lambda expect: expect(DimPatron, fresh("segment", within=timedelta(days=1))),
        "segment is a VARCHAR(10), and no time",
        "a time or a date",
    ),
    "no time passes": (
        lambda expect: expect(DimPatron, fresh("synced_at", within=timedelta(0))),
        "is no time that passes",
        "timedelta(days=2)",
    ),
    "no reconciliation": (
        lambda expect: expect(DimPatron, row_count(Kiosk.buyers)),  # type: ignore[arg-type]  # that is the mistake
        "<stream kiosk.buyers> is nothing that a source can be asked for",
        "@reconciliation",
    ),
    "another source": (
        lambda expect: expect(DimPatron, row_count(Stall.count)),
        "row_count(stall.count) asks a source that does not fill it",
        "Ask Kiosk.",
    ),
    "a sum of words": (
        lambda expect: expect(DimPatron, total("segment", Kiosk.turnover)),
        "segment is a VARCHAR(10), which has no sum",
        "a number",
    ),
    "a tolerance below nothing": (
        lambda expect: expect(DimPatron, row_count(Kiosk.count_buyers, tolerance=-1)),
        "nothing can be nearer than equal",
        "Leave it out.",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_expectation_is_told_when_it_is_declared(mistake: str) -> None:
    declare, message, hint = WRONG[mistake]
    kiosk = pipeline()
    with pytest.raises(DeclarationError) as raised:
        declare(kiosk.expect)

    assert message in raised.value.message
    assert hint in str(raised.value.hint)
    assert kiosk.expectations == []


def test_an_expectation_comes_after_the_sync_that_fills_its_model() -> None:
    with pytest.raises(DeclarationError, match="does not fill it"):
        Pipeline("empty").expect(DimPatron, unique("email"))


def test_the_names_of_expectations_are_what_was_typed() -> None:
    kiosk = pipeline()
    kiosk.expect(DimPatron, unique("email", "segment"), not_null("email"), accepted("segment", ["a"]))
    kiosk.expect(FactOuting, refers("patron_key"), holds("is positive", FactOuting.amount > 0))
    kiosk.expect(FactOuting, row_count(Kiosk.count_purchases), total("amount", Kiosk.turnover))

    assert [it.name for it in kiosk.expectations] == [
        "unique(email, segment)",
        "not_null(email)",
        "accepted(segment)",
        "refers(patron_key)",
        "holds(is positive)",
        "row_count(kiosk.count_purchases)",
        "total(amount, kiosk.turnover)",
    ]


def test_a_reconciliation_takes_nothing_but_its_source() -> None:
    with pytest.raises(DeclarationError, match=r"Booth\.count: takes more than the source"):

        class Booth(Source):
            """A source."""

            @reconciliation  # type: ignore[arg-type]  # that is the mistake
            def count(self, since: str) -> int:
                """How many."""
                return 1


def test_a_method_of_another_class_is_no_reconciliation() -> None:
    class Nothing:
        """No source."""

        @reconciliation
        def count(self) -> int:
            """How many."""
            return 1

    with pytest.raises(DeclarationError, match="nothing that a source can be asked for"):
        pipeline().expect(DimPatron, row_count(Nothing.count))


@pytest.mark.parametrize("said", [1.5, True, "7", None, Decimal("NaN")])
def test_a_source_that_gives_no_exact_number_has_not_answered(said: Any) -> None:
    kiosk = Kiosk()
    kiosk.says = {"turnover": said}

    with pytest.raises(UnexpectedResponse, match=r"kiosk\.turnover"):
        Kiosk.turnover.ask(kiosk)


def test_a_reconciliation_that_is_called_on_its_source_asks_it() -> None:
    kiosk = Kiosk()
    kiosk.says = {"count_buyers": 3}

    assert (kiosk.count_buyers(), Kiosk.count_buyers.ask(kiosk)) == (3, Decimal(3))
