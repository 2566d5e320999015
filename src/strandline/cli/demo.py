"""`strandline demo`: a sample CRM and a sample shop, two days of them, and what a data engineer wants to see
then.

The pipeline is the one of `examples/sales`, as it stands there; here is only the play around it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, make_url, text

import strandline.sample
from strandline.cli import commands, output, paper
from strandline.errors import DeclarationError
from strandline.pipeline import discovery
from strandline.pipeline.report import Progress, RunReport
from strandline.pipeline.running import run
from strandline.sample import Changes, SampleServer
from strandline.source.stream import Source
from strandline.warehouse import embedded, ledger, reject
from strandline.warehouse.database import Database

DATABASE: Final = "strandline_demo"


@dataclass(frozen=True)
class View:
    """One look at the result: a title, the SQL that anybody could type, and the headings that are wanted."""

    name: str
    title: str
    sql: str


VIEWS: Final = (
    View(
        "tables",
        "What there is",
        """
        SELECT schemaname || '.' || relname AS "table", n_live_tup AS "rows",
               pg_size_pretty(pg_total_relation_size(relid)) AS size, obj_description(relid) AS what_it_is
        FROM pg_stat_user_tables
        WHERE schemaname IN ('raw', 'warehouse')
        ORDER BY schemaname, relname
        """,
    ),
    View(
        "history",
        "The history of one customer whose segment changed",
        """
        SELECT customer_key, version, customer_name, segment, country, valid_from, valid_to, is_current
        FROM warehouse.dim_customer
        WHERE source_system = 'crm' AND source_id = :customer
        ORDER BY version
        """,
    ),
    View(
        "orders",
        "That customer's orders around the change, each with the version that was valid when it was placed",
        """
        SELECT o.order_id, o.ordered_at, c.version, c.segment AS segment_then, now_.segment AS segment_now,
               p.product_name, o.total_amount
        FROM warehouse.fact_order o
        JOIN warehouse.dim_customer c USING (customer_key)
        JOIN warehouse.dim_customer now_
          ON now_.customer_durable_key = c.customer_durable_key AND now_.is_current
        JOIN warehouse.dim_product p USING (product_key)
        WHERE c.source_system = 'crm' AND c.source_id = :customer
        ORDER BY o.ordered_at DESC LIMIT 5
        """,
    ),
    View(
        "revenue",
        "Revenue per segment: as it was when the orders were placed, and as the customers are now",
        """
        WITH was AS (
            SELECT c.segment, sum(o.total_amount) AS revenue
            FROM warehouse.fact_order o JOIN warehouse.dim_customer c USING (customer_key)
            GROUP BY c.segment
        ), is_now AS (
            SELECT now_.segment, sum(o.total_amount) AS revenue
            FROM warehouse.fact_order o
            JOIN warehouse.dim_customer c USING (customer_key)
            JOIN warehouse.dim_customer now_
              ON now_.customer_durable_key = c.customer_durable_key AND now_.is_current
            GROUP BY now_.segment
        )
        SELECT segment, was.revenue AS as_it_was, is_now.revenue AS as_it_is,
               is_now.revenue - was.revenue AS moved
        FROM was FULL JOIN is_now USING (segment)
        ORDER BY segment
        """,
    ),
)

# Of the customers whose segment changed on the second day, the one who also ordered in the new version.
CHOSEN = """
    SELECT c.source_id
    FROM warehouse.dim_customer c
    JOIN warehouse.fact_order o USING (customer_key)
    WHERE c.version > 1 AND c.source_id = ANY(:changed)
    GROUP BY c.source_id ORDER BY count(*) DESC, c.source_id LIMIT 1
"""


def play(*, database_url: str | None, as_json: bool, progress: Progress) -> None:
    """Run the whole demo and show it."""
    with _fresh_database(database_url) as (database, psql), SampleServer() as server:
        first = _run(server, database, progress)
        changes = server.advance()
        second = _run(server, database, progress)
        with database.begin() as connection:
            shown = _look(connection, changes)
            rejects = reject.find(database, connection, reject.Choice(state=reject.ALL_STATES), limit=20)
            runs = ledger.runs(connection, pipeline="sales", limit=2)
    if as_json:
        told = {view.name: shown[view.name] for view in VIEWS}
        runs_told = {"first_run": first.as_dict(), "second_run": second.as_dict()}
        output.print_json({**runs_told, **told, "rejects": rejects, "ledger": runs, "psql": psql})
        return
    _print(first, changes, second, shown, rejects, runs)
    paper.console().print(f"\n[bold]Look around[/bold]\n{psql}", soft_wrap=True)
    if database_url is None:
        paper.console().print("It keeps running; strandline database stop ends it.")


@contextmanager
def _fresh_database(database_url: str | None) -> Iterator[tuple[Database, str]]:
    """The database to play in, and the psql line for it: a new one on the embedded server, or the empty one
    given.
    """
    settings = commands.read_settings(database_url)
    if settings.database_url is None:
        server = embedded.start(settings.home)
        _recreate(server.url)
        url = make_url(server.url).set(database=DATABASE)
        psql = server.psql_of(DATABASE)
    else:
        url = make_url(settings.database_url)
        psql = f"psql '{url.set(drivername='postgresql').render_as_string(hide_password=True)}'"
    database = Database(url)
    try:
        with database.begin() as connection:
            if ledger.exists(database, connection):
                raise DeclarationError(
                    f"{database.shown}: strandline has run here before, and the demo wants an empty database",
                    hint="Give another --database-url, or none: then an embedded PostgreSQL is used.",
                )
        yield database, psql
    finally:
        database.close()


def _recreate(url: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {DATABASE}"))
    engine.dispose()


def project() -> Path:
    """Where `examples/sales` is: inside an installed package, or beside the sources of a checkout."""
    package = Path(strandline.sample.__file__).parent
    installed = package / "sales"
    return installed if installed.exists() else package.parents[2] / "examples" / "sales"


def _run(server: SampleServer, database: Database, progress: Progress) -> RunReport:
    pipeline = discovery.choose("pipeline", "sales", folder=project())
    return run(pipeline, database, sources=_sources(server, pipeline.sources), progress=progress)


def _sources(server: SampleServer, classes: list[type[Source]]) -> dict[str, Source]:
    """The pipeline's sources, set up for the sample server instead of from the environment."""
    given = {
        "crm": {"base_url": server.crm_url, "api_key": server.crm_key},
        "shop": {"base_url": server.shop_url, "token": server.shop_token},
    }
    return {cls.name: cls(settings=cls.settings_class().model_validate(given[cls.name])) for cls in classes}


def _look(connection: Connection, changes: Changes) -> dict[str, list[dict[str, Any]]]:
    connection.execute(text("ANALYZE"))
    customer = connection.scalar(text(CHOSEN), {"changed": list(changes.segment_changed)})
    return {
        view.name: [
            dict(row) for row in connection.execute(text(view.sql), {"customer": customer}).mappings()
        ]
        for view in VIEWS
    }


def _print(
    first: RunReport,
    changes: Changes,
    second: RunReport,
    shown: Mapping[str, list[dict[str, Any]]],
    rejects: list[dict[str, Any]],
    runs: list[dict[str, Any]],
) -> None:
    out = paper.console()
    _headline(out, "1. The first load, of two APIs")
    output.print_run(first, as_json=False)
    _headline(out, "2. A day goes by")
    out.print(
        f"{len(changes.customers_changed)} customers changed, {len(changes.customers_added)} are new,"
        f" {len(changes.orders_added)} orders are new, {len(changes.orders_moved)} moved on,"
        f" {len(changes.products_repriced)} products have another price category."
    )
    _headline(out, "3. The second run reads what is new")
    output.print_run(second, as_json=False)
    _headline(out, "4. The star schema")
    for view in VIEWS:
        out.print()
        columns = {key: key.replace("_", " ") for key in (shown[view.name] or [{}])[0]}
        out.print(output.table(shown[view.name], columns=columns, title=view.title))
    _headline(out, "5. What was refused, and why")
    output.print_rejects(out, rejects)
    _headline(out, "6. The ledger")
    lines = [
        {**run, **stream, "read_up_to": output.shown_mark(stream["mark_after"])}
        for run in runs
        for stream in run["streams"]
    ]
    wanted = ("run_id", "started_at", "stream", "status", "records", "stored", "rejected", "read_up_to")
    out.print(output.table(lines, columns={key: key.replace("_", " ") for key in wanted}))


def _headline(out: paper.Console, words: str) -> None:
    sys.stdout.flush()
    out.print(f"\n[bold underline]{words}[/bold underline]\n")
