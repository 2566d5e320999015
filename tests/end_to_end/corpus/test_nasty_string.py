"""Strings that break programs, as values, as keys of objects and as natural keys: through HTTP into the raw
log byte for byte, and from there into dimension and fact exactly, or into the quarantine.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field
from sqlalchemy import Text, text
from sqlalchemy.orm import Mapped
from tests.end_to_end.corpus.nasty import NASTY

from strandline.model import Dimension, Fact, Mapper, attribute, degenerate, field, grain, references
from strandline.natural_key import LONGEST
from strandline.pipeline import Pipeline, Rejects, RunReport, run
from strandline.source import HttpSource, Pages, Record, Retry, SourceSettings, stream
from strandline.testing import ScriptedApi
from strandline.warehouse.database import Database

GOOD = 50


class Word(Record):
    """A word, and something about it."""

    id: str
    said: str = ""
    about: dict[str, Any] = Field(default_factory=dict)


class CorpusSettings(SourceSettings):
    """Where the API is."""

    base_url: str


class Corpus(HttpSource):
    """Words."""

    settings: CorpusSettings
    retry = Retry(attempts=1)

    @stream(Word, key="id")
    def words(self) -> Pages:
        """All on one page."""
        return self.pages("/words", records="data")


class DimCorpusWord(Dimension):
    """A word, as it is and in its history."""

    said: Mapped[str] = attribute(Text, scd=2)
    about: Mapped[dict[str, Any]] = attribute()


class FactUtterance(Fact):
    """A word once said."""

    utterance_id: Mapped[str] = grain(Text)
    corpus_word_key: Mapped[int] = references(DimCorpusWord)
    said: Mapped[str] = degenerate(Text)


class CorpusWord(Mapper[Word, DimCorpusWord]):
    """Words."""

    said = field("said")
    about = field("about")


class CorpusUtterance(Mapper[Word, FactUtterance]):
    """Each word says itself."""

    utterance_id = field("id")
    corpus_word_key = field("id")
    said = field("said")


corpus = Pipeline("corpus")
corpus.sync(Corpus.words, CorpusWord, rejects=Rejects(count=10**9))
corpus.sync(Corpus.words, CorpusUtterance)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def load(warehouse: Database, api: ScriptedApi, records: list[bytes]) -> RunReport:
    """One run over these records, in one page."""
    api.respond("/words", b'{"data": [%s]}' % b", ".join(records))
    with Corpus(settings=CorpusSettings(base_url=api.url)) as source:
        report = run(corpus, warehouse, sources={"corpus": source})
    assert report.exit_code in (0, 3), report.streams
    return report


def spell(record: dict[str, Any]) -> list[bytes]:
    """The record in both spellings of JSON: escaped, and as the characters where there are any."""
    spelled = [json.dumps(record).encode()]
    if not holds_half(json.dumps(record, ensure_ascii=False)):
        spelled.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    return spelled


def holds_half(words: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in words)


def is_storable(words: str) -> bool:
    """Whether PostgreSQL can hold it as text."""
    return "\0" not in words and not holds_half(words)


def good(number: int) -> bytes:
    return b'{"id":"good %d","said":"fine"}' % number


def mixed(records: list[bytes]) -> list[bytes]:
    """The records with good ones between them."""
    both = [*records, *map(good, range(GOOD))]
    random.Random(4).shuffle(both)
    return both


def stored(warehouse: Database) -> list[bytes]:
    with warehouse.connect() as connection:
        query = text("SELECT payload FROM raw.corpus_words ORDER BY raw_id")
        return [bytes(it) for it in connection.scalars(query)]


def refused(warehouse: Database) -> dict[bytes, str]:
    """Why which payload is in the quarantine."""
    query = "SELECT l.payload, r.reason FROM strandline.reject r JOIN raw.corpus_words l USING (raw_id)"
    with warehouse.connect() as connection:
        return {bytes(it.payload): it.reason for it in connection.execute(text(query))}


def members(warehouse: Database) -> dict[str, Any]:
    query = """
        SELECT source_id, said, about FROM warehouse.dim_corpus_word
        WHERE is_current AND NOT is_inferred AND corpus_word_key > 0
    """
    with warehouse.connect() as connection:
        return {it.source_id: (it.said, it.about) for it in connection.execute(text(query))}


def utterances(warehouse: Database) -> dict[str, tuple[str, str]]:
    """What the facts say: whose they are, and which member they point at."""
    query = """
        SELECT f.utterance_id, d.source_id, f.said
        FROM warehouse.fact_utterance f JOIN warehouse.dim_corpus_word d USING (corpus_word_key)
    """
    with warehouse.connect() as connection:
        return {it.utterance_id: (it.source_id, it.said) for it in connection.execute(text(query))}


def assert_neighbours_arrived(warehouse: Database) -> None:
    found, facts = members(warehouse), utterances(warehouse)

    assert {f"good {number}" for number in range(GOOD)} <= found.keys() & facts.keys()


def test_there_are_enough_of_them() -> None:
    assert len(NASTY) >= 300


def test_nasty_values_are_stored_exactly_or_refused_with_a_reason(
    warehouse: Database, api: ScriptedApi
) -> None:
    sent: dict[str, tuple[bytes, str]] = {}
    for number, words in enumerate(NASTY):
        sent |= {f"w{number}": (spell({"id": f"w{number}", "said": words})[-1], words)}
        sent |= {f"v{number}": (spell({"id": f"v{number}", "said": words})[0], words)}
    load(warehouse, api, mixed([record for record, _ in sent.values()]))
    found, facts, why = members(warehouse), utterances(warehouse), refused(warehouse)

    assert set(stored(warehouse)) == {*(record for record, _ in sent.values()), *map(good, range(GOOD))}
    assert_neighbours_arrived(warehouse)
    for key, (record, words) in sent.items():
        if is_storable(words):
            assert (found[key][0], facts[key], record in why) == (words, (key, words), False), repr(words)
        else:
            assert (key in found, key in facts, bool(why[record])) == (False, False, True), repr(words)


def test_nasty_names_of_fields_are_stored_exactly_or_refused_with_a_reason(
    warehouse: Database, api: ScriptedApi
) -> None:
    """In an object that a column holds, and as fields that no contract names."""
    sent: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for number, words in enumerate(NASTY):
        about = {words: words, "n": 1}
        sent |= {f"w{number}": (spell({"id": f"w{number}", "about": about})[-1], about)}
        sent |= {f"v{number}": (spell({"id": f"v{number}", "about": about})[0], about)}
        sent |= {f"x{number}": (spell({"id": f"x{number}", words: 1})[0], {})}
    load(warehouse, api, mixed([record for record, _ in sent.values()]))
    found, why = members(warehouse), refused(warehouse)

    assert set(stored(warehouse)) == {*(record for record, _ in sent.values()), *map(good, range(GOOD))}
    assert_neighbours_arrived(warehouse)
    for key, (record, about) in sent.items():
        assert (key in found) is not bool(why.get(record)), record[:80]
        if key in found:
            assert found[key][1] == about
        else:
            assert not all(map(is_storable, [*about, *json.loads(record)])), record[:80]


def test_nasty_natural_keys_are_members_of_their_own_or_refused_with_a_reason(
    warehouse: Database, api: ScriptedApi
) -> None:
    """No two of them are one, however alike they look."""
    sent = {words: json.dumps({"id": words, "said": "once"}).encode() for words in NASTY}
    load(warehouse, api, mixed(list(sent.values())))
    found, facts, why = members(warehouse), utterances(warehouse), refused(warehouse)

    assert set(stored(warehouse)) == {*sent.values(), *map(good, range(GOOD))}
    assert_neighbours_arrived(warehouse)
    for words, record in sent.items():
        if words and is_storable(words) and len(words.encode()) <= LONGEST:
            assert (found[words][0], facts[words], record in why) == ("once", (words, "once"), False)
        else:
            assert (words in found, words in facts, bool(why[record])) == (False, False, True), repr(words)
    again = [json.dumps({"id": words, "said": "twice"}).encode() for words in reversed(NASTY)]
    load(warehouse, api, again)
    unchanged = load(warehouse, api, again)

    assert (unchanged.streams[0].stored, unchanged.streams[0].unchanged) == (0, len(again))
    assert {words: said for words, (said, _) in members(warehouse).items() if words in sent} == {
        words: "twice" for words in sent if words in found
    }


def test_a_natural_key_that_no_index_could_hold_is_refused_and_kept(
    warehouse: Database, api: ScriptedApi
) -> None:
    """PostgreSQL indexes no more than 2,704 bytes; what does not shrink must not end the run."""
    letters = random.Random(1)
    keys = [
        "".join(chr(letters.randint(33, 126)) for _ in range(size)) for size in (LONGEST, LONGEST + 1, 9_000)
    ]
    sent = [json.dumps({"id": key}).encode() for key in keys]
    load(warehouse, api, [*sent, good(1)])

    assert set(stored(warehouse)) == {*sent, good(1)}
    assert members(warehouse).keys() == {keys[0], "good 1"}
    assert set(refused(warehouse)) == set(sent[1:])
