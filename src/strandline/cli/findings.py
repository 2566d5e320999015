"""What `strandline check` prints: findings for people, for programs, and as annotations of GitHub."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from strandline.cli import output

ANNOTATIONS: Final = {"error": "error", "warning": "warning", "info": "notice"}
"""What GitHub calls the severities."""

NOT_THERE: Final = "None of the tables is there yet, so no data was checked: "
MADE_BY: Final = {
    False: "strandline run {name} makes and fills them.",
    True: "strandline migrate upgrade makes them, and strandline run {name} fills them.",
}
"""What to do, where runs make the tables and where migrations do."""


def print_checked(checked: Any, *, shape: str) -> None:
    """What a check has found."""
    if shape == "json":
        output.print_json(_document(checked))
    elif shape == "github":
        sys.stdout.writelines(f"{_annotation(it)}\n" for it in checked.linted.findings)
        sys.stderr.write(f"{_summary(checked)}\n")
    else:
        _print_text(checked)


def _document(checked: Any) -> dict[str, Any]:
    linted, tables = checked.linted, checked.tables
    return {
        "models": linted.models,
        "rules": linted.rules,
        "tables": [] if tables is None else tables.there,
        "missing": [] if tables is None else tables.missing,
        "expectations": 0 if tables is None else tables.expectations,
        "findings": [it.as_dict() for it in linted.findings],
        "passed": [it.as_dict() for it in linted.passed],
    }


def _print_text(checked: Any) -> None:
    for it in checked.linted.findings:
        place = f"{it.file}:{it.line}: " if it.file else ""
        sys.stdout.write(f"{place}{it.severity} {it.rule}: {it.message}\n")
        sys.stdout.write(f"  {it.fix} {it.page}\n")
    for it in checked.linted.passed:
        reason = it.reason or "no reason is told"
        sys.stdout.write(f"let pass: {it.rule}: {it.message} ({reason})\n")
    if checked.tables is not None and checked.tables.missing and not checked.tables.there:
        name = checked.pipelines[0] if checked.pipelines else "NAME"
        made_by = MADE_BY[checked.tables.are_migrated].format(name=name)
        sys.stdout.write(f"{NOT_THERE}{made_by}\n")
    elif checked.tables is not None and checked.tables.missing:
        sys.stdout.write(f"Not there yet: {', '.join(checked.tables.missing)}.\n")
    sys.stdout.write(f"{_summary(checked)}\n")


def _summary(checked: Any) -> str:
    linted, tables = checked.linted, checked.tables
    counted = Counter(it.severity for it in linted.findings)
    names = {"error": "error", "warning": "warning", "info": "note"}
    found = [_number(counted[it], names[it]) for it in names if counted[it]]
    where = [_number(linted.models, "model")]
    if tables is not None:
        where.append(_number(len(tables.there), "table"))
    told = ", ".join(found) or "Nothing found"
    return f"{told} in {' and '.join(where)}, by {_number(linted.rules, 'rule')}."


def _number(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _annotation(it: Any) -> str:
    """A line that GitHub shows at the line of the file that it names."""
    place = {"file": it.file, "line": it.line, "title": it.rule}
    given = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in place.items() if value)
    text = _escaped(f"{it.message}\n{it.fix}\n{it.page}")
    return f"::{ANNOTATIONS[it.severity]} {given}::{text}"


def _escaped(text: str, also: str = "") -> str:
    for sign in ("%", "\r", "\n", *also):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def print_rules(rules: Sequence[Any], *, as_json: bool) -> None:
    """The rules that there are."""
    told: Iterable[dict[str, Any]] = (
        {name: value for name, value in asdict(it).items() if name != "look"} | {"page": it.page}
        for it in rules
    )
    if as_json:
        output.print_json({"rules": list(told)})
        return
    for it in rules:
        sys.stdout.write(f"{it.severity:<7} {it.id}: {it.why}\n        {it.fix}\n")
