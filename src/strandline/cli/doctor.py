"""The command `strandline doctor`: whether all that a run needs is there, and what to do where it is not."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from strandline.cli.option import App, AsJson, DatabaseUrl
from strandline.errors import EXIT_DONE, EXIT_FAILED, EXIT_PARTIAL


def doctor(
    database_url: DatabaseUrl = None,
    app: App = None,
    all_: Annotated[bool, typer.Option("--all", help="Show what is well, too, line by line.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look whether all is well: settings, database, permissions, clock, disk, migrations, locks."""
    from strandline.cli import diagnosis, output

    findings = list(diagnosis.examine(database_url=database_url, app=app))
    code = _exit_code(findings)
    if as_json:
        output.print_json({"findings": [it.as_dict() for it in findings], "exit_code": code})
    else:
        sys.stdout.writelines(_lines(findings, is_all=all_))
    raise typer.Exit(code)


def _exit_code(findings: list[Any]) -> int:
    worst = {it.severity for it in findings}
    return EXIT_FAILED if "error" in worst else EXIT_PARTIAL if "warning" in worst else EXIT_DONE


def _lines(findings: list[Any], *, is_all: bool) -> Iterator[str]:
    """What is not well with what to do, and of what is well a line for each kind."""
    width = max(len(it.check) for it in findings)
    well = Counter(it.check for it in findings if it.severity == "ok")
    for it in findings:
        if it.severity == "ok" and not is_all and well[it.check] > 1:
            continue  # told below in one line
        yield f"{it.severity:<8} {it.check:<{width}}  {it.message}\n"
        if it.remedy:
            yield f"{'':<8} {'':<{width}}  {it.remedy}\n"
    for check, count in well.items() if not is_all else ():
        if count > 1:
            yield f"{'ok':<8} {check:<{width}}  {count} times\n"
    yield f"{_summary(findings)}\n"


def _summary(findings: list[Any]) -> str:
    counted = Counter(it.severity for it in findings)
    told = [
        f"{counted[it]} {it}{'' if counted[it] == 1 else 's'}" for it in ("error", "warning") if counted[it]
    ]
    return f"{', '.join(told)}." if told else "All is well."
