"""What is wrong with settings: where it stands, what it is, what is allowed, and the error that says it all
at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from strandline.errors import DeclarationError, SettingsMissing, SettingsWrong

Path = tuple[str | int, ...]
"""The way to a value: ("crm", "page_size")."""


class Problem(NamedTuple):
    """One setting that is wrong, or is not there."""

    name: str
    """As it is written in a file: crm.page_size."""
    message: str
    where: str | None = None
    """config.yaml:3:14, .env:2, the variable, or the flag; None: nowhere, for it is missing."""
    variable: str | None = None
    """What could be set, where it is missing."""
    owner: str = "settings"
    """Whose it is: settings, or source crm; nothing where the message says it."""
    is_warning: bool = False

    @property
    def text(self) -> str:
        """One line."""
        before = self.where or self.owner
        return f"{before}: {self.message}" if before else self.message

    def as_dict(self) -> dict[str, str | None]:
        """Plain values for JSON."""
        severity = "warning" if self.is_warning else "error"
        return {"setting": self.name, "where": self.where, "message": self.message, "severity": severity}


def dotted(path: Path) -> str:
    """The path as people write it."""
    return ".".join(map(str, path))


def instead(name: str, known: Iterable[str]) -> str:
    """Which name may have been meant; all that there are where none is near."""
    names = sorted(known)
    close = near(name, names)
    if close:
        return f"did you mean {close}?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def near(name: str, known: Iterable[str]) -> str | None:
    """The one of these that may have been meant."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), None)


def error_of(problems: Sequence[Problem]) -> SettingsWrong | None:
    """The one error that says all of them; None where nothing is wrong."""
    wrong = [it for it in in_reading_order(problems) if not it.is_warning]
    if not wrong:
        return None
    lines = _lines(wrong)
    message = lines[0] if len(lines) == 1 else "settings:" + "".join(f"\n  {line}" for line in lines)
    missing = [it for it in wrong if it.variable]
    kind = SettingsMissing if missing else SettingsWrong
    hint = _hint(len(wrong), is_set=len(missing) < len(wrong))
    hint += "".join(f" {it.text}." for it in in_reading_order(problems) if it.is_warning)
    return kind(message, hint=hint, problems=tuple(wrong))


def together(errors: Sequence[DeclarationError]) -> DeclarationError:
    """One error that says what each of them says."""
    if len(errors) == 1:
        return errors[0]
    problems: list[Problem] = []
    for error in errors:
        told = error.problems if isinstance(error, SettingsWrong) else ()
        problems += told or [of_error(error)]
    found = error_of(problems)
    assert found is not None
    return found


def of_error(error: DeclarationError) -> Problem:
    """What the error says, with what it would have people do."""
    return Problem("", f"{error.message}: {error.hint}" if error.hint else error.message, owner="")


def _lines(problems: Sequence[Problem]) -> list[str]:
    """What is missing of one owner in one line, everything else in lines of their own."""
    missing: dict[str, list[str]] = {}
    for it in problems:
        if it.variable:
            missing.setdefault(it.owner, []).append(it.variable)
    lines = [f"{owner}: not set: {', '.join(names)}" for owner, names in missing.items()]
    return lines + [it.text for it in problems if not it.variable]


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each once: what is missing, then by where it stands, line 9 of a file before its line 10."""

    def place(it: Problem) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", it.where or "")
        return [(int(part), "") if part.isdigit() else (0, part) for part in parts]

    return sorted(dict.fromkeys(problems), key=place)


def _hint(count: int, *, is_set: bool) -> str:
    it = "it" if count == 1 else "them"
    if is_set:
        return f"Correct {it}; strandline config show tells what is set, and where."
    return f"Set {it} in the environment or in .env."
