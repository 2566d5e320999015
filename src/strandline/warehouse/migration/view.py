"""Steps of a revision that make and drop views, and the functions that views of raw logs call."""

from __future__ import annotations

from typing import Final

from strandline.warehouse import view
from strandline.warehouse.migration import catalog, journal
from strandline.warehouse.migration.work import Place, Work, current, literal

DROP: Final = "drop view {}"

GRANTS: Final = """
    SELECT 'GRANT ' || string_agg(a.privilege_type, ', ') || ' ON ' || c.oid::regclass || ' TO '
        || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grant
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = to_regclass(:name) AND a.grantee <> c.relowner
    GROUP BY c.oid, a.grantee
"""


def create_view(name: str, query: str, *, schema: str, comment: str) -> None:
    """Let the view be there with this query; one that says another comment gives its place to it."""
    work, at = current(), Place(schema, name)
    with work.step(f"view {at}") as is_due:
        there = catalog.relation(work, at)
        if is_due and (there is None or there.comment != comment):
            # Who may read the old one may read the new one.
            grants = _grants(work, at) or _noted(work, at)
            work.short(
                f"DROP VIEW IF EXISTS {at.sql}",
                f"CREATE VIEW {at.sql} AS {work.named(query)}",
                f"COMMENT ON VIEW {at.sql} IS {literal(comment)}",
                *grants,
                on=at,
            )


def _grants(work: Work, at: Place) -> list[str]:
    return [it.grant for it in work.ask(GRANTS, name=at.sql)]


def _noted(work: Work, at: Place) -> list[str]:
    """The grants of one that this revision has dropped before."""
    if work.database is None:
        return []
    with work.database.begin() as connection:
        return journal.told(connection, work.revision, what=DROP.format(at))


def drop_view(name: str, *, schema: str) -> None:
    """Drop the view; a view holds nothing, and who may read it is noted for the one that comes after it."""
    work, at = current(), Place(schema, name)
    with work.step(DROP.format(at)) as is_due:
        if not is_due:
            return
        if work.database is not None and (grants := _grants(work, at)):
            with work.database.begin() as connection:
                journal.move(connection, work.revision, work.number, position=grants, rows=0)
        work.short(f"DROP VIEW IF EXISTS {at.sql}", on=at)


def raw_log_functions() -> None:
    """Let the functions be there by which raw logs are read as JSON."""
    work = current()
    with work.step("functions of raw logs") as is_due:
        if is_due:
            schema = work.named("{strandline}")
            statements = [it.replace("{schema}", schema).strip() for it in view.FUNCTIONS]
            work.short(*statements, on=Place(work.schemas.strandline, ""))
