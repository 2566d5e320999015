"""What `strandline fields promote` does, and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from strandline.cli import commands, output
from strandline.errors import DeclarationError
from strandline.pipeline import promotion
from strandline.pipeline.promotion import Promotion
from strandline.pipeline.rewrite import Modules
from strandline.settings import Settings
from strandline.warehouse import ledger, managed, occurrence, schema
from strandline.warehouse.database import Database
from strandline.warehouse.migration import environment, foreign
from strandline.warehouse.occurrence import Occurrence


def promote(
    pipelines: Sequence[Any],
    settings: Settings,
    stream: str,
    field: str,
    *,
    column: str,
    model: str | None,
    type_: str | None,
    scd: int,
    is_personal: bool | None,
    is_dry: bool,
) -> dict[str, Any]:
    """Write what makes the field a column, or with `is_dry` tell what would be written."""
    folder = Path.cwd()
    pipeline, sync = promotion.choose(pipelines, stream, model=model)
    scripts = environment.find(folder)
    with commands.warehouse(settings) as database, database.begin() as connection:
        is_there = ledger.exists(database, connection)
        seen = occurrence.find(database, connection, stream=stream, name=field) if is_there else []
        planned = promotion.plan(
            sync, field, column=column, type_=type_, scd=scd, is_personal=is_personal, seen=seen
        )
        statement = schema.add_column(database, sync.model.table(), planned.declared)
        modules, revision = Modules(folder), None
        planned.declare(modules)
        diffs = {str(it.path.relative_to(modules.folder)): it.diff(modules.folder) for it in modules}
        if not is_dry:
            _write(modules, settings.app)
            if scripts is not None:
                revision = _revise(scripts, database, planned, modules=modules, app=settings.app)
    return _told(pipeline.name, planned, seen) | {
        "is_dry": is_dry,
        "files": diffs,
        "statement": statement,
        "has_migrations": scripts is not None,
        "revision": revision,
    }


def _write(modules: Modules, app: str) -> None:
    modules.write()
    _import_anew(modules, app)


def _revise(
    scripts: ScriptDirectory, database: Database, planned: Promotion, *, modules: Modules, app: str
) -> str:
    """Write the revision; without it the lines are taken back as well."""
    table, stream = planned.sync.model.table(), planned.sync.stream.qualified_name
    message = f"{planned.field} of {stream} becomes {table.name}.{planned.column}"
    if managed.Folder(modules.folder).is_ours:
        return _revise_ours(database, message, modules=modules, app=app)
    try:
        made = foreign.add_column(scripts, database, message=message, table=table, column=planned.declared)
    except (CommandError, OSError) as error:
        modules.take_back()
        raise DeclarationError(
            f"no revision could be written: {error}",
            hint="Nothing was kept. Mend the environment of Alembic.",
        ) from error
    return os.path.relpath(made, modules.folder)


def _revise_ours(database: Database, message: str, *, modules: Modules, app: str) -> str:
    """The same by a new process, which sees the new lines, and views that show the column too."""
    url = database.url.render_as_string(hide_password=False)
    done = subprocess.run(
        [sys.executable, "-m", "strandline", "migrate", "revision", "-m", message, "--json"],
        cwd=modules.folder,
        env={**os.environ, "STRANDLINE_DATABASE_URL": url, "STRANDLINE_APP": app},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return str(json.loads(done.stdout)["file"])
    modules.take_back()
    lines = done.stderr.strip().splitlines() or ["no revision could be written"]
    hint = next((it.strip().removeprefix("hint: ") for it in lines if it.strip().startswith("hint: ")), "")
    raise DeclarationError(lines[0].removeprefix("error: "), hint=f"Nothing was kept. {hint}".strip())


def _import_anew(modules: Modules, app: str) -> None:
    """Import the project with its new lines, in a new process; take them back if that fails."""
    names = [it.strip() for it in app.split(",")]
    program = "import sys; sys.path.insert(0, ''); " + "; ".join(f"import {it}" for it in names)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    modules.take_back()
    why = next((it for it in reversed(done.stderr.splitlines()) if it.strip() and not it.startswith(" ")), "")
    raise DeclarationError(
        f"with the new lines {app} cannot be imported: {why}",
        hint="Nothing was kept. --dry-run shows the lines; add them by hand, or choose another --type.",
    )


def _told(pipeline: str, planned: Promotion, seen: Sequence[Occurrence]) -> dict[str, Any]:
    sync = planned.sync
    return {
        "stream": sync.stream.qualified_name,
        "field": planned.field,
        "pipeline": pipeline,
        "model": sync.target,
        "column": planned.column,
        "type": planned.type,
        "scd": planned.scd,
        "pii": planned.is_personal,
        "seen": [{"type": it.type, "records": it.records, "longest": it.longest} for it in seen],
    }


def print_promotion(told: dict[str, Any], *, as_json: bool) -> None:
    """The lines, and what to do next."""
    if as_json:
        output.print_json(told)
        return
    say = sys.stdout.write
    seen = ", ".join(f"{it['type']} in {it['records']:,} records" for it in told["seen"]) or "never"
    say(f"{told['field']} of {told['stream']} was {seen}\n")
    mark = ", points at a person" if told["pii"] else ""
    say(f"it becomes {told['model']}.{told['column']}, {told['type']}, SCD type {told['scd']}{mark}\n")
    for diff in told["files"].values():
        say(f"\n{diff}\n")
    if told["is_dry"]:
        say("\nNothing was written.\n")
        return
    say("\nNext:\n")
    if told["revision"]:
        say(f"  {told['revision']} is written; type: alembic upgrade head\n")
    else:
        say(f"  type in psql: {told['statement']}\n")
    say(f"  type: strandline run {told['pipeline']}, which fills the column from the raw log\n")
