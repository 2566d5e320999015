"""A workshop whose records are of every kind, for what is taken apart in other processes: tools in memory."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from pydantic import AwareDatetime, Field, field_validator
from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped
from tests.memory import Given, pages

from strandline.model import (
    CustomFields,
    Dimension,
    Fact,
    Mapper,
    attribute,
    degenerate,
    event_time,
    field,
    grain,
    line,
    line_number,
    references,
)
from strandline.pipeline import Pipeline, Rejects
from strandline.source import Cursor, Pages, Record, Source, stream

IS_WORKER = hasattr(sys.modules["__main__"], "work")
"""This is not the process of the tests."""

START = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 4


class Use(Record):
    """How long a tool was used."""

    minutes: int
    note: dict[str, Any] = Field(default_factory=dict)


class Tool(Record):
    """A tool, and what it was used for that day."""

    id: str
    changed: AwareDatetime
    edition: int
    label: str
    weight: int | None = None
    uses: list[Use] = Field(default_factory=list)

    @field_validator("label")
    @classmethod
    def _hammers_break_workers(cls, value: str) -> str:
        if value == "hammer" and IS_WORKER:
            os._exit(7)
        return value


class Workshop(Source):
    """Tools, with all that a stream can declare."""

    def __init__(self, records: Sequence[Given]) -> None:
        super().__init__()
        self.records = records

    @stream(Tool, key="id", cursor=Cursor("changed"), tie_break="edition", deleted="scrapped")
    def tools(self, since: datetime | None) -> Pages:
        """What it was given, whatever is asked."""
        return pages(*(self.records[it : it + PAGE] for it in range(0, len(self.records), PAGE)))


class DimTool(Dimension, CustomFields):
    """A tool."""

    label: Mapped[str] = attribute(String(12), scd=2)
    weight: Mapped[int | None] = attribute(Integer)


class FactToolUse(Fact):
    """One row per use of a tool."""

    tool_id: Mapped[str] = grain(String(40))
    use: Mapped[int] = grain(Integer)
    used_at: Mapped[datetime] = event_time()
    tool_key: Mapped[int] = references(DimTool, as_of="used_at", missing="infer")
    minutes: Mapped[int] = degenerate(Integer)
    note: Mapped[dict[str, Any]] = degenerate()


class WorkshopTool(Mapper[Tool, DimTool]):
    """Tools."""

    label = field("label")

    def weight(self, record: Tool) -> int | None:
        """In grams; nothing weighs less than nothing."""
        if record.weight is not None and record.weight < 0:
            raise ValueError(f"a weight of {record.weight}")
        return record.weight


class WorkshopUse(Mapper[Tool, FactToolUse], each="uses"):
    """Uses."""

    tool_id = field("id")
    use = line_number()
    used_at = field("changed")
    tool_key = field("id")
    minutes = line("minutes")
    note = line("note")


workshop = Pipeline("workshop")
workshop.sync(Workshop.tools, WorkshopTool, rejects=Rejects(count=10**9))
workshop.sync(Workshop.tools, WorkshopUse, rejects=Rejects(count=10**9))


def tool(number: int, **said: Any) -> dict[str, Any]:
    """A tool as of minute `number`."""
    changed = (START + timedelta(minutes=number)).isoformat()
    return {"id": f"T{number}", "changed": changed, "edition": number, "label": "saw", **said}


def tools(*, min_size: int = 0) -> st.SearchStrategy[list[Given]]:
    """Records that fit, and all kinds that do not: of contract, of mapper, of the tables; and deletions."""
    said = st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from(["a", "b", "c", ""]),
            "label": st.sampled_from(["saw", "plane", "much too long a name", "nul \0", "\ud800", None]),
            "weight": st.sampled_from([0, 7, -1, 2**31, "heavy"]),
            "uses": st.lists(
                st.fixed_dictionaries(
                    {"minutes": st.sampled_from([1, 2**40]), "note": st.sampled_from([{}, {"by": "Ada"}])}
                ),
                max_size=2,
            ),
            "edition": st.integers(0, 2),
            "scrapped": st.sampled_from([True, False, "perhaps"]),
            "colour": st.sampled_from(["red", 5, None]),
        },
    )
    record = st.builds(lambda number, more: tool(number, **more), st.integers(0, 9), said)
    return st.lists(
        record | st.sampled_from([b"{", b"[1]", b'{"id": 1e400}']), min_size=min_size, max_size=min_size + 25
    )
