"""Promise 3 for bridges: every fact and version has its members and weights, in whatever order they come.

The oracle is a plain loop over what was sent and shares no code with the merge.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field
from sqlalchemy import BigInteger, SelectBase, String, func, select, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages
from tests.written import assert_is_its_query

from strandline.model import (
    Aggregate,
    Bridge,
    Dimension,
    Exact,
    Fact,
    Mapper,
    UtcDateTime,
    attribute,
    field,
    grain,
    measure,
    references,
)
from strandline.model.base import Base
from strandline.pipeline import Pipeline, Rejects, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.bridge import wrong_weights
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
TYPES: dict[str, Any] = {"weight": Exact(20, 18), "valid_from": UtcDateTime}
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)

Shares = tuple[tuple[str, str | None], ...]
"""(member, weight) as sent."""


class Several(Record):
    """A stay with its diagnoses, or an account with its owners."""

    id: str
    at: AwareDatetime
    shares: list[tuple[str, Decimal | None]] = Field(default_factory=list)


class Diagnosis(Record):
    """A diagnosis."""

    id: str
    at: AwareDatetime


class Ward(Source):
    """Stays, accounts and diagnoses."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[bytes]] = {"stay": [], "account": [], "diagnosis": []}

    @stream(Several, key="id", effective_at="at", deleted="gone")
    def stays(self) -> Pages:
        """What it was given."""
        return pages(self.sent["stay"])

    @stream(Several, key="id", effective_at="at", deleted="gone")
    def accounts(self) -> Pages:
        """What it was given."""
        return pages(self.sent["account"])

    @stream(Diagnosis, key="id", effective_at="at")
    def diagnoses(self) -> Pages:
        """What it was given."""
        return pages(self.sent["diagnosis"])


class DimDiagnosis(Dimension):
    """A diagnosis."""

    label: Mapped[str | None] = attribute(String(10))


class DimOwner(Dimension):
    """An owner, whom no stream sends."""

    label: Mapped[str | None] = attribute(String(10))


class BridgeDiagnosis(Bridge, to=DimDiagnosis):
    """The diagnoses of a stay."""


class BridgeOwner(Bridge, to=DimOwner):
    """The owners of an account."""


class FactCure(Fact):
    """One row a stay."""

    stay_id: Mapped[str] = grain(String(40))
    diagnosis_group_key: Mapped[int] = references(BridgeDiagnosis)


class AggCure(Aggregate):
    """Stays by diagnosis, each in as many parts as it has diagnoses."""

    diagnosis_durable_key: Mapped[int] = grain(BigInteger)
    stays: Mapped[int] = measure()

    @classmethod
    def query(cls) -> SelectBase:
        """Join the fact with the members of its group."""
        fact, bridge = FactCure.table().c, BridgeDiagnosis.table().c
        return (
            select(bridge.diagnosis_durable_key, func.count().label("stays"))
            .join_from(
                FactCure.table(),
                BridgeDiagnosis.table(),
                bridge.diagnosis_group_key == fact.diagnosis_group_key,
            )
            .group_by(bridge.diagnosis_durable_key)
        )


class DimDeposit(Dimension):
    """An account, whose owners have a history."""

    owners: Mapped[str | None] = attribute(scd=2, bridge=BridgeOwner)


class WardDiagnosis(Mapper[Diagnosis, DimDiagnosis]):
    """Diagnoses."""


class WardStay(Mapper[Several, FactCure]):
    """Stays."""

    stay_id = field("id")

    def diagnosis_group_key(self, record: Several) -> list[Any]:
        """Keys, with their weights where there are some."""
        return [(key, weight) if weight is not None else key for key, weight in record.shares]


class WardAccount(Mapper[Several, DimDeposit]):
    """Accounts."""

    def owners(self, record: Several) -> list[Any]:
        """Keys, with their weights where there are some."""
        return [(key, weight) if weight is not None else key for key, weight in record.shares]


ward = Pipeline("ward")
ward.sync(Ward.stays, WardStay, rejects=Rejects(count=1000))
ward.sync(Ward.diagnoses, WardDiagnosis)
ward.sync(Ward.accounts, WardAccount, rejects=Rejects(count=1000))


@dataclass(frozen=True)
class Change:
    """One record of one of the three streams."""

    stream: str
    key: str
    minutes: int
    shares: Shares = ()
    is_deleted: bool = False

    def payload(self, prefix: str) -> bytes:
        """As the source sends it."""
        said: dict[str, Any] = {"id": prefix + self.key, "at": self.at.isoformat()}
        if self.stream != "diagnosis":
            said["gone"] = self.is_deleted
            said["shares"] = [(prefix + key, weight) for key, weight in self.shares]
        return json.dumps(said).encode()

    @property
    def at(self) -> datetime:
        """When it took effect."""
        return START + timedelta(minutes=self.minutes)


weighted = st.sampled_from(["0.5", "0.50", "0.25", "1", "0", "0.2500"])
shares = st.one_of(
    st.lists(st.tuples(st.sampled_from(["x", "y", 'ä"\\', "z"]), st.none()), max_size=4).map(tuple),
    st.lists(st.tuples(st.sampled_from("xyz"), weighted), max_size=3).map(tuple),
    st.sampled_from(
        [(("x", "0.5"), ("y", "0.5")), (("y", None), ("x", None)), (("x", "0.25"), ("y", "0.75"))]
    ),
    st.just((("x", None), ("y", "1"))),
)
changes = st.builds(
    Change,
    stream=st.sampled_from(["stay", "account", "diagnosis"]),
    key=st.sampled_from(["x", "y"]),
    minutes=st.integers(0, 4),
    shares=shares,
    is_deleted=st.sampled_from([False, False, False, True]),
).map(lambda it: it if it.stream != "diagnosis" else Change("diagnosis", it.key, it.minutes))


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ward = Ward()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Change]) -> str:
        """Let the source send these."""
        for name in self.ward.sent:
            self.ward.sent[name] = [it.payload(prefix) for it in batch if it.stream == name]
        return run(ward, self.database, sources={"ward": self.ward}).status

    def rows(self, query: str, prefix: str) -> list[tuple[Any, ...]]:
        """What a query about the case finds, sorted, without the prefix."""
        with self.database.connect() as connection:
            types = {name: type_ for name, type_ in TYPES.items() if name in query}
            found = connection.execute(text(query).columns(**types), {"prefix": f"{prefix}%"}).all()
        plain = [tuple(_plain(it, prefix) for it in row) for row in found]
        return sorted(plain, key=repr)

    def found(self, prefix: str) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that the oracle speaks of."""
        return {
            "stays": self.rows(
                "SELECT stay_id, d.source_id, weight FROM warehouse.fact_cure"
                " JOIN warehouse.bridge_diagnosis USING (diagnosis_group_key)"
                " JOIN warehouse.dim_diagnosis d USING (diagnosis_durable_key) WHERE stay_id LIKE :prefix",
                prefix,
            ),
            "accounts": self.rows(
                "SELECT a.source_id, a.valid_from, p.source_id, weight FROM warehouse.dim_deposit a"
                " JOIN warehouse.bridge_owner USING (owner_group_key)"
                " JOIN warehouse.dim_owner p USING (owner_durable_key) WHERE a.source_id LIKE :prefix",
                prefix,
            ),
            "diagnoses": self.rows(
                "SELECT source_id FROM warehouse.dim_diagnosis WHERE source_id LIKE :prefix", prefix
            ),
            "people": self.rows(
                "SELECT source_id FROM warehouse.dim_owner WHERE source_id LIKE :prefix", prefix
            ),
        }

    def check(self) -> None:
        """What must hold of all groups."""
        with self.database.connect() as connection:
            for bridge in (BridgeDiagnosis, BridgeOwner):
                assert not wrong_weights(connection, bridge)
                twice = f"SELECT 1 FROM warehouse.{bridge.groups.name} GROUP BY source_system, members"
                assert not connection.execute(text(f"{twice} HAVING count(*) > 1")).all()

    def written(self) -> list[tuple[Any, ...]]:
        """What changes with every write, also an identical one."""
        names = ("fact_cure", "dim_deposit", "bridge_owner", "bridge_diagnosis", "bridge_owner_group")
        return row_versions(self.database, *(Base.metadata.tables[f"warehouse.{name}"] for name in names))


def _plain(value: Any, prefix: str) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.removeprefix(prefix) if isinstance(value, str) else value


Group = tuple[tuple[str, str], ...]


def group(shares: Shares) -> Group | None:
    """(member, weight) as the bridge has it; None for what is no group."""
    keys = [key for key, _ in shares]
    weights = [weight for _, weight in shares if weight is not None]
    if not shares:
        return (("not applicable", "1"),)
    if len(set(keys)) < len(keys) or len(weights) not in (0, len(keys)):
        return None
    if weights:
        if sum(Decimal(it) for it in weights) != 1:
            return None
        return tuple((key, plain(Decimal(weight or ""))) for key, weight in sorted(shares))
    digits = 10**12 // len(keys)
    first = 10**12 - digits * (len(keys) - 1)
    return tuple(
        (key, plain(Decimal(digits if number else first) / 10**12)) for number, key in enumerate(sorted(keys))
    )


def plain(weight: Decimal) -> str:
    """Without zeros at its end."""
    return format(weight.normalize(), "f")


def naive(sent: list[Change]) -> dict[str, list[tuple[Any, ...]]]:
    """What a plain loop makes of everything that was sent."""
    good = [it for it in sent if it.is_deleted or group(it.shares) is not None]
    named = {kind: set[str]() for kind in ("stay", "account")}
    for it in good:
        if it.stream in named and not it.is_deleted:
            named[it.stream] |= {key for key, _ in it.shares}
    diagnoses = named["stay"] | {it.key for it in good if it.stream == "diagnosis"}
    found: dict[str, list[tuple[Any, ...]]] = {
        "stays": [],
        "accounts": [],
        "diagnoses": [(it,) for it in diagnoses],
        "people": [(it,) for it in named["account"]],
    }
    for key in {it.key for it in good}:
        stays = _in_order(good, "stay", key)
        if stays and not stays[-1].is_deleted:
            found["stays"] += [(key, *share) for share in group(stays[-1].shares) or ()]
        accounts = _in_order(good, "account", key)
        before: Group | None = None
        for it in accounts:
            now = None if it.is_deleted else group(it.shares)
            if now is not None and now != before:
                found["accounts"] += [(key, it.at, *share) for share in now]
            before = now
        was_there = any(it.stream == "account" and it.key == key and not it.is_deleted for it in good)
        if was_there and all(it.is_deleted for it in accounts):
            found["accounts"].append((key, BEGINNING, "unknown", "1"))
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def _in_order(sent: list[Change], stream: str, key: str) -> list[Change]:
    standing = {it.minutes: it for it in sent if it.stream == stream and it.key == key}
    return [standing[minutes] for minutes in sorted(standing)]


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


HALVES: Shares = (("x", "0.5"), ("y", "0.50"))
EQUAL: Shares = (("y", None), ("x", None))


@given(st.lists(st.lists(changes, max_size=7), min_size=1, max_size=4))
@example([[Change("account", "a", 0, HALVES)], [Change("account", "a", 1, EQUAL)]])
@example([[Change("account", "a", 0, HALVES)], [Change("account", "a", 0, is_deleted=True)]])
@example([[Change("stay", "a", 1, HALVES)], [Change("stay", "a", 0, (("z", None),))]])
@example([[Change("stay", "a", 0, (("x", "0.9"),)), Change("stay", "b", 0, (("x", None), ("x", None)))]])
@cases(3)
def test_every_group_has_its_members_and_weights_in_whatever_order_they_come(
    bed: Bed, batches: list[list[Change]]
) -> None:
    """After every batch; and the last words again write nothing."""
    prefix, sent = bed.begin(), list[Change]()
    for batch in batches:
        status = bed.load(prefix, batch)
        sent += batch
        assert status in {"done", "partial"}
        assert bed.found(prefix) == naive(sent)
        assert_is_its_query(bed.database, AggCure)
    bed.check()
    written = bed.written()

    good = [it for it in sent if it.is_deleted or group(it.shares) is not None]
    bed.load(prefix, list({(it.stream, it.key, it.minutes): it for it in good}.values()))
    assert bed.found(prefix) == naive(sent)
    assert bed.written() == written
