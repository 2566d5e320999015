"""Whoever was erased in between, of streams that fill facts too, the facts are those of a plain loop.

Facts keep what they count, and lose what is personal; of the members nothing is left but the key. Whatever
the order and the batches in which records and erasures come; a replay changes nothing.
"""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import String, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.errors import UnknownKey
from strandline.model import (
    CustomFields,
    Dimension,
    Fact,
    Mapper,
    Money,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    measure,
    references,
)
from strandline.pipeline import Pipeline, erase, run
from strandline.pipeline.replay import replay
from strandline.source import Pages, Personal, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


class Seat(Record):
    """A member of a gym, and what they pay."""

    id: str
    at: AwareDatetime
    fee: Decimal
    plan: str
    town: str
    name: str
    mail: Annotated[str | None, Personal()] = None


class Gym(Source):
    """Whatever it is given."""

    name = "gym_of_erased_facts"

    def __init__(self) -> None:
        super().__init__()
        self.seats_to_send: list[dict[str, Any]] = []

    @stream(Seat, key="id", effective_at="at", deleted="gone")
    def seats(self) -> Pages:
        """Those."""
        return pages(self.seats_to_send)


class DimGymMember(Dimension, CustomFields):
    """A member; the town keeps its history."""

    member_name: Mapped[str] = attribute(String(60), pii=True)
    town: Mapped[str] = attribute(String(60), scd=2)


class FactGymFee(Fact):
    """One row a member."""

    member_id: Mapped[str] = grain(String(40))
    since: Mapped[datetime] = event_time()
    member_key: Mapped[int] = references(DimGymMember)
    plan: Mapped[str] = degenerate(String(20))
    mail: Mapped[str | None] = degenerate(String(60))
    fee: Mapped[Decimal] = measure(Money)


class GymMember(Mapper[Seat, DimGymMember]):
    """Members."""

    member_name = field("name")
    town = field("town")


class GymFee(Mapper[Seat, FactGymFee]):
    """What they pay."""

    member_id = field("id")
    since = field("at")
    member_key = field("id")
    plan = field("plan")
    mail = field("mail")
    fee = field("fee")


gym = Pipeline("gym")
gym.sync(Gym.seats, GymMember)
gym.sync(Gym.seats, GymFee)


@dataclass(frozen=True)
class Said:
    """A record of a seat."""

    member: str
    minute: int
    fee: int = 1
    town: str = "Oslo"
    is_gone: bool = False


@dataclass(frozen=True)
class Erased:
    """Somebody is; up to which minute, or for good."""

    member: str
    minute: int | None = None

    def covers(self, it: Said) -> bool:
        """Whether the record is meant."""
        return self.member == it.member and (self.minute is None or it.minute <= self.minute)


members = st.sampled_from("ab")
said = st.builds(
    Said,
    members,
    st.integers(0, 4),
    st.integers(1, 2),
    st.sampled_from(["Oslo", "Moss"]),
    st.integers(0, 5).map(lambda it: it == 5),
)
batches = st.lists(said, min_size=1, max_size=5)
erasures = st.builds(Erased, members, st.sampled_from([None, None, 1, 3]))
steps = st.lists(st.one_of(batches, batches, erasures), min_size=2, max_size=4)
CASES = itertools.count(1)


def seat(prefix: str, it: Said) -> dict[str, Any]:
    """With a canary wherever no fact reads it."""
    key, at = prefix + it.member, (START + timedelta(minutes=it.minute)).isoformat()
    if it.is_gone:
        return {"id": key, "at": at, "gone": True, "name": f"{key}-canary"}
    personal = {
        "name": f"{key}-canary",
        "mail": f"{key}-canary@example.com",
        "undeclared": {"of": f"{key}-canary"},
    }
    return {"id": key, "at": at, "fee": str(it.fee), "plan": "all", "town": it.town, **personal}


def naive(prefix: str, said: list[Said], erased: list[Erased]) -> tuple[dict[str, Any], dict[str, set[Any]]]:
    """The facts, and which towns each member has had."""
    facts, towns = dict[str, Any](), dict[str, set[Any]]()
    for member in "ab":
        mine = sorted((it for it in said if it.member == member), key=lambda it: it.minute)  # stable
        if not mine:
            continue
        latest, key = mine[-1], prefix + member
        is_erased = any(it.covers(latest) for it in erased)
        if not latest.is_gone:
            facts[key] = ("all", None if is_erased else f"{key}-canary@example.com", Decimal(latest.fee))
        at = {it.minute: it for it in mine if not any(one.covers(it) for one in erased)}
        towns[key] = {it.town for it in at.values() if not it.is_gone}
    return facts, towns


def found(database: Database, prefix: str) -> tuple[dict[str, Any], dict[str, set[Any]]]:
    """What there is."""
    f, d = FactGymFee.table().c, DimGymMember.table().c
    facts = select(f.member_id, f.plan, f.mail, f.fee, d.source_id)
    facts = facts.join_from(f.fee.table, d.town.table, d.gym_member_key == f.member_key)
    with database.connect() as connection:
        rows = connection.execute(facts.where(f.member_id.startswith(prefix))).all()
        held = connection.execute(
            select(d.source_id, d.town).where(d.source_id.startswith(prefix), d.is_inferred.is_(False))
        ).all()
    assert all(row[0] == row[4] for row in rows)
    towns = {prefix + it: set[Any]() for it in "ab"}
    for key, town in held:
        towns[key].add(town)
    return {row[0]: tuple(row[1:4]) for row in rows}, towns


def logged(database: Database) -> str:
    """What the raw log has."""
    with database.connect() as connection:
        rows = connection.scalars(text("SELECT payload FROM raw.gym_of_erased_facts_seats"))
        return "".join(bytes(it).decode() for it in rows)


def assert_is_naive(database: Database, prefix: str, sent: list[Said], erased: list[Erased]) -> None:
    """Compare both."""
    facts, towns = naive(prefix, sent, erased)
    there, held = found(database, prefix)
    assert there == facts
    assert {key: it for key, it in held.items() if it} == {key: it for key, it in towns.items() if it}


@given(steps)
@example([[Said("a", 1), Said("a", 2, fee=2, town="Moss")], Erased("a"), [Said("a", 3), Said("a", 0)]])
@example(
    [[Said("a", 1), Said("b", 1)], Erased("a", 1), [Said("a", 2, fee=2), Said("a", 1, fee=2)], Erased("a")]
)
@example([[Said("a", 1), Said("a", 2, is_gone=True)], Erased("a"), [Said("a", 1, town="Moss")]])
@example([[Said("a", 0)], [Said("a", 0), Said("a", 1, is_gone=True), Said("a", 0)], Erased("a")])
@example([[Said("b", 0)], [Said("a", 0), Said("a", 0), Said("b", 0, is_gone=True)], Erased("b")])
@cases(3)
def test_facts_keep_what_they_count_of_whom_was_erased(
    both: Database, steps: list[Erased | list[Said]]
) -> None:
    prefix, source, sent, erased = f"{next(CASES)}:", Gym(), list[Said](), list[Erased]()
    for step in steps:
        if isinstance(step, Erased):
            try:
                erase(
                    [gym],
                    both,
                    Gym.seats.qualified_name,
                    prefix + step.member,
                    reason="a test",
                    until=None if step.minute is None else START + timedelta(minutes=step.minute),
                )
            except UnknownKey:
                continue
            erased.append(step)
        else:
            source.seats_to_send = [seat(prefix, it) for it in step]
            assert run(gym, both, sources={source.name: source}).status == "done"
            sent += step
        assert_is_naive(both, prefix, sent, erased)
    tables = [FactGymFee.table(), DimGymMember.table()]
    written = row_versions(both, *tables) if both.engine.dialect.name == "postgresql" else None

    gone = [it.member for it in erased if it.minute is None]
    assert not [it for it in gone if f"{prefix}{it}-canary" in logged(both)]
    assert replay(gym, both).status == "done"
    assert_is_naive(both, prefix, sent, erased)
    if written is not None:
        assert row_versions(both, *tables) == written
