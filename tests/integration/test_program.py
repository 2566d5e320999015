"""Programs as sources: however they end, nothing of them is left, and what they had sent is kept."""

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from tests.dockyard import (
    CONNECTORS,
    SECRET,
    TAPS,
    Connected,
    ShipOfProgram,
    Tapped,
    Told,
    airbyte,
    calls,
    connected,
    read,
    singer,
    tapped,
)

from strandline.errors import (
    DeclarationError,
    ProgramFailed,
    SourceError,
    SourceUnavailable,
    UnexpectedResponse,
)
from strandline.source import Pages, process, stream


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes.jsonl"


def is_there(pid: int) -> bool:
    """Whether the process lives; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_there(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_there(pid)


def test_what_a_program_says_is_passed_on_without_secrets(
    notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.dumps({"type": "LOG", "log": {"level": "WARN", "message": f"key {SECRET} is old"}})
    written = json.dumps({"key": SECRET})
    read(connected(notes, told, "a stray print", airbyte("{}"), mutters=[written]))
    said = capsys.readouterr().err
    assert "WARN: key *** is old" in said
    assert "a stray print" in said
    assert json.dumps(json.dumps({"key": "***"})) in said  # a line of JSON, in a line of ours
    assert SECRET not in said


@pytest.mark.parametrize("made", [tapped, connected])
@pytest.mark.parametrize(
    ("ends", "kind", "says"),
    [
        ("3", ProgramFailed, "ended with exit code 3\n    the key *** has expired"),
        ("killed", ProgramFailed, "ended with signal 9"),
        ("half a line", UnexpectedResponse, '"record": {"id": 3'),
    ],
)
def test_what_came_before_a_bad_end_is_kept_and_its_last_words_are_told(
    notes: Path, made: Any, ends: str, kind: type[SourceError], says: str
) -> None:
    record, state = (
        (singer('{"id":1}'), '{"type": "STATE", "value": 1}')
        if made is tapped
        else (airbyte('{"id":1}'), '{"type": "STATE", "state": {"data": 1}}')
    )
    source = made(notes, record, state, ends=ends, mutters=[f"the key {SECRET} has expired"])
    pages = type(source).ships.read(source)
    page = next(pages)
    assert page.records == [b'{"id":1}']
    assert page.state
    with pytest.raises(kind) as failed:
        next(pages)
    assert says in failed.value.message
    assert SECRET not in failed.value.message
    assert failed.value.hint


def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(notes: Path) -> None:
    class Impatient(Tapped):
        """Waits a second."""

        patience = 1.0

    told = Told(notes=str(notes), says=[singer("{}")], discovers=TAPS.split("\n"), ends="is deaf")
    pages = Impatient.ships.read(Impatient(settings=told))
    assert next(pages).records == [b"{}"]
    with pytest.raises(SourceUnavailable, match="nothing for 1 seconds"):
        next(pages)
    assert is_gone(calls(notes)[-1]["pid"])
    assert is_gone(int(notes.with_suffix(".child").read_text()))
    assert not process._running


def test_who_stops_reading_leaves_no_process_and_no_file(notes: Path) -> None:
    source = tapped(notes, *[singer("{}")] * 1_000, ends="hangs")
    pages = Tapped.ships.read(source)
    assert len(next(pages).records) == 1_000
    told = calls(notes)[-1]
    config = Path(told["arguments"][told["arguments"].index("--config") + 1])
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert is_there(told["pid"])
    pages.close()
    assert is_gone(told["pid"])
    deadline = time.monotonic() + 10
    while config.parent.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not config.parent.exists()


def test_what_cannot_be_run_or_read_is_told_with_what_to_type(notes: Path) -> None:
    gone = Tapped(settings=Told(notes=str(notes), command="/nowhere/tap-ships --quiet"))
    with pytest.raises(DeclarationError, match="'/nowhere/tap-ships' cannot be run") as refused:
        read(gone)
    assert "STRANDLINE_TAPPED__COMMAND=" in str(refused.value.hint)
    with pytest.raises(DeclarationError, match="which program reads it"):
        read(Tapped(settings=Told(notes=str(notes), command=" ")))
    with pytest.raises(UnexpectedResponse, match="--discover gave no catalog"):
        read(Tapped(settings=Told(notes=str(notes), discovers=["Welcome!"])))
    with pytest.raises(UnexpectedResponse, match="discover gave no catalog"):
        read(connected(notes, discovers=("Welcome!",)))

    class Misspelt(Connected):
        """Asks for what there is not."""

        @stream(ShipOfProgram, key="id")
        def ships(self, since: str | None) -> Pages:
            """Not all letters."""
            return self.pages("ship", since)

    with pytest.raises(DeclarationError, match="has no stream 'ship'") as unknown:
        read(Misspelt(settings=Told(notes=str(notes), discovers=[CONNECTORS])))
    assert unknown.value.hint == "Did you mean 'ships'?"
