"""Promise 3 for combinations: flags and profiles are a function of the records, in any order and batching.

Persons have a name and a profile, of their age's band and their town, that changes; visits have flags, and
point at the profile that the person had then, in two roles: one finds it in a gap, the other does not. What
comes out is told by a plain loop over everything that was sent.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, select, text
from tests.effort import cases
from tests.property.club import Club, DimName, DimPerson, DimPersonProfile, DimVisitFlags, FactPresence, club

from strandline.pipeline import RunReport, run
from strandline.testing import postgres
from strandline.warehouse.check import check
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = "nothing"
UNKNOWN = "unknown"
TRUTHS = {"yes": True, "Y": True, "no": False, None: None}


@dataclass(frozen=True)
class PersonSent:
    """A person's record, and the minute at which it took effect."""

    person: str
    minutes: int
    name: str | None
    age: int | None
    town: str | None
    is_deleted: bool


@dataclass(frozen=True)
class VisitSent:
    """A visit's record, and the minute at which it was said."""

    number: int
    minutes: int
    happened: int
    person: str | None
    paid: str | None
    way: str | None
    is_deleted: bool


Sent = PersonSent | VisitSent
gone = st.sampled_from([False, False, False, True])
whom = st.sampled_from(["a", "a", "a", "ü"])
persons = st.builds(
    PersonSent,
    whom,
    st.integers(1, 8),
    st.sampled_from(["x", "y"]),
    st.sampled_from([None, 5, 12, 15]),
    st.sampled_from([None, "Ulm"]),
    gone,
)
visits = st.builds(
    VisitSent,
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(-2, 9),
    whom | st.sampled_from([None, ""]),
    st.sampled_from(list(TRUTHS)),
    st.sampled_from([None, "web", "phone"]),
    gone,
)
loads = st.lists(
    st.lists(st.one_of(persons, persons, visits), min_size=2, max_size=8), min_size=1, max_size=3
)

Profile = tuple[str | None, str | None]
Spell = tuple[int, int | None, object]
"""From, to, and what was so."""


def _band(age: int | None) -> str | None:
    if age is None:
        return None
    return "under 10" if age < 10 else "10 to 19"


class Oracle:
    """Knows everything that was sent."""

    def __init__(self) -> None:
        self.persons: dict[str, dict[int, PersonSent]] = {}
        self.visits: dict[int, VisitSent] = {}
        self.mentioned: set[str] = set()

    def hear(self, it: Sent) -> None:
        """Take note; of what is said of one minute the last stands."""
        if isinstance(it, PersonSent):
            self.persons.setdefault(it.person, {})[it.minutes] = it
            if not it.is_deleted:
                self.mentioned.add(it.person)
            return
        if it.number not in self.visits or self.visits[it.number].minutes <= it.minutes:
            self.visits[it.number] = it
        if it.person and not it.is_deleted:
            self.mentioned.add(it.person)

    def profiles(self, person: str) -> list[Spell]:
        """Which profile the person had when; nobody has said any of an inferred one."""
        found: list[Spell] = []
        for at, it in sorted(self.persons.get(person, {}).items()):
            profile = _band(it.age), it.town
            last = found[-1] if found and found[-1][1] is None else None
            if last and (it.is_deleted or last[2] != profile):
                found[-1] = last[0], at, last[2]
            if not it.is_deleted and (last is None or last[2] != profile):
                found.append((at, None, profile))
        return found or ([(-99, None, UNKNOWN)] if person in self.mentioned else [])

    def profile_at(self, person: str | None, moment: int, *, in_gap: bool) -> object:
        """The profile that the person had then; before the first one the first."""
        if not person:
            return NOTHING
        spells = self.profiles(person)
        if not spells:
            return UNKNOWN
        answering = [it for it in spells if it[0] <= moment] or spells[:1]
        _, until, profile = answering[-1]
        return UNKNOWN if not in_gap and until is not None and until <= moment else profile

    def expected_visits(self) -> dict[int, tuple[object, ...]]:
        """Flags and profiles of every visit that stands."""
        return {
            number: (
                (TRUTHS[it.paid], it.way),
                self.profile_at(it.person, it.happened, in_gap=True),
                self.profile_at(it.person, it.happened, in_gap=False),
            )
            for number, it in self.visits.items()
            if not it.is_deleted
        }

    def versions(self) -> int:
        """How many versions all persons have together; a new name begins one."""
        number = 0
        for person in self.mentioned:
            last: object = NOTHING
            begun = 0
            for _, it in sorted(self.persons.get(person, {}).items()):
                begun += not it.is_deleted and it.name != last
                last = NOTHING if it.is_deleted else it.name
            number += begun or 1
        return number

    def present(self) -> dict[str, set[object]]:
        """Everybody's last profile."""
        return {it: {self.profiles(it)[-1][2]} for it in ("a", "ü") if self.profiles(it)}


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.club = Club()
        self._cases = itertools.count(1)
        self._numbers = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Sent], oracle: Oracle) -> RunReport:
        """Let the club send the batch."""
        self.club.person_records, self.club.visit_records = [], []
        for it in batch:
            oracle.hear(it)
            sink = self.club.person_records if isinstance(it, PersonSent) else self.club.visit_records
            sink.append(self._payload(prefix, it))
        report = run(club, self.database, sources={"club": self.club})
        assert report.status == "done", [it.error for it in report.streams]
        return report

    def _payload(self, prefix: str, it: Sent) -> bytes:
        said: dict[str, Any] = {"at": _moment(it.minutes), "n": next(self._numbers), "gone": it.is_deleted}
        if isinstance(it, PersonSent):
            said |= {"id": prefix + it.person, "name": it.name, "age": it.age, "town": it.town}
        else:
            whom = prefix + it.person if it.person else it.person
            said |= {"id": f"{prefix}{it.number}", "visited_at": _moment(it.happened), "person": whom}
            said |= {"paid": it.paid, "way": it.way}
        return json.dumps(said).encode()

    def visits(self, prefix: str) -> dict[int, tuple[object, ...]]:
        """The flags and profiles that the visits of the case point at."""
        fact = FactPresence.table()
        with self.database.connect() as connection:
            profiles, flags = _profiles(connection), _flags(connection)
            rows = connection.execute(select(fact).where(fact.c.visit_id.startswith(prefix))).all()
        for it in rows:
            assert (it.member_missing is not None) == (it.member_durable_key == -1)
        return {
            int(it.visit_id.removeprefix(prefix)): (
                flags[it.visit_flags_key],
                profiles[it.profile_key],
                profiles[it.member_key],
            )
            for it in rows
        }

    def present(self, prefix: str) -> dict[str, set[object]]:
        """The profiles on the persons' versions."""
        person = DimPerson.table()
        found: dict[str, set[object]] = {}
        with self.database.connect() as connection:
            profiles = _profiles(connection)
            for it in connection.execute(select(person).where(person.c.source_id.startswith(prefix))):
                key = it.source_id.removeprefix(prefix)
                found.setdefault(key, set()).add(profiles[it.person_profile_key])
        return found

    def names(self, prefix: str) -> list[tuple[object, object]]:
        """The name on each version of the persons, and the one that its rollup says."""
        person, name = DimPerson.table(), DimName.table()
        with self.database.connect() as connection:
            rows = connection.execute(
                select(person.c.is_inferred, person.c.called, name.c.name_key, name.c.called)
                .join(name, name.c.name_key == person.c.name_key)
                .where(person.c.source_id.startswith(prefix))
            ).all()
        return [(UNKNOWN if it[0] else it[1], UNKNOWN if it[2] == -1 else it[3]) for it in rows]

    def row_versions(self) -> list[tuple[Any, ...]]:
        """PostgreSQL's own mark of who wrote a row."""
        query = text("""
            SELECT 1, visit_id, xmin::text FROM warehouse.fact_presence
            UNION ALL SELECT 2, person_key::text, xmin::text FROM warehouse.dim_person
            UNION ALL SELECT 3, person_profile_key::text, xmin::text FROM warehouse.dim_person_profile
            UNION ALL SELECT 4, person_profile_history_key::text, xmin::text
                FROM warehouse.dim_person_profile_history
            UNION ALL SELECT 6, name_key::text, xmin::text FROM warehouse.dim_name
            UNION ALL SELECT 5, visit_flags_key::text, xmin::text FROM warehouse.dim_visit_flags
            ORDER BY 1, 2
        """)
        with self.database.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


def _moment(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def _profiles(connection: Connection) -> dict[int, object]:
    rows = connection.execute(select(DimPersonProfile.table()))
    known = {it.person_profile_key: (it.age_band, it.town) for it in rows if it.person_profile_key > 0}
    assert len(set(known.values())) == len(known)
    return known | {-1: UNKNOWN, -2: NOTHING}


def _flags(connection: Connection) -> dict[int, object]:
    return {
        it.visit_flags_key: (it.is_paid, it.way) for it in connection.execute(select(DimVisitFlags.table()))
    }


@pytest.fixture(scope="module")
def bed(postgres_server: URL, warehouse_template: str) -> Iterator[Bed]:
    with postgres.copy(postgres_server, warehouse_template) as url:
        database = Database(url)
        yield Bed(database)
        database.close()


def _load_and_compare(bed: Bed, batches: list[list[Sent]]) -> None:
    prefix, oracle = bed.begin(), Oracle()
    for batch in batches:
        bed.load(prefix, batch, oracle)
        assert bed.visits(prefix) == oracle.expected_visits()
        assert bed.present(prefix) == oracle.present()
        assert all(told == rolled_up for told, rolled_up in bed.names(prefix))
        assert len(bed.names(prefix)) == oracle.versions()


@given(loads)
@example([[VisitSent(1, 1, 5, "a", None, None, False)], [PersonSent("a", 3, "x", 5, None, False)]])
@example(
    [
        [PersonSent("a", 1, "x", 5, None, False), VisitSent(1, 1, 5, "a", "yes", None, False)],
        [PersonSent("a", 4, "x", 5, None, True)],
        [PersonSent("a", 4, "x", 12, "Ulm", False)],
    ]
)
@cases(5)
def test_flags_and_profiles_are_those_of_a_plain_loop(bed: Bed, batches: list[list[Sent]]) -> None:
    _load_and_compare(bed, batches)
    with bed.database.connect() as connection:
        assert check(connection, club.models) == []


@given(st.lists(st.one_of(persons, persons, visits), min_size=1, max_size=8))
@cases(3)
def test_merging_the_same_again_writes_nothing(bed: Bed, batch: list[Sent]) -> None:
    """Also when the applied mark of the facts is put back, so that everything of the log is merged again."""
    prefix, oracle = bed.begin(), Oracle()
    bed.load(prefix, batch, oracle)
    written = bed.row_versions()
    with bed.database.begin() as connection:
        connection.execute(text("DELETE FROM strandline.applied_mark WHERE target LIKE 'Fact%'"))
    bed.load(prefix, [], oracle)

    assert bed.row_versions() == written


@given(loads)
@cases(3)
def test_they_are_the_same_in_sqlite(batches: list[list[Sent]]) -> None:
    database = Database("sqlite://")
    _load_and_compare(Bed(database), batches)
    database.close()
