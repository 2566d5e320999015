"""A census of records: which fields they carry, of which types and with which values, by path.

What a contract does not name is found in every record, for Pydantic has set it apart already. What it names
is counted in a sample: the first records of a pass, every so many of the others and the last. A path has
dots between names: one level deep for what the contract names, and at whatever level for what it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, get_args

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from strandline.source.contract import Record
from strandline.source.extra import names_of, spellings_of
from strandline.source.personal import is_declared_personal, looks_personal, may_be_shown

WHOLE: Final = ""
"""The path of the record itself: so many were parsed."""

ALL_OF: Final = 100
ONE_IN: Final = 250
"""Of a pass the first are looked at, and of the others one in so many."""

MOST_EXAMPLES: Final = 3
LONGEST_PATH: Final = 500

Level = tuple[tuple[str, ...], type[BaseModel], tuple[str, ...], tuple[type, ...]]
"""(where, the model there, the names that it does not know, their values' types)"""

Shape = tuple[Level, ...]
"""What a record carries besides its contract."""

Counted = tuple[bytes, datetime]
"""(payload, when it was read)"""

Carrying = tuple[Shape, int, Sequence[Counted]]
"""(what besides, how many records, some of them: the first and the last)"""

_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode

KINDS: Final[dict[type, str]] = {
    str: "text",
    int: "integer",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    dict: "object",
    list: "list",
    type(None): "null",
}
"""What a value that JSON can say is called."""
_KIND_OF: Final = KINDS.__getitem__


class Tally(msgspec.Struct):
    """What was counted of one field."""

    is_declared: bool
    is_personal: bool = False
    records: int = 0
    """How many records were looked at."""
    filled: int = 0
    """In how many of them there was a value other than null."""
    types: set[str] = set()
    examples: list[Any] = []
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    def see(self, at: datetime) -> None:
        """The field was there at this moment."""
        if self.first_seen is None or at < self.first_seen:
            self.first_seen = at
        if self.last_seen is None or at > self.last_seen:
            self.last_seen = at

    def count(self, values: list[Any], at: datetime) -> None:
        """One more record had these values, and was read at this moment."""
        if at != self.last_seen:  # as those of one page were
            self.see(at)
        self.filled += values.count(None) < len(values)
        self.types.update(map(_KIND_OF, map(type, values)))
        self.show(values)

    def show(self, values: Iterable[Any]) -> None:
        """Keep those of the values as examples that may be some."""
        if self.is_personal or len(self.examples) >= MOST_EXAMPLES:
            return
        for value in values:
            if value not in self.examples and may_be_shown(value):
                self.examples.append(value)
                if len(self.examples) == MOST_EXAMPLES:
                    return


Tallies = dict[str, Tally]


class Census:
    """Counts the fields of records of one contract; `ignored` are names that are known besides, and the
    values of `hidden` are no examples: those of a key point at somebody.
    """

    def __init__(
        self, contract: type[Record], *, ignored: Collection[str] = (), hidden: Collection[str] = ()
    ) -> None:
        self._contract = contract
        self._ignored = frozenset(ignored)
        self._hidden = frozenset(hidden)
        self._nested: dict[type[BaseModel], list[tuple[str, str]]] = {}
        self._known: dict[type[BaseModel], frozenset[str]] = {}
        self._named = {path: is_hidden for path, _, is_hidden in self._declare()}
        self._spelled = {it: path for path, spellings, _ in self._declare() for it in spellings}
        """The path of each way to spell it."""
        self._below: dict[tuple[str, str], str] = {}
        """Those of names within others, as they are met."""

    def watcher(self) -> Callable[[Any], Shape]:
        """A function from a record to what it carries besides its contract; nothing, for most."""
        model, levels = self._contract, self._levels
        nested = [(name, (spelled,), self._leaf_of(name)) for name, spelled in self._nested_of(model)]

        def watch(record: Any) -> Shape:
            extra = record.__pydantic_extra__
            shape: Shape = (_level((), model, extra),) if extra else ()
            for name, where, leaf in nested:
                value = getattr(record, name)
                if value is None or (type(value) is leaf and not value.__pydantic_extra__):
                    continue  # nearly always: what follows takes five times as long
                shape += tuple(levels(value, where))
            return shape

        return watch

    def _leaf_of(self, name: str) -> type[BaseModel] | None:
        """The one model that the field may hold, if no model can stand within that one."""
        models = _models_in(self._contract.model_fields[name].annotation)
        return models[0] if len(models) == 1 and not self._nested_of(models[0]) else None

    def count(self, sampled: Sequence[Counted], carrying: Sequence[Carrying], *, records: int) -> Tallies:
        """What so many records carry: a sample of them, and those that carry more than the contract names."""
        found: Tallies = {
            path: Tally(is_declared=True, is_personal=is_personal, records=len(sampled))
            for path, is_personal in self._named.items()
        }
        for payload, at in sampled:
            self._count_named(found, payload, at)
        found[WHOLE] = Tally(is_declared=True, records=records, filled=records)
        for _, at in (sampled[0], sampled[-1]):
            found[WHOLE].see(at)
        for shape, times, some in carrying:
            self._count_unknown(found, shape, times, some, records=records)
        return found

    def unknown(self, shape: Shape) -> Iterator[tuple[str, type]]:
        """The paths of what the contract does not name, each with the type of its value."""
        for where, model, names, types in shape:
            known = self._known_to(model) if where else self._known_to(model) | self._ignored
            for name, kind in zip(names, types, strict=True):
                if name not in known:
                    yield _path(*where, name), kind

    def _count_named(self, found: Tallies, payload: bytes, at: datetime) -> None:
        carried: dict[str, list[Any]] = {}
        for path, value in self._named_values(decoded(payload)):
            carried.setdefault(path, []).append(value)
        for path, values in carried.items():
            found[path].count(values, at)

    def _named_values(self, decoded: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        spelled = self._spelled
        for name, value in decoded.items():
            if name in spelled:
                yield spelled[name], value
            if type(value) is dict:
                yield from self._values_below(name, value)
            elif type(value) is list:
                for it in value:
                    if type(it) is dict:
                        yield from self._values_below(name, it)

    def _values_below(self, name: str, inner: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        known = self._below
        for below, value in inner.items():
            path = known.get((name, below)) or self._spelled.get(_path(name, below))
            if path is not None:
                known[name, below] = path
                yield path, value

    def _count_unknown(
        self, found: Tallies, shape: Shape, times: int, some: Sequence[Counted], *, records: int
    ) -> None:
        paths: dict[str, set[str]] = {}
        for path, kind in self.unknown(shape):
            paths.setdefault(path, set()).add(KINDS.get(kind, kind.__name__))
        for path, kinds in paths.items():
            if path not in found:
                is_personal = any(map(looks_personal, path.split("."))) or self._named.get(
                    path.partition(".")[0], False
                )
                found[path] = Tally(is_declared=False, is_personal=is_personal, records=records)
            tally = found[path]
            tally.filled += times if kinds - {"null"} else 0
            tally.types |= kinds
            for _, at in (some[0], some[-1]):
                tally.see(at)
        for payload, _ in some:
            self._show_unknown(found, shape, decoded(payload))

    def _show_unknown(self, found: Tallies, shape: Shape, decoded: dict[str, Any]) -> None:
        for where, _, names, _ in shape:
            for holder in _within(decoded, where):
                for name in names:
                    tally = found.get(_path(*where, name))
                    if tally is not None and name in holder:
                        tally.show([holder[name]])

    def _levels(self, value: Any, where: tuple[str, ...]) -> Iterator[Level]:
        """What the models in this value carry besides what they name."""
        if isinstance(value, BaseModel):
            model, extra = type(value), value.__pydantic_extra__
            if extra:
                yield _level(where, model, extra)
            for name, spelled in self._nested_of(model):
                yield from self._levels(getattr(value, name), (*where, spelled))
        elif isinstance(value, list | tuple | set | frozenset):
            for it in value:
                yield from self._levels(it, where)
        elif isinstance(value, dict):
            for it in value.values():
                yield from self._levels(it, where)

    def _nested_of(self, model: type[BaseModel]) -> list[tuple[str, str]]:
        """The fields of the model that may hold models, with their names in the source."""
        found = self._nested.get(model)
        if found is None:
            names = [name for name, it in model.model_fields.items() if _models_in(it.annotation)]
            found = [(name, next(spellings_of(model, name))) for name in names]
            self._nested[model] = found
        return found

    def _known_to(self, model: type[BaseModel]) -> frozenset[str]:
        found = self._known.get(model)
        if found is None:
            found = self._known[model] = frozenset(names_of(model))
        return found

    def _declare(self) -> Iterator[tuple[str, list[str], bool]]:
        """Every path that the contract names, how it may be spelled, and whether its values are kept to
        themselves.
        """
        for name, info in self._contract.model_fields.items():
            outer = list(spellings_of(self._contract, name))
            is_personal = is_declared_personal(info)
            yield outer[0], outer, self._is_hidden(name, info, is_personal=is_personal)
            for model in _models_in(info.annotation):
                for below, inner in model.model_fields.items():
                    spelled = list(spellings_of(model, below))
                    every = [_path(above, it) for above in outer for it in spelled]
                    is_hidden = self._is_hidden(below, inner, is_personal=is_personal)
                    yield _path(outer[0], spelled[0]), every, is_hidden

    def _is_hidden(self, name: str, info: FieldInfo, *, is_personal: bool) -> bool:
        guessed = name in self._hidden or looks_personal(name)
        return is_personal or guessed or is_declared_personal(info)


def sample(records: Sequence[Any], *, before: int = 0) -> list[Any]:
    """Those of a chunk that are looked at, the last among them, where so many came before it in its pass."""
    first = max(ALL_OF - before, 0)
    return [*records[:first], *records[first:-1:ONE_IN], *records[max(first, len(records) - 1) :]]


def decoded(payload: bytes) -> dict[str, Any]:
    """The record as JSON has it; nothing where that cannot be read."""
    try:
        return _DECODE(payload)
    except msgspec.DecodeError:  # what Pydantic reads and msgspec does not: it is counted, and not shown
        return {}


def values_at(record: dict[str, Any], path: str) -> list[Any]:
    """The values that the path names in a record that was decoded; several where it leads through a list."""
    if path in record:
        return [record[path]]
    *where, name = path.split(".")
    return [holder[name] for holder in _within(record, where) if name in holder] if where else []


def _level(where: tuple[str, ...], model: type[BaseModel], extra: Mapping[str, Any]) -> Level:
    """What is there besides, in the order of the names: in which one they came says nothing."""
    if len(extra) > 1:
        extra = dict(sorted(extra.items()))
    return where, model, tuple(extra), tuple(map(type, extra.values()))


def _path(*names: str) -> str:
    path = ".".join(names)
    if len(path) > LONGEST_PATH:
        path = f"{path[: LONGEST_PATH - 1]}…"
    return path.replace("\0", "\\0")


def _within(value: Any, where: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The objects that stand there."""
    if isinstance(value, list):
        for it in value:
            yield from _within(it, where)
    elif isinstance(value, dict) and where:
        yield from _within(value.get(where[0]), where[1:])
    elif isinstance(value, dict):
        yield value


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value of this type may be or hold."""
    if isinstance(annotation, TypeAliasType):
        return _models_in(annotation.__value__)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
