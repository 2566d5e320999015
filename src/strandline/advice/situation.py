"""A situation as it is told, by options or in a YAML file; all that is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from strandline.advice import catalogue
from strandline.advice.answer import Answers
from strandline.advice.assumption import Assumptions
from strandline.advice.catalogue import Listing
from strandline.errors import SettingsWrong
from strandline.settings import document
from strandline.settings.document import Document
from strandline.settings.problem import Problem, dotted, in_reading_order, instead

SECTION = "assumptions"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Situation:
    """What the advice is for."""

    answers: Answers
    assumptions: Assumptions
    listing: Listing | None
    """What is known of the source; None where it is in no catalogue."""


def read(options: Mapping[str, Any], *, file: Path | None = None) -> Situation:
    """The situation that the file and the options tell, options first; raises SettingsWrong."""
    told = _document(file)
    values = {name: it for name, it in told.values.items() if name != SECTION}
    problems = list(told.problems)
    answers = _model(Answers, {**values, **options}, document=told, typed=options, problems=problems)
    section = told.values.get(SECTION) or {}
    if not isinstance(section, dict):
        problems.append(
            Problem(SECTION, f"{SECTION}: names and numbers are expected", told.place((SECTION,)))
        )
        section = {}
    assumptions = _model(Assumptions, section, document=told, within=SECTION, problems=problems)
    wanted = {**values, **options}
    listing = _listing(wanted, told, is_typed="source" in options, problems=problems)
    if problems or answers is None or assumptions is None:
        raise _error(problems)
    return Situation(answers, assumptions, listing)


def _document(file: Path | None) -> Document:
    if file is None:
        return Document("")
    found = document.read(file)
    if found.is_broken:
        raise _error(found.problems)
    return found


def _model(
    cls: type[M],
    values: Mapping[str, Any],
    *,
    document: Document,
    problems: list[Problem],
    typed: Mapping[str, Any] | None = None,
    within: str | None = None,
) -> M | None:
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        problems += _problems(error, cls, document=document, typed=typed or {}, within=within)
        return None


def _problems(
    error: ValidationError,
    cls: type[BaseModel],
    *,
    document: Document,
    typed: Mapping[str, Any],
    within: str | None,
) -> Iterator[Problem]:
    for each in error.errors(include_url=False):
        name = str(each["loc"][0])
        path = (name,) if within is None else (within, name)
        if each["type"] == "extra_forbidden":
            known = [*cls.model_fields, *([] if within else [SECTION])]
            told = f"{dotted(path)}: there is no such {'answer' if within is None else 'assumption'};"
            yield Problem(dotted(path), f"{told} {instead(name, known)}", document.key(path))
        elif each["type"] == "missing":
            yield Problem(name, f"{name}: not told")
        else:
            cause = each.get("ctx", {}).get("error") or each["msg"]
            where = f"--{name}" if name in typed else document.place(path)
            yield Problem(dotted(path), str(cause) if name in typed else f"{dotted(path)}: {cause}", where)


def _listing(
    values: Mapping[str, Any], told: Document, *, is_typed: bool, problems: list[Problem]
) -> Listing | None:
    """What is known of the source. One that nobody knows has to be told as such: it may be a slip."""
    source = values.get("source")
    if not isinstance(source, str) or not source.strip() or values.get("unlisted") is True:
        return None
    found = catalogue.find(source)
    if found is None and not any(it.name == "source" for it in problems):
        where = "--source" if is_typed else told.place(("source",))
        problems.append(Problem("source", unknown(source), where))
    return found


def unknown(source: str) -> str:
    """That nobody knows the source, with what may have been meant."""
    near = catalogue.nearest(source)
    meant = f"did you mean {' or '.join(near)}?" if near else "no name in it is near"
    return f"{source!r} is not in the catalogue; {meant}"


def _error(problems: Sequence[Problem]) -> SettingsWrong:
    ordered = in_reading_order(problems)
    lines = [it.text if it.where else it.message for it in ordered]
    message = lines[0] if len(lines) == 1 else "answers:" + "".join(f"\n  {it}" for it in lines)
    return SettingsWrong(message, hint=_hint({it.name for it in ordered}, lines), problems=tuple(ordered))


def _hint(names: set[str], lines: Sequence[str]) -> str:
    it = "it" if len(names) == 1 else "them"
    if any("not in the catalogue" in line for line in lines):
        return f"Correct {it}; where no catalogue has the source, say --unlisted (unlisted: true)."
    if lines == ["source: not told"]:
        return "Say which one: strandline advise --source NAME; on a terminal, strandline advise alone asks."
    return f"Correct {it}; strandline advise --help tells what can be answered."
