"""Drift: what becomes of a record that carries more than its contract names, and of a type that widened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from strandline.errors import DeclarationError, RecordRejected
from strandline.source.census import Census
from strandline.source.contract import Record

Policy = Literal["keep", "reject", "fail"]
POLICIES: Final[tuple[str, ...]] = get_args(Policy)

UNKNOWN: Final = "unknown"
"""The rule that a record with an unknown field breaks."""


def check_policy(policy: str, contract: type[Record], *, where: str) -> None:
    """Raise DeclarationError for a policy that there is not, or that this contract cannot keep."""
    if policy not in POLICIES:
        raise DeclarationError(
            f"{where}: unknown={policy!r} is no policy", hint=f"One of {', '.join(map(repr, POLICIES))}."
        )
    if policy != "keep" and contract.model_config.get("extra") != "allow":
        raise DeclarationError(
            f"{where}: unknown={policy!r}, but {contract.__name__} does not keep what it does not name",
            hint='Take extra=… out of its model_config; a Record has extra="allow".',
        )


def refuse_unknown(
    parse: Callable[[bytes], Record], contract: type[Record], *, ignored: Collection[str]
) -> Callable[[bytes], Record]:
    """The parser, which also rejects a record with a field that the contract does not name, at any level."""
    census = Census(contract, ignored=ignored)
    watch = census.watcher()

    def parse_known(raw: bytes) -> Record:
        record = parse(raw)
        if shape := watch(record):
            paths = list(dict.fromkeys(path for path, _ in census.unknown(shape)))
            if paths:
                raise _unknown(contract, paths)
        return record

    return parse_known


def _unknown(contract: type[Record], paths: list[str]) -> RecordRejected:
    problems = tuple(f"{contract.__name__}.{path}: the contract names no such field" for path in paths)
    more = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
    return RecordRejected(
        problems[0] + more,
        hint='Name it in the contract, or let it pass: @stream(…, unknown="keep").',
        field=paths[0],
        rule=UNKNOWN,
        problems=problems,
    )


@dataclass(frozen=True)
class Widened:
    """Declares what a field was before its type widened, so that both are taken.

    `Annotated[str, Widened(int)]` takes the whole number 7 as the text "7", and `Annotated[list[str],
    Widened(str)]` the text "a" as ["a"]. Anything else that does not fit is a reject, as it was.
    """

    before: type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._widening(source), handler(source))

    def _widening(self, source: Any) -> Callable[[Any], Any]:
        kinds = [it for it in get_args(source) if it is not type(None)]
        now = kinds[0] if type(None) in get_args(source) and len(kinds) == 1 else source
        if now is str and self.before is int:
            return _text_of_number
        if get_origin(now) is list:
            return self._listed
        raise DeclarationError(
            f"Widened({self.before.__name__}): nothing of that kind becomes a {_named(now)}",
            hint="What widens is int to str, and anything to a list of it; int to float or Decimal needs no"
            " word.",
        )

    def _listed(self, value: Any) -> Any:
        before = dict if issubclass(self.before, BaseModel) else self.before
        return [value] if type(value) is before else value


def _text_of_number(value: Any) -> Any:
    return str(value) if type(value) is int else value


def _named(annotation: Any) -> str:
    return getattr(annotation, "__name__", str(annotation))
