"""Rules on contracts and mappers: what is read for nothing, what cannot be stored, and what is not the same
tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from types import CodeType, FunctionType
from typing import Any, Final

from pydantic import BaseModel

from strandline.model.column import Attribute, Measure
from strandline.model.dimension import Dimension
from strandline.model.field import UNSET
from strandline.model.mapper import Mapped, Mapper, must_fill, names_member
from strandline.model.path import leaf_of
from strandline.model.type import Exact
from strandline.pipeline.definition import Sync
from strandline.pipeline.lint.contract import may_be_naive, used_by
from strandline.pipeline.lint.declared import Declared
from strandline.pipeline.lint.rule import Found, Rules
from strandline.pipeline.lint.star import Star, contracts_of

RULES: Final = Rules()

CLOCK: Final = frozenset(("now", "utcnow", "today", "time_ns", "perf_counter", "monotonic"))
DICE: Final = frozenset(("random", "randint", "choice", "shuffle", "uuid1", "uuid4", "urandom", "token_hex"))
WORLD: Final = frozenset(
    ("open", "urlopen", "requests", "httpx", "getenv", "environ", "read_text", "read_bytes", "connect")
)


def _named(function: Any) -> set[str]:
    """The names that a function looks up, its inner functions among it."""
    waiting: list[CodeType] = [function.__code__] if isinstance(function, FunctionType) else []
    found: set[str] = set()
    while waiting:
        code = waiting.pop()
        found |= set(code.co_names)
        waiting += [it for it in code.co_consts if isinstance(it, CodeType)]
    return found


def _mapped(star: Star) -> Iterator[tuple[type[Mapper[Any, Any]], str, Mapped]]:
    for mapper in star.mappers:
        for name, it in mapper.mapped.items():
            yield mapper, name, it


@RULES.star("error")
def mapper_clock(star: Star) -> Iterator[Found]:
    """The same record gives the same row, today and in a replay in three years; a clock or a die does not.

    Take the time from the record; when a row was written is in created_at and updated_at.
    """
    for mapper, name, it in _mapped(star):
        if hit := sorted(_named(it.method) & (CLOCK | DICE)):
            yield Found(mapper, name, f"{name} asks {', '.join(hit)}, and gives another value each time")


@RULES.star("error")
def mapper_io(star: Star) -> Iterator[Found]:
    """The same record gives the same row, wherever it is mapped; a file or a server may say something else.

    Bring what is asked for in as a stream, and join it in the star.
    """
    for mapper, name, it in _mapped(star):
        if hit := sorted(_named(it.method) & WORLD):
            yield Found(mapper, name, f"{name} asks {', '.join(hit)}, which is not in the record")


def _leaf(mapper: type[Mapper[Any, Any]], it: Mapped) -> Any:
    """The type of what a path leads to; None where a path alone does not tell."""
    if it.declared is None or it.is_line or it.declared.using is not None or it.allocation is not None:
        return None
    return leaf_of(mapper.contract, it.declared.path)


@RULES.star("error")
def float_contract(star: Star) -> Iterator[Found]:
    """A float has lost the exact amount before the warehouse sees it, so each record of it is a reject.

    Declare the contract's field as Decimal.
    """
    for mapper, name, it in _mapped(star):
        if _leaf(mapper, it) is float and isinstance(it.column.type, Exact):
            assert it.declared is not None
            yield Found(mapper, name, f"{name} is exact, and {it.declared.path} is a float in the contract")


@RULES.star("error")
def mapped_type(star: Star) -> Iterator[Found]:
    """What the column cannot hold makes a reject of each record.

    Declare the contract's field as what the column holds, or convert it: field("…", using=…).
    """
    for mapper, name, it in _mapped(star):
        leaf = _leaf(mapper, it)
        if isinstance(leaf, type) and not names_member(it.column) and _is_refused(leaf, it):
            assert it.declared is not None
            what = f"{it.declared.path} is {leaf.__name__} in the contract, and {name} {it.column.type}"
            yield Found(mapper, name, what)


def _is_refused(leaf: type[Any], it: Mapped) -> bool:
    column = Declared(type(None), it.column)
    if leaf is str:
        is_plain_boolean = column.is_boolean and not column.is_decorated
        return column.is_number or column.is_moment or column.is_day or is_plain_boolean
    if leaf is date:
        return column.is_moment
    if issubclass(leaf, datetime):
        return column.is_day
    if issubclass(leaf, BaseModel):
        return not column.is_structured and not column.is_decorated
    return leaf in (list, dict) and not column.is_structured


@RULES.star("warning")
def naive_contract(star: Star) -> Iterator[Found]:
    """A time without a zone is a reject, and whether the source sends one is seen only when it does.

    Declare AwareDatetime, or Annotated[datetime, Zone("…")] where the source sends local times.
    """
    for mapper, name, it in _mapped(star):
        is_plain = it.declared is not None and not it.is_line and it.declared.using is None
        if is_plain and it.declared is not None and may_be_naive(mapper.contract, it.declared.path):
            yield Found(mapper, name, f"{it.declared.path} may come without a time zone")


@RULES.star("info")
def optional_to_required(star: Star) -> Iterator[Found]:
    """The contract lets a record without a value pass, and the column then refuses it.

    Require it in the contract, let the column be empty, or give a default: field("…", default=…).
    """
    for mapper, name, it in _mapped(star):
        if it.declared is None or it.declared.default is not UNSET or not must_fill(it.column):
            continue
        if any(step.optional for step in it.steps):
            yield Found(mapper, name, f"{it.declared.path} may be missing, and {name} must be filled")


@RULES.star("info")
def measure_default(star: Star) -> Iterator[Found]:
    """Zero and not known are two things: an average counts the one and leaves the other out.

    Let the measure be empty, or say in a comment of it that nothing means zero.
    """
    for mapper, name, it in _mapped(star):
        if it.declared is None or not isinstance(Declared(type(None), it.column).meaning, Measure):
            continue
        default = it.declared.default
        if isinstance(default, int | Decimal) and default == 0 and not it.column.comment:
            yield Found(mapper, name, f"{name} is 0 where {it.declared.path} is missing")


@RULES.star("info")
def key_as_attribute(star: Star) -> Iterator[Found]:
    """The natural key stands in source_id in every dimension; twice it is compared, stored and read twice.

    Leave the attribute out, and show source_id.
    """
    for sync in star.syncs:
        for name, it in sync.mapper.mapped.items():
            if _repeats_key(sync, it):
                yield Found(sync.mapper, name, f"{name} repeats source_id, the natural key")


def _repeats_key(sync: Sync, it: Mapped) -> bool:
    meaning = Declared(type(None), it.column).meaning
    is_own = isinstance(meaning, Attribute) and not names_member(it.column)
    return (
        issubclass(sync.model, Dimension)
        and is_own
        and it.declared is not None
        and sync.stream.key == (it.declared.path,)
    )


@RULES.star("info")
def unmapped_field(star: Star) -> Iterator[Found]:
    """A field that a contract names is checked in each record, and nobody looks at what it says.

    Map it, or take it out of the contract: the raw log has it all the same.
    """
    for contract in dict.fromkeys(sync.stream.contract for sync in star.syncs):
        syncs = [it for it in star.syncs if it.stream.contract is contract]
        used = {name for it in syncs for name in used_by(it)} | _of_methods(contract, syncs)
        for name in contract.model_fields:
            if name not in used:
                yield Found(contract, name, f"no mapper takes {name}")


def _of_methods(contract: type[BaseModel], syncs: list[Sync]) -> set[str]:
    """What methods look up by name: of the mappers, and of the contract itself."""
    found: set[str] = set()
    for sync in syncs:
        for it in sync.mapper.mapped.values():
            found |= _named(it.method)
            found |= {name for one in _combined(it) for name in _named(one.method)}
    for cls in contracts_of(contract):
        for it in vars(cls).values():
            found |= _named(
                getattr(it, "fget", None) or getattr(it, "func", None) or getattr(it, "__func__", it)
            )
    return found


def _combined(it: Mapped) -> list[Mapped]:
    return list(it.combined.mapped.values()) if it.combined else []
