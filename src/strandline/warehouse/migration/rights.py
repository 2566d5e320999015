"""Rights on tables that a migration makes, where the roles of `strandline grants` are there already.

PostgreSQL gives them what they have been promised on tables that come later. What it cannot promise is done
here: who may add to a raw log may correct what is read from its payloads, as a replay does, and what
migrations note for themselves nobody changes but their owner.
"""

from __future__ import annotations

from typing import Final

from strandline.warehouse import managed, raw
from strandline.warehouse.migration.work import Place, Work, literal, quote

GRANT: Final = """
DO $$
DECLARE
    given text;
BEGIN
    FOR given IN
        SELECT format('GRANT UPDATE (%s) ON %s TO %s', string_agg(quote_ident(attname), ', '), oid, grantee)
        FROM (
            SELECT c.oid::regclass, a.attname, r.grantee::regrole
            FROM pg_class c, aclexplode(c.relacl) r, pg_attribute a
            WHERE c.oid = CAST({table} AS regclass) AND r.privilege_type = 'INSERT'
                AND r.grantee NOT IN (0, c.relowner)
                AND a.attrelid = c.oid AND NOT a.attisdropped AND a.attname IN ({columns})
        ) AS right_of_column
        GROUP BY oid, grantee
    LOOP
        EXECUTE given;
    END LOOP;
END $$
"""

REVOKE: Final = """
DO $$
DECLARE
    taken text;
BEGIN
    FOR taken IN
        SELECT format('REVOKE INSERT, UPDATE, DELETE ON %s FROM %s', c.oid::regclass, r.grantee::regrole)
        FROM pg_class c, aclexplode(c.relacl) r
        WHERE c.relnamespace = CAST({schema} AS regnamespace) AND c.relname IN ({tables})
            AND r.privilege_type = 'INSERT' AND r.grantee NOT IN (0, c.relowner)
    LOOP
        EXECUTE taken;
    END LOOP;
END $$
"""


def keep_own(work: Work) -> str:
    """The statement that leaves what migrations note to them."""
    tables = ", ".join(map(literal, managed.OF_MIGRATIONS))
    return REVOKE.format(schema=literal(quote(work.schemas.strandline)), tables=tables).strip()


def let_correct(work: Work, at: Place) -> list[str]:
    """The statement that gives it, of a raw log; none of other tables."""
    if at.schema != work.schemas.raw:
        return []
    columns = ", ".join(map(literal, raw.CORRECTED))
    return [GRANT.format(table=literal(at.sql), columns=columns).strip()]
