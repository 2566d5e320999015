"""A repository in a database and one in memory: whatever is asked of both, in whatever order, they say the
same.

Memory is written in plain loops, and the database goes through the statements of the merge; so each is the
oracle of the other. Keys are numbered by a sequence, which a rollback does not take back, so they are
compared by whom they mean.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import and_, or_
from tests.effort import cases
from tests.pier import DimPier, FactMoorage, HarbourNote, empty, minutes, prepare, shown

from strandline.errors import LateChange, StrandlineError
from strandline.warehouse import Memory, UnitOfWork
from strandline.warehouse.database import Database

MEMBERS = st.sampled_from(["a", "A", "a ", "ä", "😀"])
WORDS = st.sampled_from(["x", "X", "é", "ab", ""]) | st.none()
AMOUNTS = st.sampled_from([Decimal("1.50"), Decimal(10), Decimal(-2), Decimal("9.99")]) | st.none()
MOMENTS = st.integers(0, 60).map(minutes)

VALUES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["q", "Q", "é"]),
        "origin": WORDS,
        "email": st.sampled_from([" A@B.c", "x@y.z", None]),
        "number": WORDS,
        "budget": AMOUNTS,
        "before": WORDS,
        "now": WORDS,
        "custom_fields": st.dictionaries(
            st.sampled_from(["region", "seats"]), st.sampled_from(["EU", 4, True, None]), max_size=2
        ),
    },
)


def _leaves() -> st.SearchStrategy[Any]:
    of = DimPier
    return st.one_of(
        st.builds(of.number.__eq__, WORDS),
        st.builds(of.number.__ne__, st.sampled_from(["x", "é"])),
        st.builds(of.number.in_, st.lists(st.sampled_from(["x", "X", "ab"]), max_size=2)),
        st.builds(of.title.not_in, st.lists(st.sampled_from(["q", "Q"]), max_size=2)),
        st.builds(of.budget.__ge__, st.sampled_from([Decimal(1), Decimal("9.99"), 1.5])),
        st.builds(of.budget.between, st.just(Decimal(-2)), st.just(Decimal("1.5"))),
        st.builds(of.email.__eq__, st.sampled_from(["a@B.C", "x@y.z"])),
        st.sampled_from([of.budget.is_(None), of.now.is_not(None), of.number == of.now, of.is_latest]),
        st.sampled_from([of.is_current, ~of.is_special, of.now == of.current_now]),  # type: ignore[attr-defined]  # type 6 brings it
        st.builds(of.valid_at, MOMENTS),
        st.builds(of.valid_from.__gt__, MOMENTS),
        st.sampled_from(
            [of.custom_is(region="EU"), of.custom_is(seats=4, region=True), of.has_custom("seats")]
        ),
    )


CONDITIONS = st.recursive(
    _leaves(),
    lambda inner: st.one_of(
        inner.map(lambda it: ~it), st.builds(and_, inner, inner), st.builds(or_, inner, inner)
    ),
    max_leaves=4,
)
ORDERS = st.lists(
    st.sampled_from(
        [
            *(DimPier.title, DimPier.number, DimPier.budget, DimPier.valid_to, DimPier.is_current),
            *(DimPier.number.desc(), DimPier.budget.desc(), DimPier.email.desc()),
        ]
    ),
    max_size=2,
    unique_by=str,
)
TIES = [DimPier.source_id, DimPier.valid_from.desc()]


class BothAlike(RuleBasedStateMachine):
    """The same done to two units of work."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        empty(self.database)
        self.time = 0
        self.works = [
            UnitOfWork(self.database, source="port", now=lambda: minutes(self.time)),
            UnitOfWork(Memory(), source="port", now=lambda: minutes(self.time)),
        ]
        for work in self.works:
            work.__enter__()

    @initialize(number=st.integers(0, 3))
    def begin(self, number: int) -> None:
        """Some piers, at once."""
        for name in ["a", "A", "ä"][:number]:
            self.both(lambda work, name=name: work.repository(DimPier).add(pier(name, {"title": "q"})))  # type: ignore[misc]  # a default of a lambda

    def both(self, do: Callable[[UnitOfWork], Any]) -> Any:
        """Do it to both; what they answer, or that they refuse, is one. Who is refused begins anew."""
        answers = [attempt(work, do) for work in self.works]
        assert answers[0] == answers[1]
        if isinstance(answers[0], tuple) and answers[0][:1] == ("refused",):
            for work in self.works:
                work.rollback()
        return answers[0]

    @rule(member=MEMBERS, values=VALUES, at=MOMENTS | st.none(), later=st.integers(0, 2))
    def upsert(self, member: str, values: dict[str, Any], at: datetime | None, later: int) -> None:
        """Say something of a pier, now or at a moment."""
        self.time += later
        self.both(lambda work: work.repository(DimPier).upsert(pier(member, values), effective_at=at))

    @rule(member=MEMBERS, values=VALUES)
    def add(self, member: str, values: dict[str, Any]) -> None:
        """Say that there is a new one."""
        self.both(lambda work: work.repository(DimPier).add(pier(member, {"title": "q", **values})))

    @rule(member=MEMBERS, at=MOMENTS | st.none(), later=st.integers(0, 2))
    def soft_delete(self, member: str, at: datetime | None, later: int) -> None:
        """End one."""
        self.time += later
        self.both(lambda work: work.repository(DimPier).soft_delete(member, effective_at=at))

    @rule(member=MEMBERS, waiting=MEMBERS, number=st.integers(0, 3), at=MOMENTS | st.none(), fee=AMOUNTS)
    def moor(self, member: str, waiting: str, number: int, at: datetime | None, fee: Decimal | None) -> None:
        """Write a stay at one, of which any version is named; another one is waited for."""

        def do(work: UnitOfWork) -> None:
            piers = work.repository(DimPier)
            found = [piers.history(it) for it in (member, waiting)]
            keys = [it[0].key if it else None for it in found]
            row = FactMoorage(
                stay_id=str(number), moored_at=at, pier_key=keys[0], waiting_pier_key=keys[1], fee=fee
            )
            work.repository(FactMoorage).upsert(row)

        self.both(do)

    @rule(
        number=st.integers(0, 3),
        words=WORDS,
        price=AMOUNTS,
        what=st.sampled_from(["add", "upsert", "soft_delete"]),
    )
    def note(self, number: int, words: str | None, price: Decimal | None, what: str) -> None:
        """Write a note, or mark it as deleted."""
        row = {"note_id": str(number), "words": words, "price": price, "source_id": str(number)}

        def do(work: UnitOfWork) -> None:
            notes = work.repository(HarbourNote)
            if what == "soft_delete":
                notes.soft_delete(str(number))
            else:
                getattr(notes, what)(HarbourNote.from_dict(row))

        self.both(do)

    @rule(kept=st.booleans())
    def end(self, kept: bool) -> None:
        """Keep all of it, or nothing."""
        self.both(lambda work: work.commit() if kept else work.rollback())

    @rule(member=MEMBERS, when=MOMENTS)
    def ask_for_one(self, member: str, when: datetime) -> None:
        """Ask for one, now and at a moment, and for its history."""
        self.both(
            lambda work: [
                shown(it, {})
                for it in (
                    work.repository(DimPier).current(member),
                    work.repository(DimPier).as_of(member, when),
                    *work.repository(DimPier).history(member),
                )
            ]
        )

    @rule(
        condition=CONDITIONS,
        order=ORDERS,
        limit=st.integers(1, 3),
        every_version=st.booleans(),
    )
    def ask_for_many(self, condition: Any, order: list[Any], limit: int, every_version: bool) -> None:
        """Ask for all pages of a list."""

        def do(work: UnitOfWork) -> list[Any]:
            found: list[Any] = []
            after = None
            while after is not None or not found:
                page = work.repository(DimPier).list(
                    condition, order_by=[*order, *TIES], limit=limit, after=after, every_version=every_version
                )
                found.append([shown(it, {}) for it in page])
                after = page.next
            return found

        self.both(do)

    @rule()
    def ask_for_notes_and_stays(self) -> None:
        """Ask for what has no history."""

        def do(work: UnitOfWork) -> list[Any]:
            versions = work.repository(DimPier).list(every_version=True, limit=1000)
            key_of = {it.key: (it.source_id, it.version) for it in versions}
            stays = work.repository(FactMoorage).list(order_by=FactMoorage.fee.desc())
            notes = work.repository(HarbourNote).list(order_by=[HarbourNote.words, HarbourNote.price])
            return [shown(it, key_of) for it in (*stays, *notes)]

        self.both(do)

    @rule(number=st.integers(0, 3))
    def ask_by_key(self, number: int) -> None:
        """Ask by primary keys."""
        self.both(
            lambda work: [
                shown(work.repository(HarbourNote).get(str(number)), {}),
                work.repository(FactMoorage).get((str(number), "port")) is None,
            ]
        )

    @rule()
    def count_current_versions(self) -> None:
        """Promise 4; a rule, for what is asked writes what was told before, and that may be much at once."""
        for work in self.works:
            current = attempt(
                work, lambda it: [row.source_id for row in it.repository(DimPier).list(limit=1000)]
            )
            assert isinstance(current, tuple) or len(current) == len(set(current))

    def teardown(self) -> None:
        """Let nothing be open."""
        for work in self.works:
            work.rollback()
            work.__exit__(None, None, None)


def pier(member: str, values: dict[str, Any]) -> DimPier:
    return DimPier.from_dict({"source_id": member, **values})


def attempt(work: UnitOfWork, do: Callable[[UnitOfWork], Any]) -> Any:
    """What it answers, or how it is refused, without the number of a key."""
    try:
        return do(work)
    except StrandlineError as error:
        return ("refused", type(error), error.message)


def test_behind_a_change_that_opened_no_version_an_earlier_one_may_follow(both: Database) -> None:
    """In one flush they are merged one after the other, as in two."""

    class Machine(BothAlike):
        database = both

    prepare(both)
    state = Machine()
    state.add(member="a", values={"origin": None})
    state.upsert(member="a", values={"before": "x"}, at=minutes(57), later=1)
    state.upsert(member="a", values={"title": "é", "now": "x"}, at=minutes(16), later=2)
    found = state.both(lambda work: [it.valid_from for it in work.repository(DimPier).history("a")])
    assert found == [minutes(0), minutes(16)]
    state.soft_delete(member="a", at=minutes(0), later=2)
    refused = state.both(lambda work: work.repository(DimPier).history("a"))
    assert refused[:2] == ("refused", LateChange)
    state.teardown()


def test_both_answer_alike(both: Database) -> None:
    class Machine(BothAlike):
        database = both

    prepare(both)

    run_state_machine_as_test(Machine, settings=cases(15))
