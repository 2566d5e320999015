"""`strandline quarantine` as a user types it; the everyday way is in docs/how-to/quarantine.md."""

from pathlib import Path

import pytest
from sqlalchemy import text

from strandline.testing.project import Project
from strandline.warehouse.database import Database

PIPELINE = '''
"""Words, from a file; the source has a setting that it cannot do without."""

import os
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import String
from sqlalchemy.orm import Mapped

from strandline import Dimension, Mapper, Pages, Pipeline, Record, SourceSettings, attribute, field, stream
from strandline.source import Page, Source


class Word(Record):
    """A word."""

    id: int
    text: str


class DictionarySettings(SourceSettings):
    """Where it is."""

    path: str


class Dictionary(Source):
    """Words."""

    settings: DictionarySettings

    @stream(Word, key="id")
    def words(self) -> Pages:
        """Every line."""
        lines = Path(self.settings.path).read_bytes().splitlines()
        yield Page(lines, 1, "GET words", status=200, fetched_at=datetime.now(UTC), size=1)


class DimWord(Dimension):
    """A word."""

    word: Mapped[str] = attribute(String(5))


class DictionaryWord(Mapper[Word, DimWord]):
    """Words."""

    word = field("text")


words = Pipeline("words")
words.sync(Dictionary.words, DictionaryWord)
'''

LINES = [
    b'{"id": 1, "text": "good"}',
    b'{"id": 2, "text": "a \x1b[31mred\xff"}',
    b'{"id": 3, "text": "too long"}',
]


@pytest.fixture
def project(tmp_path: Path, database_url: str, program: Path) -> Project:
    """A project that has run once: reject 1 is of the contract, 2 of the column."""
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "words.jsonl").write_bytes(b"\n".join(LINES))
    environment = {"STRANDLINE_DATABASE_URL": database_url, "STRANDLINE_DICTIONARY__PATH": "words.jsonl"}
    project = Project(tmp_path, environment=environment, program=program)
    assert project.strandline("run", "words").code == 3
    del project.environment["STRANDLINE_DICTIONARY__PATH"]  # only a run has to know it
    return project


def test_a_payload_is_shown_without_what_a_terminal_would_obey(project: Project) -> None:
    shown, told = (
        project.strandline("quarantine", "show", "1"),
        project.strandline("quarantine", "show", "1", "--json"),
    )

    assert r'{"id": 2, "text": "a \x1b[31mred\xff"}' in shown.stdout
    assert "GET words (page 1, status 200)" in shown.stdout
    assert "\x1b" not in shown.stdout + project.strandline("quarantine", "list").stdout
    assert told.document["payload_base64"]
    assert told.document["advice"].startswith("Correct the record at the source; or mend the contract")


def test_the_list_can_be_narrowed(project: Project) -> None:
    def numbers(*words: str) -> list[int]:
        found = project.strandline("quarantine", "list", "--json", *words).document
        assert found["total"] >= len(found["rejects"])
        return [it["reject_id"] for it in found["rejects"]]

    assert numbers() == numbers("words") == numbers("--model", "DimWord") == [2, 1]
    assert numbers("--rule", "type") == [2]
    assert numbers("--limit", "1", "--stream", "dictionary.words") == [2]
    assert numbers("--state", "discarded") == numbers("--rule", "missing") == []


@pytest.mark.parametrize("command", ["list", "trends"])
def test_a_name_that_never_ran_is_an_error(project: Project, command: str) -> None:
    unknown = project.strandline("quarantine", command, "wrods")
    assert unknown.code == 2
    assert "there has been no run of 'wrods'" in unknown.error
    assert "Did you mean 'words'?" in unknown.error

    unread = project.strandline("quarantine", command, "--stream", "dictionary.wrods")
    assert unread.code == 2
    assert "nothing was ever read of 'dictionary.wrods'" in unread.error


def test_release_says_why_what_is_refused_again_is_so(project: Project) -> None:
    refused = project.strandline("quarantine", "release", "1", "2")
    assert refused.code == 1
    assert "2 of 2 are refused again" in refused.error
    assert "'too long' is 8 characters long, and the column holds 5" in refused.error

    project.edit("pipeline.py", 'word = field("text")', 'word = field("text", using=lambda it: it[:5])')
    released = project.strandline("quarantine", "release", "2", "--json")

    assert (released.code, released.document["released"]) == (0, 1)
    assert released.document["runs"][0]["targets"][0]["counts"]["released"] == 1
    assert project.strandline("quarantine", "show", "2").code == 2


def test_retry_tries_all_or_some_and_ends_with_3_while_something_is_refused(project: Project) -> None:
    project.edit("pipeline.py", 'word = field("text")', 'word = field("text", using=lambda it: it[:5])')
    some = project.strandline("quarantine", "retry", "words", "--ids", "1", "--json")
    every = project.strandline("quarantine", "retry", "words", "--stream", "dictionary.words", "--json")

    assert (some.code, some.document["streams"][0]["rejected"], some.document["streams"][0]["released"]) == (
        3,
        1,
        0,
    )
    assert (every.code, every.document["streams"][0]["released"]) == (3, 1)
    assert project.strandline("status", "--runs", "3", "--json").document["runs"][0]["status"] == "partial"


def test_what_is_discarded_stays_out_and_is_told_with_its_reason(project: Project) -> None:
    assert project.strandline("quarantine", "discard", "2", "--reason", "noise", "--json").document == {
        "discarded": 1,
        "reason": "noise",
    }
    project.edit("pipeline.py", 'word = field("text")', 'word = field("text", using=lambda it: it[:5])')
    project.environment["STRANDLINE_DICTIONARY__PATH"] = "words.jsonl"

    assert "released" not in project.strandline("run", "words").stdout
    shown = project.strandline("quarantine", "show", "2").stdout
    assert "noise" in shown
    assert "it was discarded, and stays out" in shown
    again = project.strandline("quarantine", "release", "2")
    assert (again.code, "noise" in again.error) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["discard", "1"], "no reason was given"),
        (["discard", "1", "--reason", " "], "no reason was given"),
        (["discard", "9", "--reason", "x"], "there is no reject 9"),
        (["show", "9"], "there is no reject 9"),
        (["release", "9"], "there is no reject 9"),
        (["list", "--state", "shut"], "there is no such state"),
        (["retry", "words", "--stream", "x.y"], "there is no stream 'x.y'"),
        (["retry", "wards"], "there is no pipeline 'wards'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_there_is(
    project: Project, words: list[str], says: str
) -> None:
    outcome = project.strandline("quarantine", *words)

    assert outcome.code == 2
    assert says in outcome.error
    assert "hint: " in outcome.error


def test_trends_count_by_day_and_kind(project: Project) -> None:
    found = project.strandline("quarantine", "trends", "--days", "3", "--json").document

    assert found["days"] == 3
    assert {(it["field"], it["rule"], it["rejects"], it["before"]) for it in found["trends"]} == {
        ("", "json_invalid", 1, 0),
        ("word", "type", 1, 0),
    }
    assert "dictionary.words" in project.strandline("quarantine", "trends").stdout


def test_before_the_first_run_there_is_nothing(tmp_path: Path, database_url: str, program: Path) -> None:
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    project = Project(tmp_path, environment={"STRANDLINE_DATABASE_URL": database_url}, program=program)

    assert project.strandline("quarantine", "list").stdout == "No rejects.\n"
    assert project.strandline("quarantine", "trends").stdout == "No rejects.\n"
    for words in (["show", "1"], ["discard", "1", "--reason", "x"], ["release", "1"]):
        assert project.strandline("quarantine", *words).code == 2


def test_a_warehouse_from_before_is_told_what_to_type(project: Project, warehouse: Database) -> None:
    """Whatever looks at it says where that is told; then rejects of before are tried once."""
    new = ("state", "version", "last_seen_at", "last_run_id", "repeats", "superseded_by", "discard_reason")
    with warehouse.begin() as connection:
        for column in (*new, "discarded_by", "discarded_at"):
            connection.execute(text(f"ALTER TABLE strandline.reject DROP COLUMN {column}"))
    looked = project.strandline("quarantine", "list")
    assert (looked.code, "strandline run NAME tells the ALTER TABLE" in looked.error) == (1, True)

    tried = project.strandline("quarantine", "retry", "words")
    _, _, statements = tried.error.partition("type in psql: ")
    with warehouse.begin() as connection:
        connection.execute(text(statements))
    project.edit("pipeline.py", 'word = field("text")', 'word = field("text", using=lambda it: it[:5])')

    assert (
        project.strandline("quarantine", "retry", "words", "--json").document["streams"][0]["released"] == 1
    )
