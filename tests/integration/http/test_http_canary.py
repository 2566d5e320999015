"""Promise 9: whatever goes wrong with any credentials, no log, error, report or table tells them."""

import json
import traceback
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from tests.canary import FAILURES, Echo, dump, fail, forms, signatures
from tests.effort import TIMES
from tests.lighthouse import (
    KINDS,
    SECRET,
    WITH_ENDPOINT,
    CanaryKeeper,
    Lighthouse,
    LighthouseSettings,
    source_of,
)

from strandline.errors import StrandlineError
from strandline.pipeline import Pipeline, run
from strandline.testing.server import Response, ScriptedApi
from strandline.testing.tokens import Tokens
from strandline.warehouse import state
from strandline.warehouse.database import Database

pipeline = Pipeline("lighthouse")
pipeline.sync(Lighthouse.keepers, CanaryKeeper)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRANDLINE_SECRET_KEY", Fernet.generate_key().decode())
    monkeypatch.setenv("STRANDLINE_HOME", str(tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_told_or_stored(
    api: ScriptedApi,
    warehouse: Database,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Reading goes well, then wrong in each way in which the API, or its token endpoint, can be wrong."""
    caplog.set_level(0)
    source = source_of("lighthouse", KINDS[kind])
    told: list[str] = []
    paths = ["/keepers", *(["/token"] if kind in WITH_ENDPOINT else [])]
    cases = [("/keepers", None), *((path, it) for path in paths for it in FAILURES.values())]
    for path, failure in cases:
        Echo(api)
        if failure is not None:
            fail(api, path, failure)
        with source(settings=LighthouseSettings(base_url=api.url)) as lighthouse:
            if TIMES > 1 or failure in (None, FAILURES["400"], FAILURES["truncated"]):
                report = run(pipeline, warehouse, sources={"lighthouse": lighthouse})
                told += [json.dumps(report.as_dict(), default=str), repr(report)]
                assert (report.exit_code == 0) == (failure is None), told[-1]
            told += [*states(lighthouse), told_of_error(lighthouse)]
            assert (told[-1] == "read") == (failure is None)
        api.recover(path)

    logged = caplog.text + "".join(capfd.readouterr())
    assert "receive_response_headers.complete" in logged  # of httpcore, so it was at its most talkative
    everything = "\n".join([*told, logged, *dump(warehouse)])
    for form in forms() | signatures(api):
        assert form not in everything, everything[max(0, everything.find(form) - 300) :][:600]


def test_a_run_keeps_its_tokens_in_the_warehouse_and_sealed(api: ScriptedApi, warehouse: Database) -> None:
    """Two machines, each with an environment of its own and one warehouse, go on with one chain."""
    tokens = Tokens(client_id="us", client_secret=SECRET, refresh_token=SECRET)
    served = tokens.guarded(lambda _: Response(b'{"data": [{"id": "1", "name": "Grace"}], "more": false}'))
    api.respond("/token", tokens)
    api.respond("/keepers", served)
    source = source_of("lighthouse", KINDS["refresh_token"])
    for _ in range(3):
        tokens.expire()
        with source(settings=LighthouseSettings(base_url=api.url)) as lighthouse:
            report = run(pipeline, warehouse, sources={"lighthouse": lighthouse})
            assert report.exit_code == 0, report.streams

    assert [form["refresh_token"] for form in tokens.forms] == [SECRET, "refresh-token-1", "refresh-token-2"]
    with warehouse.begin() as connection:
        (kept,) = connection.execute(state.credential.select()).all()
    assert kept.name == "lighthouse.refresh_token"
    assert b"token" not in kept.sealed


def told_of_error(lighthouse: Lighthouse) -> str:
    """The whole traceback, causes and all, of reading without a pipeline."""
    try:
        list(Lighthouse.keepers.read(lighthouse))
    except StrandlineError as error:
        return "".join(traceback.format_exception(error)) + str(error.hint)
    return "read"


def states(lighthouse: Lighthouse) -> list[str]:
    auth = lighthouse.client._auth
    return [
        repr(it)
        for it in (lighthouse, lighthouse.settings, lighthouse.client, auth, vars(auth), vars(lighthouse))
    ]
