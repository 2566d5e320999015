"""Erasure of streams that fill facts: what these count stays, and nothing else of the person does."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import String, func, select, text
from sqlalchemy.orm import Mapped
from tests.integration.test_erasure import Canaries, dump
from tests.memory import pages

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
    line,
    line_number,
    measure,
    references,
)
from strandline.pipeline import Certificate, Pipeline, RunReport, erase, run
from strandline.pipeline.pruning import prune
from strandline.pipeline.replay import replay
from strandline.pipeline.restoration import restore
from strandline.source import Pages, Personal, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse import state
from strandline.warehouse.database import Database

EXACT = "12345678901234.10"


class Part(Record):
    """What a policy is made of."""

    risk: str
    premium: Decimal
    insured: Annotated[str | None, Personal()] = None
    remark: str | None = None


class Policy(Record):
    """A policy, whose number is its holder's; with parts."""

    number: str
    at: AwareDatetime
    holder: str
    town: str | None = None
    sex: str
    agent: str | None = None
    premium: Decimal
    parts: tuple[Part, ...] = ()


class Claim(Record):
    """A claim, of somebody of whom there is no table."""

    number: str
    at: AwareDatetime
    person: str
    mail: Annotated[str, Personal()]
    cause: str | None = None
    paid: Decimal


class Insurer(Source):
    """Whatever it is given."""

    name = "insurer"

    def __init__(self, policies: list[bytes] | None = None, claims: list[bytes] | None = None) -> None:
        super().__init__()
        self.policy_records, self.claim_records = policies or [], claims or []

    @stream(Policy, key="number", effective_at="at", deleted="ended")
    def policies(self) -> Pages:
        """Those."""
        return pages(self.policy_records)

    @stream(Claim, key="number", effective_at="at")
    def claims(self) -> Pages:
        """Those."""
        return pages(self.claim_records)


class DimHolder(Dimension, CustomFields):
    """Who holds a policy."""

    holder_name: Mapped[str] = attribute(String(60), pii=True)
    town: Mapped[str | None] = attribute(String(60), scd=2)
    sex: Mapped[str] = attribute(String(6))


class FactPolicy(Fact, CustomFields):
    """One row a policy."""

    policy_number: Mapped[str] = grain(String(40))
    since: Mapped[datetime] = event_time()
    holder_key: Mapped[int] = references(DimHolder)
    agent: Mapped[str | None] = degenerate(String(60))
    premium: Mapped[Decimal] = measure(Money)


class FactPolicyPart(Fact):
    """One row a part."""

    policy_number: Mapped[str] = grain(String(40))
    part: Mapped[int] = grain()
    risk: Mapped[str] = degenerate(String(60))
    insured: Mapped[str | None] = degenerate(String(60))
    premium: Mapped[Decimal] = measure(Money)


class FactPolicyClaim(Fact):
    """One row a claim."""

    claim_number: Mapped[str] = grain(String(40))
    claimed_at: Mapped[datetime] = event_time()
    person: Mapped[str] = degenerate(String(60))
    mail: Mapped[str] = degenerate(String(60))
    paid: Mapped[Decimal] = measure(Money)
    is_large: Mapped[bool] = degenerate()


class InsurerHolder(Mapper[Policy, DimHolder]):
    """Holders."""

    holder_name = field("holder")
    town = field("town")
    sex = field("sex")


class InsurerPolicy(Mapper[Policy, FactPolicy]):
    """Policies."""

    policy_number = field("number")
    since = field("at")
    holder_key = field("number")
    agent = field("agent")
    premium = field("premium")


class InsurerPart(Mapper[Policy, FactPolicyPart], each="parts"):
    """Their parts."""

    policy_number = field("number")
    part = line_number()
    risk = line("risk")
    insured = line("insured")
    premium = line("premium")


class InsurerClaim(Mapper[Claim, FactPolicyClaim]):
    """Claims."""

    claim_number = field("number")
    claimed_at = field("at")
    person = field("person")
    mail = field("mail")
    paid = field("paid")

    def is_large(self, record: Claim) -> bool:
        """More than a hundred."""
        return record.paid > 100


insurer = Pipeline("insurer")
insurer.sync(Insurer.policies, InsurerHolder)
insurer.sync(Insurer.policies, InsurerPolicy)
insurer.sync(Insurer.policies, InsurerPart)
insurer.sync(Insurer.claims, InsurerClaim)


def policy(canary: Canaries, day: int, key: str = "p", **said: Any) -> bytes:
    """A policy with canaries wherever no fact looks, and where it is marked as personal."""
    parts = [
        {
            "risk": "fire",
            "premium": 1,
            "insured": canary("child"),
            "remark": canary("r"),
            "more": canary("m"),
        },
        {"risk": "flood", "premium": 2, "remark": canary("r")},
    ]
    said = {"number": key, "at": f"2026-01-{day:02}T00:00:00Z", "sex": "female", "agent": "agent-7"} | said
    said |= {name: canary('Zoë "Z"') for name in ("holder", "town", "extra") if name not in said}
    made = {"premium": 3, "parts": parts, "deep": [{"of": canary("x")}]} | said
    return json.dumps(made).encode().replace(b'"premium": 3', b'"premium":   ' + EXACT.encode())


def claim(canary: Canaries, number: str, day: int, paid: str = "10", **said: Any) -> bytes:
    """A claim of the one whose it is."""
    made = {
        "number": number,
        "at": f"2026-01-{day:02}T00:00:00Z",
        "person": "p",
        "mail": canary("a@example.com"),
    }
    return json.dumps({**made, "cause": "storm", "paid": paid, "copy": canary("copy"), **said}).encode()


def load(warehouse: Database, policies: list[bytes], claims: list[bytes] | None = None) -> RunReport:
    """Let the insurer send these."""
    return run(insurer, warehouse, sources={"insurer": Insurer(policies, claims)})


def erased(warehouse: Database, stream: str, key: str, **arguments: Any) -> Certificate:
    """Erase a key."""
    return erase([insurer], warehouse, f"insurer.{stream}", key, reason="a request", **arguments)


def sums(warehouse: Database) -> list[Any]:
    """What the facts count, and what they say that is nobody's."""
    p, q, c = FactPolicy.table().c, FactPolicyPart.table().c, FactPolicyClaim.table().c
    wanted = [
        select(func.count(), func.sum(p.premium), func.min(p.agent), func.max(p.agent), func.max(p.since)),
        select(q.policy_number, q.part, q.risk, q.premium).order_by(q.policy_number, q.part),
        select(c.claim_number, c.person, c.paid, c.is_large).order_by(c.claim_number),
    ]
    with warehouse.connect() as connection:
        return [connection.execute(it).all() for it in wanted]


def holders(warehouse: Database) -> list[tuple[Any, ...]]:
    """Of each policy whose it is, and what is said of them."""
    p, d = FactPolicy.table().c, DimHolder.table().c
    wanted = select(p.policy_number, d.source_id, d.is_inferred, d.holder_name, d.town, d.holder_durable_key)
    joined = wanted.join_from(p.agent.table, d.town.table, p.holder_key == d.holder_key)
    with warehouse.connect() as connection:
        return [tuple(it) for it in connection.execute(joined.order_by(p.policy_number))]


def test_facts_stay_and_nothing_else_of_the_record_does(warehouse: Database) -> None:
    """Neither in log, history, quarantine and custom fields, nor when it is sent again."""
    canary, others = Canaries(), Canaries()
    sent = [policy(canary, 1), policy(canary, 3), policy(others, 1, "q")]
    assert load(warehouse, sent).status == "done"
    wrong = [policy(canary, 2, premium=canary("much")), policy(canary, 5, holder="x" * 61 + canary())]
    assert load(warehouse, [*wrong, policy(canary, 2, town=canary("late"))]).status == "partial"
    before, was = sums(warehouse), holders(warehouse)
    assert set(canary.found(dump(warehouse))) == set(canary.values)
    certificate = erased(warehouse, "policies", "p")

    assert canary.found(dump(warehouse)) == []
    assert set(others.found(dump(warehouse))) == set(others.values)
    assert sums(warehouse) == before
    mine, other = holders(warehouse)
    assert mine == ("p", "p", True, "Unknown", None, was[0][5])
    assert other == was[1]
    assert certificate.kept == {"fact_policy": 1, "fact_policy.holder_key": 1, "fact_policy_part": 2}
    assert certificate.counts["raw.insurer_policies"] == 5
    written = row_versions(warehouse, FactPolicy.table(), FactPolicyPart.table(), DimHolder.table())
    assert replay(insurer, warehouse).status == "done"
    assert load(warehouse, sent).streams[0].stored == 2  # neither is what came last
    assert erased(warehouse, "policies", "p").counts == {}
    assert row_versions(warehouse, FactPolicy.table(), FactPolicyPart.table(), DimHolder.table()) == written


def test_what_comes_later_restates_the_facts_and_brings_nobody_back(warehouse: Database) -> None:
    """A record that its contract refuses is not stored; the end of a policy is one."""
    canary = Canaries()
    load(warehouse, [policy(canary, 1), policy(canary, 1, "q")])
    erased(warehouse, "policies", "p")
    erased(warehouse, "policies", "q")
    later = policy(canary, 4, agent="agent-8", premium=5)
    refused = policy(canary, 5, premium=canary("much"))
    ended = json.dumps({"number": "q", "at": "2026-01-06T00:00:00Z", "ended": True, "why": canary()}).encode()
    report = load(warehouse, [later, refused, ended])

    assert (report.status, report.streams[0].stored, report.streams[0].unchanged) == ("done", 2, 1)
    assert replay(insurer, warehouse).status == "done"
    assert [it[:5] for it in holders(warehouse)] == [("p", "p", True, "Unknown", None)]
    assert sums(warehouse)[0] == [(1, Decimal(5), "agent-8", "agent-8", datetime(2026, 1, 4, tzinfo=UTC))]
    assert canary.found(dump(warehouse)) == []
    with warehouse.connect() as connection:
        assert (
            connection.scalar(select(func.count()).where(state.erased_key.c.sent_again_at.is_not(None))) == 2
        )


def test_a_stream_that_fills_facts_alone_loses_what_is_personal(warehouse: Database) -> None:
    """What the contract names may be read by a method, and so stays unless it is marked."""
    canary = Canaries()
    load(warehouse, [], [claim(canary, "1", 1, "500"), claim(Canaries(), "2", 1)])
    before = sums(warehouse)
    dry = erased(warehouse, "claims", "1", is_dry=True)
    certificate = erased(warehouse, "claims", "1")

    assert (dry.counts, dry.kept) == (certificate.counts, certificate.kept)
    assert canary.found(dump(warehouse)) == []
    assert sums(warehouse) == before
    assert certificate.kept == {"fact_policy_claim": 1}
    with warehouse.connect() as connection:
        rows = connection.execute(
            text("SELECT payload, operation FROM raw.insurer_claims ORDER BY raw_id")
        ).all()
        mails = connection.scalars(
            select(FactPolicyClaim.table().c.mail).order_by(FactPolicyClaim.table().c.claim_number)
        )
        assert next(mails) == "[erased]"
    said = json.loads(bytes(rows[0].payload))
    assert (said["person"], said["cause"], said["mail"], said["copy"]) == ("p", "storm", "[erased]", None)
    assert [it.operation for it in rows] == ["facts", "upsert"]


def test_what_is_restored_is_as_if_it_had_been_there(warehouse: Database, tmp_path: Path) -> None:
    """Pruned before, erased, and brought back from files that say everything."""
    pytest.importorskip("pyarrow")
    canary = Canaries()
    load(warehouse, [], [claim(canary, "1", 1, "5"), claim(canary, "1", 2, "6"), claim(canary, "1", 3, "7")])
    prune([insurer], warehouse, ["insurer.claims"], older_than=timedelta(0), export=tmp_path)
    before = sums(warehouse)
    erased(warehouse, "claims", "1")
    report = restore([insurer], warehouse, tmp_path)

    assert report.streams[0].entries == 2
    assert canary.found(dump(warehouse)) == []
    assert replay(insurer, warehouse).status == "done"
    assert sums(warehouse) == before
    assert canary.found(dump(warehouse)) == []


def test_the_number_of_a_policy_is_forgotten_with_its_holder(warehouse: Database) -> None:
    """It is the grain of facts, and of their lines too."""
    canary = Canaries()
    number = canary("number")
    load(warehouse, [policy(canary, 1, number), policy(canary, 3, number), policy(Canaries(), 1, "q")])
    wrong = [policy(canary, 5, number, premium="much"), policy(canary, 5, number, holder="x" * 61)]
    load(warehouse, wrong)
    before, was = sums(warehouse), holders(warehouse)
    certificate = erased(warehouse, "policies", number, pseudonymise=True)

    assert canary.found(dump(warehouse)) == []
    token = next(it[0] for it in holders(warehouse) if it[0] != "q")
    assert {it[5] for it in holders(warehouse)} == {it[5] for it in was}
    assert sums(warehouse)[0] == before[0]
    assert [it[1:] for it in sums(warehouse)[1] if it[0] == token] == [
        it[1:] for it in before[1] if it[0] == number
    ]
    assert certificate.kept == {"fact_policy": 1, "fact_policy.holder_key": 1, "fact_policy_part": 2}
    tables = (FactPolicy.table(), FactPolicyPart.table(), DimHolder.table())
    written = row_versions(warehouse, *tables)
    assert replay(insurer, warehouse).status == "done"
    assert load(warehouse, [policy(canary, 9, number)]).streams[0].stored == 0
    assert row_versions(warehouse, *tables) == written
    assert canary.found(dump(warehouse)) == []
