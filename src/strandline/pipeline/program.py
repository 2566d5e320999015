"""The source that a program reads, as the command line names it."""

from __future__ import annotations

from pathlib import Path

from strandline.errors import DeclarationError
from strandline.pipeline.discovery import imported
from strandline.source.program import ProgramSource


def find(name: str, *, folder: Path) -> type[ProgramSource]:
    """The source `module:Class` that a program reads. Raises DeclarationError where there is none."""
    module, _, wanted = name.partition(":")
    found = getattr(imported(module, folder), wanted, None)
    if not isinstance(found, type) or not issubclass(found, ProgramSource):
        raise DeclarationError(
            f"{name}: {module} has no SingerSource or AirbyteSource of that name",
            hint="Name module and class, as in: strandline discover sources:Erp",
        )
    return found
