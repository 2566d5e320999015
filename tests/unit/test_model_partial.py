"""Indexes of some of the rows: the same on both databases."""

import pytest
from sqlalchemy import Boolean, Column, Integer, MetaData, Table
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex

from strandline.model.partial import PartialIndex


@pytest.mark.parametrize("backend", ["postgresql+psycopg", "sqlite"])
def test_a_partial_index_has_its_condition_on_both_databases(backend: str) -> None:
    table = Table("lamp", MetaData(), Column("number", Integer), Column("is_current", Boolean))
    index = PartialIndex("uq_lamp", table.c.number, where=table.c.is_current, unique=True)

    made = " ".join(
        str(CreateIndex(index).compile(dialect=make_url(f"{backend}://").get_dialect()())).split()
    )

    assert made.startswith("CREATE UNIQUE INDEX uq_lamp ON lamp (number) WHERE is_current")
