"""A tap and a connector that a test scripts: real processes, which say and do what their settings have."""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from tests import tap

from strandline.source import (
    AirbyteSource,
    Page,
    Pages,
    ProgramSettings,
    Record,
    SingerSource,
    stream,
)
from strandline.source.program import ProgramSource

COMMAND = f"{sys.executable} -I {tap.__file__}"
SECRET = 'p"ss wörd'
ODD = r'{"id": 1, "id": 2, "n": 1234567890123456789012345678901234567890.10, "t": "\ud800\u0000", "😀":  []}'
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": ["integer"]},
        "shipName": {"type": ["null", "string"]},
        "price": {"type": ["null", "number"]},
        "built-on": {"type": ["null", "string"], "format": "date"},
        "_sdc_deleted_at": {"type": ["null", "string"], "format": "date-time"},
        "class": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "crew": {"type": "array"},
        "copy": {},
    },
}


class ShipOfProgram(Record):
    """A ship."""

    id: int


class Told(ProgramSettings):
    """What the program is told."""

    notes: str
    says: list[str] = Field(default_factory=list)
    discovers: list[str] = Field(default_factory=list)
    mutters: list[str] = Field(default_factory=list)
    ends: str = ""
    api_key: SecretStr = Field(default=SecretStr(SECRET), serialization_alias="api-key")


class Tapped(SingerSource):
    """By a tap."""

    command = COMMAND
    settings: Told

    @stream(ShipOfProgram, key="id")
    def ships(self, since: str | None) -> Pages:
        """All."""
        return self.pages("harbour-ships", since, replication_key="changed_at")


class Connected(AirbyteSource):
    """By a connector."""

    command = COMMAND
    settings: Told

    @stream(ShipOfProgram, key="id")
    def ships(self, since: str | None) -> Pages:
        """What is new."""
        return self.pages("ships", since)

    @stream(ShipOfProgram, key="id")
    def all_ships(self, since: str | None) -> Pages:
        """All of them."""
        return self.pages("ships", since, sync_mode="full_refresh")


TAPS = json.dumps(
    {
        "streams": [
            {"tap_stream_id": "harbour-boats", "stream": "boats", "schema": SCHEMA, "metadata": []},
            {
                "tap_stream_id": "harbour-ships",
                "stream": "ships",
                "schema": SCHEMA,
                "metadata": [
                    {"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}},
                    {"breadcrumb": ["properties", "crew"], "metadata": {"inclusion": "unsupported"}},
                ],
            },
        ]
    },
    indent=2,
)
CONNECTORS = json.dumps(
    {
        "type": "CATALOG",
        "catalog": {
            "streams": [
                {
                    "name": "ships",
                    "json_schema": SCHEMA,
                    "supported_sync_modes": ["full_refresh", "incremental"],
                    "default_cursor_field": ["changed_at"],
                    "source_defined_primary_key": [["id"]],
                }
            ]
        },
    }
)


def tapped(notes: Path, *says: str, **options: Any) -> Tapped:
    return Tapped(settings=Told(notes=str(notes), says=list(says), discovers=TAPS.split("\n"), **options))


def connected(
    notes: Path, *says: str, discovers: tuple[str, ...] = (CONNECTORS,), **options: Any
) -> Connected:
    settings = Told(notes=str(notes), says=list(says), discovers=list(discovers), **options)
    return Connected(settings=settings)


def calls(notes: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in notes.read_text().splitlines()]


def singer(record: str) -> str:
    return f'{{"type": "RECORD", "stream": "ships", "record": {record}, "time_extracted": "2026-03-01"}}'


def airbyte(record: str) -> str:
    return f'{{"type":"RECORD","record":{{"stream":"ships","data":{record},"emitted_at":1}}}}'


def read(source: ProgramSource, since: str | None = None) -> list[Page]:
    return list(type(source).streams()["ships"].read(source, since))
