"""Peers load: the customers of `load` into a typed table, by strandline and by those who load from an API.

Every trial is a process of its own, on a new database of the same server, and its whole time counts, start
included: so much the more for strandline the fewer the records. What was loaded is counted and summed up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import load, trial
from benchmarks.peers import environment, script
from benchmarks.timing import Outcome, Timing, at_least, note, ratio
from benchmarks.trial import Ground

WARM: Final = 1_000

_LOADED: Final = (
    "SELECT count({raw}), count(*), count(DISTINCT {key}), sum({sum}::numeric) FROM erp.customers"
)


@dataclass(frozen=True)
class Peer:
    """A contestant: which peer's environment it wants, and what it starts there."""

    name: str
    environment: str
    arguments: Sequence[str]
    loaded: str
    """What tells how much it has loaded; of one that keeps no raw record, its rows."""
    times: float | None = None
    """So many times as fast strandline is meant to be."""


_DLT: Final = _LOADED.format(raw="*", key="internal_id", sum="credit_limit")

PEERS: Final = (
    Peer("dlt arrow", "dlt", ["load.py", "arrow"], _DLT, times=1.2),
    Peer(
        "dlt tuned",
        "dlt",
        ["load.py", "tuned"],
        _LOADED.format(raw="raw", key="internal_id", sum="credit_limit"),
        times=10,
    ),
    Peer("dlt default", "dlt", ["load.py", "default"], _DLT),
    Peer(
        "meltano target",
        "meltano",
        ["load.py"],
        _LOADED.format(raw="*", key='"internalId"', sum='"creditLimit"'),
    ),
)


def measure(*, records: int, rounds: int) -> Outcome:
    """Load in turns; a peer that cannot be installed is left out, and named."""
    not_run: dict[str, str] = {}
    peers = []
    for it in PEERS:
        try:
            environment.prepared(it.environment)
            peers.append(it)
        except environment.Missing as why:
            not_run[it.name] = str(why)
    with load.ground([WARM, records]) as ground:
        for _ in _round(ground, peers, records=WARM):  # compiles every import, and is not counted
            pass
        timings = [note(it) for _ in range(rounds) for it in _round(ground, peers, records=records)]
        ground.drop()
    targets = [
        at_least(
            f"{records:,} customers, times as fast as {it.name}",
            it.times,
            ratio(timings, (it.name, records), ("strandline", records)),
        )
        for it in peers
        if it.times
    ]
    return Outcome("peers load", "customers", timings, targets, not_run)


def _round(ground: Ground, peers: Sequence[Peer], *, records: int) -> Iterator[Timing]:
    """Everybody once. Raises RuntimeError when they did not load the same."""
    ground.renew()
    ours = trial.measure("strandline", ground, records=records)
    amount = trial.check("strandline", ground, records=records)
    yield Timing("strandline", records, ours.seconds)
    for it in peers:
        ground.renew()
        theirs = trial.timed(
            it.name, _command(it, ground, records), environment=_surroundings(ground), records=records
        )
        found = trial.checked(it.name, ground, records=records, statement=it.loaded)
        if found != amount:
            raise RuntimeError(f"{it.name} loaded a sum of {found}, and strandline {amount}")
        yield Timing(it.name, records, theirs.seconds)


def _command(peer: Peer, ground: Ground, records: int) -> list[str]:
    name, *arguments = peer.arguments
    python = environment.prepared(peer.environment) / "python"
    where = environment.FOLDER / peer.environment / name
    return [str(python), str(where), *arguments, f"{ground.api}/{records}", ground.database]


def _surroundings(ground: Ground) -> dict[str, str]:
    home = str(ground.bytecode.parent)  # what a peer wants to remember goes with the trial
    return trial.surroundings(ground) | script.QUIET | {"HOME": home, "DLT_DATA_DIR": home}
