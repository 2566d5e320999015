"""Build or buy: numbers as people write them, the catalogue, the costs, and the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.effort import cases

from strandline import advice
from strandline.advice import catalogue, cost, quantity, rule
from strandline.advice.cost import Way
from strandline.errors import SettingsWrong


def situation(**answers: object) -> advice.Situation:
    return advice.read(answers)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("200k", 200_000),
        ("1.5M", 1_500_000),
        ("2 G", 2e9),
        ("1_000", 1000),
        ("1,000", 1000),
        (7, 7),
        ("0", 0),
    ],
)
def test_numbers_are_taken_as_people_write_them(written: object, meant: float) -> None:
    assert quantity.number(written) == meant


@pytest.mark.parametrize("written", ["", "many", "-1", "1e300", "nan", "inf", True, None, [1], "2MM"])
def test_what_is_no_number_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="a number"):
        quantity.number(written)


@given(st.integers(1, 999), st.sampled_from("smhdw"))
def test_a_time_that_is_shown_is_the_time_that_was_typed(length: int, unit: str) -> None:
    typed = quantity.seconds(f"{length}{unit}")

    assert quantity.seconds(quantity.shown_seconds(typed)) == typed


def test_a_share_of_the_records_follows_them() -> None:
    assert situation(source="hubspot", records="2M", changes="5%").answers.changes_a_month == 100_000
    assert situation(source="hubspot", records="2M", changes="5k").answers.changes_a_month == 5_000


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("HubSpot", "hubspot"),
        ("Google Ads", "google-ads"),
        ("adwords", "google-ads"),
        ("PostgreSQL", "postgres"),
        ("zendesk", "zendesk"),
        ("Business Central", "dynamics-bc"),
        ("MariaDB", "mysql"),
    ],
)
def test_a_source_is_found_however_it_is_written(written: str, name: str) -> None:
    found = catalogue.find(written)

    assert found is not None
    assert found.name == name


def test_every_source_is_found_by_its_own_name_and_has_a_connector() -> None:
    for it in catalogue.listings():
        assert catalogue.find(it.name) == it
        assert it.is_open
        assert it.kind in ("api", "database", "files")
    assert len(catalogue.listings()) == 640


def test_a_database_is_paid_by_its_bytes() -> None:
    """100 million records a month of 530 bytes are 53 GB: 530 dollars, and 10 for the plan."""
    asked = situation(source="postgres", records="1G", changes="100M")

    assert cost.cost(Way.BUY, asked).fee_year == pytest.approx(12 * 540)


def test_a_service_that_counts_active_rows_counts_a_record_once() -> None:
    asked = {"source": "our shop", "unlisted": True, "fivetran": True, "records": "1M"}
    often, seldom = (cost.cost(Way.BUY, situation(**asked, changes=it)).fee_year for it in ("50M", "1M"))

    assert often == seldom == 12 * (5 + 500)
    assert cost.cost(Way.BUY, situation(**asked, changes="500k")).fee_year == 0


def test_the_service_that_is_quick_enough_is_taken_though_it_is_dearer() -> None:
    asked = {"source": "shopify", "fivetran": True, "records": "2M", "changes": "2M"}
    slow, quick = (cost.service(situation(**asked, freshness=it)) for it in ("1d", "10m"))

    assert slow is not None
    assert quick is not None
    assert (slow.name, quick.name) == ("Airbyte Cloud", "Fivetran")


def test_among_equals_the_least_code_of_ones_own_is_taken() -> None:
    asked = {"source": "stripe", "changes": "20M", "records": "20M"}
    dearer = situation(**asked)
    chosen = advice.advise(dearer)
    prices = {it.way: it.cost.total for it in chosen.options if it.fits}

    assert chosen.way is Way.BUY
    assert prices[Way.ADOPT] * 0.7 < prices[Way.BUY]


ANSWERS = st.fixed_dictionaries(
    {"source": st.sampled_from(["hubspot", "postgres", "clarabridge", "netsuite", "personio"])},
    optional={
        "unlisted": st.booleans(),
        "records": st.sampled_from(["1", "10k", "5M", "1G"]),
        "changes": st.sampled_from(["0", "1%", "100%", "3M", "1G"]),
        "customisation": st.sampled_from(["none", "some", "most"]),
        "team": st.sampled_from(["0", "0.1", "0.3", "1", "20"]),
        "budget": st.sampled_from(["0", "500", "5000", "1M"]),
        "freshness": st.sampled_from(["1s", "1m", "10m", "1h", "1d"]),
        "fivetran": st.booleans(),
    },
)


@cases(300)
@given(ANSWERS)
def test_every_advice_follows_its_own_rules(answers: dict[str, object]) -> None:
    asked = situation(**answers)
    told = advice.advise(asked)
    fitting = {it.way: it.cost.total for it in told.options if it.fits}

    assert told.reasons
    assert told.fits is (told.way in fitting)
    assert told.fits is bool(fitting)
    assert (told.way is None) is rule.is_a_stream(asked)
    if told.way in fitting:
        assert fitting[told.way] <= min(fitting.values()) * (1 + asked.assumptions.tie)
    elif told.way is not None:
        assert told.must_change
        assert not any(it.is_hard for it in told.must_change)


def test_a_name_that_means_nothing_has_no_nearest() -> None:
    with pytest.raises(SettingsWrong, match="no name in it is near"):
        situation(source="qqqqxxxx")
