"""What is shown of a URL or a text holds no secret."""

import json
import logging
import subprocess
import sys
from inspect import cleandoc

import httpx
import pytest
from pydantic import SecretStr

from strandline.errors import DeclarationError
from strandline.source import ApiKey, Basic, Bearer
from strandline.source.auth import Credentials
from strandline.source.redaction import Redaction, guard_httpx_log

SECRET = "s3cr3t/ü+1"


def test_secret_parameters_and_the_user_are_hidden_and_the_rest_is_readable() -> None:
    redaction = Redaction(parameters=["X-Auth"])

    shown = redaction.show_url(
        "https://u:p@api.example:8443/v1?since=2026-01-01T00:00:00Z&x-auth=abc&API_KEY=d&q=a%20b#f"
    )

    assert shown == "https://api.example:8443/v1?since=2026-01-01T00:00:00Z&x-auth=***&API_KEY=***&q=a%20b"


@pytest.mark.parametrize("form", ["s3cr3t/ü+1", "s3cr3t%2F%C3%BC%2B1", "czNjcjN0L8O8KzE="])
def test_a_secret_value_is_hidden_in_whatever_form_it_comes(form: str) -> None:
    redaction = Redaction(secrets=[SECRET, "", "s3cr3t"])

    assert redaction.scrub(f"bad token {form}!") == "bad token ***!"
    assert form not in redaction.show_url(f"https://api.example/{form}?next={form}")


@pytest.mark.parametrize(
    "auth",
    [ApiKey(SECRET), ApiKey(SecretStr(SECRET), query="k"), Basic("user", SECRET), Bearer(SECRET)],
    ids=repr,
)
def test_credentials_do_not_show_what_they_know(auth: Credentials) -> None:
    assert SECRET not in repr(auth) + str(auth) + str(vars(auth))
    assert any(SECRET in secret.get_secret_value() for secret in auth.secrets)


def test_an_api_key_goes_to_one_place() -> None:
    with pytest.raises(DeclarationError, match="not both"):
        ApiKey("x", header="X-Key", query="key")


def test_httpxs_own_log_lines_hold_no_query(caplog: pytest.LogCaptureFixture) -> None:
    guard_httpx_log()
    guard_httpx_log()

    with caplog.at_level(logging.INFO, logger="httpx"):
        logging.getLogger("httpx").info(
            "HTTP Request: %s %s", "GET", httpx.URL(f"https://u:p@a.example/x?k={SECRET}")
        )

        httpx_says = ("GET", httpx.URL("https://a.example/x?k=1"), "HTTP/1.1", 407, f"no: {SECRET}")
        logging.getLogger("httpx").info('HTTP Request: %s %s "%s %d %s"', *httpx_says)

    assert caplog.messages == [
        "HTTP Request: GET https://a.example/x",
        'HTTP Request: GET https://a.example/x "HTTP/1.1 407 Proxy Authentication Required"',
    ]


def test_what_signs_and_encrypts_is_loaded_by_those_who_need_it() -> None:
    """The start of every run would wait for it."""
    words = """
        import sys
        import strandline.source, strandline.pipeline
        print([it for it in ("authlib", "cryptography", "joserfc") if it in sys.modules])
    """
    command = [sys.executable, "-c", cleandoc(words)]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("way", ["once", "twice"])
def test_a_secret_is_hidden_as_json_writes_it(way: str) -> None:
    redaction = Redaction(secrets=['it"s é'])
    written = json.dumps('it"s é') if way == "once" else json.dumps(json.dumps('it"s é'))

    assert "s" not in redaction.scrub(written)


def test_what_is_learned_is_hidden_and_in_the_end_forgotten() -> None:
    redaction = Redaction()
    redaction.learn("a-first-token", None, "short")
    assert redaction.scrub("a-first-token, short") == "***, short"

    redaction.learn(*(f"signature-{number:03}" for number in range(100)))
    assert redaction.scrub("a-first-token signature-000") == "a-first-token ***"
