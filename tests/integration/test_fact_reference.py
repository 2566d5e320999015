"""Facts and the versions that they point at, drawn: one example for every way in which the two can meet."""

import pytest
from sqlalchemy import select
from tests.hotel import DimVisitor, FactStay, Guest, check, day, guest, load, stay
from tests.memory import pages

from strandline.model import Mapper, field
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


def test_a_fact_points_at_the_version_that_was_valid_when_it_happened(warehouse: Database) -> None:
    """Before the first version the first answers, and in the gap after a deletion the one before it."""
    load(warehouse, guest("silver", 10), guest("gold", 20), guest("", 25, gone=True), guest("new", 28))
    load(warehouse, *(stay(f"on {number}", number) for number in (5, 10, 15, 20, 26, 28)))
    check(
        warehouse,
        """
        | stay_id | who | tier   | version |
        | on 5    | ada | silver | 1       |
        | on 10   | ada | silver | 1       |
        | on 15   | ada | silver | 1       |
        | on 20   | ada | gold   | 2       |
        | on 26   | ada | gold   | 2       |
        | on 28   | ada | new    | 3       |
        """,
    )


def test_where_a_gap_is_unknown_a_deleted_member_takes_its_key_back_and_gives_it_on_return(
    warehouse: Database,
) -> None:
    load(
        warehouse, guest("silver", 10), guest("gold", 20), *(stay(f"on {it}", it) for it in (15, 25, 27, 29))
    )
    load(warehouse, guest("", 26, gone=True))
    check(
        warehouse,
        """
        | stay_id | who | version | resident_key | resident_durable_key | resident_missing |
        | on 15   | ada | 1       | 1            | 1                    | ∅                |
        | on 25   | ada | 2       | 2            | 1                    | ∅                |
        | on 27   | ada | 2       | -1           | -1                   | booking:ada      |
        | on 29   | ada | 2       | -1           | -1                   | booking:ada      |
        """,
    )
    load(warehouse, guest("new", 28))
    check(
        warehouse,
        """
        | stay_id | who | version | resident_key | resident_durable_key | resident_missing |
        | on 15   | ada | 1       | 1            | 1                    | ∅                |
        | on 25   | ada | 2       | 2            | 1                    | ∅                |
        | on 27   | ada | 2       | -1           | -1                   | booking:ada      |
        | on 29   | ada | 3       | 3            | 1                    | ∅                |
        """,
    )
    report = load(warehouse, guest("gold", 26))

    assert report.targets[0].counts["facts_moved"] == 1
    check(
        warehouse,
        """
        | stay_id | version | resident_key | resident_durable_key | resident_missing |
        | on 15   | 1       | 1            | 1                    | ∅                |
        | on 25   | 2       | 2            | 1                    | ∅                |
        | on 27   | 2       | 2            | 1                    | ∅                |
        | on 29   | 3       | 3            | 1                    | ∅                |
        """,
    )


def test_by_the_durable_key_a_fact_finds_its_member_as_it_is_now(warehouse: Database) -> None:
    """Type 7: by the version's key the member as it was, by the durable one as it is."""
    load(warehouse, guest("silver", 10), guest("gold", 20), stay("on 15", 15), stay("nobody", 15, guest=""))
    visitor, fact = DimVisitor.table(), FactStay.table()
    as_is = (
        select(fact.c.stay_id, visitor.c.tier)
        .join(visitor, visitor.c.visitor_durable_key == fact.c.resident_durable_key)
        .where(visitor.c.is_current)
        .order_by(fact.c.stay_id)
    )
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            as_is,
            """
            | stay_id | tier       |
            | nobody  | Not applic |
            | on 15   | gold       |
            """,
        )


def test_facts_follow_a_version_that_arrives_after_them(warehouse: Database) -> None:
    load(warehouse, guest("silver", 1), stay("early", 5), stay("late", 15))
    report = load(warehouse, guest("gold", 10))

    assert report.targets[0].counts["facts_moved"] == 2  # in two roles
    check(
        warehouse,
        """
        | stay_id | tier   |
        | early   | silver |
        | late    | gold   |
        """,
    )


def test_an_unknown_member_is_remembered_and_keyed_when_it_arrives(warehouse: Database) -> None:
    """Natural keys are of one source: the till's ada is not the booking system's."""

    class TillGuest(Mapper[Guest, DimVisitor]):
        """The till's own regulars."""

        tier = field("tier", default="regular")

    class Regulars(Source):
        """The till's other list."""

        name = "till"

        @stream(Guest, key="id", effective_at="at")
        def regulars(self) -> Pages:
            """One regular."""
            return pages([guest("regular", 1)])

    load(warehouse, guest("silver", 1), stay("first", 5, friend="ada"), stay("alone", 5, friend=""))
    waiting = """
        | stay_id | who | friend_key | friend_missing |
        | first   | ada | -1         | till:ada       |
        | alone   | ada | -2         | ∅              |
    """
    check(warehouse, waiting)
    load(warehouse, guest("gold", 10))
    check(warehouse, waiting)

    regulars = Pipeline("regulars")
    regulars.sync(Regulars.regulars, TillGuest)
    run(regulars, warehouse)
    check(
        warehouse,
        """
        | stay_id | who | friend_key | friend_missing |
        | first   | ada | 3          | ∅              |
        | alone   | ada | -2         | ∅              |
        """,
    )


def test_a_fact_is_restated_at_its_grain_and_only_where_something_changed(warehouse: Database) -> None:
    load(warehouse, guest("silver", 1), stay("a", 5), stay("b", 5), stay("c", 5))
    report = load(warehouse, stay("a", 5, price="2.50", at=day(2)), stay("b", 5, at=day(2)), stay("d", 6))

    counts = report.targets[0].counts
    assert (counts["inserted"], counts["updated"], counts["deleted"]) == (1, 1, 0)
    check(
        warehouse,
        """
        | stay_id | price |
        | a       | 2.50  |
        | b       | 1     |
        | c       | 1     |
        | d       | 1     |
        """,
    )


def test_of_two_records_at_one_grain_the_later_one_stands_also_when_it_comes_first(
    warehouse: Database,
) -> None:
    load(warehouse, stay("a", 5, price=3, at=day(3)), stay("a", 5, price=2, at=day(2)))
    load(warehouse, stay("a", 5, price=1, at=day(1)))
    check(
        warehouse,
        """
        | stay_id | price |
        | a       | 3     |
        """,
    )


def test_a_tombstone_removes_the_fact_and_a_later_record_brings_it_back(warehouse: Database) -> None:
    load(warehouse, stay("a", 5), stay("b", 5))
    load(warehouse, stay("a", 5, gone=True, at=day(2)))
    check(warehouse, "| stay_id |\n| b |")

    load(warehouse, stay("a", 6, at=day(3)))
    check(warehouse, "| stay_id |\n| a |\n| b |")


@pytest.mark.parametrize(("empty", "key"), [(None, -2), ("", -2)])
def test_an_empty_reference_is_not_applicable(warehouse: Database, empty: str | None, key: int) -> None:
    load(warehouse, stay("a", 5, guest=empty))
    with warehouse.connect() as connection:
        assert connection.scalar(select(FactStay.table().c.guest_key)) == key
