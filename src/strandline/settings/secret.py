"""Which settings are secrets, how values are shown, and that files of settings hold none."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from strandline.settings.document import Document
from strandline.settings.layer import variable
from strandline.settings.problem import Path, Problem, dotted

HIDDEN: Final = "**********"

_NAMES: Final = re.compile(
    r"(^|_)(password|passwd|passphrase|pwd|secret|token|credentials?|(api|private|secret|access|signing)_?key)$"
)
"""What is called so is shown to nobody, also where its type does not say that it is a secret."""

_IN_A_URL: Final = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)(?=@)")


def shown(value: object, most_letters: int = 200) -> str:
    """The value as a file would have it, without a password in a URL."""
    text = without_passwords(json.dumps(value, default=str, ensure_ascii=False))
    return text if len(text) <= most_letters else f"{text[:most_letters]}…"


def masked(cls: type[Any], path: Path, value: Any) -> Any:
    """The value, of plain types, as it may be shown."""
    if value is None:
        return None
    if is_secret(cls, path):
        return HIDDEN
    match value:
        case Mapping():
            return {name: masked(cls, (*path, str(name)), it) for name, it in value.items()}
        case list():
            return [masked(cls, (*path, number), it) for number, it in enumerate(value)]
        case str():
            return without_passwords(value)
    return value


def without_passwords(text: str) -> str:
    """The text with the passwords of its URLs hidden."""
    return _IN_A_URL.sub(rf"\1:{HIDDEN}", text)


def is_secret(cls: type[Any], path: Path) -> bool:
    """Whether what stands there is a secret by its type, or by its name."""
    named = [it for it in path if isinstance(it, str)]
    return _has_secret(annotation_of(cls, path)) or bool(named and _NAMES.search(named[-1].lower()))


def _has_secret(annotation: Any) -> bool:
    if annotation in (SecretStr, SecretBytes) or get_origin(annotation) is Secret:
        return True
    return any(_has_secret(it) for it in get_args(annotation))


def has_password(value: object) -> bool:
    """Whether it is a URL with a password in it."""
    return isinstance(value, str) and _IN_A_URL.search(value) is not None


def misplaced(
    cls: type[Any], values: Mapping[str, Any], *, document: Document, section: Path, prefix: str, folder: str
) -> Iterator[Problem]:
    """The secrets that a file of settings holds, which others can read."""
    for path, value in leaves(values):
        is_typed = _has_secret(annotation_of(cls, path))
        if value is None or not (is_typed or has_password(value)):
            continue
        name = dotted((*section, *path))
        names = tuple(it for it in path if isinstance(it, str))
        wanted = variable(prefix, names)
        why = "is a secret" if is_typed else "has a password in it"
        told = (
            f"{name} {why}, which has no place in this file: set {wanted} in the environment or in .env, or"
            f" write it into {folder}/{wanted.lower()}"
        )
        yield Problem(name, told, document.place((*section, *path)))


def leaves(values: object, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every single value with its path."""
    match values:
        case Mapping():
            for name, value in values.items():
                yield from leaves(value, (*path, name))
        case list():
            for number, value in enumerate(values):
                yield from leaves(value, (*path, number))
        case _:
            yield path, values


def fields_of(cls: type[Any]) -> set[str] | None:
    """What can be written in a section of this class; None where that is anything."""
    if cls.model_config.get("extra") == "allow":
        return None
    return {name for field, info in cls.model_fields.items() for name in (field, *_aliases(info))}


def _aliases(info: FieldInfo) -> list[str]:
    alias = info.validation_alias or info.alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [it for it in choices if isinstance(it, str)]


def model_of(cls: type[Any], path: Path) -> type[BaseModel] | None:
    """The class of the section at this path, if there is one."""
    found = _stripped(annotation_of(cls, path))
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def annotation_of(cls: type[Any], path: Path) -> Any:
    """What is declared of the value at this path; None where nothing is."""
    here: Any = cls
    for step in path:
        here = _inner(_stripped(here), step)
    return here


def _inner(here: Any, step: str | int) -> Any:
    if isinstance(here, type) and issubclass(here, BaseModel):
        known = {name: info for field, info in here.model_fields.items() for name in (field, *_aliases(info))}
        return known[str(step)].annotation if step in known else None
    given = get_args(here)
    if get_origin(here) in (dict, Mapping) and len(given) == 2:
        return given[1]
    return given[0] if given and isinstance(step, int) else None


def _stripped(annotation: Any) -> Any:
    """Without None, Annotated and aliases."""
    if isinstance(annotation, TypeAliasType):
        return _stripped(annotation.__value__)
    if get_origin(annotation) is Annotated:
        return _stripped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [it for it in get_args(annotation) if it is not type(None)]
        return _stripped(members[0]) if len(members) == 1 else annotation
    return annotation
