"""Roles of least privilege: who owns the warehouse, who loads it and who reads it, as statements.

The owner makes and changes tables. The loader runs pipelines: it adds to raw logs and takes nothing from
them, writes rows of the other layers, and makes its own stages. The reader reads the star, and nothing else.
None of the three can log in; users become their members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from strandline.errors import DeclarationError
from strandline.model.base import ANALYTICS, OWN, RAW, STAGING, WAREHOUSE
from strandline.warehouse import managed, raw, state
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

Part = Literal["owner", "loader", "reader"]
PARTS: Final[tuple[Part, ...]] = ("owner", "loader", "reader")

ROWS: Final = "SELECT, INSERT, UPDATE, DELETE"
COUNTERS: Final = "USAGE, SELECT, UPDATE"
LOADED: Final = {RAW: "SELECT, INSERT", WAREHOUSE: ROWS, ANALYTICS: ROWS, OWN: ROWS}
"""What the loader may do with tables; the stages are its own."""
READ: Final = (WAREHOUSE, ANALYTICS)
LONGEST: Final = 63
"""Bytes of a name."""

HERE: Final = text("""
    SELECT current_database() AS database, current_user AS "user", rolsuper AS is_superuser
    FROM pg_roles WHERE rolname = current_user
""")
ROLES: Final = text("""
    SELECT rolname, pg_has_role(current_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = ANY(:names)
""")
SCHEMAS: Final = text("""
    SELECT nspname, nspowner::regrole::text FROM pg_namespace WHERE nspname = ANY(:names)
""")
# Whoever has run here until now, and whoever asks; what others have made is theirs.
MINE: Final = """
    (SELECT relowner FROM pg_class WHERE oid = to_regclass(:run)
     UNION SELECT oid FROM pg_roles WHERE rolname IN (current_user, :owner))
"""
RELATIONS: Final = text(f"""
    SELECT n.nspname AS schema, c.relname AS name,
        CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
            ELSE 'TABLE' END AS kind,
        (SELECT rolname FROM pg_roles WHERE oid = c.relowner) AS owner, c.relowner IN {MINE} AS is_mine,
        ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = c.oid AND attname = ANY(:corrected) AND NOT attisdropped
              ORDER BY attnum) AS corrected
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(:names) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT (c.relkind = 'S' AND EXISTS (
            SELECT FROM pg_depend WHERE objid = c.oid AND deptype IN ('a', 'i')))
    ORDER BY n.nspname, c.relname
""")  # noqa: S608  # ours
FUNCTIONS: Final = text(f"""
    SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ANY(:names) AND p.proowner IN {MINE}
        AND p.proowner <> ALL(ARRAY(SELECT oid FROM pg_roles WHERE rolname = :owner))
    ORDER BY 1
""")  # noqa: S608  # ours


@dataclass(frozen=True)
class Roles:
    """What the three roles are called, and which users become members of them."""

    prefix: str
    members: Mapping[Part, Sequence[str]] = field(default_factory=dict)

    def __getitem__(self, part: Part) -> str:
        return f"{self.prefix}_{part}"

    @property
    def names(self) -> dict[str, str]:
        """The roles by their parts."""
        return {it: self[it] for it in PARTS}


def statements(
    database: Database,
    connection: Connection,
    *,
    prefix: str | None = None,
    members: Mapping[Part, Sequence[str]] | None = None,
) -> tuple[Roles, list[str]]:
    """The roles, and what makes them what they are to be: whatever they may do besides is taken from them.
    Without a prefix they are called after the database.

    Raises DeclarationError for users who are not there, and for names that are too long.
    """
    if is_sqlite(connection):
        raise DeclarationError(f"{database.shown}: SQLite has no roles", hint="Give a PostgreSQL.")
    here = connection.execute(HERE).one()
    roles = Roles(prefix or str(here.database), members or {})
    if len(roles["loader"].encode()) > LONGEST:
        raise DeclarationError(
            f"{roles['loader']}: a role's name has {LONGEST} bytes at most", hint="Give a shorter --prefix."
        )
    return roles, list(_Writer(database, connection, here, roles).write())


class _Writer:
    """Writes the statements for one database."""

    def __init__(self, database: Database, connection: Connection, here: Any, roles: Roles) -> None:
        self.connection = connection
        self.here = here
        self.roles = roles
        self.layers: dict[str, str] = database.schemas.model_dump()
        self.names = list(dict.fromkeys(self.layers.values()))
        self.run = database.qualified(state.run)
        self.quote = database.engine.dialect.identifier_preparer.quote
        self.owner, self.loader, self.reader = (self.quote(roles[it]) for it in PARTS)
        self.database = self.quote(str(here.database))
        found = connection.execute(RELATIONS, {**self._asked, "corrected": list(raw.CORRECTED)})
        self.relations = found.all()

    @property
    def _asked(self) -> dict[str, Any]:
        return {"names": self.names, "run": self.run, "owner": self.roles["owner"]}

    def write(self) -> Iterator[str]:
        """All of them, in their order."""
        yield from self._make_roles()
        yield from self._give_schemas()
        yield from self._give_contents()
        yield from self._take_away()
        yield from self._let_load()
        yield from self._let_read()
        yield from self._join()

    def _make_roles(self) -> Iterator[str]:
        users = {it for part in self.roles.members.values() for it in part}
        asked = [*self.roles.names.values(), *users]
        there = {row[0]: row[1] for row in self.connection.execute(ROLES, {"names": asked})}
        if missing := sorted(users - there.keys()):
            raise DeclarationError(
                f"there is no user {', '.join(missing)}",
                hint=f"Type in psql: CREATE ROLE {self.quote(missing[0])} LOGIN PASSWORD '…';",
            )
        for it in self.roles.names.values():
            if it not in there:
                yield f"CREATE ROLE {self.quote(it)} NOLOGIN"
        if not self.here.is_superuser:  # who gives something away must be a member of who gets it
            for it in (self.roles["owner"], self.roles["loader"]):
                if not there.get(it):
                    yield f"GRANT {self.quote(it)} TO {self.quote(self.here.user)}"
        yield f"GRANT {self.loader} TO {self.owner}"

    def _give_schemas(self) -> Iterator[str]:
        there = {row[0]: row[1] for row in self.connection.execute(SCHEMAS, {"names": self.names})}
        for layer, name in self.layers.items():
            new = self.loader if layer == STAGING else self.owner
            if name not in there:
                yield f"CREATE SCHEMA {self.quote(name)} AUTHORIZATION {new}"
            elif there[name] != new:
                yield f"ALTER SCHEMA {self.quote(name)} OWNER TO {new}"

    def _give_contents(self) -> Iterator[str]:
        for it in self.relations:
            part: Part = "loader" if it.schema == self.layers[STAGING] else "owner"
            if it.is_mine and it.owner != self.roles[part]:
                new = self.quote(self.roles[part])
                yield f"ALTER {it.kind} {self._named(it)} OWNER TO {new}"
        for it in self.connection.execute(FUNCTIONS, self._asked):
            yield f"ALTER FUNCTION {it.name} OWNER TO {self.owner}"

    def _take_away(self) -> Iterator[str]:
        """The stages stay the loader's."""
        others = ", ".join(self._schemas(LOADED))
        yield f"REVOKE ALL ON SCHEMA {others}, {self._schema(STAGING)} FROM PUBLIC"
        yield f"REVOKE ALL ON SCHEMA {others} FROM {self.loader}, {self.reader}"
        for kind in ("TABLES", "SEQUENCES"):
            yield f"REVOKE ALL ON ALL {kind} IN SCHEMA {others} FROM {self.loader}, {self.reader}"
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {self._schema(STAGING)} FROM {self.reader}"

    def _let_load(self) -> Iterator[str]:
        yield f"GRANT CONNECT, TEMPORARY ON DATABASE {self.database} TO {self.loader}"
        yield f"GRANT USAGE ON SCHEMA {', '.join(self._schemas(LOADED))} TO {self.loader}"
        for layer, rights in LOADED.items():
            for kind, may in (("TABLES", rights), ("SEQUENCES", COUNTERS)):
                yield f"GRANT {may} ON ALL {kind} IN SCHEMA {self._schema(layer)} TO {self.loader}"
                yield self._later(layer, f"GRANT {may} ON {kind} TO {self.loader}")
        for it in self.relations:
            if it.schema == self.layers[RAW] and it.kind == "TABLE" and it.corrected:
                columns = ", ".join(map(self.quote, it.corrected))
                yield f"GRANT UPDATE ({columns}) ON {self._named(it)} TO {self.loader}"
            elif it.schema == self.layers[OWN] and it.name in managed.OF_MIGRATIONS:
                yield f"REVOKE INSERT, UPDATE, DELETE ON {self._named(it)} FROM {self.loader}"

    def _let_read(self) -> Iterator[str]:
        yield f"GRANT CONNECT ON DATABASE {self.database} TO {self.reader}"
        yield f"GRANT USAGE ON SCHEMA {', '.join(self._schemas(READ))} TO {self.reader}"
        for it in READ:
            yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {self._schema(it)} TO {self.reader}"
            yield self._later(it, f"GRANT SELECT ON TABLES TO {self.reader}")

    def _join(self) -> Iterator[str]:
        for part in PARTS:
            role = self.quote(self.roles[part])
            for it in map(self.quote, self.roles.members.get(part, ())):
                yield f"GRANT {role} TO {it}"
                if part != "reader":  # so that what they make belongs to the role, and not to them
                    name = _literal(self.roles[part])
                    yield f"ALTER ROLE {it} IN DATABASE {self.database} SET role = {name}"

    def _later(self, layer: str, grant: str) -> str:
        return f"ALTER DEFAULT PRIVILEGES FOR ROLE {self.owner} IN SCHEMA {self._schema(layer)} {grant}"

    def _schemas(self, layers: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(map(self._schema, layers)))

    def _schema(self, layer: str) -> str:
        return self.quote(self.layers[layer])

    def _named(self, it: Any) -> str:
        return f"{self.quote(it.schema)}.{self.quote(it.name)}"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def apply(connection: Connection, written: Iterable[str], *, lock_timeout: float) -> None:
    """Do it, in the transaction of the caller; nobody is kept out for longer than these seconds."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(int(lock_timeout * 1000), 1)}")
    for it in written:
        connection.exec_driver_sql(it.replace("%", "%%"))
