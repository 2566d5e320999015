"""Steps of a revision that make, rename and drop indexes and constraints of tables in use."""

from __future__ import annotations

import re
from typing import Final

from psycopg.errors import IntegrityError

from strandline.errors import WarehouseError
from strandline.warehouse.migration import catalog
from strandline.warehouse.migration.work import Place, Work, current, quote, twin

UNIQUE: Final = "UNIQUE "
BY_INDEX: Final = re.compile(
    r"(PRIMARY KEY|UNIQUE)( NULLS NOT DISTINCT)? (\((?:[^()\"]|\"[^\"]*\")*\))( INCLUDE \(.*?\))?(.*)"
)


def create_index(name: str, table: str, definition: str, *, schema: str) -> None:
    """Let the table have this index, as in `UNIQUE btree (a, b) WHERE (a > 0)`; one of the name that is
    another gives its place to it.
    """
    work, at = current(), Place(schema, table)
    with work.step(f"index {schema}.{name}") as is_due:
        if is_due:
            build_index(work, at, name, definition)


def build_index(work: Work, at: Place, name: str, definition: str) -> None:
    """Build it beside whatever uses the table."""
    there = _whole(work, at, name)
    if there == definition:
        return
    built = name if there is None else twin(name)
    if there is None or _whole(work, at, built) != definition:
        _drop_index(work, at, built) if there is not None else None
        exists = " IF NOT EXISTS" if work.database is None else ""
        statement = index(built, at, definition).replace(" INDEX", f" INDEX CONCURRENTLY{exists}", 1)
        work.alone(statement, on=at)
    if there is not None:
        old, new = Place(at.schema, name), Place(at.schema, built)
        work.short(f"DROP INDEX {old.sql}", f"ALTER INDEX {new.sql} RENAME TO {quote(name)}", on=at)


def _whole(work: Work, at: Place, name: str) -> str | None:
    """The definition of the index; one that was never built to its end is dropped."""
    found = catalog.index(work, Place(at.schema, name))
    if found is not None and not found[1]:
        work.note(f"index {at.schema}.{name} was left half built, and is built anew")
        _drop_index(work, at, name)
        return None
    return found and found[0]


def _drop_index(work: Work, at: Place, name: str) -> None:
    work.alone(f"DROP INDEX CONCURRENTLY IF EXISTS {Place(at.schema, name).sql}", on=at)


def index(name: str, at: Place, definition: str) -> str:
    """The statement that builds the index."""
    is_unique = definition.startswith(UNIQUE)
    rest = definition.removeprefix(UNIQUE)
    return f"CREATE {UNIQUE if is_unique else ''}INDEX {quote(name)} ON {at.sql} USING {rest}"


def drop_index(name: str, table: str, *, schema: str) -> None:
    """Drop the index."""
    work, at = current(), Place(schema, table)
    with work.step(f"drop index {schema}.{name}") as is_due:
        if is_due:
            _drop_index(work, at, name)


def rename_index(old: str, new: str, table: str, *, schema: str) -> None:
    """Call the index something else."""
    work, at, index = current(), Place(schema, table), Place(schema, old)
    with work.step(f"rename index {index} to {new}") as is_due:
        if is_due and (work.database is None or catalog.relation(work, index)):
            work.short(f"ALTER INDEX {index.sql} RENAME TO {quote(new)}", on=at)


def add_constraint(name: str, table: str, definition: str, *, schema: str) -> None:
    """Let all rows keep this constraint, as in `CHECK ((a > 0))`; one of the name that is another gives its
    place to it.
    """
    work, at = current(), Place(schema, table)
    with work.step(f"constraint {name} of {at}") as is_due:
        if is_due:
            add(work, at, name, definition)


def add(work: Work, at: Place, name: str, definition: str) -> None:
    """Add it without looking through the table while others are kept out."""
    there = catalog.constraint(work, at, name)
    if there == (work.named(definition), True):
        return
    if definition.startswith(("CHECK", "FOREIGN KEY")):
        _add_valid(work, at, name, definition, there)
    elif definition.startswith(("PRIMARY KEY", "UNIQUE")):
        _add_by_index(work, at, name, definition, is_there=there is not None)
    else:
        drop = [_drop(at, name)] if there else []
        work.short(*drop, f"ALTER TABLE {at.sql} ADD {constraint(work, name, definition)}", on=at)


def constraint(work: Work, name: str, definition: str) -> str:
    """The constraint as it stands in a statement."""
    return f"CONSTRAINT {quote(name)} {work.named(definition)}"


def _drop(at: Place, name: str) -> str:
    return f"ALTER TABLE {at.sql} DROP CONSTRAINT IF EXISTS {quote(name)}"


def _add_valid(work: Work, at: Place, name: str, definition: str, there: tuple[str, bool] | None) -> None:
    takes_place = there is not None and there[0] != work.named(definition)
    added = twin(name) if takes_place else name
    known = catalog.constraint(work, at, added)
    if known is not None and known[0] != work.named(definition):
        work.short(_drop(at, added), on=at)
        known = None
    if known is None:
        work.short(f"ALTER TABLE {at.sql} ADD {constraint(work, added, definition)} NOT VALID", on=at)
    validate(work, at, added)
    if takes_place:
        rename = f"ALTER TABLE {at.sql} RENAME CONSTRAINT {quote(added)} TO {quote(name)}"
        work.short(_drop(at, name), rename, on=at)


def validate(work: Work, at: Place, name: str) -> None:
    """Look through the rows, while others go on reading and writing. Raises WarehouseError for one that does
    not keep the constraint.
    """
    try:
        work.slow(f"ALTER TABLE {at.sql} VALIDATE CONSTRAINT {quote(name)}", on=at)
    except IntegrityError as error:
        raise WarehouseError(
            f"{at}: there are rows that do not keep {name}: {str(error).splitlines()[0]}",
            hint=f"Mend them, or let revision {work.revision} do so before, with online.fill(…);"
            " then type the same again.",
        ) from error


def _add_by_index(work: Work, at: Place, name: str, definition: str, *, is_there: bool) -> None:
    if definition.startswith("PRIMARY KEY"):
        for column in names_in(_parts(definition)[2]):
            require(work, at, column)
    build_index(work, at, twin(name), index_of(definition))
    drop = [_drop(at, name)] if is_there else []
    work.short(*drop, f"ALTER TABLE {at.sql} ADD {by_index(name, definition, index=twin(name))}", on=at)


def _parts(definition: str) -> tuple[str, ...]:
    found = BY_INDEX.fullmatch(definition)
    assert found is not None, definition
    return found.groups(default="")


def index_of(definition: str) -> str:
    """The index that a primary key or unique constraint is kept by."""
    _, nulls, columns, include, _ = _parts(definition)
    return f"{UNIQUE}btree {columns}{include}{nulls}"


def by_index(name: str, definition: str, *, index: str) -> str:
    """The constraint as it stands in a statement, kept by an index that is there and gets its name."""
    kind, *_, rest = _parts(definition)
    return f"CONSTRAINT {quote(name)} {kind} USING INDEX {quote(index)}{rest}"


def names_in(columns: str) -> list[str]:
    """The names of `(a, "b c")`."""
    return [
        bare or quoted.replace('""', '"') for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|(\w+)', columns)
    ]


def drop_constraint(name: str, table: str, *, schema: str) -> None:
    """Ask it of no row any more."""
    work, at = current(), Place(schema, table)
    with work.step(f"drop constraint {name} of {at}") as is_due:
        if is_due:
            work.short(_drop(at, name), on=at)


def rename_constraint(old: str, new: str, table: str, *, schema: str) -> None:
    """Call the constraint something else."""
    work, at = current(), Place(schema, table)
    with work.step(f"rename constraint {old} of {at} to {new}") as is_due:
        if is_due and (work.database is None or catalog.constraint(work, at, old)):
            work.short(f"ALTER TABLE {at.sql} RENAME CONSTRAINT {quote(old)} TO {quote(new)}", on=at)


def require(work: Work, at: Place, column: str) -> None:
    """Prove it by a check first, which keeps nobody out; then NOT NULL need not look at the rows."""
    there = catalog.columns(work, at).get(column)
    if there is not None and there.is_required:
        return
    proof, alter = f"{at.name}_{column}_filled"[:63], f"ALTER TABLE {at.sql}"
    if catalog.constraint(work, at, proof) is None:
        is_filled = f"CHECK ({quote(column)} IS NOT NULL) NOT VALID"
        work.short(f"{alter} ADD CONSTRAINT {quote(proof)} {is_filled}", on=at)
    validate(work, at, proof)
    drop = f"{alter} DROP CONSTRAINT {quote(proof)}"
    work.short(f"{alter} ALTER COLUMN {quote(column)} SET NOT NULL", drop, on=at)
