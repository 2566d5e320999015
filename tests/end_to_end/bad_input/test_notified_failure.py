"""Who is told that a run has failed, and that it makes no difference to the run whether they can be."""

import base64
import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from strandline.testing import Hang, ReceivedRequest, Response, ScriptedApi, Status
from strandline.testing.project import Project

SECRET = "whsec_" + base64.b64encode(b"canary secret of the chat").decode()
KEY = b"canary secret of the chat"
PATH = "/services/canary-address"

HOOKS = """

@crm.on_failure
def note(notice):
    \"\"\"Write down what is told.\"\"\"
    with open("told.txt", "a") as told:
        told.write(f"{notice.status} {notice.kind} {notice.run_id}\\\\n")


@crm.on_failure(partial=True)
def break_down(notice):
    \"\"\"Fail itself.\"\"\"
    open("partial.txt", "a").write(f"{notice.status}\\\\n")
    raise RuntimeError("no chat")
""".replace("\\\\", "\\")


@pytest.fixture
def chat() -> Iterator[ScriptedApi]:
    """Who is told."""
    with ScriptedApi() as chat:
        chat.respond(PATH, Response(b"", status=204))
        yield chat


@pytest.fixture
def watched(project: Project, chat: ScriptedApi) -> Project:
    """The project, whose failures are told."""
    project.environment |= {
        "STRANDLINE_NOTIFY__WEBHOOK": f"{chat.url}{PATH}",
        "STRANDLINE_NOTIFY__SECRET": SECRET,
    }
    return project


def body(request: ReceivedRequest) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.body)
    return document


def test_a_run_that_fails_is_told_signed_and_without_a_secret(
    watched: Project, api: ScriptedApi, chat: ScriptedApi
) -> None:
    api.fail("/customers", Status(401))
    failed = watched.strandline("run", "crm")
    (told,) = chat.requests

    assert failed.code == 1
    found = body(told)
    assert (found["type"], found["data"]["kind"], found["data"]["run_id"]) == (
        "run.failed",
        "CredentialsRejected",
        1,
    )
    assert found["data"]["streams"][0]["stream"] == "crm.customers"
    assert found["text"].startswith("crm, run 1: failed: crm.customers: ")
    assert found["data"]["hint"] in failed.stderr
    assert not any(it in told.body.decode() for it in ("canary", SECRET))
    signed = f"{told.headers['webhook-id']}.{told.headers['webhook-timestamp']}.".encode() + told.body
    expected = base64.b64encode(hmac.digest(KEY, signed, sha256)).decode()
    assert told.headers["webhook-signature"] == f"v1,{expected}"
    assert (told.method, told.headers["content-type"]) == ("POST", "application/json")


def test_a_run_that_is_done_tells_nobody(watched: Project, chat: ScriptedApi) -> None:
    assert watched.strandline("run", "crm").code == 0
    assert chat.requests == []


def test_a_run_that_is_partial_is_told_where_that_was_asked_for(
    watched: Project, api: ScriptedApi, chat: ScriptedApi, records: list[dict[str, str]]
) -> None:
    del records[3]["segment"]
    api.serve("/customers", records, page_size=10, since_field="updatedAt")
    assert watched.strandline("run", "crm").code == 3
    assert chat.requests == []

    watched.environment["STRANDLINE_NOTIFY__PARTIAL"] = "true"
    records[4].pop("segment")
    api.serve("/customers", records, page_size=10, since_field="updatedAt")
    assert watched.strandline("run", "crm", "--full").code == 3
    (told,) = chat.requests
    assert body(told)["type"] == "run.partial"
    assert "records were rejected" in body(told)["text"]


def test_what_fails_before_a_run_begins_is_told(watched: Project, chat: ScriptedApi) -> None:
    """The database, a source's settings, and a module that cannot be imported."""
    url = watched.environment["STRANDLINE_DATABASE_URL"]
    watched.environment["STRANDLINE_DATABASE_URL"] = "postgresql://me:canary@127.0.0.1:1/none"
    assert watched.strandline("run", "crm").code == 1
    watched.environment["STRANDLINE_DATABASE_URL"] = url
    token = watched.environment.pop("STRANDLINE_CRM__TOKEN")
    assert watched.strandline("run", "crm").code == 2
    watched.environment["STRANDLINE_CRM__TOKEN"] = token
    watched.edit("crm.py", 'crm = Pipeline("crm")', 'crm = Pipeline("crm" + 1)')
    assert watched.strandline("run", "crm").code == 2

    kinds = [body(it)["data"]["kind"] for it in chat.requests]
    assert kinds == ["WarehouseUnreachable", "SettingsMissing", "DeclarationError"]
    assert [body(it)["data"]["run_id"] for it in chat.requests] == [None, None, None]
    assert not any(b"canary" in it.body for it in chat.requests)


@pytest.mark.parametrize(
    ("fault", "reason", "times"),
    [
        (Status(500), "it answers 500", 2),
        (Status(404), "it answers 404", 1),
        (Hang(), "ReadTimeout", 2),
        (None, "ConnectError", 0),
    ],
    ids=["an error", "gone", "no answer", "nobody there"],
)
def test_whether_anybody_can_be_told_makes_no_difference_to_the_run(
    watched: Project, api: ScriptedApi, chat: ScriptedApi, fault: Any, reason: str, times: int
) -> None:
    if fault is None:
        chat.close()
    else:
        chat.fail(PATH, fault)
    watched.environment["STRANDLINE_NOTIFY__TIMEOUT"] = "0.3"
    api.fail("/customers", Status(401))
    failed = watched.strandline("run", "crm")

    assert failed.code == 1
    (line,) = [json.loads(it) for it in failed.stderr.splitlines() if "nobody could be told" in it]
    assert (line["reason"], line["run_id"]) == (reason, 1)
    assert line["webhook"] == chat.url.rpartition(":")[0]
    assert len(chat.requests) == times
    assert len({it.headers["webhook-id"] for it in chat.requests}) == min(times, 1)


def test_a_replay_that_fails_is_told_and_one_that_only_looks_is_not(
    watched: Project, chat: ScriptedApi
) -> None:
    assert watched.strandline("run", "crm").code == 0
    assert watched.strandline("replay", "crm", "--keys", "nobody", "--dry-run").code == 1
    assert watched.strandline("replay", "crm", "--keys", "nobody").code == 1

    (told,) = chat.requests
    assert (body(told)["data"]["run_kind"], body(told)["data"]["kind"]) == ("replay", "UnknownKey")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "WEBHOOK",
            "chat.example.com/canary",
            "STRANDLINE_NOTIFY__WEBHOOK: it should be an address that begins",
        ),
        ("SECRET", "whsec_canary…", "the secret of a webhook begins with whsec_ and is no base64 behind it"),
    ],
)
def test_an_address_that_is_none_is_refused(watched: Project, name: str, value: str, told: str) -> None:
    watched.environment[f"STRANDLINE_NOTIFY__{name}"] = value
    refused = watched.strandline("run", "crm")

    assert refused.code == 2
    assert told in refused.error
    assert "canary" not in refused.error


def test_hooks_of_a_pipeline_are_called_and_may_fail(project: Project, api: ScriptedApi) -> None:
    with (project.folder / "crm.py").open("a") as module:
        module.write(HOOKS)
    assert project.strandline("run", "crm").code == 0
    assert not (project.folder / "told.txt").exists()

    api.fail("/customers", Status(401))
    failed = project.strandline("run", "crm")
    assert failed.code == 1
    assert told_in(project, "told.txt") == ["failed CredentialsRejected 2"]
    assert told_in(project, "partial.txt") == ["failed"]
    (line,) = [json.loads(it) for it in failed.stderr.splitlines() if "a hook has failed" in it]
    assert (line["hook"], line["error"]) == ("break_down", "RuntimeError: no chat")


def test_hooks_that_want_to_know_hear_of_partial_runs(
    project: Project, api: ScriptedApi, records: list[dict[str, str]]
) -> None:
    with (project.folder / "crm.py").open("a") as module:
        module.write(HOOKS)
    del records[3]["segment"]
    api.serve("/customers", records, page_size=10, since_field="updatedAt")

    assert project.strandline("run", "crm").code == 3
    assert told_in(project, "partial.txt") == ["partial"]
    assert not (project.folder / "told.txt").exists()


def told_in(project: Project, name: str) -> list[str]:
    return Path(project.folder, name).read_text().splitlines()
