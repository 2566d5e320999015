"""An API whose data change while they are read, with the quirks that APIs have.

    with Simulator(Quirks(paging="offset", truncated=0.1), seed=7) as api:
        api.put("T-1", name="saw")
        api.meanwhile(lambda: api.put("T-2", name="plane"), lambda: api.delete("T-1"))
        …                                     # a run reads /things, and between its pages things change
        assert {…} == api.things              # what the API has now

What it is, it is by its seed and by what is asked of it: the same requests in the same order meet the same
oddities.

    GET /things            ?since= ?limit= and page_token=, offset= or page=; {"data": […], "total": …}
    GET /things/deleted    ?since=  {"data": [{"id": …, "deletedAt": …}]}, of those that are gone
    GET /things/ids        {"data": [{"id": …}]}, of those that are there
    POST /token            an access token, for a client that says who it is: CLIENT and SECRET, or SEED_TOKEN
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from threading import RLock
from typing import Any, Self

from strandline.testing.quirk import Quirks
from strandline.testing.server import Fault, ReceivedRequest, Reset, Response, ScriptedApi, Status, Truncated
from strandline.testing.tokens import Tokens

THINGS = "/things"
DELETED = "/things/deleted"
IDS = "/things/ids"
TOKEN = "/token"

CLIENT, SECRET, SEED_TOKEN = "simulated", "sesame", "first"
"""Who may have tokens, and the refresh token that a chain of them begins with."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_STEP = timedelta(microseconds=1)


@dataclass(frozen=True)
class Thing:
    """What the API has of one id."""

    id: str
    fields: Mapping[str, Any]
    updated: datetime
    is_deleted: bool = False

    @property
    def payload(self) -> bytes:
        """The record, as it is sent."""
        flag = {"deleted": True} if self.is_deleted else {}
        stamped = self.updated.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return json.dumps({"id": self.id, **self.fields, "updatedAt": stamped, **flag}).encode()


class Simulator(ScriptedApi):
    """An API on a real port; use it in a `with` block. Safe to change while it is read."""

    def __init__(self, quirks: Quirks | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.quirks = quirks or Quirks()
        self.served: set[bytes] = set()
        """Every record that was ever sent, in its exact bytes."""
        self.is_calm = False
        """Nothing changes while it is read, and every request is answered at once."""
        self._dice = Random(seed)
        self._things: dict[str, Thing] = {}
        self._deleted: dict[str, datetime] = {}
        self._last_deleted: dict[str, datetime] = {}
        """Of those that have come back, too."""
        self._meanwhile: list[Callable[[], None]] = []
        self._walk = seed
        self._last_stamp = _BEGINNING
        self._refusing = 0
        seed_token = SEED_TOKEN if self.quirks.rotates_tokens else None
        self._tokens = Tokens(client_id=CLIENT, client_secret=SECRET, refresh_token=seed_token, grace=True)
        self._token_left = 0
        self._changing = RLock()
        for path, answer in ((THINGS, self._page), (DELETED, self._tombstones), (IDS, self._ids)):
            self.respond(path, self._locked(answer))
        self.respond(TOKEN, self._locked(self._give_token))

    @property
    def things(self) -> dict[str, Mapping[str, Any]]:
        """What there is now, by id; without those that are deleted."""
        with self._changing:
            return {it.id: it.fields for it in self._things.values() if not it.is_deleted}

    @property
    def deleted(self) -> set[str]:
        """The ids that were deleted and have not come back."""
        with self._changing:
            flagged = {it.id for it in self._things.values() if it.is_deleted}
            return flagged | self._deleted.keys()

    @property
    def latest(self) -> list[Thing]:
        """The things as they would be sent now, those that are flagged as deleted among them."""
        with self._changing:
            return list(self._things.values())

    def put(self, key: str, *, at: datetime | None = None, **fields: Any) -> None:
        """Create the thing, or change it; `at` backdates it, as what was there before the first read is."""
        with self._changing:
            stamp = at or self._stamp(key)
            self._deleted.pop(key, None)
            self._things[key] = Thing(key, fields, stamp)

    def delete(self, key: str) -> None:
        """Delete the thing, in the way that this API has. One that has come back stays within the time of its
        last deletion: the tombstone would be that one again, and nobody could tell.
        """
        with self._changing:
            thing = self._things.get(key)
            if thing is None or thing.is_deleted or self.quirks.deleting == "never":
                return
            stamp = self._stamp(key)
            if self.quirks.deleting == "flag":
                self._things[key] = replace(thing, is_deleted=True, updated=stamp)
            elif stamp != self._last_deleted.get(key):
                self._deleted[key] = self._last_deleted[key] = stamp
                del self._things[key]

    def clear(self) -> None:
        """Have nothing any more, as if nothing had ever been there."""
        with self._changing:
            self._things.clear()
            self._deleted.clear()

    def meanwhile(self, *changes: Callable[[], None]) -> None:
        """Let these happen one after the other, each behind another page of things that is sent."""
        with self._changing:
            self._meanwhile += changes

    def calm(self) -> Self:
        """From now on nothing changes while it is read, and every request is answered at once."""
        with self._changing:
            while self._meanwhile:
                self._meanwhile.pop(0)()
            self.is_calm = True
        return self

    def fault_of(self, request: ReceivedRequest) -> Fault | None:
        """What goes wrong with this request, by the quirks; or what was ordered by `fail`."""
        ordered = super().fault_of(request)
        if ordered is not None or self.is_calm or request.path == TOKEN:
            return ordered
        with self._changing:
            return self._drawn_fault()

    def _drawn_fault(self) -> Fault | None:
        if self._refusing or self._happens(self.quirks.refused):
            self._refusing = (self._refusing or self.quirks.storm) - 1
            return Status(429, retry_after=0)
        if self._happens(self.quirks.resets):
            return Reset()
        if self._happens(self.quirks.truncated):
            return Truncated(self._dice.random(), content_length=False)
        return None

    def _locked(self, answer: Callable[[ReceivedRequest], Response]) -> Callable[[ReceivedRequest], Response]:
        def answering(request: ReceivedRequest) -> Response:
            with self._changing:
                return answer(request) if request.path == TOKEN or self._knows(request) else UNAUTHORIZED

        return answering

    def _knows(self, request: ReceivedRequest) -> bool:
        if self.quirks.token_life is None:
            return True
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not self._tokens.is_good(token):
            return False
        self._token_left -= 1
        if self._token_left <= 0:
            self._tokens.expire()  # this request is the last that it is good for
        return True

    def _give_token(self, request: ReceivedRequest) -> Response:
        given = self._tokens(request)
        self._token_left = self.quirks.token_life or 0
        is_lost = not self.is_calm and self._happens(self.quirks.lost_tokens)
        return Response(b"the answer is lost", status=502) if is_lost else given

    def _page(self, request: ReceivedRequest) -> Response:
        found = self._sorted(self._since(request.query), request.query)
        first, after = self._begin(found, request.query)
        size = min(int(request.query.get("limit", self.quirks.page_size)), self.quirks.page_size)
        if size > 1 and not self.is_calm and self._happens(self.quirks.short_pages):
            size = self._dice.randint(1, size - 1)
        page = found[first : first + size]
        sent = [it.payload for it in page]
        if after and sent and not self.is_calm and self._happens(self.quirks.repeats):
            sent = [after.payload, *sent]
        self.served.update(sent)
        total = len(found) + self.quirks.wrong_total
        token = {"next": self._place(page[-1])} if page and first + size < len(found) else {}
        if self._meanwhile:
            self._meanwhile.pop(0)()
        beside = json.dumps({"total": total, **token}).encode()
        return Response(b'{"data": [' + b", ".join(sent) + b"], " + beside[1:])

    def _since(self, query: Mapping[str, str]) -> list[Thing]:
        if "since" not in query:
            return list(self._things.values())
        lowest = self.quirks.precision.truncate(_moment(query["since"]))
        if self.quirks.is_exclusive:
            return [it for it in self._things.values() if it.updated > lowest]
        return [it for it in self._things.values() if it.updated >= lowest]

    def _sorted(self, found: Iterable[Thing], query: Mapping[str, str]) -> list[Thing]:
        match self.quirks.sorting:
            case "updated":
                return sorted(found, key=lambda it: (it.updated, it.id))
            case "id":
                return sorted(found, key=lambda it: it.id)
        return sorted(found, key=lambda it: it.payload[::-1])

    def _begin(self, found: list[Thing], query: Mapping[str, str]) -> tuple[int, Thing | None]:
        """Where the page begins, and what was the last thing of the page before."""
        if self.quirks.paging == "token":
            first = self._behind(found, query.get("page_token"))
        elif self.quirks.paging == "offset":
            first = int(query.get("offset", "0"))
        else:
            first = (int(query.get("page", "1")) - 1) * self.quirks.page_size
        return first, found[first - 1] if 0 < first <= len(found) else None

    def _behind(self, found: list[Thing], token: str | None) -> int:
        """A token names a place in the order, whoever has come to stand before it since."""
        if token is None:
            return 0
        return next((place for place, it in enumerate(found) if self._place(it) > token), len(found))

    def _place(self, thing: Thing) -> str:
        if self.quirks.sorting == "updated":
            return f"{thing.updated.isoformat(timespec='microseconds')} {thing.id}"
        return thing.id

    def _tombstones(self, request: ReceivedRequest) -> Response:
        since = request.query.get("since")
        lowest = _moment(since) if since else _BEGINNING
        listed = self._deleted.items() if self.quirks.deleting == "tombstones" else ()
        sent = [
            json.dumps({"id": key, "deletedAt": it.isoformat()}).encode()
            for key, it in listed
            if it >= lowest
        ]
        self.served.update(sent)
        return Response(b'{"data": [' + b", ".join(sent) + b"]}")

    def _ids(self, request: ReceivedRequest) -> Response:
        there = sorted(it.id for it in self._things.values() if not it.is_deleted)
        return _json({"data": [{"id": key} for key in there], "total": len(there)})

    def _stamp(self, key: str) -> datetime:
        """The time of a change that is seen from now on; of one thing it never goes back."""
        stamp = datetime.now(UTC) + self.quirks.skew - self._dice.random() * self.quirks.late
        if self.quirks.is_exclusive:  # nobody shares a time, so each has one of its own
            stamp = max(stamp, self._last_stamp + _STEP)
        stamp -= (stamp - _BEGINNING) % self.quirks.tick
        before = self._things[key].updated if key in self._things else self._deleted.get(key, _BEGINNING)
        stamp = max(stamp, before)
        self._last_stamp = max(stamp, self._last_stamp)
        return stamp

    def _happens(self, share: float) -> bool:
        return self._dice.random() < share


def _moment(text: str) -> datetime:
    """What `since` says; a date means its first moment, on a clock in UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content).encode())


UNAUTHORIZED = Response(b'{"error": "invalid_token"}', status=401)
