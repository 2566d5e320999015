"""Promise 9 as a user would see it break: the command at its most talkative, with every kind of secret."""

import inspect
import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from tests import lighthouse
from tests.canary import FAILURES, Echo, dump, fail, forms, signatures
from tests.effort import TIMES
from tests.lighthouse import KINDS, SECRET, SHARED, WAYS

import strandline.source
from strandline.source import HttpSettings
from strandline.source.auth import Credentials
from strandline.source.token import TokenCredentials
from strandline.testing.project import Project
from strandline.testing.server import ScriptedApi
from strandline.warehouse.database import Database

TOLD = (
    "status",
    "runs",
    "plan",
    "marks list",
    "quarantine list",
    "fields list basic",
    "doctor",
    "config show",
    "config check",
)
"""What else is asked, as text and as JSON."""


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


@pytest.fixture
def project(tmp_path: Path, api: ScriptedApi, warehouse: Database, program: Path) -> Project:
    """Every source has its secrets from the environment."""
    written, key = quote(SECRET, safe=""), tmp_path / "sealed.pem"
    key.write_bytes(sealed_key())
    environment = {
        "STRANDLINE_DATABASE_URL": warehouse.url.render_as_string(hide_password=False),
        "STRANDLINE_SECRET_KEY": Fernet.generate_key().decode(),
        "STRANDLINE_HOME": str(tmp_path),
        "STRANDLINE_APP": "lighthouse",
        "STRANDLINE_LOG__LEVEL": "debug",
        "STRANDLINE_LOG__LOGGERS": json.dumps(
            dict.fromkeys(("httpx", "httpcore", "sqlalchemy.engine"), "debug")
        ),
        "STRANDLINE_PROXY__PROXY": api.url.replace("://", f"://us:{written}@"),
        "STRANDLINE_CLIENT_CERTIFICATE__CLIENT_CERTIFICATE": str(key),
        "STRANDLINE_CLIENT_CERTIFICATE__CLIENT_KEY_PASSWORD": SECRET,
        "STRANDLINE_DATABASE__URL": f"postgresql://us:{written}@127.0.0.1:1/none",
        "STRANDLINE_FILES__ROOT": f"ftp://us:{written}@127.0.0.1/drop",
    }
    for kind in (*KINDS, *WAYS):
        environment[f"STRANDLINE_{kind.upper()}__BASE_URL"] = api.url
        environment[f"STRANDLINE_{kind.upper()}__SECRET"] = SECRET
    made = Project(tmp_path, environment=environment, program=program)
    made.add(Path(lighthouse.__file__))
    return made


def sealed_key() -> bytes:
    """A key that another password opens, so that it is asked for and refused."""
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    sealed = serialization.BestAvailableEncryption(b"quite another one")
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(*kinds, sealed)


def run(project: Project, pipeline: str) -> dict[str, str]:
    """Run it; how each stream ended."""
    done = project.strandline("run", pipeline, "--json")
    return {it["stream"].partition(".")[0]: it["status"] for it in done.document["streams"]}


def failures() -> Iterator[tuple[str, Any]]:
    """Where, and what goes wrong there."""
    for name, failure in FAILURES.items():
        if TIMES > 1 or name in ("400", "an answer of another kind", "redirect"):
            yield "/keepers", failure
            yield "/token", failure


def test_no_command_tells_a_secret_whatever_goes_wrong(
    project: Project, api: ScriptedApi, warehouse: Database
) -> None:
    Echo(api)
    assert run(project, "lighthouses") == dict.fromkeys((*KINDS, "proxy"), "done")
    assert any(SECRET in it.query.values() for it in api.requests)
    for path, failure in failures():
        Echo(api)
        fail(api, path, failure)
        ended = run(project, "lighthouses")
        assert all(it == "failed" for kind, it in ended.items() if path == "/keepers"), ended
        assert "failed" in ended.values()
        api.recover(path)
    assert set(run(project, "elsewhere").values()) == {"failed"}
    unopened = project.strandline("run", "sealed", "--json")
    assert "sealed.pem cannot be read: the password does not open it" in unopened.stderr
    for words in TOLD:
        project.strandline(*words.split())
        project.strandline(*words.split(), "--json")

    said = [text for it in project.outcomes for text in (it.stdout, it.stderr)]
    everything = "\n".join([*said, *dump(warehouse)])
    assert "receive_response_headers.complete" in everything  # of httpcore, so it was at its most talkative
    for form in forms() | signatures(api) | {quote(SECRET, safe="")}:
        assert form not in everything, everything[max(0, everything.find(form) - 300) :][:600]


def test_every_kind_of_credentials_is_among_them() -> None:
    """A kind that is added later has to be added there as well."""
    for module in pkgutil.walk_packages(strandline.source.__path__, "strandline.source."):
        import_module(module.name)
    tried = {type(make(SecretStr(SECRET))) for make in KINDS.values()}

    kinds = set(descendants(Credentials)) - {TokenCredentials}
    assert {it for it in kinds if it.__module__.startswith("strandline.")} == tried


def test_whatever_credentials_take_as_a_secret_they_know_to_be_one() -> None:
    """Each parameter that may be a SecretStr is given one of its own."""
    given = {"token_url": "/token", "login": "/login", "issuer": "us"}
    for kind in {type(make(SecretStr(SECRET))) for make in KINDS.values()}:
        parameters = inspect.signature(kind).parameters
        taken = {
            name: SecretStr(f"{SHARED.get_secret_value()} {name}")
            for name, it in parameters.items()
            if "SecretStr" in str(it.annotation)
        }
        filled = {
            name: {"more": it} if "Mapping" in str(parameters[name].annotation) else it
            for name, it in taken.items()
        }
        made: Any = kind(**filled, **{name: it for name, it in given.items() if name in parameters})

        assert taken, kind
        assert set(taken.values()) <= set(made.secrets), kind


def test_every_secret_of_the_way_is_among_them(project: Project) -> None:
    """Of a setting that is added later too."""
    for name, it in HttpSettings.model_fields.items():
        if "SecretStr" in str(it.annotation):
            holding = [key for key in project.environment if key.endswith(f"__{name.upper()}")]
            assert any("nightjar" in project.environment[key] for key in holding), name


def descendants(kind: type) -> Iterator[type]:
    """Its subclasses, and theirs."""
    below: list[type] = kind.__subclasses__()
    for it in below:
        yield it
        yield from descendants(it)
