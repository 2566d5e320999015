"""Promise 3 for outriggers: whichever dimension arrives first, each version names the same member.

The oracle is a plain loop over what was sent and shares no code with the merge.
"""

import itertools
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import String, text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import Dimension, Fact, Mapper, UtcDateTime, attribute, field, grain, references
from strandline.pipeline import Pipeline, run
from strandline.source import Pages, Record, Source, stream
from strandline.testing.written import row_versions
from strandline.warehouse.database import Database

START = datetime(2026, 1, 1, tzinfo=UTC)
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
UNKNOWN, NONE = "unknown", "not applicable"


class Account(Record):
    """An account, and the coins that it is kept in."""

    id: str
    at: AwareDatetime
    kept_in: str | None = None
    shown_in: str | None = None


class Coin(Record):
    """A currency."""

    id: str
    at: AwareDatetime
    label: str | None = None


class Transfer(Record):
    """A transfer, which waits for its currency."""

    id: str
    at: AwareDatetime
    coin: str | None = None


class Mint(Source):
    """Currencies."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[bytes] = []

    @stream(Coin, key="id", effective_at="at", deleted="gone")
    def coins(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class Bank(Source):
    """Accounts and transfers."""

    def __init__(self) -> None:
        super().__init__()
        self.account_records: list[bytes] = []
        self.transfer_records: list[bytes] = []

    @stream(Account, key="id", effective_at="at", deleted="gone")
    def accounts(self) -> Pages:
        """What it was given."""
        return pages(self.account_records)

    @stream(Transfer, key="id", effective_at="at")
    def transfers(self) -> Pages:
        """What it was given."""
        return pages(self.transfer_records)


class DimCoin(Dimension):
    """A currency."""

    label: Mapped[str | None] = attribute(String(10), scd=2)


class DimAccount(Dimension):
    """An account; what it is kept in has a history, what it is shown in has none."""

    kept_in_id: Mapped[str | None] = attribute(String(40), scd=2, outrigger=DimCoin)
    shown_in: Mapped[str] = attribute(String(40), outrigger=DimCoin)


class FactTransfer(Fact):
    """One row a transfer."""

    transfer_id: Mapped[str] = grain(String(40))
    coin_key: Mapped[int] = references(DimCoin, missing="unknown")


class MintCoin(Mapper[Coin, DimCoin]):
    """The mint's currencies."""

    label = field("label")


class BankAccount(Mapper[Account, DimAccount]):
    """The bank's accounts."""

    kept_in_id = field("kept_in", source=Mint)
    shown_in = field("shown_in", source="mint")


class BankTransfer(Mapper[Transfer, FactTransfer]):
    """The bank's transfers."""

    transfer_id = field("id")
    coin_key = field("coin", source=Mint)


bank = Pipeline("bank")
bank.sync(Bank.accounts, BankAccount)
bank.sync(Mint.coins, MintCoin)
bank.sync(Bank.transfers, BankTransfer)


@dataclass(frozen=True)
class Change:
    """One record of one of the three streams."""

    stream: str
    key: str
    minutes: int
    is_deleted: bool = False
    first: str | None = None
    second: str | None = None

    def payload(self, prefix: str) -> dict[str, Any]:
        """As its source sends it."""
        named = {"accounts": ("kept_in", "shown_in"), "coins": ("label",), "transfers": ("coin",)}
        said: dict[str, Any] = {"id": prefix + self.key, "at": self.at.isoformat()}
        if self.is_deleted:
            return said | {"gone": True}
        of_coins = [coin if coin is None or self.stream == "coins" else prefix + coin for coin in self.said]
        return said | dict(zip(named[self.stream], of_coins, strict=False))

    @property
    def at(self) -> datetime:
        """When it took effect."""
        return START + timedelta(minutes=self.minutes)

    @property
    def said(self) -> tuple[str | None, str | None]:
        """What it says."""
        return self.first, self.second or "?"


coins = st.sampled_from([None, "EUR", "USD", "Ünï😀"])
changes = st.builds(
    Change,
    stream=st.sampled_from(["accounts", "accounts", "coins", "transfers"]),
    key=st.sampled_from(["EUR", "USD"]),
    minutes=st.integers(0, 4),
    is_deleted=st.sampled_from([False, False, False, True]),
    first=coins,
    second=coins,
).map(lambda it: it if it.stream != "transfers" else Change("transfers", it.key, 0, first=it.first))


class Bed:
    """One database for all cases: each has natural keys of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mint, self.bank = Mint(), Bank()
        self._cases = itertools.count(1)

    def begin(self) -> str:
        """The prefix of a case's keys."""
        return f"{next(self._cases)}:"

    def load(self, prefix: str, batch: list[Change]) -> None:
        """Let the sources send these."""
        found: dict[str, list[bytes]] = {"accounts": [], "coins": [], "transfers": []}
        for change in batch:
            found[change.stream].append(json.dumps(change.payload(prefix)).encode())
        self.bank.account_records, self.bank.transfer_records = found["accounts"], found["transfers"]
        self.mint.records = found["coins"]
        assert run(bank, self.database, sources={"bank": self.bank, "mint": self.mint}).status == "done"

    def rows(self, query: str, prefix: str) -> list[tuple[Any, ...]]:
        """What a query about the case finds, sorted, without the prefix."""
        with self.database.connect() as connection:
            typed = text(query).columns(valid_from=UtcDateTime) if "valid_from" in query else text(query)
            found = connection.execute(typed, {"prefix": f"{prefix}%"})
            plain = [
                tuple(it.removeprefix(prefix) if isinstance(it, str) else it for it in row) for row in found
            ]
        return sorted(plain, key=repr)

    def found(self, prefix: str) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that the oracle speaks of."""
        latest = (
            "SELECT coin_durable_key AS k, source_id FROM warehouse.dim_coin WHERE is_current OR is_deleted"
        )
        return {
            "accounts": self.rows(
                "SELECT a.source_id, valid_from, one.source_id, other.source_id FROM warehouse.dim_account a"
                f" JOIN ({latest}) one ON one.k = kept_in_durable_key"
                f" JOIN ({latest}) other ON other.k = shown_in_durable_key WHERE a.source_id LIKE :prefix",
                prefix,
            ),
            "coins": self.rows(
                "SELECT DISTINCT source_id FROM warehouse.dim_coin WHERE source_id LIKE :prefix", prefix
            ),
            "transfers": self.rows(
                "SELECT transfer_id, c.source_id FROM warehouse.fact_transfer"
                " JOIN warehouse.dim_coin c USING (coin_key) WHERE transfer_id LIKE :prefix",
                prefix,
            ),
        }

    def written(self) -> list[tuple[Any, ...]]:
        """What changes with every write to the dimension, also an identical one."""
        return row_versions(self.database, DimAccount.table())


def naive(sent: list[Change]) -> dict[str, list[tuple[Any, ...]]]:
    """What a plain loop makes of everything that was sent."""
    standing = {(it.stream, it.key, it.minutes): it for it in sent}
    in_order = sorted(standing.values(), key=lambda it: it.minutes)
    known = {it.key for it in sent if it.stream == "coins" and not it.is_deleted}
    for it in sent:
        if it.stream == "accounts" and not it.is_deleted:
            known |= {coin for coin in (it.first, it.second or "?") if coin}
    accounts: list[tuple[Any, ...]] = []
    for key in sorted({it.key for it in sent if it.stream == "accounts"}):
        mine = [it for it in in_order if it.stream == "accounts" and it.key == key]
        accounts += _versions(key, mine)
        was_there = any(it.stream == "accounts" and it.key == key and not it.is_deleted for it in sent)
        if was_there and all(it.is_deleted for it in mine):
            accounts.append((key, BEGINNING, UNKNOWN, UNKNOWN))
    transfers = []
    for key in sorted({it.key for it in sent if it.stream == "transfers"}):
        coin = next(it.first for it in reversed(sent) if it.stream == "transfers" and it.key == key)
        transfers.append((key, NONE if coin is None else coin if coin in known else UNKNOWN))
    return {
        "accounts": sorted(accounts, key=repr),
        "coins": sorted([(it,) for it in known], key=repr),
        "transfers": sorted(transfers, key=repr),
    }


def _versions(key: str, mine: list[Change]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    open_with: object = BEGINNING  # nothing is open
    shown = next((it.second or "?" for it in reversed(mine) if not it.is_deleted), None)
    for it in mine:
        if it.is_deleted:
            open_with = BEGINNING
        elif open_with != it.first:
            found.append((key, it.at, it.first or NONE, shown))
            open_with = it.first
    return found


@pytest.fixture(scope="module")
def bed(both: Database) -> Bed:
    return Bed(both)


@given(st.lists(st.lists(changes, max_size=7), min_size=1, max_size=4))
@example([[Change("accounts", "a", 0, first="EUR", second="USD")], [Change("coins", "EUR", 1)]])
@example([[Change("coins", "EUR", 1)], [Change("accounts", "a", 0, first="EUR")]])
@example([[Change("accounts", "a", 0, first="EUR")], [Change("accounts", "a", 0, is_deleted=True)]])
@example([[Change("transfers", "t", 0, first="EUR")], [Change("accounts", "a", 0, first="EUR")]])
@cases(4)
def test_every_version_names_its_member_in_whatever_order_the_two_arrive(
    bed: Bed, batches: list[list[Change]]
) -> None:
    """After every batch; and the last words again write nothing."""
    prefix, sent = bed.begin(), list[Change]()
    for batch in batches:
        bed.load(prefix, batch)
        sent += batch
        assert bed.found(prefix) == naive(sent)
    written = bed.written()

    bed.load(prefix, list({(it.stream, it.key, it.minutes): it for it in sent}.values()))
    assert bed.found(prefix) == naive(sent)
    assert bed.written() == written
