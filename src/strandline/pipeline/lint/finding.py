"""What a check tells: each thing that breaks a rule, with its place, its reason and its remedy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from strandline.pipeline.lint import place
from strandline.pipeline.lint.rule import Found, Rule
from strandline.settings.check import Severity

IGNORE: Final = "__check_ignore__"
"""The name under which a class says what it lets pass."""


@dataclass(frozen=True)
class Finding:
    """What breaks a rule, where it is, and how it is mended."""

    rule: str
    severity: Severity
    subject: str
    """The class, or the class and the name in it; of rows the table."""
    what: str
    fix: str
    page: str
    table: str | None = None
    member: str | None = None
    """The column or other name of the class, or the expectation."""
    file: str | None = None
    line: int | None = None
    rows: int | None = None
    """How many rows break it, where rows do."""
    sample: tuple[str, ...] = ()
    """The first of them."""
    reason: str | None = None
    """Why it is let pass."""

    @property
    def message(self) -> str:
        """Who, what is wrong, and which the first rows are."""
        told = f"{self.subject}: {self.what}"
        if not self.sample or self.sample[0] in self.what:
            return told
        rest = (self.rows or 0) - len(self.sample)
        more = f" and {rest:,} more" if rest > 0 else ""
        return f"{told}: {', '.join(self.sample)}{more}"

    @property
    def order(self) -> tuple[str, int, str, str]:
        """By file and line, what has none at the end."""
        return (self.file or "\uffff", self.line or 0, self.subject, self.rule)

    def as_dict(self) -> dict[str, Any]:
        """The finding as `--json` prints it."""
        return {**asdict(self), "sample": list(self.sample), "message": self.message}


def of(rule: Rule, found: Found, *, severity: Severity) -> Finding:
    """What a rule has found, as it is told."""
    finding = Finding(
        rule.id,
        severity,
        found.subject or _subject(found),
        found.what,
        rule.fix,
        rule.page,
        table=_table(found.owner),
        member=found.member,
        rows=found.rows,
        sample=found.sample,
    )
    where = None if found.owner is None else place.find(found.owner, found.member)
    return finding if where is None else replace(finding, file=where.file, line=where.line)


def _subject(found: Found) -> str:
    if found.owner is None:
        return "check"
    name: str = found.owner.__name__
    return name if found.member in (None, IGNORE) else f"{name}.{found.member}"


def _table(owner: type[Any] | None) -> str | None:
    return getattr(getattr(owner, "__table__", None), "name", None)
