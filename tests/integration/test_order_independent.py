"""What `assert_order_independent` and `assert_idempotent` find, and what they say of it."""

import itertools
import json
import random
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from tests.memory import pages

from strandline.errors import DeclarationError
from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Deletes, Pipeline, run
from strandline.source import (
    Cursor,
    HttpSource,
    PageNumber,
    Pages,
    Record,
    Source,
    SourceSettings,
    TokenInBody,
    stream,
)
from strandline.testing import (
    Quirks,
    ScriptedApi,
    Simulator,
    assert_idempotent,
    assert_order_independent,
    example_records,
)
from strandline.warehouse.database import Database


class Tool(Record):
    """A tool."""

    id: str
    name: str
    updated_at: AwareDatetime = Field(alias="updatedAt")


class ShedSettings(SourceSettings):
    """Where the shed's API is."""

    base_url: str


class Shed(HttpSource):
    """Tools, read with care."""

    settings: ShedSettings

    @stream(Tool, key="id", cursor=Cursor("updated_at"))
    def tools(self, since: datetime | None) -> Pages:
        """All tools."""
        return self.pages("/things", params={"since": since}, paginator=PageNumber(), records="data")


class HastyShed(HttpSource):
    """Believes that no two tools share a time."""

    name = "shed"
    settings: ShedSettings

    @stream(Tool, key="id", cursor=Cursor("updated_at"))
    def tools(self, since: datetime | None) -> Pages:
        """All tools that changed behind the mark."""
        behind = None if since is None else since + timedelta(microseconds=1)
        return self.pages("/things", params={"since": behind}, paginator=PageNumber(), records="data")


class TrustingShed(HttpSource):
    """Believes what the API says of how many there are."""

    name = "shed"
    settings: ShedSettings

    @stream(Tool, key="id", cursor=Cursor("updated_at"))
    def tools(self, since: datetime | None) -> Pages:
        """As many tools as there are said to be."""
        left = self.number("/things", at="total", params={"since": since, "limit": 1})
        for page in self.pages(
            "/things", params={"since": since}, paginator=TokenInBody("next"), records="data"
        ):
            page.records = page.records[: max(int(left), 0)]
            left -= len(page.records)
            yield page


class DimShedTool(Dimension):
    """A tool; the name keeps its history."""

    tool_name: Mapped[str] = attribute(String(40), scd=2)
    mark: Mapped[str | None] = attribute(String(40))


def pipeline(source: type[Source] = Shed, mark: Any = None, **options: Any) -> Pipeline:
    """The tools of a source, with a mark that a method makes."""
    declared = {"tool_name": field("name"), **({"mark": mark} if mark else {})}
    mapper = types.new_class("ShedTool", (Mapper[Tool, DimShedTool],), {}, lambda it: it.update(declared))
    made = Pipeline("shed")
    made.sync(source.streams()["tools"], mapper, **options)
    return made


MOMENTS = [f"2026-03-0{day}T00:00:00Z" for day in (1, 2, 3)]
TOOLS = example_records(
    Shed.tools, 6, updated_at=st.sampled_from(MOMENTS), name=st.sampled_from(["saw", "rasp"])
)
HISTORY = [*TOOLS, *({**it, "name": "plane", "updatedAt": "2026-03-04T00:00:00Z"} for it in TOOLS[:3])]


@contextmanager
def api_of(source: type[HttpSource]) -> Iterator[tuple[ScriptedApi, dict[str, Source]]]:
    with ScriptedApi() as api, source(settings=ShedSettings(base_url=api.url)) as made:
        yield api, {"shed": made}


def test_nothing_is_found_where_nothing_is_wrong(warehouse: Database) -> None:
    assert_order_independent(pipeline(), warehouse, records={Shed.tools: HISTORY}, tries=4)


def test_what_the_sources_send_is_tried_as_well(warehouse: Database) -> None:
    with api_of(Shed) as (api, sources):
        api.serve("/things", HISTORY, since_field="updatedAt")
        assert_order_independent(pipeline(), warehouse, sources=sources, tries=3)
        assert len(api.requests) == 2, "the sources are read once"


def test_running_again_changes_nothing(warehouse: Database) -> None:
    with api_of(Shed) as (api, sources):
        api.serve("/things", TOOLS, since_field="updatedAt")
        assert_idempotent(pipeline(), warehouse, sources=sources)
    memory = Database("sqlite://")
    with api_of(Shed) as (api, sources):
        api.serve("/things", TOOLS, since_field="updatedAt")
        assert_idempotent(pipeline(), memory, sources=sources)
    memory.close()


NUMBERS = itertools.count()
SEEN: dict[str, str] = {}


def reads_the_clock(mapper: object, record: Tool) -> str:
    return f"{datetime.now(UTC).year}"


def throws_dice(mapper: object, record: Tool) -> str:
    return random.choice(["heads", "tails"])


def counts(mapper: object, record: Tool) -> str:
    return f"{next(NUMBERS)}"


def remembers(mapper: object, record: Tool) -> str:
    before, SEEN[record.id] = SEEN.get(record.id, ""), record.name
    return before


HERE = r"\(test_order_independent.py, line \d+\)"


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (reads_the_clock, rf"ShedTool reads the clock: datetime.now\(\) {HERE}"),
        (throws_dice, rf"ShedTool throws dice {HERE}"),
        (counts, "ShedTool makes something else of the same record the second time"),
        (
            remembers,
            "ShedTool makes something else of the same record the second time|mark was '.*' and is '",
        ),
    ],
)
def test_a_mapper_that_is_not_a_function_of_its_record_is_found(
    warehouse: Database, mark: Any, told: str
) -> None:
    SEEN.clear()
    with api_of(Shed) as (api, sources):
        api.serve("/things", TOOLS, since_field="updatedAt")
        with pytest.raises(AssertionError, match=told):
            assert_order_independent(pipeline(mark=mark), warehouse, records={Shed.tools: TOOLS})
        SEEN.clear()
        with pytest.raises(AssertionError, match=told):
            assert_idempotent(pipeline(mark=mark), warehouse, sources=sources)


def test_what_makes_the_difference_is_told_in_few_records(warehouse: Database) -> None:
    """Of nine records two are left: one that was there, and one of its instant that came later."""
    with api_of(HastyShed) as (api, sources):
        with pytest.raises(AssertionError, match="it makes a difference how records arrive") as failed:
            assert_order_independent(
                pipeline(HastyShed),
                warehouse,
                records={"shed.tools": TOOLS},
                sources=sources,
                serve=lambda sent: api.serve("/things", sent["shed.tools"], since_field="updatedAt"),
                tries=3,
            )
    told = str(failed.value).splitlines()
    records = [line for line in told if line.startswith("  #")]
    assert len(records) == 2
    assert len({json.loads(line.partition(" shed.tools ")[2])["updatedAt"] for line in records}) == 1
    assert "one run of #" in told[3]
    assert told[3].endswith(", past the source")
    assert "2 runs of #" in told[4]
    assert told[4].endswith(", through the source")
    assert told[5].endswith("(version 1): a row of the one, and none of the other")


@pytest.mark.parametrize("wrong", [0, -2])
def test_a_source_that_trusts_a_wrong_total_is_found(warehouse: Database, wrong: int) -> None:
    quirks = Quirks(page_size=3, wrong_total=wrong)
    with Simulator(quirks) as api, TrustingShed(settings=ShedSettings(base_url=api.url)) as source:

        def serve(sent: Any) -> None:
            api.clear()
            for it in sent["shed.tools"]:
                api.put(it["id"], at=datetime.fromisoformat(it["updatedAt"]), name=it["name"])

        def check() -> None:
            assert_order_independent(
                pipeline(TrustingShed),
                warehouse,
                records={"shed.tools": TOOLS},
                sources={"shed": source},
                serve=serve,
                tries=3,
            )

        if not wrong:
            check()
            return
        with pytest.raises(AssertionError, match=r"\(version 1\): a row of the one, and none of the other"):
            check()


def test_a_source_that_sends_something_else_each_time_is_found(warehouse: Database) -> None:
    """A record that carries the time of the answer is another one each time."""
    with api_of(Shed) as (api, sources):
        for_page = itertools.count()

        def answer(request: Any) -> Any:
            from strandline.testing import Response

            sent = [{**TOOLS[0], "answer": next(for_page)}] if request.query.get("page", "1") == "1" else []
            return Response(json.dumps({"data": sent}).encode())

        api.respond("/things", answer)
        with pytest.raises(AssertionError, match=r"running again has written.*\n  raw.shed_tools, .* is new"):
            assert_idempotent(pipeline(), warehouse, sources=sources)


class Drawer(Source):
    """Tools that do not say when they changed, some of one key."""

    def __init__(self, *records: dict[str, Any]) -> None:
        super().__init__()
        self.records = records

    @stream(Tool, key="id", effective_at=None)
    def tools(self) -> Pages:
        """What it was given."""
        return pages(self.records)


class Tied(Source):
    """Tools that may change twice in an instant, and then the later word stands; and those that are gone."""

    def __init__(self, *records: dict[str, Any]) -> None:
        super().__init__()
        self.records = records

    @stream(Tool, key="id", effective_at="updated_at")
    def tools(self) -> Pages:
        """What it was given."""
        return pages(self.records)

    @stream(Tool, key="id", effective_at="updated_at")
    def gone(self) -> Pages:
        """Those that are gone."""
        return pages([])


def word(key: str, name: str, day: int = 1) -> dict[str, Any]:
    return {"id": key, "name": name, "updatedAt": f"2026-03-0{day}T00:00:00Z"}


@pytest.mark.parametrize("sqlite", [False, True])
def test_where_the_order_is_declared_to_decide_it_is_kept(warehouse: Database, sqlite: bool) -> None:
    database = Database("sqlite://") if sqlite else warehouse
    said = [word("a", "saw"), word("a", "rasp"), word("b", "saw"), word("a", "file"), word("b", "rasp")]
    assert_order_independent(pipeline(Drawer), database, records={Drawer.tools: said}, tries=6)
    database.close()


def test_a_deletion_of_the_same_instant_stays_behind_its_record(warehouse: Database) -> None:
    deleting = pipeline(Tied, deletes=Deletes.by_tombstones(Tied.gone))
    said = {Tied.tools: [word("a", "saw"), word("a", "rasp"), word("b", "saw", 2), word("a", "file", 3)]}
    gone = {Tied.gone: [word("a", "gone"), word("b", "gone", 2), word("c", "gone")]}
    assert_order_independent(deleting, warehouse, records={**said, **gone}, tries=8)


def test_records_that_would_be_deleted_are_an_error(warehouse: Database) -> None:
    run(pipeline(Tied), warehouse, sources={"tied": Tied(word("a", "saw"))})
    with pytest.raises(DeclarationError, match=r"there are records of tied.tools in .* would be deleted"):
        assert_order_independent(pipeline(Tied), warehouse, records={Tied.tools: TOOLS})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "it takes records, or sources"),
        ({"records": {}, "sources": {}}, "it takes records, or sources"),
        ({"records": {}, "serve": print}, "serve= is given records"),
        ({"records": {"shed.tolls": []}}, "it reads no stream 'shed.tolls'"),
    ],
)
def test_what_cannot_be_tried_is_told(warehouse: Database, given: Any, told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        assert_order_independent(pipeline(), warehouse, **given)


def test_a_run_that_fails_is_told(warehouse: Database) -> None:
    with api_of(Shed) as (_, sources):
        with pytest.raises(AssertionError, match=r"shed: a run has failed\n  shed.tools: .*404"):
            assert_idempotent(pipeline(), warehouse, sources=sources)
