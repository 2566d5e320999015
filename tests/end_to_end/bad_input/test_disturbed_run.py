"""A run that is stopped, killed or not the only one: nothing half done stays, and the next one goes on."""

import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
from sqlalchemy import text

from strandline.testing import ScriptedApi
from strandline.testing.project import Project
from strandline.testing.server import ReceivedRequest, Response
from strandline.warehouse.database import Database

HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"


class Gate:
    """Holds back every page behind the first until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def pass_through(self) -> None:
        """Wait here."""
        self.reached.set()
        assert self.opened.wait(60)


@pytest.fixture
def gate(api: ScriptedApi, records: list[dict[str, str]]) -> Iterator[Gate]:
    """The gate in front of the second page."""
    gate = Gate()
    customers = api.serve("/all", records, page_size=10)

    def answer(request: ReceivedRequest) -> Response:
        if request.query["page"] != "1":
            gate.pass_through()
        return Response(customers.page(request.query, url=api.url).body)

    api.respond("/customers", answer)
    yield gate
    gate.opened.set()


def start_and_reach(project: Project, gate: Gate) -> "subprocess.Popen[str]":
    """A run that has its first page and waits for the second."""
    process = project.start("run", "crm")
    assert gate.reached.wait(60)
    return process


def states(warehouse: Database) -> list[str]:
    with warehouse.begin() as connection:
        return list(connection.scalars(text("SELECT status FROM strandline.run ORDER BY run_id")))


def members(warehouse: Database) -> object:
    with warehouse.begin() as connection:
        return connection.scalar(text("SELECT count(*) FROM warehouse.dim_customer WHERE customer_key > 0"))


STOPS = pytest.mark.parametrize(
    ("how", "told"),
    [
        (signal.SIGTERM, "ended by SIGTERM"),
        (signal.SIGINT, "ended by Ctrl-C"),
        (signal.SIGHUP, "ended by SIGHUP, as its terminal went"),
    ],
    ids=["SIGTERM", "Ctrl-C", "the terminal goes"],
)


@STOPS
def test_a_stopped_run_says_so_and_the_next_one_goes_on(
    project: Project, gate: Gate, warehouse: Database, how: signal.Signals, told: str
) -> None:
    if signal.getsignal(how) is signal.SIG_IGN:
        pytest.skip(f"{how.name} is ignored here, as a shell has it for what runs in its background")
    process = start_and_reach(project, gate)
    process.send_signal(how)
    stopped = project.finish(process)

    assert stopped.code == 1
    assert stopped.stderr == "stopped: what was read is kept; run again to go on\n"
    assert states(warehouse) == ["stopped"]
    assert members(warehouse) == 0
    [listed] = project.strandline("runs", "--json").document["runs"]
    assert (listed["status"], listed["error"]) == ("stopped", told)

    gate.opened.set()
    assert project.strandline("run", "crm").code == 0
    assert states(warehouse) == ["stopped", "done"]
    assert members(warehouse) == 25


def test_of_two_runs_at_once_the_second_is_told_to_wait(
    project: Project, gate: Gate, warehouse: Database
) -> None:
    """And the first one does not notice."""
    first = start_and_reach(project, gate)
    second = project.strandline("run", "crm")

    assert second.code == 1
    assert "crm.customers: another run is reading this stream (PostgreSQL session " in second.error
    assert "Wait until it has ended (strandline status shows it), then run again." in second.error
    assert members(warehouse) == 0

    gate.opened.set()
    assert project.finish(first).code == 0
    assert members(warehouse) == 25
    assert project.strandline("run", "crm").code == 0
    assert states(warehouse) == ["done", "failed", "done"]


def test_a_killed_run_is_noted_by_the_next_one(project: Project, gate: Gate, warehouse: Database) -> None:
    process = start_and_reach(project, gate)
    process.kill()
    process.communicate()

    gate.opened.set()
    assert project.strandline("run", "crm").code == 0
    assert states(warehouse) == ["crashed", "done"]
    assert members(warehouse) == 25


def test_signals_that_come_together_are_one(project: Project, gate: Gate, warehouse: Database) -> None:
    """As where a terminal goes, or where what runs us passes a Ctrl-C on that we have had already."""
    process = start_and_reach(project, gate)
    for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(how)
    stopped = project.finish(process)

    assert (stopped.code, stopped.stderr) == (1, "stopped: what was read is kept; run again to go on\n")
    assert states(warehouse) == ["stopped"]


def close_slowly(project: Project) -> None:
    project.edit(
        "crm.py",
        "    def auth(self) -> httpx.Auth:",
        "    def close(self) -> None:\n"
        '        """Take a long time."""\n'
        "        import time\n\n"
        '        open("closing.txt", "w").close()\n'
        "        time.sleep(60)\n\n"
        "    def auth(self) -> httpx.Auth:",
    )


def wait_until_it_closes(project: Project) -> None:
    while not (project.folder / "closing.txt").exists():
        time.sleep(0.05)
    time.sleep(0.6)


def test_a_stop_that_takes_too_long_is_ended_by_another(
    project: Project, gate: Gate, warehouse: Database
) -> None:
    close_slowly(project)
    process = start_and_reach(project, gate)
    process.send_signal(signal.SIGTERM)
    wait_until_it_closes(project)
    process.send_signal(signal.SIGTERM)
    ended = project.finish(process)

    assert ended.code == -signal.SIGTERM
    assert states(warehouse) == ["stopped"]
    gate.opened.set()


def test_a_terminal_has_its_cursor_back_when_a_stop_is_ended(project: Project, gate: Gate) -> None:
    """And is told what each Ctrl-C did."""
    close_slowly(project)
    ours, theirs = pty.openpty()
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.extend(iter(partial(read, ours), b"")))
    reader.start()
    command = [*project.program, "run", "crm"]
    process = subprocess.Popen(
        command, cwd=project.folder, env={**os.environ, **project.environment}, stderr=theirs
    )
    os.close(theirs)
    assert gate.reached.wait(60)
    process.send_signal(signal.SIGTERM)
    wait_until_it_closes(project)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    reader.join(60)
    os.close(ours)

    shown = b"".join(said)
    assert b"stopping; once more ends it at once" in shown
    assert b"ended at once; run again to go on" in shown
    assert HIDE_CURSOR in shown
    assert shown.rfind(SHOW_CURSOR) > shown.rfind(HIDE_CURSOR)


def read(terminal: int) -> bytes:
    """What is on it; nothing, where nobody holds its other end any more."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_what_nohup_wants_to_go_on_goes_on(project: Project, gate: Gate, warehouse: Database) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    project.program = Project(
        project.folder, environment={}
    ).program  # a process of its own, which inherits that
    try:
        process = start_and_reach(project, gate)
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    gate.opened.set()

    assert project.finish(process).code == 0
    assert states(warehouse) == ["done"]
