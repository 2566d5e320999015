"""What a prune exports: every byte of it, one file a month, and back again; of nobody else."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import select
from sqlalchemy.orm import Mapped

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, erase, run
from strandline.pipeline.pruning import StreamPrune, prune
from strandline.pipeline.restoration import StreamRestore, restore
from strandline.source import Cursor, Page, Pages, Record, Source, stream
from strandline.warehouse import state
from strandline.warehouse.database import Database


class Letter(Record):
    """A letter."""

    id: str
    at: AwareDatetime
    day: date
    edition: int = 0
    text: str = ""


class Desk(Source):
    """Letters, with all that an entry of the raw log can have."""

    name = "desk_of_letters"

    def __init__(self, *months: tuple[datetime, list[bytes]]) -> None:
        super().__init__()
        self.months = months

    @stream(Letter, key="id", cursor=Cursor("day"), effective_at="at", tie_break="edition")
    def letters(self, since: date | None) -> Pages:
        """A page of each moment."""
        for number, (moment, records) in enumerate(self.months, 1):
            yield Page(records, number, "memory", status=200, fetched_at=moment, size=1)


class DimLetter(Dimension):
    """A letter."""

    text: Mapped[str] = attribute()


class DeskLetter(Mapper[Letter, DimLetter]):
    """Letters."""

    text = field("text")


desk = Pipeline("desk")
desk.sync(Desk.letters, DeskLetter)
NAME = "desk_of_letters.letters"
MARCH, APRIL = datetime(2026, 3, 31, 23, 59, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


def letter(key: str, day: int, note: bytes = b"") -> bytes:
    return b'{"id": "%s", "at": "2026-03-%02dT00:00:00Z", "day": "2026-03-%02d", "note": "%s" }' % (
        key.encode(), day, day, note,
    )  # fmt: skip


NASTY = [b"\\u0000", b"\\u00e9", "😀".encode(), b"x" * 3_000_000, b"1e400"]
SENT = (
    (MARCH, [letter("a", 1), *(letter("a", day, it) for day, it in enumerate(NASTY, 2)), letter("b", 1)]),
    (APRIL, [*(letter("a", day) for day in (10, 11, 12)), letter("b", 2), letter("b", 3)]),
)


def entries(database: Database) -> list[Any]:
    log = desk.readings[0].raw
    with database.connect() as connection:
        return [tuple(it) for it in connection.execute(select(log).order_by(log.c.raw_id))]


def load(database: Database, *months: tuple[datetime, list[bytes]]) -> None:
    assert run(desk, database, sources={Desk.name: Desk(*months)}).status == "done"


def cut(database: Database, folder: Path) -> StreamPrune:
    return prune([desk], database, [NAME], older_than=timedelta(0), export=folder).streams[0]


def back(database: Database, folder: Path) -> StreamRestore:
    return restore([desk], database, folder).streams[0]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def test_what_is_exported_and_restored_is_the_same_to_the_last_byte(
    warehouse: Database, archive: Path
) -> None:
    """One file for each month of reading, with every column; restored twice it is there once."""
    load(warehouse, *SENT)
    before = entries(warehouse)
    told = cut(warehouse, archive)
    names = sorted(it.name for it in archive.iterdir())

    assert [it.rsplit("-", 1)[0] for it in names] == [
        "desk_of_letters_letters-2026-03-2-6",
        "desk_of_letters_letters-2026-04-8-11",
    ]
    assert (len(entries(warehouse)), told.entries) == (len(before) - told.entries, 8)
    assert sorted(Path(it).name for it in told.exported) == names
    assert (back(warehouse, archive).entries, back(warehouse, archive).entries) == (8, 0)
    assert entries(warehouse) == before
    with warehouse.connect() as connection:
        assert connection.execute(select(state.pruned_key)).all() == []
        (line,) = connection.execute(select(state.prune.c.entries, state.prune.c.exported_to))
        assert line == (8, str(archive))


def test_a_prune_that_died_behind_its_export_is_done_again(warehouse: Database, archive: Path) -> None:
    """The same entries give the same files; a folder that cannot be written prunes nothing."""
    load(warehouse, *SENT)
    before = entries(warehouse)
    archive.write_text("in the way")
    failed = cut(warehouse, archive)
    assert (failed.status, entries(warehouse) == before) == ("failed", True)
    archive.unlink()
    first = cut(warehouse, archive)
    back(warehouse, archive)

    assert cut(warehouse, archive).exported == first.exported
    assert len(list(archive.iterdir())) == 2


def test_what_was_erased_since_stays_away(warehouse: Database, archive: Path) -> None:
    load(warehouse, *SENT)
    cut(warehouse, archive)
    erase([desk], warehouse, NAME, "a", reason="a test")

    assert back(warehouse, archive).entries == 1
    assert {it[1] for it in entries(warehouse) if it[4] != "erased"} == {"b"}


def test_the_files_of_another_warehouse_are_refused(
    warehouse: Database, archive: Path, tmp_path: Path
) -> None:
    load(warehouse, *SENT)
    cut(warehouse, archive)
    other = Database(f"sqlite:///{tmp_path}/other.db")
    load(other, (APRIL, [letter("c", 1)]))
    told = back(other, archive)
    other.close()

    assert (told.status, told.entries) == ("failed", 0)
    assert "were never read by this warehouse" in (told.error or "")


def test_a_folder_without_archives_is_told(warehouse: Database, archive: Path) -> None:
    archive.mkdir()
    with pytest.raises(DeclarationError, match="there are no files of strandline prune --export"):
        back(warehouse, archive)
    (archive / "x.parquet").write_text("no")
    with pytest.raises(DeclarationError, match="it is no Parquet file"):
        back(warehouse, archive)


def test_where_pyarrow_is_missing_the_extra_is_named() -> None:
    words = "import sys; sys.modules['pyarrow'] = None\nfrom strandline.warehouse import archive\n"
    words += "try: archive.require()\nexcept Exception as error: print(error, error.hint)"
    found = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)

    assert found.stdout == "Parquet: pyarrow is not installed Type: pip install 'strandline[parquet]'\n"
