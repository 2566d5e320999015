"""What is let pass: `__check_ignore__` of a class names rules, each with the reason why.

    class DimProduct(Dimension):
        __check_ignore__ = {
            "wide-dimension": "The ERP's own table, which finance knows by heart",
            "money-suffix(list)": "What the shop calls the list price",
        }

A rule alone lets all findings of the class pass, with a name in brackets those of that column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strandline.errors import DeclarationError
from strandline.pipeline.lint.finding import IGNORE as NAME

WRITTEN: Final = re.compile(r"([a-z0-9-]+)(?:\((\w+)\))?")


@dataclass
class Ignore:
    """One rule that a class lets pass."""

    owner: type[Any]
    rule: str
    member: str | None
    reason: str
    written: str
    is_used: bool = field(default=False, init=False)

    def covers(self, owner: type[Any] | None, rule: str, member: str | None) -> bool:
        """Whether it lets this pass."""
        is_whom = rule == self.rule and owner is not None and issubclass(owner, self.owner)
        return is_whom and self.member in (None, member)


def collect(classes: Iterable[type[Any]]) -> list[Ignore]:
    """What these classes, and those that they inherit from, let pass. Raises DeclarationError for what cannot
    be read.
    """
    found = dict.fromkeys(cls for it in classes for cls in it.__mro__ if NAME in vars(cls))
    return [ignore for cls in found for ignore in _of(cls)]


def _of(cls: type[Any]) -> list[Ignore]:
    given = vars(cls)[NAME]
    if not isinstance(given, Mapping):
        raise DeclarationError(
            f"{cls.__name__}.{NAME} is {given!r}, and no dict of rules with reasons",
            hint=f'{NAME} = {{"<rule>": "<reason>"}}',
        )
    return [_read(cls, str(written), reason) for written, reason in given.items()]


def _read(cls: type[Any], written: str, reason: object) -> Ignore:
    match = WRITTEN.fullmatch(written.strip())
    if match is None:
        raise DeclarationError(
            f"{cls.__name__}.{NAME}: {written!r} is no rule",
            hint='Write "<rule>", or "<rule>(<column>)" for one column.',
        )
    return Ignore(cls, match[1], match[2], str(reason or "").strip(), written)
