"""Peers snapshot: the members of `snapshot`, one in a hundred changed, into what each peer keeps of history.

Every peer has a database of its own with the source as a table, and what it made of a first snapshot. Each
round begins with a copy of that, in which the source has moved on. What is timed is in the peer's favour: its
own work, without its start, and without staging, which is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy import make_url

from benchmarks import snapshot
from benchmarks.case import Case, address, database, prepare
from benchmarks.history import ATTRIBUTES
from benchmarks.peers import environment, script
from benchmarks.star import accounts
from benchmarks.timing import Outcome, Timing, at_least, note, ratio

TENTH: Final = 10


@dataclass(frozen=True)
class Peer:
    """A contestant: its environment, what it is called with at first and again, and where its history is."""

    name: str
    environment: str
    first: Sequence[str]
    again: Sequence[str]
    history: str
    end: str
    """The column that is NULL in a current version."""
    times: float | None = None
    """So many times as fast strandline is meant to be."""
    share: int = 1
    """It gets one in so many of the members."""


PEERS: Final = (
    Peer("dbt check", "dbt", ["check"], ["check"], "dw.account_check", "dbt_valid_to", times=2),
    Peer("dbt timestamp", "dbt", ["timestamp"], ["timestamp"], "dw.account_timestamp", "dbt_valid_to"),
    Peer("SQLMesh by column", "sqlmesh", ["first"], ["again"], "dw.account", "valid_to", times=4),
    Peer("dlt scd2", "dlt", ["first"], ["again"], "dw.account", "_dlt_valid_to", times=2),
    Peer("pygrametl", "pygrametl", [], [], "dw.account", "valid_to", share=TENTH),
)


def measure(server: str, *, members: int, rounds: int) -> Outcome:
    """Time everybody in turns; a peer that cannot be installed is left out, and named."""
    batch = snapshot.snapshot(members)
    not_run: dict[str, str] = {}
    timings: list[Timing] = []
    with database(server, "snapshot") as made:
        case = snapshot.staged(prepare(made, accounts), batch)
        ready = [it for it in PEERS if _prepared(case, it, members, not_run)]
        for round_ in range(rounds + 1):
            done = [snapshot.by_strandline(case, batch)]
            done += [_again(server, it, members) for it in ready if round_]
            timings += done if round_ else []  # the first fills caches and compiles statements
        for it in ready:
            _drop(server, _ready(it))
    targets = [
        at_least(
            f"a snapshot of {members:,} members, times as fast as {it.name}",
            it.times,
            ratio(timings, (it.name, members), ("strandline", members)),
        )
        for it in ready
        if it.times
    ]
    return Outcome("peers snapshot", "members", timings, targets, not_run)


def _prepared(case: Case, peer: Peer, members: int, not_run: dict[str, str]) -> bool:
    """Whether the peer's database is there, with a first snapshot, and the source moved on."""
    try:
        environment.prepared(peer.environment)
    except environment.Missing as why:
        not_run[peer.name] = str(why)
        return False
    server = case.database.url.render_as_string(hide_password=False)
    _drop(server, _ready(peer))
    home = _renewed(server, _home(peer))
    _copy(case, home, members // peer.share)
    script.run(peer.environment, "snapshot.py", *peer.first, database=home)
    with psycopg.connect(home, autocommit=True) as connection:
        connection.execute("ALTER TABLE crm.account RENAME TO account_before")
        connection.execute("ALTER TABLE crm.account_after RENAME TO account")
        connection.execute("VACUUM ANALYZE")
    with psycopg.connect(address(server), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {_home(peer)} RENAME TO {_ready(peer)}".encode())
    return True


def _again(server: str, peer: Peer, members: int) -> Timing:
    """The snapshot that is timed, in a copy of the peer's database."""
    with _copied(server, peer) as url:
        seconds = script.run(peer.environment, "snapshot.py", *peer.again, database=url)
        mine = members // peer.share
        changed = -(-mine // snapshot.SHARE)
        with psycopg.connect(url) as connection:
            counted = f"SELECT count(*), count(*) FILTER (WHERE {peer.end} IS NULL) FROM {peer.history}"
            found = connection.execute(counted.encode()).fetchone()
    if found != (mine + changed, mine):
        raise RuntimeError(
            f"{peer.name} left {found} versions and current ones, not {(mine + changed, mine)}"
        )
    return note(Timing(peer.name, mine, seconds))


def _copy(case: Case, home: str, members: int) -> None:
    """The source before and after, in the peer's own database."""
    names = ", ".join(ATTRIBUTES)
    table, staged = case.qualified(case.table), case.qualified(case.target.staged)
    before = f"SELECT source_id, {names}, valid_from FROM {table} WHERE account_key > 0"
    after = f"""
        SELECT source_id, {names},
            CASE WHEN (source_id::bigint - 1) % {snapshot.SHARE} = 0 THEN effective_at ELSE first_at END
        FROM {staged}
        JOIN (SELECT source_id AS id, valid_from AS first_at FROM {table}) AS known ON id = source_id
    """
    own = address(case.database.url.render_as_string(hide_password=False))
    with psycopg.connect(own) as source, psycopg.connect(home) as target:
        target.execute("CREATE SCHEMA crm")
        for name, query in (("account", before), ("account_after", after)):
            target.execute(
                f"""
                CREATE TABLE crm.{name} (
                    id text PRIMARY KEY, name text, email text, phone text, segment text, tier text,
                    region text, city text, country text, credit_limit numeric(20, 4),
                    balance numeric(20, 4), is_active boolean, opened_on date, modified_at timestamptz
                )
            """.encode()
            )
            wanted = f"{query} {'AND' if name == 'account' else 'WHERE'} source_id::bigint <= {members}"
            with (
                source.cursor().copy(f"COPY ({wanted}) TO STDOUT".encode()) as rows,
                target.cursor().copy(f"COPY crm.{name} FROM STDIN".encode()) as sink,
            ):
                for block in rows:
                    sink.write(block)


def _home(peer: Peer) -> str:
    return "peer_" + peer.name.lower().replace(" ", "_")


def _ready(peer: Peer) -> str:
    """The database before what is timed. A copy has the name that it was made under, which SQLMesh knows."""
    return f"{_home(peer)}_ready"


@contextmanager
def _copied(server: str, peer: Peer) -> Iterator[str]:
    """A copy of the database, gone afterwards; no work of the copying is left to do."""
    yield _renewed(server, _home(peer), template=_ready(peer))
    _drop(server, _home(peer))


def _renewed(server: str, name: str, *, template: str = "template0") -> str:
    """A new database, and its URL."""
    _drop(server, name)
    with psycopg.connect(address(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        connection.execute("CHECKPOINT")
    return address(make_url(server).set(database=name).render_as_string(hide_password=False))


def _drop(server: str, name: str) -> None:
    with psycopg.connect(address(server), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
