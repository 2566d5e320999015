"""What `assert_migrations_round_trip` finds: revisions that cannot be taken back, or do not come back."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.shipyard import Yard, column, of, put

from strandline.pipeline import migration
from strandline.testing import assert_migrations_round_trip
from strandline.warehouse.database import Database

SHIPS = of(
    column("ship_id", sa.BigInteger, nullable=False),
    column("label", sa.String(40)),
    sa.PrimaryKeyConstraint("ship_id"),
)
AT = "schema=schemas.warehouse"


def fill(connection: sa.Connection, _: str) -> None:
    if connection.scalar(sa.text("SELECT count(*) FROM warehouse.fact_ship")) == 0:
        put(connection, SHIPS[0], {"ship_id": 1, "label": "Argo"}, {"ship_id": 2, "label": "Beagle"})


@pytest.fixture
def yard(tmp_path: Path, warehouse: Database) -> Yard:
    """With the revision that makes the ships."""
    yard = Yard(tmp_path, warehouse)
    yard.revise(SHIPS)
    return yard


def write(yard: Yard, *, up: str, down: str, beside: str = "") -> None:
    """A revision that somebody has written."""
    written = migration.data_revision(yard.folder, message="by hand")
    assert written.file is not None
    text = written.file.read_text()
    head, upgrade, downgrade = text.partition("def upgrade")[0], f"    {up}\n", f"    {down}\n"
    written.file.write_text(
        f"import sqlalchemy as sa\n{head}{beside}\n\n\ndef upgrade() -> None:\n{upgrade}\n\n"
        f"def downgrade() -> None:\n{downgrade}"
    )


INDEX = f'online.create_index("ix_label", "fact_ship", "btree (label)", {AT})'
UPPER = f'online.update("fact_ship", {{"label": "upper(label)"}}, {AT})'
LONGER = f'online.update("fact_ship", {{"label": "label || 1"}}, {AT})'
COLUMN = f'online.add_column("fact_ship", sa.Column("tons", sa.Integer), {AT})'
DROP = f'online.drop_column("fact_ship", "label", {AT})'
LABEL = f'online.add_column("fact_ship", sa.Column("label", sa.String(40)), {AT})'


@pytest.mark.parametrize(
    ("up", "down", "said"),
    [
        (INDEX, "pass", "taken back: warehouse.fact_ship, indexes: ix_label is still there"),
        (COLUMN, "pass", "taken back: warehouse.fact_ship, columns: tons is still there"),
        (UPPER, "pass", r"taken back: warehouse.fact_ship: 2 rows and not 2, .*'Argo'.* became .*'ARGO'"),
        (
            f'online.create_index("ix_label", "fact_ship", "btree (label, ship_id)", {AT})',
            f'online.drop_index("ix_lable", "fact_ship", {AT})',
            "ix_label is still there",
        ),
        (DROP, LABEL, r"taken back: .*'label': 'Argo'.* became .*'label': None"),
        ("pass", f'online.drop_table("fact_ship", {AT})', "warehouse.fact_ship is not there any more"),
    ],
)
def test_a_revision_that_is_not_taken_back_is_found(yard: Yard, up: str, down: str, said: str) -> None:
    write(yard, up=up, down=down)
    with pytest.raises(AssertionError, match=said):
        assert_migrations_round_trip(yard.database, yard.folder, fill=fill)


def test_a_revision_that_does_not_come_back_as_it_was_is_found(yard: Yard) -> None:
    write(yard, up=LONGER, down="pass", beside='rewrites = ["warehouse.fact_ship.label"]')
    write(yard, up="pass", down=LONGER)
    with pytest.raises(AssertionError, match=r"taken back: warehouse\.fact_ship: 2 rows"):
        assert_migrations_round_trip(yard.database, yard.folder, fill=fill)


@pytest.mark.parametrize(
    ("up", "down", "beside"),
    [
        (INDEX, f'online.drop_index("ix_label", "fact_ship", {AT})', ""),
        (UPPER, "pass", 'rewrites = ["warehouse.fact_ship.label"]'),
        (DROP, LABEL, 'loses = {"upgrade": ["drops the column warehouse.fact_ship.label"]}'),
    ],
)
def test_a_revision_that_says_what_it_loses_is_well(yard: Yard, up: str, down: str, beside: str) -> None:
    write(yard, up=up, down=down, beside=beside)
    assert_migrations_round_trip(yard.database, yard.folder, fill=fill)
