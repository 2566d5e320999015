"""A hierarchy that is declared when its dimension is there already, and circles in what a source sends."""

from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import String, inspect, select, text
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import Dimension, Hierarchy, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing import assert_drawn
from strandline.warehouse import state
from strandline.warehouse.database import Database


class Folder(Record):
    """A folder and the one that it lies in."""

    id: str
    at: AwareDatetime
    within: int | str | None = None
    shelf: str | None = None


class Archive(Source):
    """Folders."""

    def __init__(self, *folders: Given) -> None:
        super().__init__()
        self.records = folders

    @stream(Folder, key="id", effective_at="at", deleted="gone")
    def folders(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class DimShelf(Dimension):
    """A shelf."""

    label: Mapped[str | None] = attribute(String(40))


class DimFolder(Dimension):
    """A folder."""

    within: Mapped[str | None] = attribute(String(40))
    shelf_id: Mapped[str | None] = attribute(String(40), outrigger=DimShelf)


class BridgeFolder(Hierarchy, of=DimFolder, parent="within"):
    """Which folder lies in which."""


class ArchiveFolder(Mapper[Folder, DimFolder]):
    """The archive's folders."""

    within = field("within")
    shelf_id = field("shelf")


archive = Pipeline("archive")
archive.sync(Archive.folders, ArchiveFolder)

TREE = text("""
    SELECT a.source_id AS above, d.source_id AS below, depth, is_leaf, is_root, is_cut
    FROM warehouse.bridge_folder b
    JOIN warehouse.dim_folder a ON a.folder_durable_key = ancestor_durable_key
    JOIN warehouse.dim_folder d ON d.folder_durable_key = descendant_durable_key
""")


def load(database: Database, *folders: dict[str, Any]) -> RunReport:
    dated = [{"at": "2026-01-01T00:00:00Z", **folder} for folder in folders]
    return run(archive, database, sources={"archive": Archive(*dated)})


def test_a_hierarchy_that_is_declared_later_is_filled_when_its_table_is_made(warehouse: Database) -> None:
    load(
        warehouse, {"id": "1"}, {"id": "2", "within": 1}, {"id": "3", "within": 2}, {"id": "4", "gone": True}
    )
    with warehouse.begin() as connection:
        connection.execute(text("DROP TABLE warehouse.bridge_folder"))

    assert load(warehouse).status == "done"
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            TREE,
            """
            | above          | below          | depth | is_leaf | is_root | is_cut |
            | unknown        | unknown        | 0     | true    | true    | false  |
            | not applicable | not applicable | 0     | true    | true    | false  |
            | 1              | 1              | 0     | false   | true    | false  |
            | 1              | 2              | 1     | false   | true    | false  |
            | 2              | 2              | 0     | false   | false   | false  |
            | 1              | 3              | 2     | true    | true    | false  |
            | 2              | 3              | 1     | true    | false   | false  |
            | 3              | 3              | 0     | true    | false   | false  |
            """,
        )


def test_a_circle_is_cut_and_noted_with_its_path_until_it_is_mended(warehouse: Database) -> None:
    noted = select(
        state.reject.c.target, state.reject.c.source_id, state.reject.c.rule, state.reject.c.reason
    )
    around = [{"id": it, "within": above} for it, above in [("a", "c"), ("b", "a"), ("c", "b"), ("d", "c")]]

    report = load(warehouse, *around)
    assert (report.status, report.streams[0].rejected) == ("partial", 3)
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            noted,
            """
            | target       | source_id | rule      | reason                                              |
            | BridgeFolder | a         | hierarchy | DimFolder.within: a → c → b → a stands above itself |
            | BridgeFolder | b         | hierarchy | DimFolder.within: b → a → c → b stands above itself |
            | BridgeFolder | c         | hierarchy | DimFolder.within: c → b → a → c stands above itself |
            """,
        )
        assert_drawn(
            connection,
            text(f"{TREE.text} WHERE depth = 1"),
            """
            | above | below | depth | is_leaf | is_root | is_cut |
            | c     | d     | 1     | true    | true    | true   |
            """,
        )
    assert load(warehouse, {"id": "b", "at": "2026-01-02T00:00:00Z"}).status == "done"
    with warehouse.connect() as connection:
        assert not connection.execute(noted).all()


def test_a_long_circle_is_told_in_part(warehouse: Database) -> None:
    load(warehouse, *({"id": f"f{number}", "within": f"f{(number + 1) % 50}"} for number in range(50)))
    with warehouse.connect() as connection:
        reason = connection.scalar(select(state.reject.c.reason).where(state.reject.c.source_id == "f7"))

    assert reason == (
        "DimFolder.within: f7 → f8 → f9 → f10 → f11 → f12 → f13 → f14 → f15 → f16 → … → f7"
        " stands above itself"
    )


def test_children_are_found_by_an_index(warehouse: Database) -> None:
    load(warehouse)
    with warehouse.connect() as connection:
        found = inspect(connection).get_indexes("dim_folder", schema="warehouse")

    assert "ix_dim_folder_within" in {it["name"] for it in found}


def test_columns_that_are_new_bring_hierarchy_and_outrigger_up_to_them(warehouse: Database) -> None:
    load(warehouse, {"id": "a", "within": "b", "shelf": "s"}, {"id": "b"}, {"id": "c", "within": "c"})
    with warehouse.begin() as connection:
        connection.execute(text("UPDATE warehouse.dim_folder SET within = NULL, shelf_durable_key = -1"))
        connection.execute(text("DELETE FROM warehouse.bridge_folder WHERE depth > 0"))
        connection.execute(text("UPDATE warehouse.bridge_folder SET is_cut = false"))
        connection.execute(text("DELETE FROM strandline.reject"))
        connection.execute(text("UPDATE strandline.applied_mark SET columns = '[]'"))

    assert load(warehouse).status == "partial"
    with warehouse.connect() as connection:
        assert_drawn(
            connection,
            text(f"{TREE.text} WHERE depth = 1 OR is_cut"),
            """
            | above | below | depth | is_leaf | is_root | is_cut |
            | b     | a     | 1     | true    | true    | false  |
            | c     | c     | 0     | true    | true    | true   |
            """,
        )
        assert connection.scalar(text("SELECT max(shelf_durable_key) FROM warehouse.dim_folder")) == 1
