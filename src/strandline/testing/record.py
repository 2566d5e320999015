"""Records at random that satisfy a contract, as its API would send them: by Hypothesis, or by a seed.

@given(st.lists(records(Crm.customers, segment=st.sampled_from(["retail", "wholesale"]))))
api.serve("/customers", example_records(Crm.customers, 500))
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import cache, cached_property
from typing import Any, Final, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, Phase, Verbosity, given, reject, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.strategies import DrawFn, SearchStrategy
from pydantic import BaseModel

from strandline.errors import DeclarationError, RecordRejected
from strandline.model.path import nearest
from strandline.source.contract import Contract, Record
from strandline.source.stream import Stream
from strandline.testing import value
from strandline.testing.recipe import Recipe

Sent = dict[str, Any]
"""A record as it is sent: what JSON can say, under the names that the API has for it."""

T = TypeVar("T")

TRIES: Final = 5
"""So often a record is drawn anew that the contract refuses."""

HOPELESS: Final = 200
"""So many that it refuses, and none that it takes, are enough."""

AT_ONCE: Final = 20
ROUNDS: Final = 10
"""So often as many records as are wanted are drawn, until so many are not alike."""

NESTED: Final = 32
"""So deep may examples be drawn for examples."""


class SeededProvider(HypothesisProvider):
    """Draws by the seed alone: Hypothesis takes some values from the constants of loaded modules."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


SEEDED: Final = "strandline-seeded"
AVAILABLE_PROVIDERS[SEEDED] = f"{SeededProvider.__module__}.{SeededProvider.__qualname__}"


def records(what: type[Record] | Stream, /, **fields: Any) -> SearchStrategy[Sent]:
    """A strategy for records that satisfy a contract, or that a stream takes: these have a natural key, too.

    Fields by their names in the contract are as given, by a strategy or by one value for all, and then always
    there. Raises DeclarationError for a field that is not there, and where nobody can tell what fits; while
    drawing, where the contract refuses whatever is drawn.
    """
    return _accepted(_Draft(what, fields, letters=value.ANY_TEXT))


def example_records(
    what: type[Record] | Stream, count: int, /, *, seed: int = 0, **fields: Any
) -> list[Sent]:
    """So many records that satisfy a contract, no two alike, those of a stream each with a key of its own.
    The same seed gives the same. Fields are as given, as in `records`. Raises DeclarationError where there
    are not so many.
    """
    draft = _Draft(what, fields, letters=value.PLAIN_TEXT)
    found: dict[str, Sent] = {}
    for record in _drawn(draft, count, seed):
        found.setdefault(draft.name_of(record), record)
        if len(found) == count:
            return list(found.values())
    if count:
        raise DeclarationError(
            f"example_records({draft.what}, {count}): only {len(found)} are found that are not alike",
            hint="Give fields with more values, or ask for fewer.",
        )
    return []


def _drawn(draft: _Draft, count: int, first: int) -> Iterator[Sent]:
    """Some at once: of those that are drawn one by one, most are variations of others."""
    size = min(count, 1 if draft.is_recursive else AT_ONCE)
    found: list[list[Sent]] = []
    for number in range(ROUNDS if count else 0):
        found.clear()
        several = st.lists(draft.strategy, min_size=size, max_size=size)
        _try(several, found.append, most=count // size + 2, seed=f"{first} {number}")
        yield from (record for some in found for record in some if draft.takes(record))


def _try(strategy: SearchStrategy[T], take: Callable[[T], None], *, most: int, seed: str) -> None:
    """Draw so many; in a thread of its own, for a test that draws may ask for them."""
    quiet = settings(
        max_examples=most,
        backend=SEEDED,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )

    def collect(drawn: T) -> None:
        take(drawn)

    def draw() -> None:
        seeded(seed)(quiet(given(strategy)(collect)))()

    _apart().submit(draw).result()


@cache
def _apart() -> ThreadPoolExecutor:
    """Threads that stay, for in each new one Hypothesis looks through all that the process holds; one is
    enough, unless what is drawn draws examples itself.
    """
    return ThreadPoolExecutor(NESTED, thread_name_prefix="strandline-examples")


if hasattr(os, "register_at_fork"):  # a fork has none of them
    os.register_at_fork(after_in_child=_apart.cache_clear)


@st.composite
def _accepted(draw: DrawFn, draft: _Draft) -> Sent:
    drawn = (draw(draft.strategy) for _ in range(TRIES))
    found = next((it for it in drawn if draft.takes(it)), None)
    if found is None:
        reject()
    return found


class _Draft:
    """What is to be drawn, and who says whether it will do."""

    def __init__(
        self, what: type[Record] | Stream, fields: Mapping[str, Any], *, letters: SearchStrategy[str]
    ) -> None:
        self._key: Callable[[Any], str | None] | None = None
        if isinstance(what, Stream):
            self.what, contract = f"{what.source.__name__}.{what.name}", what.contract
            self._parse, self._key = what.parse, what.natural_key
        else:
            self.what, contract = what.__name__, what
            self._parse = Contract(what).parse
        for name in fields:
            if name not in contract.model_fields:
                raise DeclarationError(
                    f"records({self.what}): {contract.__name__} has no field {name!r}",
                    hint=nearest(name, contract.model_fields),
                )
        said = {name: _strategy(it).map(as_sent) for name, it in fields.items()}
        recipe = Recipe(contract, letters=letters)
        self.strategy = recipe.record(said)
        self.is_recursive = recipe.is_recursive

    def __repr__(self) -> str:
        return self.what

    def takes(self, record: Sent) -> bool:
        """Whether it will do. Raises DeclarationError where nothing ever does."""
        try:
            self._check(record)
        except RecordRejected:
            if self._hopeless is not None:
                raise self._hopeless from None
            return False
        return True

    def _check(self, record: Sent) -> None:
        parsed = self._parse(as_bytes(record))
        if self._key is not None and self._key(parsed) is None:
            raise RecordRejected("the record has no natural key")

    @cached_property
    def _hopeless(self) -> DeclarationError | None:
        """What is wrong if nothing will ever do. Found out once, for a strategy must not change its mind."""
        refused: list[tuple[Sent, RecordRejected]] = []
        taken: list[Sent] = []

        def try_it(record: Sent) -> None:
            try:
                self._check(record)
            except RecordRejected as error:
                refused.append((record, error))
            else:
                taken.append(record)

        _try(self.strategy, try_it, most=HOPELESS, seed="hopeless")
        if taken:
            return None
        record, error = refused[-1]
        field = error.field.partition(".")[0] or "<field>"
        return DeclarationError(
            f"records({self.what}): whatever is drawn is refused, at last {record}: {error.message}",
            hint=f"Say what fits: records({self.what}, {field}=<strategy or value>).",
        )

    def name_of(self, record: Sent) -> str:
        """What tells it from others."""
        payload = as_bytes(record)
        return payload.decode() if self._key is None else str(self._key(self._parse(payload)))


def _strategy(said: Any) -> SearchStrategy[Any]:
    return said if isinstance(said, SearchStrategy) else st.just(said)


def as_sent(said: Any) -> Any:
    """What stands for a value in JSON, where a test gives it as Python has it."""
    match said:
        case Decimal():
            return format(said, "f")
        case datetime() | date() | time():
            return said.isoformat()
        case Enum():
            return said.value
        case UUID():
            return str(said)
        case BaseModel():
            return said.model_dump(mode="json", by_alias=True)
        case Mapping():
            return {name: as_sent(it) for name, it in said.items()}
        case list() | tuple():
            return [as_sent(it) for it in said]
    return said


def as_bytes(record: Sent) -> bytes:
    """The record's bytes."""
    return json.dumps(record, ensure_ascii=False).encode()
