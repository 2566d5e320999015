"""What a rule is: a function that looks at a table, a column or the whole star, with a reason and a remedy.

    RULES = Rules()

    @RULES.column("warning")
    def boolean_prefix(it: Declared) -> str | None:
        \"\"\"A reader should see from the name that it is asked with yes or no.

        Call it is_…, has_… or can_….
        \"\"\"

The rule is called `boolean-prefix`; the first paragraph says why there is such a rule, the second how a
finding is mended, and what the function returns is what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Final

from strandline.pipeline.lint.declared import Declared, Model
from strandline.pipeline.lint.star import Star
from strandline.settings.check import Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info", "off")

PAGE: Final = "https://github.com/strandline/strandline/blob/main/docs/reference/rules.md"


@dataclass(frozen=True)
class Found:
    """What breaks a rule: a class, or a name in it, and in words what is wrong."""

    owner: type[Any] | None
    """None: what the project chooses."""
    member: str | None
    what: str
    subject: str | None = None
    """Who it is, where it is no class."""
    rows: int | None = None
    """How many rows break it, where rows do."""
    sample: tuple[str, ...] = ()
    """The first of them."""
    severity: Severity | None = None
    """Another severity than the rule's, where what is found has one of its own."""


@dataclass(frozen=True)
class Rule:
    """A rule of the linter."""

    id: str
    severity: Severity
    why: str
    fix: str
    look: Callable[[Star], Iterable[Found]] | None = None
    """What finds it in the declarations; None: a database is needed, or it is found on the way."""

    @property
    def page(self) -> str:
        """Where it is told of."""
        return f"{PAGE}#{self.id}"


def columns_of(star: Star) -> Iterator[Declared]:
    """Every column that somebody has declared."""
    return (it for cls in star.models for it in Model(cls, star.choice).columns)


class Rules:
    """The rules of one module, in the order of their declaration."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def table(self, severity: Severity) -> Callable[[TableRule], TableRule]:
        """Declare a rule that looks at each model."""

        def declare(function: TableRule) -> TableRule:
            def look(star: Star) -> Iterator[Found]:
                for cls in star.models:
                    if (what := function(Model(cls, star.choice))) is not None:
                        yield Found(cls, None, what)

            self._add(function, severity, look)
            return function

        return declare

    def column(self, severity: Severity) -> Callable[[ColumnRule], ColumnRule]:
        """Declare a rule that looks at each column that somebody has declared."""

        def declare(function: ColumnRule) -> ColumnRule:
            def look(star: Star) -> Iterator[Found]:
                for it in columns_of(star):
                    if (what := function(it)) is not None:
                        yield Found(it.model, it.name, what)

            self._add(function, severity, look)
            return function

        return declare

    def star(self, severity: Severity) -> Callable[[StarRule], StarRule]:
        """Declare a rule that looks at everything together."""

        def declare(function: StarRule) -> StarRule:
            self._add(function, severity, function)
            return function

        return declare

    def elsewhere(self, id_: str, severity: Severity, told: str) -> Rule:
        """Declare a rule whose findings come from elsewhere."""
        why, _, fix = cleandoc(told).partition("\n\n")
        rule = Rule(id_, severity, _joined(why), _joined(fix))
        self._rules.append(rule)
        return rule

    def _add(self, function: Any, severity: Severity, look: Callable[[Star], Iterable[Found]]) -> None:
        why, _, fix = cleandoc(function.__doc__ or "").partition("\n\n")
        id_ = function.__name__.strip("_").replace("_", "-")
        self._rules.append(Rule(id_, severity, _joined(why), _joined(fix), look))


def _joined(paragraph: str) -> str:
    return " ".join(paragraph.split())


TableRule = Callable[[Model], str | None]
ColumnRule = Callable[[Declared], str | None]
StarRule = Callable[[Star], Iterable[Found]]
