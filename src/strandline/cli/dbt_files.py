"""How `strandline dbt sources` writes its file, and never one that somebody else has written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from strandline.errors import DeclarationError

FIRST_LINE: Final = (
    "# Written by strandline dbt sources, from the models; what is changed here is overwritten.\n"
)


def text(document: Mapping[str, Any]) -> str:
    """The document as YAML."""
    written: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return FIRST_LINE + written


def show(document: Mapping[str, Any]) -> None:
    """Print it."""
    sys.stdout.write(text(document))


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write it, its folder too. Raises DeclarationError where the file is somebody's own."""
    try:
        if path.exists() and not path.read_text(encoding="utf-8").startswith(FIRST_LINE):
            raise DeclarationError(
                f"{path}: it was not written by strandline dbt sources, and is left as it is",
                hint="Name another file by --output, or remove this one.",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(document), encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"{path}: cannot be written: {error}", hint="Name another by --output."
        ) from error
