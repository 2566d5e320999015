"""A session: signed in once, anew after a 401, and out at the end."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable, UnexpectedResponse
from strandline.source import SessionLogin
from strandline.testing.server import ReceivedRequest, Response, ScriptedApi, Status

SECRET = "canary-7f3a/b+c d"


class Door:
    """An API that gives a session to who knows the password, as a token and as a cookie."""

    def __init__(self, api: ScriptedApi) -> None:
        self.good = ""
        self.given = 0
        self.renews = False
        self.left: list[ReceivedRequest] = []
        api.respond("/login", self.enter)
        api.respond("/customers", self.look)
        api.respond("/logout", self.leave)

    def enter(self, request: ReceivedRequest) -> Response:
        """Let in who knows the password."""
        is_json = request.headers["content-type"] == "application/json"
        sent = json.loads(request.body) if is_json else dict(parse_qsl(request.body.decode()))
        if sent.get("password") != SECRET:
            return Response(json.dumps({"sent": sent}).encode(), status=400)
        return self.renew(status=302 if sent.get("redirect") else 200)

    def renew(self, *, status: int = 200, body: bytes = b"") -> Response:
        """Begin another session, and say which."""
        self.given += 1
        self.good = f"session-{self.given:08}"
        told = body or json.dumps({"data": {"token": self.good}}).encode()
        where = {"Location": "/home"} if status == 302 else {}
        return Response(told, status=status, headers={"Set-Cookie": f"sid={self.good}; Path=/", **where})

    def look(self, request: ReceivedRequest) -> Response:
        """Show the customers to who is in."""
        sent = request.headers.get("cookie", "") + request.headers.get("x-session", "")
        if not self.good or self.good not in sent:
            return Response(b'{"error": "who are you?"}', status=401)
        return self.renew(body=b'{"data": []}') if self.renews else Response(b'{"data": []}')

    def leave(self, request: ReceivedRequest) -> Response:
        """Remember who has left."""
        self.left.append(request)
        return Response()


@pytest.fixture
def door(api: ScriptedApi) -> Door:
    return Door(api)


def session(**options: Any) -> Any:
    return staticmethod(lambda secret: SessionLogin("/login", user="us", password=secret, **options))


TOKEN = {"token": "data.token", "header": "X-Session", "prefix": ""}
KINDS: dict[str, dict[str, Any]] = {
    "token": TOKEN,
    "cookie": {},
    "form": {"send": "form"},
    "redirect": {"fields": {"redirect": "yes"}},
    "functions": {
        **TOKEN,
        "body": lambda user, password: {"method": "login", "params": [user], "password": password},
        "token": lambda answer: "us:" + answer["data"]["token"],
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_signs_in_once_and_again_when_the_session_has_ended(
    open_crm: Callable[..., Any], door: Door, api: ScriptedApi, kind: str
) -> None:
    crm = open_crm(credentials=session(**KINDS[kind]))
    crm.read()
    crm.read()
    assert door.given == 1

    door.good = ""
    crm.read()
    assert door.given == 2
    assert len(api.requests_to("/customers")) == 4
    assert not api.requests_to("/home")


@pytest.mark.parametrize(
    "token",
    [lambda answer: answer["result"][0], lambda answer: answer["data"], "data"],
    ids=["nothing there", "no text", "no text at a path"],
)
def test_an_answer_without_a_session_is_told(
    open_crm: Callable[..., Any], door: Door, token: Callable[[Any], str] | str
) -> None:
    crm = open_crm(credentials=session(token=token))

    with pytest.raises(CredentialsRejected, match=r"but it has no (token|data)"):
        crm.read()
    assert door.given == 1


def test_what_is_made_for_the_login_goes_as_json() -> None:
    with pytest.raises(DeclarationError, match="as json"):
        SessionLogin(
            "/login", user="us", password="x", send="form", body=lambda user, password: [user, password]
        )


def test_a_session_ends_by_itself_after_its_lifetime(open_crm: Callable[..., Any], door: Door) -> None:
    crm = open_crm(credentials=session(lifetime=timedelta(0), **TOKEN))
    crm.read()
    crm.read()

    assert door.given == 2


def test_cookies_that_are_renewed_are_sent_renewed(open_crm: Callable[..., Any], door: Door) -> None:
    door.renews = True
    crm = open_crm(credentials=session())
    for _ in range(3):
        crm.read()

    assert door.given == 4


@pytest.mark.parametrize("kind", ["token", "cookie"])
def test_one_signs_out_where_there_is_a_door(open_crm: Callable[..., Any], door: Door, kind: str) -> None:
    crm = open_crm(credentials=session(logout="/logout", logout_method="DELETE", **KINDS[kind]))
    crm.read()
    crm.close()

    assert [request.method for request in door.left] == ["DELETE"]
    assert door.good in str(door.left[0].headers)


def test_who_was_never_in_does_not_sign_out(open_crm: Callable[..., Any], door: Door) -> None:
    crm = open_crm(credentials=session(logout="/logout"))
    with crm:
        pass

    assert door.left == []


def test_a_door_that_jams_is_told_and_no_error(
    api: ScriptedApi, open_crm: Callable[..., Any], door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    api.fail("/logout", Status(500))
    crm = open_crm(credentials=session(logout="/logout"))
    crm.read()
    crm.close()

    assert "not signed out" in capfd.readouterr().err


def test_a_wrong_password_is_told_without_it(open_crm: Callable[..., Any], door: Door) -> None:
    crm = open_crm(
        credentials=staticmethod(lambda _: SessionLogin("/login", user="us", password="wrong-password"))
    )

    with pytest.raises(CredentialsRejected, match="/login: 400 Bad Request to the session") as caught:
        crm.read()
    assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "options", "error", "told"),
    [
        (Response(b'{"data": {}}'), TOKEN, CredentialsRejected, "200 OK, but it has no data.token"),
        (Response(b"<html>"), TOKEN, CredentialsRejected, "200 OK, but it has no data.token"),
        (Response(b"{}"), {}, CredentialsRejected, "200 OK, but it sets no cookie"),
        (Response(status=302, headers={"Location": "/x"}), TOKEN, UnexpectedResponse, "it leads elsewhere"),
        (Response(status=500), TOKEN, SourceUnavailable, "gave up after 3 attempts"),
    ],
    ids=["no token", "html", "no cookie", "redirect", "500"],
)
def test_what_a_login_can_answer_wrong(
    api: ScriptedApi, open_crm: Callable[..., Any], answer: Response, options: Any, error: Any, told: str
) -> None:
    api.respond("/login", answer)

    with pytest.raises(error, match=told):
        open_crm(credentials=session(**options)).read()


def test_user_and_password_go_as_json_or_form() -> None:
    with pytest.raises(DeclarationError, match="go as json or form"):
        SessionLogin("/login", user="us", password="secret", send="xml")  # type: ignore[arg-type]
