"""What `strandline migrate` does with what was typed, and what it prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from strandline.cli import commands, output
from strandline.errors import DeclarationError
from strandline.pipeline import migration
from strandline.settings import Settings
from strandline.warehouse.migration.compare import Hints
from strandline.warehouse.migration.work import Patience


def read_hints(renames: Iterable[str], fills: Iterable[str], *, drops: bool) -> Hints:
    """What was told beside the models. Raises DeclarationError for what cannot be read."""
    return Hints(
        dict(
            _pair(it, by=":", option="--rename", example="dim_customer.name:customer_name") for it in renames
        ),
        dict(_pair(it, by="=", option="--fill", example="fact_order.discount=0") for it in fills),
        drops,
    )


def _pair(given: str, *, by: str, option: str, example: str) -> tuple[str, str]:
    left, found, right = (it.strip() for it in given.partition(by))
    if not (left and found and right):
        raise DeclarationError(f"{option} {given}: it cannot be read", hint=f"{option} {example}")
    return left, right


def revise(pipelines: Sequence[Any], settings: Settings, *, message: str, hints: Hints) -> migration.Written:
    """Write a revision."""
    with commands.warehouse(settings) as database:
        return migration.revision(
            Path.cwd(), database, migration.needed(pipelines), message=message, hints=hints
        )


def revise_rows(message: str) -> migration.Written:
    """Write a revision that changes rows."""
    return migration.data_revision(Path.cwd(), message=message)


def script(settings: Settings, to: str | None, *, since: str | None, is_upgrade: bool) -> str:
    """What an upgrade or downgrade would type; unless told, from where the warehouse stands."""
    if to is None and not is_upgrade:
        raise DeclarationError(
            "--downgrade: it is not said down to which revision",
            hint="Type: strandline migrate sql --downgrade -1, or base for all of them",
        )
    if since is None:
        with commands.warehouse(settings) as database:
            since = migration.stands_at(Path.cwd(), database)
    return migration.statements(
        Path.cwd(), settings.schemas, to=to or "head", since=since, is_upgrade=is_upgrade
    )


def say(what: str) -> None:
    """A step that is being done."""
    sys.stderr.write(f"{what}\n")


def move(
    settings: Settings,
    to: str,
    *,
    is_upgrade: bool,
    allow_destructive: bool,
    patience: tuple[float, int, int],
    note: Callable[[str], None],
) -> migration.Moved:
    """Apply revisions, or take them back."""
    act = migration.upgrade if is_upgrade else migration.downgrade
    with commands.warehouse(settings) as database:
        return act(
            Path.cwd(),
            database,
            to=to,
            allow_destructive=allow_destructive,
            patience=Patience(*patience),
            note=note,
        )


def look(pipelines: Sequence[Any], settings: Settings) -> migration.State:
    """Where the warehouse stands."""
    with commands.warehouse(settings) as database:
        return migration.status(Path.cwd(), database, migration.needed(pipelines))


def print_files(files: Sequence[Path], *, as_json: bool) -> None:
    """What was written, and what to do next."""
    shown = [os.path.relpath(it) for it in files]
    if as_json:
        output.print_json({"files": shown})
        return
    for it in shown:
        sys.stdout.write(f"{it}\n")
    sys.stdout.write('Next: strandline migrate revision -m "the beginning"\n')


def print_written(written: migration.Written, *, as_json: bool, then: str = "Read it") -> None:
    """What the revision is about, and where it is."""
    file = written.file and os.path.relpath(written.file)
    if as_json:
        output.print_json({**asdict(written), "file": file})
        return
    say = sys.stdout.write
    for it in written.changes:
        say(f"{it}\n")
    for it in written.loses:
        say(f"data is lost: it {it}\n")
    _print_left(written.left)
    if file is None:
        say("Nothing differs; no revision was written.\n")
    else:
        say(f"\n{file}\n{then}, then type: strandline migrate upgrade\n")


def _print_left(left: Sequence[str]) -> None:
    for it in left:
        sys.stdout.write(f"{it}, and stays; --allow-destructive drops it\n")


def print_moved(moved: migration.Moved, *, as_json: bool) -> None:
    """What was applied, or taken back."""
    if as_json:
        output.print_json(asdict(moved))
        return
    for it in moved.revisions:
        sys.stdout.write(f"{it}\n")
    said = "Nothing was to be done; it" if not moved.revisions else "The warehouse"
    sys.stdout.write(f"{said} is at {moved.at or 'the beginning, with no migration applied'}.\n")


def print_state(state: migration.State, *, as_json: bool) -> None:
    """Where the warehouse stands, and what to type next."""
    if as_json:
        output.print_json(state.as_dict())
        return
    say = sys.stdout.write
    say(f"at {', '.join(state.current) or 'the beginning'}; the head is {state.head or 'not there yet'}\n")
    for it in state.half_applied:
        how = "done" if it["ended_at"] else f"not done to its end, {it['rows']:,} rows changed"
        say(f"half applied: {it['revision']}, step {it['number']}, {it['what']}: {how}\n")
    for it in state.pending:
        say(f"behind by {it['revision']}: {it['message']}\n")
        for loss in it["loses"]:
            say(f"  data is lost: it {loss}\n")
    for difference in state.differences or ():
        say(f"differs: {difference}\n")
    _print_left(state.left)
    say(f"{_next(state)}\n")


def _next(state: migration.State) -> str:
    if state.pending or state.half_applied:
        return "Type: strandline migrate upgrade"
    if state.differences:
        return 'Type: strandline migrate revision -m "what is new"'
    return "Nothing is to be done."
