"""States: a source's own word for how far it was read, stored with its records and given back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import AwareDatetime
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped

from strandline.cli import mark as marks
from strandline.errors import DeclarationError, SourceUnavailable
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, RunReport, amendment, run
from strandline.source import Cursor, Pages, Record, Source, State, paged, stream
from strandline.warehouse import mark, state
from strandline.warehouse.database import Database

LETTERS, STAMPED = "post_office.letters", "post_office.stamped"


class Letter(Record):
    """A letter."""

    id: int
    at: AwareDatetime | None = None


class PostOffice(Source):
    """Letters by the number of the last one, which only the post office understands."""

    there: ClassVar[int] = 0
    size: ClassVar[int] = 2
    padding: ClassVar[str] = ""
    fails_at: ClassVar[int | None] = None
    asked: ClassVar[list[Any]] = []

    @stream(Letter, key="id")
    def letters(self, since: str | None) -> Pages:
        """Those behind the last."""
        self.asked.append(since)
        return paged(self._behind(json.loads(since)["last"] if since else 0), size=self.size)

    def _behind(self, last: int) -> Iterator[dict[str, int] | State]:
        for number in range(last + 1, self.there + 1):
            if number == self.fails_at:
                raise SourceUnavailable("the mail coach has lost a wheel")
            yield {"id": number}
            yield State(json.dumps({"last": number, "why": self.padding}))

    @stream(Letter, key="id", cursor=Cursor("at"))
    def stamped(self, since: Any) -> Pages:
        """With a cursor; and with a state, which is one too many."""
        yield from paged([{"id": 1, "at": "2026-03-01T00:00:00Z"}, State("1")])

    @stream(Letter, key="id")
    def forgetful(self) -> Pages:
        """Would not be told its state."""
        return paged([{"id": 1}, State("1")])

    @stream(Letter, key="id")
    def torn(self, since: str | None) -> Pages:
        """Its state is nothing that a database could hold."""
        return paged([{"id": 1}, State("1\0")])


class DimPostedLetter(Dimension):
    """A letter."""

    number: Mapped[int] = attribute()


class PostOfficeLetter(Mapper[Letter, DimPostedLetter]):
    """Letters."""

    number = field("id")


def pipeline(name: str) -> Pipeline:
    made = Pipeline("letters")
    made.sync(getattr(PostOffice, name), PostOfficeLetter)
    return made


letters = pipeline("letters")


@pytest.fixture(autouse=True)
def _letters() -> Iterator[None]:
    """Five letters."""
    PostOffice.there, PostOffice.size = 5, 2
    yield
    PostOffice.fails_at, PostOffice.padding = None, ""
    PostOffice.asked.clear()


def known(warehouse: Database) -> tuple[str | None, int]:
    """The mark, and how many letters are in the raw log."""
    table = letters.readings[0].raw
    with warehouse.begin() as connection:
        return mark.read_up_to(connection, LETTERS), connection.scalar(
            select(func.count(table.c.raw_id))
        ) or 0


def word(number: int, why: str = "") -> str:
    return f'state:{{"last": {number}, "why": "{why}"}}'


class Watch:
    """Looks after each transaction, as somebody else, at what is there."""

    def __init__(self, database: Database) -> None:
        self.seen: list[tuple[str | None, int]] = []
        self._database = database

    def reading(self, stream: str, figures: Any) -> None:
        """A chunk is stored."""
        self.seen.append(known(self._database))

    def merging(self, stream: str, target: str) -> None:
        """Not looked at."""

    def finished(self, stream: Any) -> None:
        """Not looked at."""


def test_a_state_is_where_the_next_run_goes_on(warehouse: Database) -> None:
    report = run(letters, warehouse)
    assert (report.streams[0].mark_before, report.streams[0].mark_after) == (None, word(5))
    PostOffice.there = 7
    assert run(letters, warehouse).streams[0].records == 2
    assert run(letters, warehouse).streams[0].records == 0
    assert known(warehouse) == (word(7), 7)
    assert run(letters, warehouse, full=True).streams[0].records == 7
    assert PostOffice.asked == [None, word(5)[6:], word(7)[6:], None]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_state_moves_with_each_chunk_and_never_before_its_records(
    warehouse: Database, workers: int
) -> None:
    PostOffice.there, PostOffice.size = 20_500, 500
    watch = Watch(warehouse)
    assert run(letters, warehouse, progress=watch, workers=workers).status == "done"
    for read_up_to, stored in watch.seen:
        covered = json.loads(str(read_up_to)[6:])["last"]
        assert stored - 1 <= covered <= stored  # a page's last record may come before its state
    assert len(watch.seen) > 2
    assert watch.seen[-1] == (word(20_500), 20_500)


def test_what_came_before_a_source_failed_is_kept_with_its_state(warehouse: Database) -> None:
    PostOffice.fails_at = 4
    report = run(letters, warehouse)
    assert report.streams[0].error == "the mail coach has lost a wheel"
    assert known(warehouse) == (word(3), 3)
    PostOffice.fails_at = None
    assert run(letters, warehouse).streams[0].records == 2
    assert known(warehouse) == (word(5), 5)


def test_a_long_state_is_kept_whole_and_told_by_its_beginning(
    warehouse: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PostOffice.padding = "x" * 300_000
    assert run(letters, warehouse).status == "done"
    whole = word(5, PostOffice.padding)
    assert known(warehouse)[0] == whole
    with warehouse.begin() as connection:
        noted = connection.scalars(select(state.run_stream.c.mark_after)).one()
    assert noted == f"{whole[:200]}… (300,022 letters)"
    marks.print_list([{"stream": LETTERS, "mark": whole, "run_id": 1, "moved_at": None}], as_json=False)
    assert f"{whole[6:46]}…" in capsys.readouterr().out

    exported = tmp_path / "marks.json"
    exported.write_text(json.dumps({"marks": {LETTERS: whole}}))
    amend(warehouse, {LETTERS: None})
    assert amend(warehouse, marks.exported(exported)) == [
        amendment.Amendment(LETTERS, None, whole, is_forward=False)
    ]
    PostOffice.there = 6
    assert run(letters, warehouse).streams[0].records == 1


def amend(warehouse: Database, wanted: Any) -> list[amendment.Amendment]:
    return amendment.amend([letters], warehouse, wanted, reason="a test", by="somebody")


def test_a_state_is_set_by_hand_as_the_source_says_it(warehouse: Database) -> None:
    wanted = marks.given([letters], LETTERS, '{"last": 2}', is_none=False)
    assert wanted == {LETTERS: 'state:{"last": 2}'}
    amend(warehouse, wanted)
    assert run(letters, warehouse).streams[0].records == 3
    with pytest.raises(DeclarationError, match="'int:4' is no state"):
        amend(warehouse, {LETTERS: "int:4"})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("stamped", "post_office.stamped: its pages carry a state, and it has a cursor"),
        ("forgetful", "post_office.forgetful: its pages carry a state, and it takes no `since`"),
        ("torn", "post_office.torn: its state has a NUL"),
    ],
)
def test_a_state_that_could_not_be_kept_fails_its_stream(warehouse: Database, name: str, says: str) -> None:
    report: RunReport = run(pipeline(name), warehouse)
    assert report.status == "failed"
    assert says in str(report.streams[0].error)
    assert report.streams[0].hint


def test_a_stream_that_has_a_cursor_now_asks_for_a_full_run(warehouse: Database) -> None:
    with warehouse.begin() as connection:
        state.OWN_TABLES.create_all(connection)
        mark.move_read(connection, STAMPED, mark="state:1", run_id=1)
    report = run(pipeline("stamped"), warehouse)
    assert report.streams[0].error == "post_office.stamped: its mark is a state from when it had no cursor"
    assert "--full" in str(report.streams[0].hint)
