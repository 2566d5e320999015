"""What a source cannot be told is refused where it is written, and not when an API does something odd."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from strandline.errors import DeclarationError
from strandline.source import (
    ApiKey,
    Basic,
    Bearer,
    HmacSignature,
    HttpSource,
    Keyset,
    Offset,
    PageNumber,
    Pages,
    Partitions,
    Ready,
    Record,
    Retry,
    Submit,
    stream,
)
from strandline.testing import ScriptedApi

UNSET: Any = None
"""A setting that is not there."""
WORD: Any = "DONE"
"""Where a list belongs: it would hold all of its own parts, and nothing too."""


MEANINGLESS: dict[str, tuple[Callable[[], object], str]] = {
    "offset": (lambda: Offset(limit=0), "a page has at least one record"),
    "page": (lambda: PageNumber(size=-1), "a page has at least one record"),
    "keyset": (lambda: Keyset(cursor="at", param="since", limit=0), "a page has at least one record"),
    "hmac": (lambda: HmacSignature("a secret", parts=()), "nothing would be signed"),
    "attempts": (lambda: Retry(attempts=0), "attempts are 1 or more"),
    "budget": (lambda: Retry(budget=timedelta(seconds=-1)), "no time is negative"),
    "submit": (lambda: Submit("/reports", times=0), "it is ordered once at least"),
    "wait": (lambda: Ready("/r", wait=timedelta(0)), "it is asked again after a while"),
    "word": (lambda: Ready("/r", status="status", done=WORD), "are lists of what it may say"),
    "bearer": (lambda: Bearer(UNSET), "the credentials lack a secret"),
    "key": (lambda: ApiKey(UNSET), "the credentials lack a secret"),
    "basic": (lambda: Basic("us", UNSET), "the credentials lack a secret"),
}


@pytest.mark.parametrize("name", MEANINGLESS)
def test_a_declaration_that_means_nothing_is_refused(name: str) -> None:
    declare, said = MEANINGLESS[name]
    with pytest.raises(DeclarationError, match=said):
        declare()


@pytest.mark.parametrize("named", [None, "north", ["north", 7], [""], ["\0"], [None]])
def test_what_names_no_partition_is_told(named: Any) -> None:
    """Such as the number of an account, of which the mark would not know the type."""

    def accounts(_: object) -> Any:
        return named

    with pytest.raises(DeclarationError, match=r"bank: .* names no partition") as it:
        Partitions(accounts).of(object(), where="bank")
    assert it.value.hint == "Let accounts return a list of texts, numbers as str(…)."


class Thing(Record):
    """Of an API that wants a token."""

    id: int


class Shop(HttpSource):
    """It is told a token that somebody has pasted."""

    token = ""

    def auth(self) -> Bearer:
        """As it was pasted."""
        return Bearer(self.token)

    @stream(Thing, key="id")
    def things(self) -> Pages:
        """All."""
        return self.pages("/things")


@pytest.mark.parametrize("token", ["", "canary-token\n", " canary-token "])
def test_a_token_that_no_header_can_have_is_told_at_once(token: str) -> None:
    """And not shown, nor sent again and again."""
    with ScriptedApi() as api:
        made = type("Shop", (Shop,), {"base_url": api.url, "token": token})
        with made() as shop, pytest.raises(DeclarationError, match="nobody can send such a request") as it:
            list(Shop.things.read(shop))
        assert not api.requests
    assert "canary" not in str(it.value)
    assert it.value.__cause__ is None
