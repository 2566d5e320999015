"""Failures posted to an address, as chats and pagers take them: JSON, signed where there is a secret.

The headers and the signature are those of Standard Webhooks, for which receivers have libraries.
"""

from __future__ import annotations

import base64
import hmac
import json
import socket
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import uuid4

import httpx
from pydantic import SecretStr

from strandline import log
from strandline.errors import DeclarationError
from strandline.pipeline.notice import Notice
from strandline.secrecy import KNOWN
from strandline.source.redaction import guard_httpx_log

PREFIX: Final = "whsec_"
"""Before a secret that is written in base64."""
ATTEMPTS: Final = 2
PAUSE_SECONDS: Final = 0.5


class Webhook:
    """A hook that posts each notice: `sales.on_failure(Webhook(url, secret=…))`.

    An address is as good as a password for most receivers, so it is not shown. Raises DeclarationError where
    it is none.
    """

    def __init__(
        self,
        url: str | SecretStr,
        *,
        secret: str | SecretStr | None = None,
        timeout: float = 5.0,
        environment: str | None = None,
    ) -> None:
        """`timeout` is how many seconds each of two attempts may take."""
        self._url = url.get_secret_value() if isinstance(url, SecretStr) else url
        given = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
        self._key = None if given is None else _key(given)
        self._timeout = timeout
        self._environment = environment
        KNOWN.hide([self._url, *([given] if given else [])])
        self.shown = _host(self._url)

    def __repr__(self) -> str:
        return f"Webhook({self.shown})"

    def __call__(self, notice: Notice) -> None:
        """Post it; what comes of that is logged, and raised by nobody."""
        guard_httpx_log()
        body = self._body(notice)
        headers = self._headers(body)
        reason = self._post(body, headers)
        if reason is not None:
            told = {"pipeline": notice.pipeline, "run_id": notice.run_id}
            log.warn("nobody could be told of the failure", webhook=self.shown, reason=reason, **told)

    def _body(self, notice: Notice) -> bytes:
        about = {"environment": self._environment, "host": socket.gethostname()}
        told = {
            "type": f"run.{notice.status}",
            "timestamp": datetime.now(UTC).isoformat(),
            "text": notice.text,
            "data": {**about, **notice.as_dict()},
        }
        return json.dumps(KNOWN.masked(told), ensure_ascii=False).encode("utf-8", "replace")

    def _headers(self, body: bytes) -> dict[str, str]:
        identifier, moment = f"msg_{uuid4().hex}", str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "strandline",
            "webhook-id": identifier,
            "webhook-timestamp": moment,
        }
        if self._key is not None:
            signed = hmac.digest(self._key, f"{identifier}.{moment}.".encode() + body, sha256)
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers

    def _post(self, body: bytes, headers: dict[str, str]) -> str | None:
        """Why it could not be delivered; None if it was."""
        reason = None
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE_SECONDS * attempt)
            try:
                answer = httpx.post(self._url, content=body, headers=headers, timeout=self._timeout)
            except httpx.HTTPError as error:
                reason = type(error).__name__
                continue
            if answer.is_success:
                return None
            reason = f"it answers {answer.status_code}"
            if not answer.is_server_error:
                break
        return reason


def _key(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError as error:
        raise DeclarationError(
            f"the secret of a webhook begins with {PREFIX} and is no base64 behind it",
            hint=f"Give it as the receiver shows it, or without {PREFIX} as plain text.",
        ) from error


def _host(url: str) -> str:
    wrong = DeclarationError(
        "the address of a webhook is no http:// or https:// URL",
        hint="Give it as the receiver shows it: STRANDLINE_NOTIFY__WEBHOOK=https://…",
    )
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise wrong from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise wrong
    return f"{parsed.scheme}://{parsed.host}"
