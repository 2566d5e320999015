"""Migrations: what `strandline migrate` does, and what an environment of ours calls in its `env.py`.

Models and raw logs of the pipelines are compared with the database that stands at the head of the revisions;
what differs becomes a revision, to be read before it is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

from alembic import command, context
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, select, text

from strandline.errors import DataWouldBeLost, DeclarationError, SchemaOutOfDate
from strandline.pipeline.definition import Pipeline
from strandline.settings import Schemas, Settings
from strandline.warehouse import embedded, managed
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.migration import environment, journal, proposal, runner
from strandline.warehouse.migration.compare import Hints
from strandline.warehouse.migration.proposal import Proposal
from strandline.warehouse.migration.wanted import Wanted, wanted
from strandline.warehouse.migration.work import OPTION, Patience, Work

Note = Callable[[str], None]


def _silent(_: str) -> None:
    """Say nothing."""


def needed(pipelines: Sequence[Pipeline]) -> Wanted:
    """What these pipelines need in the warehouse."""
    models = dict.fromkeys(model for it in pipelines for model in it.models)
    logs = dict.fromkeys(reading.raw for it in pipelines for reading in it.readings)
    return wanted(list(models), list(logs))


def init(folder: Path) -> list[Path]:
    """Write the environment of the project in this folder; its files."""
    return environment.create(folder)


@dataclass(frozen=True)
class Written:
    """What became of `revision`."""

    file: Path | None
    """None: nothing differs."""
    changes: list[str] = field(default_factory=list)
    loses: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What no model has any more, and stays."""


def revision(
    folder: Path,
    database: Database,
    needed: Wanted,
    *,
    message: str,
    hints: Hints | None = None,
) -> Written:
    """Write the revision that brings the warehouse from the head to what is needed.

    Raises SchemaOutOfDate where the database does not stand at the head, and DeclarationError for a column
    of which nobody says what the rows that are there get.
    """
    scripts = _ours(folder, database)
    with database.connect() as connection:
        found = _difference(scripts, database, connection, needed, hints=hints)
    if found.unfilled:
        raise DeclarationError(
            f"{', '.join(found.unfilled)}: a value is required, and the rows that are there have none",
            hint=f"Say what they get, in SQL, as in --fill {found.unfilled[0]}=0; a column of a dimension may"
            " also be optional at first.",
        )
    changes, left = found.told, list(found.left)
    if not found.changes:
        return Written(None, [], [], left)
    lost = {"upgrade": found.loses(is_upgrade=True), "downgrade": found.loses(is_upgrade=False)}
    file = environment.write(
        scripts,
        message,
        upgrade=found.lines(is_upgrade=True),
        downgrade=found.lines(is_upgrade=False),
        loses=lost,
    )
    return Written(file, changes, lost["upgrade"], left)


def data_revision(folder: Path, *, message: str) -> Written:
    """Write a revision that changes rows and no table, to be filled in."""
    return Written(environment.write(_ours(folder, None), message, upgrade=DATA_UP, downgrade=DATA_DOWN))


DATA_UP: Final = (
    "# Rows are changed in batches; what is broken off goes on, and no row is changed twice:",
    "# online.update(",
    '#     "dim_customer",',
    '#     {"segment": "lower(segment)"},',
    '#     where="segment <> lower(segment)",',
    "#     schema=schemas.warehouse,",
    "# )",
    "pass",
)
DATA_DOWN: Final = (
    "# As it stands, the rows stay as they are. Then say beside `revision` what is another for good, as in",
    '# rewrites = ["warehouse.dim_customer.segment"].',
    "pass",
)


def _ours(folder: Path, database: Database | None) -> ScriptDirectory:
    scripts = environment.need(folder)
    if not managed.Folder(folder).is_ours:
        raise DeclarationError(
            f"{folder / managed.CONFIGURATION}: this environment is not strandline's",
            hint="Use alembic with it; or let its env.py be: from strandline.pipeline.migration import"
            " run_migrations; run_migrations()",
        )
    if database is not None and is_sqlite(database.engine):
        raise DeclarationError(
            f"{database.shown}: SQLite is for tests, and is made anew", hint="Migrate a PostgreSQL."
        )
    return scripts


def _difference(
    scripts: ScriptDirectory,
    database: Database,
    connection: Connection,
    needed: Wanted,
    *,
    hints: Hints | None = None,
) -> Proposal:
    head = scripts.get_current_head()
    with connection.begin():
        at = current(database, connection)
        half = journal.unfinished(database, connection)
    if (head is not None and at != (head,)) or half:
        raise SchemaOutOfDate(
            f"{database.shown}: it is not at {head}, the head of the migrations, and cannot be compared",
            hint=managed.UPGRADE,
        )
    files = {it.path: Path(it.path).read_text(encoding="utf-8") for it in scripts.walk_revisions()}
    return proposal.propose(database, connection, needed, hints=hints, is_first=head is None, has_made=files)


def current(database: Database, connection: Connection) -> tuple[str, ...]:
    """The revisions at which the database stands; none: no migration was ever applied."""
    name = f"{database.schema_of(managed.VERSION)}.{managed.VERSION_TABLE}"
    there = connection.scalar(
        text("SELECT count(*) FROM pg_tables WHERE schemaname || '.' || tablename = :name"), {"name": name}
    )
    return tuple(connection.scalars(select(managed.VERSION.c.version_num))) if there else ()


def stands_at(folder: Path, database: Database) -> str:
    """The revision at which the database stands, or `base`. Raises SchemaOutOfDate in the middle of one."""
    _ours(folder, database)
    with database.connect() as connection, connection.begin():
        if half := journal.unfinished(database, connection):
            raise _is_half_applied(database, half)
        return ",".join(current(database, connection)) or "base"


@dataclass(frozen=True)
class Moved:
    """What became of `upgrade` or `downgrade`."""

    revisions: list[str]
    at: str | None


def upgrade(
    folder: Path,
    database: Database,
    *,
    to: str = "head",
    allow_destructive: bool = False,
    patience: Patience | None = None,
    note: Note = _silent,
) -> Moved:
    """Apply the revisions up to this one; what was broken off goes on where it stopped.

    Raises DataWouldBeLost before anything is done where one of them drops data and that was not allowed, and
    WarehouseBusy where somebody is in the way for longer than the patience.
    """
    return _move(
        folder,
        database,
        to,
        allow_destructive=allow_destructive,
        patience=patience,
        note=note,
        is_upgrade=True,
    )


def downgrade(
    folder: Path,
    database: Database,
    *,
    to: str,
    allow_destructive: bool = False,
    patience: Patience | None = None,
    note: Note = _silent,
) -> Moved:
    """Take revisions back down to this one, or to `base`, or so many as in `-1`. Raises as `upgrade` does."""
    return _move(
        folder,
        database,
        to,
        allow_destructive=allow_destructive,
        patience=patience,
        note=note,
        is_upgrade=False,
    )


def _move(
    folder: Path,
    database: Database,
    to: str,
    *,
    allow_destructive: bool,
    patience: Patience | None,
    note: Note,
    is_upgrade: bool,
) -> Moved:
    scripts = _ours(folder, database)
    work = Work(database.schemas, database, patience=patience, allow_destructive=allow_destructive, note=note)
    with database.connect() as connection, connection.begin():
        at, half = current(database, connection), journal.unfinished(database, connection)
    if half and not is_upgrade:
        raise _is_half_applied(database, half)
    _check_losses(scripts, at, to, allow_destructive=allow_destructive, is_upgrade=is_upgrade)
    config = environment.configuration(folder)
    config.attributes[OPTION] = work
    with _named():
        (command.upgrade if is_upgrade else command.downgrade)(config, to)
    with database.connect() as connection, connection.begin():
        now = current(database, connection)
    return Moved(work.done, ", ".join(now) or None)


def _is_half_applied(database: Database, half: Sequence[Mapping[str, Any]]) -> SchemaOutOfDate:
    return SchemaOutOfDate(
        f"{database.shown}: revision {half[0]['revision']} is half applied", hint=managed.UPGRADE
    )


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise DeclarationError(
            f"migrations: {error}", hint="strandline migrate status shows them."
        ) from error


def _check_losses(
    scripts: ScriptDirectory, at: Any, to: str, *, allow_destructive: bool, is_upgrade: bool
) -> None:
    """Tell all that would be lost, before anything is."""
    if allow_destructive:
        return
    with _named():
        pending = scripts._upgrade_revs(to, at) if is_upgrade else scripts._downgrade_revs(to, at)
    lost = [
        f"{it.revision.revision} {loss}"
        for it in pending
        for loss in _losses(it.revision, "upgrade" if is_upgrade else "downgrade")
    ]
    if lost:
        raise DataWouldBeLost(
            f"data would be lost: {'; '.join(lost)}", hint="If that is meant: --allow-destructive"
        )


def _losses(revision: Any, direction: str) -> Sequence[str]:
    found: Mapping[str, Sequence[str]] = getattr(revision.module, "loses", {})
    return found.get(direction, ())


@dataclass(frozen=True)
class State:
    """Where a warehouse stands."""

    current: list[str]
    head: str | None
    pending: list[dict[str, Any]]
    """The revisions that it is behind by, in their order."""
    half_applied: list[dict[str, Any]]
    """The steps of a revision that was broken off."""
    differences: list[str] | None
    """How the models differ from the head; None: it does not stand there, so nobody can tell."""
    left: list[str]

    @property
    def is_current(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.pending or self.half_applied or self.differences)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def status(folder: Path, database: Database, needed: Wanted) -> State:
    """Where the warehouse stands, and how the models differ from the head."""
    scripts = _ours(folder, database)
    head = scripts.get_current_head()
    with database.connect() as connection:
        with connection.begin():
            at, half = current(database, connection), journal.unfinished(database, connection)
        behind = _pending(scripts, at)
        if behind or half:
            return State(list(at), head, behind, half, None, [])
        found = _difference(scripts, database, connection, needed)
    return State(list(at), head, [], [], found.told, list(found.left))


def _pending(scripts: ScriptDirectory, at: Any) -> list[dict[str, Any]]:
    if scripts.get_current_head() is None:
        return []
    with _named():
        steps = scripts._upgrade_revs("head", at)
    return [
        {
            "revision": it.revision.revision,
            "message": str(it.revision.doc).rstrip("."),
            "loses": list(_losses(it.revision, "upgrade")),
        }
        for it in steps
    ]


def statements(
    folder: Path, schemas: Schemas, *, to: str = "head", since: str = "base", is_upgrade: bool = True
) -> str:
    """What `upgrade` from one revision to another would type, as a script for psql; no database is asked."""
    written = StringIO()
    config = environment.configuration(folder)
    _ours(folder, None)
    config.output_buffer = written
    config.attributes[OPTION] = Work(schemas, None)
    with _named():
        (command.upgrade if is_upgrade else command.downgrade)(config, f"{since}:{to}", sql=True)
    return written.getvalue()


def run_migrations() -> None:
    """What an environment of ours does: connect to the warehouse, and do what Alembic was asked for."""
    work = context.config.attributes.get(OPTION)
    if work is None:
        settings = Settings.load()
        url = settings.database_url or embedded.start(settings.home).url
        database = Database(url, settings.schemas)
        work = Work(settings.schemas, None if context.is_offline_mode() else database)
    if work.database is None:
        runner.write_down(work)
    else:
        runner.carry_out(work, work.database)
