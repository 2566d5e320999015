"""A report that a source makes on request: ordered, waited for, and fetched when it is ready.

What the source answers to the order, and to each question whether it is ready, fills the `{…}` of the paths
that come after: "{id}" is a field, "{data.job.id}" one further in, "{Location}" a header. A path that is one
such field and nothing else may be a whole URL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote as quoted

import httpx
import msgspec

from strandline import log
from strandline.errors import DeclarationError, ReportFailed, UnexpectedResponse
from strandline.source import address, lenient, prefetch, quota
from strandline.source.body import reader
from strandline.source.client import Client, Fetched
from strandline.source.format import Format
from strandline.source.page import BOM, Pages, Path, keys
from strandline.source.paginator import SinglePage
from strandline.source.refusal import Refusing
from strandline.source.request import Paginator, Request, Value, as_json, as_texts, sees_records
from strandline.source.selector import Selector
from strandline.source.walk import walk

GONE: Final = (404, 410)
"""What a source answers for a job or a file that it has thrown away."""
FORBIDDEN: Final = 403
"""What another host answers to a link that is no longer good."""
PATIENCE_GROWS: Final = 1.5
TOLD_AFTER: Final = 30.0
"""Seconds of waiting after which it is told that a report is waited for, and then each time as long again."""

_FIELD: Final = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Submit:
    """The order: a POST unless told, which the stream declares as a method that only reads."""

    path: str
    body: object = None
    params: Mapping[str, Value] = field(default_factory=dict)
    method: str = "POST"
    times: int = 3
    """How often the same is ordered, where the source throws it away before it is fetched."""

    def __post_init__(self) -> None:
        if self.times < 1:
            raise DeclarationError(f"{self!r}: it is ordered once at least")


@dataclass(frozen=True)
class Ready:
    """The question whether it is ready: `status` is where the answer says so, and `done` what it says then.

    Without `status` the report is ready when the answer is any other than 202.
    """

    path: str
    status: Path = None
    done: Collection[str] = ()
    failed: Collection[str] = ()
    expired: Collection[str] = ()
    """What it says of a report that it has thrown away."""
    message: Path = None
    """Where it says why it has failed."""
    progress: Path = None
    """Where it says how far it is, for those who watch."""
    wait: timedelta = timedelta(seconds=2)
    """Before the second question; each wait is half as long again as the one before."""
    wait_max: timedelta = timedelta(minutes=1)
    deadline: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if (self.status is None) != (not self.done):
            raise DeclarationError(f"{self!r}: status and done go together", hint='done=["COMPLETED"]')
        if any(isinstance(it, str) for it in (self.done, self.failed, self.expired)):
            raise DeclarationError(
                f"{self!r}: done, failed and expired are lists of what it may say", hint='done=["COMPLETED"]'
            )
        if min(self.wait, self.wait_max, self.deadline) <= timedelta(0):
            raise DeclarationError(f"{self!r}: it is asked again after a while, and not for ever")


@dataclass(frozen=True)
class Download:
    """What is fetched then: one path, or with `files` each of the list that stands there in the last answer.

    `records`, `format`, `paginator` and `hosts` are those of `pages`: a file that lies on another host, or is
    redirected to one, is fetched there without credentials.
    """

    path: str = ""
    files: Path = None
    records: Selector = None
    format: Format | None = None
    paginator: Paginator | None = None
    hosts: Collection[str] = ()

    def __post_init__(self) -> None:
        address.check_hosts(self.hosts, where="Download")
        if bool(self.path) == (self.files is not None):
            raise DeclarationError(
                f"{self!r}: give path or files", hint='Download("/reports/{id}/rows"), Download(files="urls")'
            )


class _Expired(Exception):
    """The source has thrown the report away; never leaves this module."""


@dataclass(frozen=True)
class Report:
    """One report, for one read of a stream."""

    client: Client
    name: str
    """The stream's."""
    methods: tuple[str, ...]
    submit: Submit
    ready: Ready
    download: Download
    refusing: Refusing | None = None

    def read(self) -> Pages:
        """Order it, wait, and yield its pages. Raises ReportFailed, and what a client does."""
        last = ""
        for _ in range(self.submit.times):
            try:
                yield from self._once()
            except _Expired as error:
                last = str(error)
                log.warn("a report has expired", where=self.name, reason=last)
            else:
                return
        raise ReportFailed(
            f"{self.name}: the report was ordered {self.submit.times} times, and was gone each time before it"
            f" was fetched; the last time: {last}",
            hint="Ask for less at once; or declare what else `expired` may mean.",
        )

    def _once(self) -> Pages:
        order = self.submit
        asked = Request(order.method, order.path, as_texts(order.params), body=as_json(order.body))
        known = _Known(self._ask(asked))
        self._wait(known)
        for url in self._files(known):
            yield from self._fetch(url)

    def _wait(self, known: _Known) -> None:
        """Return when the report is ready. Raises ReportFailed, or _Expired."""
        said, waited, wait = self.ready, 0.0, self.ready.wait.total_seconds()
        told = TOLD_AFTER
        while not self._is_ready(answer := self._ask(self._question(known)), known):
            asked = quota.read_retry_after(answer.headers)
            pause = min(asked.total_seconds() if asked else wait, said.wait_max.total_seconds())
            if waited + pause > said.deadline.total_seconds():
                raise ReportFailed(
                    f"{answer.where}: the report is not ready after {waited:.0f} s;"
                    f" the source says {known.find(said.status)!r}",
                    hint=f"Ask for less at once, or declare a later deadline than {said.deadline}.",
                )
            prefetch.pause(pause)
            waited, wait = waited + pause, wait * PATIENCE_GROWS
            if waited >= told:
                told = waited + TOLD_AFTER
                log.say("waiting for a report", where=self.name, progress=known.find(said.progress))

    def _question(self, known: _Known) -> Request:
        return Request("GET", known.fill(self.ready.path, where=self.name), answers=GONE)

    def _is_ready(self, answer: Fetched[Mapping[str, Any]], known: _Known) -> bool:
        if answer.status in GONE:
            raise _Expired(f"{answer.where}: {answer.status}")
        known.learn(answer)
        if self.ready.status is None:
            return answer.status != httpx.codes.ACCEPTED
        status = known.find(self.ready.status)
        if status is None:
            raise UnexpectedResponse(
                f"{answer.where}: nothing says whether the report is ready",
                hint=f"Compare the answer with status={self.ready.status!r}.",
            )
        if str(status) in self.ready.expired:
            raise _Expired(f"{answer.where}: {status}")
        if str(status) in self.ready.failed:
            why = self.client.show_token(str(known.find(self.ready.message) or "it does not say why"))
            raise ReportFailed(
                f"{answer.where}: the source has not made the report: {status}, {why}",
                hint="What it says tells what to ask for instead; run again then.",
            )
        return str(status) in self.ready.done

    def _files(self, known: _Known) -> Sequence[str]:
        if self.download.files is None:
            return [known.fill(self.download.path, where=self.name)]
        found = known.find(self.download.files)
        if not isinstance(found, list) or not all(isinstance(it, str) for it in found):
            raise UnexpectedResponse(
                f"{self.name}: the report's files should be a list of links at {self.download.files!r}",
                hint="Compare the answer with what the stream declares.",
            )
        return found

    def _fetch(self, url: str) -> Pages:
        wanted = self.download
        paginator = wanted.paginator or SinglePage()
        pages = walk(
            self.client,
            Request("GET", url, answers=GONE, hosts=tuple(wanted.hosts)),
            paginator=paginator,
            read=reader(
                wanted.records,
                format=wanted.format,
                wanted=tuple(paginator.wanted),
                refusing=self.refusing,
                sees_records=sees_records(paginator),
            ),
            name=self.name,
            methods=self.methods,
        )
        for page in pages:
            if page.status in (*GONE, FORBIDDEN):
                raise _Expired(f"{page.request}: {page.status}")
            yield page

    def _ask(self, request: Request) -> Fetched[Mapping[str, Any]]:
        return self.client.fetch(
            request,
            stream=self.name,
            methods=self.methods,
            read=lambda body, _: self._object(body.whole()),
            nothing={},
        )

    def _object(self, body: bytes) -> Mapping[str, Any]:
        if self.refusing is not None:
            self.refusing.check_body(body)
        return _object(body)


class _Known:
    """What the source has said of a report: its last answer, and the one to the order."""

    def __init__(self, answer: Fetched[Mapping[str, Any]]) -> None:
        self._answers = [answer]

    def learn(self, answer: Fetched[Mapping[str, Any]]) -> None:
        """Hear the next answer."""
        self._answers = [answer, self._answers[-1]]

    def find(self, path: Path) -> Any:
        """What stands there, in the latest answer that has it; None where none does."""
        return next(self._values(keys(path)), None) if path is not None else None

    def _values(self, place: tuple[str, ...]) -> Iterator[Any]:
        for answer in self._answers:
            value: Any = answer.content
            for key in place:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is None and len(place) == 1:
                value = answer.headers.get(place[0].lower())
            if value is not None:
                yield value

    def fill(self, path: str, *, where: str) -> str:
        """The path with the fields that it names. Raises UnexpectedResponse where the source has not said
        one.
        """
        whole = _FIELD.fullmatch(path)

        def value(named: re.Match[str]) -> str:
            found = self.find(named[1])
            if found is None or isinstance(found, Mapping | list):
                raise UnexpectedResponse(
                    f"{where}: no answer about the report has a {named[1]!r}, which {path!r} needs",
                    hint="Compare the answer to the order with what the stream declares.",
                )
            return str(found) if whole else quoted(str(found), safe="")

        return _FIELD.sub(value, path)


def _object(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        found = msgspec.json.decode(body.removeprefix(BOM))
    except msgspec.DecodeError as error:
        raise lenient.Unreadable(f"it is no JSON: {error}") from error
    return found if isinstance(found, Mapping) else {}
