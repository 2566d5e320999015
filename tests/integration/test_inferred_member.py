"""Members known only by the key that a fact names: what completes them, and what makes them so again."""

from sqlalchemy import select
from tests.hotel import DimVisitor, check, guest, load, stay

from strandline.testing import assert_drawn
from strandline.warehouse.database import Database


def test_an_inferred_member_is_completed_in_place(warehouse: Database) -> None:
    """Its key stays, so the facts need not move; several versions at once take their facts with them."""
    load(warehouse, stay("first", 5), stay("second", 15))
    with warehouse.connect() as connection:
        query = select(DimVisitor.table()).where(DimVisitor.key_column() > 0)
        inferred = connection.execute(query).mappings().one()
    assert (inferred["is_inferred"], inferred["tier"], inferred["source_system"]) == (
        True,
        "Unknown",
        "booking",
    )

    load(warehouse, guest("silver", 3), guest("gold", 10))
    check(
        warehouse,
        """
        | stay_id | tier   | version |
        | first   | silver | 1       |
        | second  | gold   | 2       |
        """,
    )
    with warehouse.connect() as connection:
        completed = connection.execute(query.order_by(DimVisitor.version)).mappings().all()
    assert completed[0]["visitor_key"] == inferred["visitor_key"]
    assert {row["visitor_durable_key"] for row in completed} == {inferred["visitor_durable_key"]}
    assert not any(row["is_inferred"] for row in completed)


def test_the_tombstone_of_a_member_that_is_only_inferred_leaves_it_as_it_is(warehouse: Database) -> None:
    """Had the tombstone come first, nobody would have been there to delete."""
    load(warehouse, stay("first", 5))
    load(warehouse, guest("", 3, gone=True))
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            select(DimVisitor.table()).where(DimVisitor.key_column() > 0),
            """
            | source_id | is_inferred | is_current | is_deleted |
            | ada       | true        | true       | false      |
            """,
        )


def test_an_inferred_member_whose_first_record_comes_late_is_completed_in_place_too(
    warehouse: Database,
) -> None:
    """The tombstone came first, so the history is rebuilt; the facts stay where they are all the same."""
    load(warehouse, stay("first", 5))
    load(warehouse, guest("", 20, gone=True))
    report = load(warehouse, guest("silver", 3))

    counts = report.targets[0].counts
    assert (counts["rebuilt"], counts["facts_moved"], counts["removed"]) == (1, 0, 0)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            select(DimVisitor.table()).where(DimVisitor.key_column() > 0),
            """
            | visitor_key | visitor_durable_key | tier   | is_inferred | is_deleted |
            | 1           | 1                   | silver | false       | true       |
            """,
        )


def test_facts_return_to_what_is_left_of_a_member_whose_whole_history_is_withdrawn(
    warehouse: Database,
) -> None:
    """Each of its records was followed by a tombstone at its own instant: it is known by its key alone."""
    load(warehouse, guest("silver", 1), guest("gold", 10), stay("early", 5), stay("late", 15))
    report = load(warehouse, guest("", 1, gone=True), guest("", 10, gone=True))

    assert report.targets[0].counts["facts_moved"] == 2  # in two roles
    check(
        warehouse,
        """
        | stay_id | who | tier    | version | resident_key |
        | early   | ada | Unknown | 1       | 1            |
        | late    | ada | Unknown | 1       | 1            |
        """,
    )
