"""What a user declares of a source: the source itself and its streams, checked when the class is made.

A declaration is a method of a Source under `@stream(…)`: the method asks for pages, the decorator says what
their records are. `NetLedger.customers` is then a Stream, which the pipeline reads without knowing how
pages come about.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import partial
from inspect import cleandoc
from operator import attrgetter
from typing import Any, ClassVar, Self

from pydantic import AwareDatetime

from strandline.errors import DeclarationError
from strandline.natural_key import NaturalKeys
from strandline.secrecy import KNOWN
from strandline.source import declaration, prefetch, tally
from strandline.source.contract import Contract, Record, Zone
from strandline.source.cursor import Cursor, CursorValue
from strandline.source.division import Division
from strandline.source.drift import Policy, check_policy, refuse_unknown
from strandline.source.field import compile_key, kind_of, no_value, refuse_naive
from strandline.source.glance import Glance, compile_glance
from strandline.source.moment import A_DAY, KEEP_HINT, EffectiveTime
from strandline.source.page import AHEAD, Page, Pages, weight
from strandline.source.settings import SourceSettings, settings_class_of
from strandline.source.shortcut import Shortcut, compile_shortcut
from strandline.source.tombstone import Described, Sketch, Tombstones

reading: ContextVar[Stream | None] = ContextVar("reading", default=None)
"""The stream whose pages are being asked for, so that the client knows what it may do and what to call it."""


def stream(
    contract: type[Record],
    *,
    key: str | tuple[str, ...],
    cursor: Cursor | None = None,
    per: Division | None = None,
    effective_at: str | EffectiveTime | None = EffectiveTime.CURSOR,
    future: timedelta | None = A_DAY,
    tie_break: str | None = None,
    deleted: str | None = None,
    strict: bool = False,
    unknown: Policy = "keep",
    keep: timedelta | None = None,
    methods: tuple[str, ...] = ("GET", "HEAD"),
) -> Callable[[Callable[..., Pages]], Stream]:
    """Declare that a method of a source brings pages of such records.

    `key` names the field (or fields) that identify a record; `per` what the method is called for, one after
    the other: Partitions or Parents; `effective_at` the timestamp at which a change
    took effect: the cursor's field unless named, READ_TIME (or None) for the moment of reading. One that
    lies more than `future` ahead of the moment of reading makes the record a reject; None lets it pass.
    `tie_break` names the field, a number or a time, that settles which of two records of one key and
    instant stands: the one with more; without it, and where it is equal, the one that was read later.
    `deleted` names the flag that says that a record is gone, which need not be in the contract. `strict`
    refuses values that Pydantic would convert, "5" for a number. `unknown` says what becomes of a record with
    a field that its contract does not name: "keep" it, "reject" it, or "fail" the stream before anything is
    merged. `keep` says how long `strandline prune` leaves what was read in the raw log; None: for ever.
    `methods` are the HTTP methods that only read.
    """

    def declare(function: Callable[..., Pages]) -> Stream:
        return Stream(
            function,
            contract=contract,
            key=key,
            cursor=cursor,
            per=per,
            effective_at=effective_at,
            future=future,
            tie_break=tie_break,
            deleted=deleted,
            strict=strict,
            unknown=unknown,
            keep=keep,
            methods=methods,
        )

    return declare


class Stream:
    """One endpoint of a source, read as records."""

    source: type[Source]
    name: str
    parse: Callable[[bytes], Record]
    """Exact bytes to record, or RecordRejected; bind it once in a hot loop."""
    effective_at: str | None
    """The contract's field, or None for the time of reading."""
    cursor_value: Callable[[Record], CursorValue | None]
    """A record's cursor value; None without a cursor or without a value."""
    tie_break_value: Callable[[Record], CursorValue | None]
    """What settles a tie; None without a tie-break or without a value."""
    natural_key: Callable[[Record], str | None]
    """A record's key as text; None if it has none. RecordRejected if it cannot be one."""
    glance: Glance | None
    """A record's key without its contract; None where that cannot be told so."""

    def __init__(
        self,
        function: Callable[..., Pages],
        *,
        contract: type[Record],
        key: str | tuple[str, ...],
        cursor: Cursor | None,
        per: Division | None,
        effective_at: str | EffectiveTime | None,
        future: timedelta | None,
        tie_break: str | None,
        deleted: str | None,
        strict: bool,
        unknown: Policy,
        keep: timedelta | None,
        methods: tuple[str, ...],
    ) -> None:
        self.contract = contract
        self.key = (key,) if isinstance(key, str) else key
        self.cursor = cursor
        self.per = per
        self.future = future
        self.tie_break = tie_break
        self.deleted = deleted
        self.strict = strict
        self.unknown = unknown
        self.keep = keep
        self.methods = tuple(method.upper() for method in methods)
        self.doc = cleandoc(function.__doc__ or "")
        self._function = function
        self.method_name = function.__name__
        self._declared_effective_at = effective_at

    def bind(self, source: type[Source], name: str) -> Stream:
        """The same declaration as a stream of this source, checked and compiled."""
        bound = object.__new__(Stream)
        bound.__dict__.update(self.__dict__)
        bound.source, bound.name = source, name
        bound._check()
        bound._compile()
        return bound

    @property
    def source_name(self) -> str:
        """The source's name: "net_ledger"."""
        return self.source.name

    @property
    def qualified_name(self) -> str:
        """Source and stream: "net_ledger.customers"."""
        return f"{self.source_name}.{self.name}"

    @property
    def cursor_type(self) -> type | None:
        """The type of the cursor field's values; None without a cursor."""
        return kind_of(self.contract, self.cursor.field) if self.cursor else None

    @property
    def tie_break_type(self) -> type | None:
        """The type of the tie-break field's values; None without one."""
        return kind_of(self.contract, self.tie_break) if self.tie_break else None

    def __repr__(self) -> str:
        return f"<stream {self.qualified_name if hasattr(self, 'source') else self._function.__name__}>"

    @property
    def takes_until(self) -> bool:
        """Whether the stream's method can be told where to end."""
        return self._bounds > 1

    @property
    def takes_state(self) -> bool:
        """Whether the stream's method is told the state that its pages have carried."""
        return self.cursor is None and self._bounds > 0

    def read(
        self,
        source: Source,
        since: CursorValue | None = None,
        until: CursorValue | None = None,
        *,
        walks: list[tally.Walk] | None = None,
        told: Iterable[object] = (),
    ) -> Generator[Page, None, None]:
        """The pages, some fetched ahead in a thread; close the iterator to stop it. `walks` get those of
        which the source says how long they are; it is read for each partition or parent that is `told`.
        """
        pages = partial(self.fetch, source, since, until, walks=walks, told=told)
        return prefetch.prefetch(pages, most=AHEAD, weigh=weight)

    def fetch(
        self,
        source: Source,
        *bounds: CursorValue | None,
        walks: list[tally.Walk] | None = None,
        told: Iterable[object] = (),
    ) -> Pages:
        """The pages, fetched in this thread, for which the stream is the one that is read from then on."""
        reading.set(self)
        tally.walks.set(walks)
        for first in ((it,) for it in told) if self.per is not None else ((),):
            yield from self._function(source, *first, *bounds[: self._bounds])

    def describe(self, raw: bytes) -> Described:
        """What can be known of a record that failed its contract. Never raises."""
        return self._sketch.describe(raw)

    def tombstone(self, raw: bytes) -> Described | None:
        """The deletion that the bytes announce, or None. RecordRejected if it says not what, or not
        whether.
        """
        return self._tombstones.find(raw) if self._tombstones else None

    def compile_reader(self) -> Callable[[bytes], tuple[Record, str | None, CursorValue | None]]:
        """One function from exact bytes to (record, natural key, cursor value), or RecordRejected."""
        parse, natural_key, cursor_value = self.parse, self.natural_key, self.cursor_value

        def read(raw: bytes) -> tuple[Record, str | None, CursorValue | None]:
            record = parse(raw)
            return record, natural_key(record), cursor_value(record)

        return read

    def compile_shortcut(self) -> Shortcut | None:
        """A shortcut past the contract; None where every record has to go the whole way."""
        if self.strict or self.unknown != "keep":
            return None
        return compile_shortcut(self.contract)

    def _check(self) -> None:
        where, contract = f"{self.source.__name__}.{self.name}", self.contract
        if not self.key:
            raise DeclarationError(
                f"{where}: a stream needs a key", hint='Name the identifying field: key="id".'
            )
        for field in self.key:
            declaration.check_field(contract, field, role="key", where=where)
        declaration.check_cursor(contract, self.cursor, where=where)
        self.effective_at = declaration.effective_field(
            contract, self._declared_effective_at, self.cursor, where=where
        )
        declaration.check_tie_break(contract, self.tie_break, where=where)
        check_policy(self.unknown, contract, where=where)
        if self.keep is not None and self.keep <= timedelta(0):
            raise DeclarationError(f"{where}: keep={self.keep!r} would keep nothing", hint=KEEP_HINT)
        taken = list(inspect.signature(self._function).parameters)[1 if self.per is None else 2 :]
        self._bounds = 2 if taken[1:2] == ["until"] else len(taken[:1])  # what else it takes is its own
        if self.cursor and not self._bounds:
            raise DeclarationError(
                f"{where}: has a cursor but takes no `since`", hint=f"Write def {self.name}(self, since): …"
            )

    def _compile(self) -> None:
        parse = Contract(self.contract, strict=self.strict).parse
        if self.unknown != "keep":
            parse = refuse_unknown(parse, self.contract, ignored=[self.deleted or ""])
        cursor = self.cursor.field if self.cursor else None
        naive = [
            name
            for name in dict.fromkeys([cursor, self.effective_at, self.tie_break])
            if name and self._may_be_naive(name)
        ]
        self.parse = refuse_naive(parse, self.contract, naive) if naive else parse
        self.natural_key = compile_key(self.contract, self.key, keys=self.source.natural_keys)
        self.glance = compile_glance(self.contract, self.key, keys=self.source.natural_keys)
        self.cursor_value = attrgetter(cursor) if cursor else no_value
        self.tie_break_value = attrgetter(self.tie_break) if self.tie_break else no_value
        self._sketch = Sketch(
            self.contract,
            key=self.key,
            keys=self.source.natural_keys,
            cursor=cursor,
            effective_at=self.effective_at,
            tie_break=self.tie_break,
        )
        self._tombstones = (
            Tombstones(self._sketch, model=self.contract, flag=self.deleted)
            if self.deleted is not None
            else None
        )

    def _may_be_naive(self, field: str) -> bool:
        info = self.contract.model_fields[field]
        settled = any(isinstance(part, Zone) for part in info.metadata)
        return (
            kind_of(self.contract, field) is datetime and info.annotation is not AwareDatetime and not settled
        )


class Source:
    """An API, ERP, file drop or database that is read. Its `name` is the class's in snake_case unless
    it is set.
    """

    name: ClassVar[str] = "source"
    natural_keys: ClassVar[NaturalKeys] = NaturalKeys()
    """Which spellings of a key are one; every one its own unless told."""
    settings: SourceSettings

    def __init__(self, *, settings: SourceSettings | None = None) -> None:
        self.settings = settings if settings is not None else self.settings_class().load(self.name)
        KNOWN.hide(self.settings.secrets())

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in cls.__dict__:
            cls.name = _snake_case(cls.__name__)
        for name, inherited in _streams(cls).items():
            setattr(cls, name, inherited.bind(cls, name))

    @classmethod
    def settings_class(cls) -> type[SourceSettings]:
        """The class that the annotation `settings: …` names."""
        return settings_class_of(cls)

    @classmethod
    def streams(cls) -> dict[str, Stream]:
        """The source's streams by name, in the order of their declaration."""
        return _streams(cls)

    def close(self) -> None:
        """Let go of connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _streams(cls: type[Source]) -> dict[str, Stream]:
    named = {name: value for klass in reversed(cls.__mro__) for name, value in vars(klass).items()}
    return {name: value for name, value in named.items() if isinstance(value, Stream)}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
