"""The linter: hears what rules find, and says what is told, and what is let pass for which reason.

findings = lint(Star([sales])).findings
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strandline.pipeline.definition import Pipeline
from strandline.pipeline.lint import catalog, finding
from strandline.pipeline.lint.finding import IGNORE, Finding
from strandline.pipeline.lint.ignore import collect
from strandline.pipeline.lint.rule import Found, Rule
from strandline.pipeline.lint.star import Star, contracts_of


@dataclass(frozen=True)
class Linted:
    """What the linter has found, and what it has let pass."""

    findings: list[Finding]
    passed: list[Finding]
    rules: int
    """How many rules were looked at."""
    models: int
    """How many models were looked at."""


def lint(star: Star, *, chosen: Sequence[Pipeline] | None = None, only: Collection[str] = ()) -> Linted:
    """Look at everything that is declared or, of all that, at what belongs to the chosen pipelines; by all
    rules that are not off, or by these only.
    """
    linter = Linter(star, chosen=chosen, only=only)
    linter.look()
    return linter.finish()


class Linter:
    """One check. Raises DeclarationError for a rule that is not there."""

    def __init__(
        self, star: Star, *, chosen: Sequence[Pipeline] | None = None, only: Collection[str] = ()
    ) -> None:
        catalog.verify(only, where="--only")
        catalog.verify(star.choice.rules, where="check.rules")
        self.star = star
        self.only = only
        self._owners = None if chosen is None else star.owners_of(chosen)
        self._ignores = collect(_classes(star) if self._owners is None else self._owners)
        self._findings: list[Finding] = []
        self._passed: list[Finding] = []
        self._ran: dict[str, int] = {}

    def wants(self, rule: Rule) -> bool:
        """Whether the rule is to be looked at: one that is off as well where somebody has chosen that."""
        if self.only:
            return rule.id in self.only
        return rule.severity != "off" or rule.id in self.star.choice.rules

    def look(self) -> None:
        """Look at the declarations."""
        for rule in catalog.ALL.values():
            if rule.look is not None and self.wants(rule):
                self.hear(rule, rule.look(self.star))

    def hear(self, rule: Rule, found: Iterable[Found]) -> None:
        """Take what a rule has found."""
        if not self.wants(rule):
            return
        self._ran.setdefault(rule.id, 0)
        for it in found:
            if self._owners is None or it.owner is None or it.owner in self._owners:
                self._ran[rule.id] += 1
                self._judge(rule, it)

    def _judge(self, rule: Rule, it: Found) -> None:
        override = self.star.choice.rules.get(rule.id)
        severity = override.severity if override else it.severity or rule.severity
        told = finding.of(rule, it, severity=severity)
        matching = [each for each in self._ignores if each.covers(it.owner, rule.id, it.member)]
        for each in matching:
            each.is_used = True
        if matching:
            self._passed.append(replace(told, severity="off", reason=matching[0].reason))
        elif severity == "off" and override is not None:
            self._passed.append(replace(told, reason=override.reason))
        else:
            # One that is off is looked at only where it is asked for by name.
            self._findings.append(replace(told, severity="info") if severity == "off" else told)

    def finish(self) -> Linted:
        """Look at what lets pass, and tell everything."""
        ran, found = dict(self._ran), [*self._of_ignores(), *self._of_overrides()]
        for rule, it in found:
            self.hear(rule, [it])
        models = [it for it in self.star.models if self._owners is None or it in self._owners]
        findings = sorted(self._findings, key=lambda it: it.order)
        return Linted(findings, self._passed, len(ran), len(models))

    def _of_ignores(self) -> Iterator[tuple[Rule, Found]]:
        for it in self._ignores:
            if it.rule not in catalog.ALL:
                yield catalog.UNKNOWN, Found(it.owner, IGNORE, f"there is no rule {it.rule!r}")
                continue
            if not it.reason:
                what = f"{it.written} is let pass, and nothing says why"
                yield catalog.WITHOUT_REASON, Found(it.owner, IGNORE, what)
            if it.rule in self._ran and not it.is_used:
                yield catalog.UNUSED, Found(it.owner, IGNORE, f"{it.written} would find nothing")

    def _of_overrides(self) -> Iterator[tuple[Rule, Found]]:
        for id_, it in self.star.choice.rules.items():
            if not it.reason and it.severity != catalog.ALL[id_].severity:
                what = f"{id_} is {it.severity} here, and nothing says why"
                yield catalog.WITHOUT_REASON, Found(None, None, what)
            # Of one pipeline nobody can tell whether the rule would find something in another.
            if it.severity == "off" and self._owners is None and self._ran.get(id_) == 0:
                yield catalog.UNUSED, Found(None, None, f"{id_} is off, and would find nothing")


def _classes(star: Star) -> set[type[Any]]:
    """Every class in which something may be let pass."""
    contracts = {it for sync in star.syncs for it in contracts_of(sync.stream.contract)}
    return {*star.models, *star.mappers, *contracts, *(it.source for it in star.streams)}
