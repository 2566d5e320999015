"""A scenario of a simulated API: the source as a careful user declares it, what happens, and what must hold.

A scenario is a seed. It says how odd the API is, what it has, how it changes between runs and while it is
read; the last run is in calm weather. After each run nothing that the API has may be lost to what the mark
asks for next, and after the last one the dimension is what the API has.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

from pydantic import AwareDatetime, Field
from sqlalchemy import URL, Connection, String, select
from sqlalchemy.orm import Mapped

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, Rejects, RunReport, run
from strandline.source import (
    Cursor,
    HttpSource,
    Offset,
    PageNumber,
    Pages,
    Record,
    Retry,
    Settled,
    SourceSettings,
    TokenInBody,
    stream,
)
from strandline.source.cursor import CursorValue
from strandline.source.oauth2 import ClientCredentials
from strandline.source.request import Paginator
from strandline.source.rotation import RefreshToken
from strandline.testing import postgres
from strandline.testing.quirk import NOTHING, Quirks, draw
from strandline.testing.simulator import (
    CLIENT,
    DELETED,
    IDS,
    SECRET,
    SEED_TOKEN,
    THINGS,
    TOKEN,
    Simulator,
    Thing,
)
from strandline.testing.written import row_versions
from strandline.warehouse import mark, raw
from strandline.warehouse.check import check
from strandline.warehouse.database import Database

PATIENT = Retry(attempts=6, wait_initial=timedelta(milliseconds=1), wait_max=timedelta(milliseconds=2))
NAMES = ("saw", "plane", "file", "rasp", "adze")


class ThingRecord(Record):
    """A thing, as the API sends it."""

    id: str
    name: str
    updated_at: AwareDatetime = Field(alias="updatedAt")


class ThingId(Record):
    """The id of a thing that is there."""

    id: str


class ThingGone(Record):
    """The id of a thing that is there no more, and since when."""

    id: str
    deleted_at: AwareDatetime = Field(alias="deletedAt")


class DimOddThing(Dimension):
    """A thing; its name keeps its history."""

    thing_name: Mapped[str] = attribute(String(40), scd=2)


class ApiThing(Mapper[ThingRecord, DimOddThing]):
    """The API's things."""

    thing_name = field("name")


class ApiSettings(SourceSettings):
    """Where it is."""

    base_url: str


def source_for(quirks: Quirks) -> type[HttpSource]:
    """The API's source, declared by somebody who has read its documentation."""
    cursor = Cursor(
        "updated_at",
        precision=quirks.precision,
        inclusive=not quirks.is_exclusive,
        unique=quirks.is_exclusive,
        lag=quirks.lag,
        ordered=quirks.paging == "token" and quirks.sorting == "updated",
    )

    class Api(HttpSource):
        """The simulated API."""

        name = "api"
        retry = PATIENT
        settings: ApiSettings

        def auth(self) -> ClientCredentials | RefreshToken | None:
            """A token, where one is wanted."""
            if quirks.token_life is None:
                return None
            if quirks.rotates_tokens:
                return RefreshToken(TOKEN, refresh_token=SEED_TOKEN, client_id=CLIENT, client_secret=SECRET)
            return ClientCredentials(TOKEN, client_id=CLIENT, client_secret=SECRET)

        @stream(ThingRecord, key="id", cursor=cursor, deleted="deleted")
        def things(self, since: datetime | date | None) -> Pages:
            """What has changed since."""
            return self.pages(
                THINGS, params={"since": since}, paginator=paginator_for(quirks), records="data"
            )

        @stream(ThingGone, key="id", cursor=Cursor("deleted_at", lag=quirks.lag))
        def gone(self, since: datetime | None) -> Pages:
            """Those that were deleted since."""
            return self.pages(DELETED, params={"since": since}, records="data")

        @stream(ThingId, key="id")
        def ids(self) -> Pages:
            """All that there are."""
            return self.pages(IDS, records="data")

    return Api


def paginator_for(quirks: Quirks) -> Paginator:
    """The paginator that fits: one that what changes meanwhile cannot deceive, where something does."""
    if quirks.paging == "token":
        return TokenInBody("next")
    if quirks.paging == "offset" and quirks.changes_while_read and quirks.page_size > 1 and not quirks.late:
        return Offset(limit=quirks.page_size, overlap=1 + quirks.page_size // 3)
    # A total that is too low costs a request, and one that is too high fails the run: nothing is lost to it.
    total = "total" if quirks.wrong_total < 0 and not quirks.short_pages else None
    counted: Offset | PageNumber = (
        Offset(limit=quirks.page_size, total=total)
        if quirks.paging == "offset"
        else PageNumber(size=quirks.page_size, size_param="limit")
    )
    return Settled(counted, key="id", walks=12) if quirks.changes_while_read else counted


def deletes_of(source: type[HttpSource], quirks: Quirks) -> Deletes | None:
    """How it is found out what is gone, where no flag tells."""
    if quirks.deleting == "removed":
        return Deletes.by_ids(source.streams()["ids"], share=None, count=None, may_be_empty=True)
    return Deletes.by_tombstones(source.streams()["gone"]) if quirks.deleting == "tombstones" else None


class Scenario:
    """What one seed makes happen in a database of its own."""

    def __init__(self, database: Database, api: Simulator, *, seed: int) -> None:
        self.database = database
        self.api = api
        self.outcomes = Counter[str]()
        self._dice = Random(seed)
        self._names = (f"{self._dice.choice(NAMES)} {number}" for number in range(10**9))
        source = source_for(api.quirks)
        self.stream = source.streams()["things"]
        self.source = source(settings=ApiSettings(base_url=api.url))
        self.pipeline = Pipeline("simulated")
        self.pipeline.sync(
            self.stream, ApiThing, rejects=Rejects(count=0, share=0.0), deletes=deletes_of(source, api.quirks)
        )
        self._log = raw.raw_table("api.things", cursor=self.stream.cursor_type)

    def play(self) -> None:
        """Everything from the first run to the last."""
        with self.source:
            self._begin()
            for _ in range(self._dice.randint(2, 5)):
                for change in self._changes(self._dice.randrange(6)):
                    change()
                if self.api.quirks.changes_while_read:
                    self.api.meanwhile(*self._changes(self._dice.randrange(8)))
                self.run()
            self.api.calm()
            last = self.run()
            assert last.status == "done", last.streams[0].error
            self._assert_is_what_the_api_has()
            written = row_versions(self.database, DimOddThing.table())
            self.run()
            assert row_versions(self.database, DimOddThing.table()) == written, "a run has written"

    def _begin(self) -> None:
        """What was there before anybody read: stamped over the last days, at some of their edges too."""
        now = datetime.now(UTC) + self.api.quirks.skew
        for number in range(self._dice.randrange(25)):
            back = timedelta(seconds=self._dice.randrange(4 * 86_400), microseconds=number)
            at = now - back - timedelta(minutes=2)
            if not self.api.quirks.is_exclusive and self._dice.random() < 0.5:
                at = at.replace(hour=0, minute=0, second=0, microsecond=0)
            self.api.put(f"T{number:02}", at=at, name=next(self._names))

    def _changes(self, count: int) -> list[Callable[[], None]]:
        return [self._change() for _ in range(count)]

    def _change(self) -> Callable[[], None]:
        key = f"T{self._dice.randrange(30):02}"
        if self._dice.random() < 0.3:
            return lambda: self.api.delete(key)
        name = next(self._names)
        return lambda: self._put(key, name)

    def _put(self, key: str, name: str) -> None:
        if key not in self.api.deleted or self.api.quirks.reuses_ids:
            self.api.put(key, name=name)

    def run(self) -> RunReport:
        """Run the pipeline once, and see what must hold after every run."""
        there = {it.payload for it in self.api.latest}
        report = run(self.pipeline, self.database, sources={"api": self.source}, workers=0)
        self.outcomes[report.status] += 1
        with self.database.begin() as connection:
            self._assert_log_is_right(connection)
            self._assert_nothing_is_left_behind(connection)
            if report.status == "done":
                still = there & {it.payload for it in self.api.latest}
                assert still <= self._logged(connection).keys(), "a complete read has missed something"
            assert check(connection, [DimOddThing]) == []
        return report

    def _assert_log_is_right(self, connection: Connection) -> None:
        """What is kept was sent, and nothing is kept twice in a row."""
        entries = connection.execute(
            select(self._log.c.source_id, self._log.c.payload)
            .where(self._log.c.request > 0)  # without what was found by comparing
            .order_by(self._log.c.raw_id)
        )
        latest: dict[str, bytes] = {}
        for key, payload in entries:
            assert payload in self.api.served, f"{payload!r} was never sent"
            assert latest.get(key) != payload, f"{payload!r} is kept twice"
            latest[key] = payload

    def _assert_nothing_is_left_behind(self, connection: Connection) -> None:
        """Whatever the API has and we do not, the next run asks for."""
        kept = mark.read_up_to(connection, self.stream.qualified_name)
        cursor = self.stream.cursor
        assert cursor is not None
        if kept is None:
            return
        since = cursor.since(cursor.decode(kept))
        logged = self._logged(connection)
        left = [it for it in self.api.latest if it.payload not in logged and not self._is_asked(it, since)]
        assert left == [], f"the mark {kept} has left {len(left)} behind: {left[0]}"

    def _is_asked(self, thing: Thing, since: CursorValue | None) -> bool:
        assert isinstance(since, date)
        text = since.isoformat()
        lowest = datetime.fromisoformat(text)
        lowest = lowest if lowest.tzinfo else lowest.replace(tzinfo=UTC)
        lowest = self.api.quirks.precision.truncate(lowest)
        return thing.updated > lowest if self.api.quirks.is_exclusive else thing.updated >= lowest

    def _logged(self, connection: Connection) -> dict[bytes, str]:
        return {bytes(it.payload): it.source_id for it in connection.execute(select(self._log))}

    def _assert_is_what_the_api_has(self) -> None:
        table = DimOddThing.table()
        # One that was deleted in the very instant of its only record is known by its key, and no more.
        ours = (table.c.source_system == "api") & table.c.is_current & ~table.c.is_inferred
        with self.database.connect() as connection:
            rows = connection.execute(select(table.c.source_id, table.c.thing_name).where(ours)).all()
        assert len(rows) == len({row.source_id for row in rows}), "two current versions of one thing"
        there = {key: said["name"] for key, said in self.api.things.items()}
        have = {row.source_id: row.thing_name for row in rows}
        differ = {key: (have.get(key), there.get(key)) for key in have.keys() | there.keys()}
        assert have == there, {key: both for key, both in differ.items() if both[0] != both[1]}


def play(server: URL, empty: str, quirks: Quirks, *, seed: int) -> None:
    """A scenario of its own, from the first run to the last, in a copy of the database that is `prepared`."""
    with postgres.copy(server, empty) as url, Simulator(quirks, seed=seed) as api:
        database = Database(url)
        try:
            Scenario(database, api, seed=seed).play()
        finally:
            database.close()


def quirks_of(dice: Random) -> Quirks:
    """Quirks at random that the source above can live with."""
    quirks = draw(dice)
    reuses = quirks.reuses_ids and not (quirks.changes_while_read and quirks.paging != "token")
    # What takes effect ahead of our clock is left alone by a comparison, until its time has come.
    is_ahead = quirks.deleting == "removed" and quirks.skew > NOTHING
    return replace(quirks, deleting="flag" if is_ahead else quirks.deleting, reuses_ids=reuses)


@contextmanager
def prepared(server: URL) -> Iterator[str]:
    """The name of a database in which everything is made and nothing was read."""

    def build(url: URL) -> None:
        database = Database(url)
        with Simulator() as api:
            scenario = Scenario(database, api, seed=0)
            with scenario.source:
                scenario.run()
        database.close()

    with postgres.template(server, build) as name:
        yield name
