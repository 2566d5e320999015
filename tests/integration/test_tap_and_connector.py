"""What taps and connectors say, and what they are told: records as they were sent, states in their place."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from tests.dockyard import (
    CONNECTORS,
    ODD,
    SECRET,
    Connected,
    Tapped,
    airbyte,
    calls,
    connected,
    read,
    singer,
    tapped,
)

from strandline.errors import DeclarationError, ProgramFailed, SourceUnavailable, UnexpectedResponse
from strandline.source import FileVault, SingerSource, offer
from strandline.source import airbyte as source_airbyte
from strandline.source import singer as source_singer
from strandline.source.program import ProgramSource


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes.jsonl"


def test_a_tap_is_told_what_to_read_in_files_of_its_own(notes: Path) -> None:
    source = tapped(notes, '{"type": "SCHEMA", "stream": "ships"}', singer('{"id":1}'))
    (page,) = read(source, '{"bookmarks": 7}')
    assert page.records == [b'{"id":1}']
    asked, told = calls(notes)
    assert asked["arguments"][0] == "--discover"
    assert set(told["files"]) == {"--config", "--catalog", "--state"}
    assert set(told["modes"].values()) == {"0o600"}
    assert json.loads(told["files"]["--config"])["api-key"] == SECRET
    assert "command" not in json.loads(told["files"]["--config"])
    assert told["files"]["--state"] == '{"bookmarks": 7}'
    assert not [it for it in told["arguments"] if Path(it).exists()]

    boats, ships = json.loads(told["files"]["--catalog"])["streams"]
    assert [it["metadata"]["selected"] for it in boats["metadata"]] == [False]
    said = {tuple(it["breadcrumb"]): it["metadata"] for it in ships["metadata"]}
    assert said[()] == {
        "table-key-properties": ["id"],
        "selected": True,
        "replication-method": "INCREMENTAL",
        "replication-key": "changed_at",
    }
    assert said["properties", "id"]["selected"] is True
    assert said["properties", "crew"]["selected"] is False


def test_records_are_kept_byte_for_byte_and_a_state_goes_with_what_came_before_it(notes: Path) -> None:
    state = r'{"bookmarks":  {"ships": 1.0, "😀": "\ud800"}}'
    lines = [
        singer(ODD),
        f'{{"type": "STATE", "value": {state}}}',
        '{"type": "ACTIVATE_VERSION"}',
        singer("7"),
    ]
    (page,) = read(tapped(notes, *lines))
    assert page.records == [ODD.encode(), b"7"]
    assert page.state == state
    assert page.request == "tapped.ships: records 1 to 2"

    (page,) = read(
        connected(notes, airbyte(ODD), '{"type": "STATE", "state": {"type": "LEGACY", "data": [1]}}')
    )
    assert page.records == [ODD.encode()]
    assert page.state == '{"type": "LEGACY", "data": [1]}'


@pytest.mark.parametrize(
    ("state", "given_back"),
    [
        (
            '{"type":"STREAM","stream":{"stream_descriptor":{"name":"ships"},"stream_state":{"a":1}}}',
            '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"ships"},"stream_state":{"a":1}}}]',
        ),
        (
            '{"type":"GLOBAL","global":{"shared_state":{}}}',
            '[{"type":"GLOBAL","global":{"shared_state":{}}}]',
        ),
        ('{"data": {"ships": 1}}', '{"ships": 1}'),
        ('{"type":"STREAM","stream":{"stream_descriptor":{"name":"boats"}}}', None),
    ],
)
def test_a_connector_gets_its_state_back_as_it_takes_it(
    notes: Path, state: str, given_back: str | None
) -> None:
    source = connected(notes, airbyte("{}"), f'{{"type": "STATE", "state": {state}}}')
    (page,) = read(source)
    assert page.state == (state if given_back else None)
    read(source, page.state)
    assert calls(notes)[-1]["files"].get("--state") == given_back
    (configured,) = json.loads(calls(notes)[-1]["files"]["--catalog"])["streams"]
    assert (configured["sync_mode"], configured["cursor_field"]) == ("incremental", ["changed_at"])


def test_a_full_refresh_keeps_no_state_and_is_told_none(notes: Path) -> None:
    source = connected(notes, airbyte("{}"), '{"type": "STATE", "state": {"type": "GLOBAL"}}')
    (page,) = Connected.all_ships.read(source, '{"type": "GLOBAL"}')
    assert page.state is None
    assert "--state" not in calls(notes)[-1]["files"]
    assert json.loads(calls(notes)[-1]["files"]["--catalog"])["streams"][0]["sync_mode"] == "full_refresh"


def test_a_connector_that_changes_its_config_is_told_the_new_one_in_the_next_run_too(
    notes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"notes": str(notes), "says": [], "discovers": [CONNECTORS], "api-key": "exchanged"}
    control = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": changed}}
    line = json.dumps({"type": "CONTROL", "control": control})
    source = connected(notes, line)
    read(source)
    read(source)
    assert told_key(notes) == "exchanged"
    said = capsys.readouterr().err
    assert '"settings": ["api-key", "says"]' in said
    assert "exchanged" not in said
    read(connected(notes))
    assert told_key(notes) == SECRET

    monkeypatch.setenv("STRANDLINE_SECRET_KEY", Fernet.generate_key().decode())
    vault = FileVault(notes.parent / "kept")
    for given, key in ((connected(notes, line), SECRET), (connected(notes, line), "exchanged")):
        given.vault = vault
        read(given)
        assert told_key(notes) == key
        assert "exchanged" not in given.scrubbed("with exchanged")
    assert b"exchanged" not in b"".join(it.read_bytes() for it in (notes.parent / "kept").iterdir())
    other = connected(notes, line, mutters=["other settings"])
    other.vault = vault
    read(other)
    assert told_key(notes) == SECRET
    assert capsys.readouterr().err.count("settings=") == 0


def told_key(notes: Path) -> str:
    return str(json.loads(calls(notes)[-1]["files"]["--config"])["api-key"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Traceback (most recent call last):", "a line that is no message"),
        ('{"no": "type"}', "a line that is no message"),
        ('{"type": "RECORD", "stream": "ships"}', "a RECORD that cannot be read"),
        ('{"type": "BATCH", "stream": "ships"}', "a BATCH that cannot be read"),
        ('{"type": "RECORD", "stream": "rafts", "record": {}}', "records of ships and of rafts"),
    ],
)
def test_a_line_of_a_tap_that_makes_no_sense_is_in_the_error(notes: Path, line: str, says: str) -> None:
    pages = Tapped.ships.read(tapped(notes, singer("{}"), line, singer("{}")))
    assert next(pages).records == [b"{}"]
    with pytest.raises(UnexpectedResponse, match=says) as refused:
        next(pages)
    assert repr(line) in refused.value.message


def test_what_a_tap_sends_of_streams_that_it_was_not_asked_for_is_left_out(notes: Path) -> None:
    """It stands in the catalog under another name; a name that is in no catalog is one of ours."""
    boat = '{"type": "RECORD", "stream": "boats", "record": {"id": 7}}'
    (page,) = read(tapped(notes, boat, singer('{"id":1}'), boat))
    assert page.records == [b'{"id":1}']
    (page,) = read(tapped(notes, boat))
    assert page.records == []
    (page,) = read(tapped(notes, '{"type": "RECORD", "stream": "fleet", "record": {"id": 1}}'))
    assert page.records == [b'{"id": 1}']


@pytest.mark.parametrize("command", ["tap 'half", ""])
def test_a_command_that_is_none_is_told(notes: Path, command: str) -> None:
    known = tapped(notes, singer("{}"))
    made = type("Tapped", (Tapped,), {"command": command})
    source = made(settings=known.settings.model_copy(update={"command": None}))
    with pytest.raises(DeclarationError, match=r"Tapped: (its command is no command|which program)") as it:
        read(source)
    assert "STRANDLINE_TAPPED__COMMAND" in str(it.value.hint)


def test_a_connector_that_says_why_it_fails_fails_for_that(notes: Path) -> None:
    def trace(kind: str, **more: Any) -> str:
        return json.dumps({"type": "TRACE", "trace": {"type": kind, **more}})

    error = {"message": f"no luck with {SECRET}", "failure_type": "system_error"}
    with pytest.raises(ProgramFailed, match=r"ended with exit code 0: no luck with \*\*\*"):
        read(connected(notes, trace("ERROR", error=error)))
    with pytest.raises(SourceUnavailable, match="try later"):
        read(
            connected(
                notes, trace("ERROR", error={"message": "try later", "failure_type": "transient_error"})
            )
        )
    incomplete = {"stream_descriptor": {"name": "ships"}, "status": "INCOMPLETE"}
    with pytest.raises(ProgramFailed, match="the stream is incomplete"):
        read(connected(notes, trace("STREAM_STATUS", stream_status=incomplete)))
    with pytest.raises(UnexpectedResponse, match="a RECORD that cannot be read"):
        read(connected(notes, '{"type": "RECORD"}'))


def test_what_is_offered_is_drafted_as_python_that_declares_it(notes: Path) -> None:
    sources: list[ProgramSource] = [tapped(notes), connected(notes)]
    for source in sources:
        offered = [it for it in source.offered() if it.name.endswith("ships")]
        assert [it.key for it in offered] == [("id",)]
        draft = offer.draft(offered)
        head, method = draft.split("    # in the source:\n")
        made: dict[str, Any] = {"SingerSource": SingerSource}
        exec(f"{head}\nclass Erp(SingerSource):\n{method}", made)  # noqa: S102  # as its reader pastes it
        (declared,) = made["Erp"].streams().values()
        assert declared.key == ("id",)
        assert declared.deleted == "_sdc_deleted_at"
        record = declared.parse(b'{"id": 1, "shipName": "Ada", "price": 1.10, "built-on": "2026-03-01"}')
        assert (record.ship_name, record.price, record.built_on) == ("Ada", Decimal("1.10"), date(2026, 3, 1))
        assert {"class_", "crew", "copy_", "sdc_deleted_at"} <= set(declared.contract.model_fields)


def test_an_ordinary_line_is_cut_at_once_and_not_bracket_by_bracket() -> None:
    record = '{"id": 1, "n": 1234567890123456789012345678901234567890.10}'
    sent = source_singer.Message("RECORD", "ships", msgspec.Raw(record.encode()))
    assert source_singer._decode(singer(record).encode()) == sent
    assert bytes(source_singer._decode(b'{"type": "STATE", "value": {"a":  1}}').value) == b'{"a":  1}'
    cut = source_airbyte._decode(airbyte(record).encode()).record
    assert cut is not None
    assert bytes(cut.data) == record.encode()
    state = b'{"type": "STATE", "state": {"type":  "GLOBAL"}}'
    assert bytes(source_airbyte._decode(state).state) == b'{"type":  "GLOBAL"}'
