"""Whether an aggregate is what it should be."""

from collections import Counter

from sqlalchemy import select

from strandline.model import Aggregate
from strandline.warehouse.database import Database


def assert_is_its_query(database: Database, aggregate: type[Aggregate]) -> None:
    """Compare an aggregate's rows with what its query gives now."""
    query = aggregate.query()
    names = list(query.selected_columns.keys())
    table = aggregate.table()
    with database.connect() as connection:
        kept = connection.execute(select(*(table.c[name] for name in names))).all()
        wanted = connection.execute(select(query.subquery())).all()
    assert Counter(map(tuple, kept)) == Counter(map(tuple, wanted))
