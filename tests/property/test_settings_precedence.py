"""Wherever a setting stands, and in however many places: the highest of them wins, and is named."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr
from tests.around import around
from tests.effort import cases

from strandline.settings import own, surroundings
from strandline.settings.reading import Reading
from strandline.source import SourceSettings
from strandline.source.settings import read

PLACES = ("flag", "environment", ".env", "secret file", "config.staging.yaml", "config.yaml")
"""The highest first."""
FILES = ("config.staging.yaml", "config.yaml")


class Depth(BaseModel):
    """Below a section."""

    fathoms: int = -1
    sounded_by: str = "default"


class QuaySettings(SourceSettings):
    """One field of each shape."""

    berths: int = -1
    pilot: str = "default"
    depth: Depth = Depth()
    code: SecretStr = SecretStr("default")


SETTINGS: dict[tuple[str, ...], type] = {
    ("workers",): int,
    ("app",): str,
    ("schemas", "raw"): str,
    ("schemas", "staging"): str,
    ("quay", "berths"): int,
    ("quay", "pilot"): str,
    ("quay", "depth", "fathoms"): int,
    ("quay", "depth", "sounded_by"): str,
    ("quay", "code"): SecretStr,
}
DEFAULTS = {
    ("workers",): None,
    ("app",): "pipeline",
    ("schemas", "raw"): "raw",
    ("schemas", "staging"): "staging",
    ("quay", "berths"): -1,
    ("quay", "depth", "fathoms"): -1,
}
Path = tuple[str, ...]
Drawn = dict[Path, set[str]]


def possible(path: Path) -> set[str]:
    """Where it can stand: only what is typed has a flag, and a file holds no secret."""
    places = set(PLACES) if len(path) == 1 else set(PLACES) - {"flag"}
    return places - set(FILES) if SETTINGS[path] is SecretStr else places


drawn = st.fixed_dictionaries({path: st.sets(st.sampled_from(sorted(possible(path)))) for path in SETTINGS})


def value(path: Path, place: str) -> Any:
    """What the place says: something of its own."""
    return PLACES.index(place) if SETTINGS[path] is int else f"{place} says"


def variable(path: Path) -> str:
    return "STRANDLINE_" + "__".join(path).upper()


def said_in(drawn: Drawn, place: str) -> dict[Path, Any]:
    return {path: value(path, place) for path, places in drawn.items() if place in places}


def tree(said: dict[Path, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, text in said.items():
        here = found
        for name in path[:-1]:
            here = here.setdefault(name, {})
        here[path[-1]] = text
    return found


def as_yaml(values: dict[str, Any], indent: str = "") -> str:
    lines = ""
    for name, it in values.items():
        lines += f"{indent}{name}:"
        lines += f"\n{as_yaml(it, indent + '  ')}" if isinstance(it, dict) else f" {it}\n"
    return lines


def written(drawn: Drawn) -> dict[str, str]:
    """The files; the secrets as Docker mounts them."""
    files = {name: as_yaml(tree(said_in(drawn, name))) for name in FILES}
    files[".env"] = "".join(f'{variable(path)}="{it}"\n' for path, it in said_in(drawn, ".env").items())
    for path, it in said_in(drawn, "secret file").items():
        files[f"run/{variable(path).lower()}"] = f"{it}\n"
    return files


def plain(made: Any, path: Path) -> Any:
    for name in path:
        made = getattr(made, name)
    return made.get_secret_value() if isinstance(made, SecretStr) else made


@cases(75)
@given(drawn)
@example({path: set() for path in SETTINGS})  # nothing anywhere: the files are empty
def test_of_all_places_that_say_something_the_highest_wins(drawn: Drawn) -> None:
    variables = {variable(path): str(it) for path, it in said_in(drawn, "environment").items()}
    variables |= {"STRANDLINE_ENVIRONMENT": "staging", "STRANDLINE_SECRETS_DIR": "run"}
    flags = {path[0]: it for path, it in said_in(drawn, "flag").items()}
    with around(written(drawn), variables):
        found = surroundings.look()
        readings: dict[str, Reading[Any]] = {
            "": own.read(found, flags),
            "quay": read(QuaySettings, "quay", found),
        }
        for path, places in drawn.items():
            section = "quay" if path[0] == "quay" else ""
            within = path[1:] if section else path
            made, problems = readings[section].made()
            highest = next((it for it in PLACES if it in places), None)

            assert problems == []
            assert plain(made, within) == (value(path, highest) if highest else DEFAULTS.get(path, "default"))
            assert str(readings[section].origin(within)).startswith(told(path, highest))


def told(path: Path, place: str | None) -> str:
    """How the place is named: a file with a line behind it, a variable by its name."""
    match place:
        case "flag":
            return f"flag --{path[0]}"
        case "environment":
            return f"environment {variable(path)}"
        case ".env":
            return ".env:"
        case "secret file":
            return f"secret file run/{variable(path).lower()}"
    return f"{place}:" if place else "default"
