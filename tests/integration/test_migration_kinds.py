"""Every kind of change that is generated: up, down and up again on rows, and then nothing differs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from tests.shipyard import HASTY, Yard, column, of, put, reading, tables

from strandline.testing.migration import assert_migrations_round_trip, snapshot
from strandline.warehouse.database import Database
from strandline.warehouse.migration.wanted import View
from strandline.warehouse.migration.work import Patience


def key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names or ("ship_id",))


def ship(*parts: Any, comment: str | None = None) -> list[sa.Table]:
    return of(column("ship_id", sa.BigInteger, nullable=False), *parts, key(), comment=comment)


@dataclass
class Kind:
    """One kind of change."""

    before: list[sa.Table]
    after: list[sa.Table]
    rows: list[dict[str, Any]] = field(default_factory=list)
    hints: dict[str, Any] = field(default_factory=dict)
    step: str = ""
    """What the revision does."""
    views: tuple[list[View], list[View]] = ([], [])
    """Before and after."""


ROWS = [{"ship_id": number} for number in range(1, 8)]
NAMED = [{"ship_id": number, "label": f"ship {number}", "tons": number} for number in range(1, 8)]
LABEL, TONS = ("label", sa.String(40)), ("tons", sa.Integer)


def plain(*extra: Any) -> list[sa.Table]:
    return ship(column(*LABEL), column(*TONS), *extra)


def view(*columns: str, table: str = "fact_ship") -> list[View]:
    """The one of the ships as they are now."""
    query = f"SELECT {', '.join(columns)} FROM {{warehouse}}.{table}"
    return [View("warehouse", "fact_ship_current", query, f"The members of {table} as they are now", table)]


def spell(*extra: Any, tons: Any = sa.Integer, label: Any = None) -> list[sa.Table]:
    return ship(column("label", label if label is not None else sa.String(40)), column("tons", tons), *extra)


KINDS: dict[str, Kind] = {
    "a new table": Kind(
        ship(),
        [
            *ship(),
            *tables(
                (
                    "dim_port",
                    column("port_key", sa.BigInteger, sa.Identity(start=1), nullable=False),
                    key("port_key"),
                )
            ),
        ],
        ROWS,
        step="create_table",
    ),
    "a table that is gone": Kind(
        [*ship(), *tables(("dim_port", column("port_key", sa.BigInteger, nullable=False), key("port_key")))],
        ship(),
        ROWS,
        {"drops": True},
        "drop_table",
    ),
    "a column that may be empty": Kind(
        ship(), ship(column(*LABEL, comment="It's 100 % a name")), ROWS, step="add_column"
    ),
    "a column that must be filled": Kind(
        ship(), ship(column(*TONS, nullable=False)), ROWS, {"fills": {"fact_ship.tons": "0"}}, 'fill="0"'
    ),
    "a column that is made of others": Kind(
        plain(),
        plain(column("shown", sa.Text, nullable=False)),
        NAMED,
        {"fills": {"fact_ship.shown": "upper(label)"}},
        "upper(label)",
    ),
    "a column with a default": Kind(
        ship(),
        ship(column("flag", sa.Text, nullable=False, server_default="none")),
        ROWS,
        step="server_default",
    ),
    "a column with a default that is another for each row": Kind(
        ship(),
        ship(column("token", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()"))),
        ROWS,
        step="gen_random_uuid",
    ),
    "a column that is gone": Kind(plain(), ship(column(*TONS)), NAMED, {"drops": True}, "drop_column"),
    "a column that had to be filled is gone": Kind(
        ship(column(*TONS, nullable=False)),
        ship(),
        [{"ship_id": 1, "tons": 5}],
        {"drops": True},
        "drop_column",
    ),
    "a column that stays without a model": Kind(
        ship(column(*TONS, nullable=False)), ship(), [{"ship_id": 1, "tons": 5}], step="release_column"
    ),
    "a longer text": Kind(plain(), spell(label=sa.String(80)), NAMED, step="change_type"),
    "a text without a limit": Kind(plain(), spell(label=sa.Text()), NAMED, step="change_type"),
    "a shorter text": Kind(plain(), spell(label=sa.String(10)), NAMED, step="narrows"),
    "a larger number": Kind(plain(), spell(tons=sa.BigInteger), NAMED, step="change_type"),
    "a number that is exact": Kind(plain(), spell(tons=sa.Numeric(18, 2)), NAMED, step="change_type"),
    "a number that becomes text": Kind(plain(), spell(tons=sa.Text), NAMED, step="change_type"),
    "a value that is required": Kind(
        plain(), ship(column(*LABEL, nullable=False), column(*TONS)), NAMED, step="require_column"
    ),
    "a value that is filled and required": Kind(
        plain(),
        ship(column(*LABEL, nullable=False), column(*TONS)),
        [*NAMED, {"ship_id": 9, "label": None, "tons": 1}],
        {"fills": {"fact_ship.label": "'none'"}},
        "online.fill",
    ),
    "a value that is required no more": Kind(
        ship(column(*LABEL, nullable=False), column(*TONS)), plain(), NAMED, step="release_column"
    ),
    "another default": Kind(
        ship(column(*TONS, server_default="1")),
        ship(column(*TONS, server_default="2")),
        ROWS,
        step="set_default",
    ),
    "no default any more": Kind(
        ship(column(*TONS, server_default="1")), ship(column(*TONS)), ROWS, step="set_default"
    ),
    "other comments": Kind(
        ship(column(*TONS, comment="Tons"), comment="Ships"),
        ship(column(*TONS, comment="Tonnes: 50 %"), comment="Every 'ship'"),
        ROWS,
        step="comment_table",
    ),
    "no comments any more": Kind(
        ship(column(*TONS, comment="Tons"), comment="Ships"), ship(column(*TONS)), ROWS, step="comment_column"
    ),
    "an index": Kind(plain(), plain(sa.Index(None, "label")), NAMED, step="create_index"),
    "an index that is unique": Kind(
        plain(), plain(sa.Index(None, "label", unique=True)), NAMED, step="UNIQUE btree"
    ),
    "an index on some rows": Kind(
        plain(),
        plain(sa.Index(None, "label", postgresql_where=sa.text("tons > 3"))),
        NAMED,
        step="WHERE (tons > 3)",
    ),
    "an index on an expression": Kind(
        plain(), plain(sa.Index("ix_fact_ship_lower", sa.text("lower(label)"))), NAMED, step="lower("
    ),
    "an index within JSON": Kind(
        ship(column("extra", JSONB)),
        ship(column("extra", JSONB), sa.Index(None, "extra", postgresql_using="gin")),
        [{"ship_id": 1, "extra": {"a": 1}}],
        step="gin (extra)",
    ),
    "another index of the same name": Kind(
        plain(sa.Index(None, "label")),
        plain(sa.Index(None, "label", postgresql_where=sa.text("tons > 3"))),
        NAMED,
        step="create_index",
    ),
    "an index that is gone": Kind(plain(sa.Index(None, "label")), plain(), NAMED, step="drop_index"),
    "a check": Kind(
        plain(), plain(sa.CheckConstraint("tons > 0", name="tons")), NAMED, step="CHECK ((tons > 0))"
    ),
    "another check": Kind(
        plain(sa.CheckConstraint("tons > 0", name="tons")),
        plain(sa.CheckConstraint("tons > 0 AND tons < 9", name="tons")),
        NAMED,
        step="add_constraint",
    ),
    "a check that is gone": Kind(
        plain(sa.CheckConstraint("tons > 0", name="tons")), plain(), NAMED, step="drop_constraint"
    ),
    "what is unique": Kind(plain(), plain(sa.UniqueConstraint("label")), NAMED, step="UNIQUE (label)"),
    "what else is unique": Kind(
        plain(sa.UniqueConstraint("label", name="uq_fact_ship_it")),
        plain(sa.UniqueConstraint("label", "tons", name="uq_fact_ship_it")),
        NAMED,
        step="UNIQUE (label, tons)",
    ),
    "what is unique no more": Kind(
        plain(sa.UniqueConstraint("label")), plain(), NAMED, step="drop_constraint"
    ),
    "a foreign key": Kind(
        plain(),
        plain(sa.ForeignKeyConstraint(["tons"], ["warehouse.dim_port.port_key"], ondelete="RESTRICT")),
        step="REFERENCES {warehouse}.dim_port(port_key) ON DELETE RESTRICT",
    ),
    "what excludes each other": Kind(
        plain(),
        plain(
            ExcludeConstraint(
                (sa.text("int4range(tons, tons + 1)"), "&&"), name="ex_fact_ship_tons", using="gist"
            )
        ),
        NAMED,
        step="EXCLUDE USING gist",
    ),
    "another primary key": Kind(
        plain(),
        of(
            column("ship_id", sa.BigInteger, nullable=False),
            column(*LABEL, nullable=False),
            column(*TONS),
            key("ship_id", "label"),
        ),
        NAMED,
        step="PRIMARY KEY (ship_id, label)",
    ),
    "a column that is renamed, with what is called after it": Kind(
        plain(
            sa.Index(None, "label"),
            sa.UniqueConstraint("label"),
            sa.CheckConstraint("label <> ''", name="label"),
        ),
        ship(
            column("title", sa.String(40)),
            column(*TONS),
            sa.Index(None, "title"),
            sa.UniqueConstraint("title"),
            sa.CheckConstraint("title <> ''", name="title"),
        ),
        NAMED,
        {"renames": {"fact_ship.label": "title"}},
        "rename_column",
    ),
    "a column that is computed": Kind(
        plain(),
        plain(column("double", sa.Integer, sa.Computed("tons * 2", persisted=True))),
        NAMED,
        step="sa.Computed",
    ),
    "a new view": Kind(plain(), plain(), NAMED, step="create_view", views=([], view("ship_id"))),
    "another view": Kind(
        plain(), plain(), NAMED, step="tons", views=(view("ship_id"), view("ship_id", "tons"))
    ),
    "a view that is gone": Kind(plain(), plain(), NAMED, step="drop_view", views=(view("ship_id"), [])),
    "a type below a view": Kind(
        plain(), spell(tons=sa.BigInteger), NAMED, step="drop_view", views=(view("tons"), view("tons"))
    ),
    "a column below a view is renamed": Kind(
        plain(),
        ship(column("title", sa.String(40)), column(*TONS)),
        NAMED,
        {"renames": {"fact_ship.label": "title"}},
        "rename_column",
        (view("label"), view("title")),
    ),
    "a column below a view is gone": Kind(
        plain(), ship(column(*TONS)), NAMED, {"drops": True}, "drop_column", (view("label"), view("tons"))
    ),
    "a table that is renamed": Kind(
        plain(sa.Index(None, "label")),
        tables(
            (
                "fact_vessel",
                column("ship_id", sa.BigInteger, nullable=False),
                column(*LABEL),
                column(*TONS),
                key(),
                sa.Index(None, "label"),
            )
        ),
        NAMED,
        {"renames": {"fact_ship": "fact_vessel"}},
        "rename_table",
    ),
}


@pytest.fixture
def yard(tmp_path: Path, warehouse: Database) -> Yard:
    return Yard(tmp_path, warehouse)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_goes_up_and_down_and_up_again_on_rows(yard: Yard, kind: str) -> None:
    given = KINDS[kind]
    yard.revise(_with_ports(given.before), views=given.views[0])
    yard.upgrade()
    first = yard.read(yard.revise(_with_ports(given.after), views=given.views[1], **given.hints))
    yard.downgrade("base", allow_destructive=True)

    def fill(connection: sa.Connection, revision: str) -> None:
        if revision not in first and given.rows:
            put(connection, given.before[0], *given.rows)

    assert given.step in first
    with reading(yard.database, "warehouse.fact_ship", patience=Patience().lock_timeout):
        assert_migrations_round_trip(yard.database, yard.folder, fill=fill)
    state = yard.status(_with_ports(given.after), views=given.views[1])
    assert (state.differences, state.pending) == ([], [])


def _with_ports(wanted: list[sa.Table]) -> list[sa.Table]:
    """With the table that the foreign key refers to, for tables refer within their metadata."""
    metadata = wanted[0].metadata
    if "foreign" in str([type(it).__name__.lower() for it in wanted[0].constraints]):
        port = metadata.tables.get("warehouse.dim_port")
        if port is None:
            port = sa.Table("dim_port", metadata, column("port_key", sa.Integer), key("port_key"))
        return [*wanted, port] if port not in wanted else wanted
    return wanted


def richly(label: Any, tons: Any) -> list[sa.Table]:
    """With all that a column can be part of."""
    return of(
        column("ship_id", sa.BigInteger, nullable=False),
        column("label", label, nullable=False, server_default="none", comment="It's a name"),
        column("tons", tons),
        key("ship_id", "label"),
        sa.UniqueConstraint("label", "tons", name="uq_fact_ship_it"),
        sa.CheckConstraint("tons > 0 AND label <> ''", name="sound"),
        sa.Index(None, "tons", postgresql_where=sa.text("tons > 3")),
        sa.Index("ix_fact_ship_lower", sa.text("lower(label)")),
    )


@pytest.mark.parametrize(
    "after",
    [
        richly(sa.String(40), sa.BigInteger),
        richly(sa.String(40), sa.Numeric(9, 2)),
        richly(sa.String(12), sa.Integer),
    ],
    ids=["bigint", "numeric", "shorter"],
)
def test_a_type_of_a_large_table_is_changed_beside_it(yard: Yard, after: list[sa.Table]) -> None:
    before = richly(sa.String(40), sa.Integer)
    yard.revise(before)
    yard.upgrade()
    yard.put(before[0], *NAMED)
    first = snapshot(yard.database)
    written = yard.revise(after)
    beside = replace(HASTY, small=0)
    yard.upgrade(patience=beside, allow_destructive=True)
    then = snapshot(yard.database)
    assert yard.status(after).differences == []
    yard.downgrade(patience=beside, allow_destructive=True)
    assert snapshot(yard.database) == first, written.changes
    yard.upgrade(patience=beside, allow_destructive=True)
    assert snapshot(yard.database) == then
