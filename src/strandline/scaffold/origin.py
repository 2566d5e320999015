"""Where a workspace gets strandline from: the index, or the folder or repository that this one comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from strandline.errors import DeclarationError

HINT = "Give --strandline the folder of a clone, or a wheel."


@dataclass(frozen=True)
class Origin:
    """What uv is told, as a table of TOML in one line; nothing where the index has it."""

    table: str = ""

    @property
    def line(self) -> str:
        """The line of `tool.uv.sources`, with its end."""
        return f"strandline = {self.table}\n" if self.table else ""

    @classmethod
    def of_path(cls, path: Path) -> Self:
        """A clone, or a wheel. Raises DeclarationError where neither is there."""
        if path.is_file() and path.suffix == ".whl":
            return cls(f"{{ path = {_quoted(path)} }}")
        if not (path / "pyproject.toml").is_file():
            raise DeclarationError(f"{path}: there is no pyproject.toml of strandline", hint=HINT)
        return cls(f"{{ path = {_quoted(path)}, editable = true }}")

    @classmethod
    def of_this(cls) -> Self:
        """Where the strandline that runs was installed from, as PEP 610 has it noted down."""
        noted = metadata.distribution("strandline").read_text("direct_url.json")
        return cls(_table(json.loads(noted))) if noted else cls()


def _table(noted: dict[str, Any]) -> str:
    if vcs := noted.get("vcs_info"):
        return f'{{ {vcs["vcs"]} = "{noted["url"]}", rev = "{vcs["commit_id"]}" }}'
    parts = urlsplit(noted["url"])
    if parts.scheme != "file":
        return f'{{ url = "{noted["url"]}" }}'
    told = f"{{ path = {_quoted(Path(url2pathname(parts.path)))}"
    return f"{told}, editable = true }}" if "dir_info" in noted else f"{told} }}"


def _quoted(path: Path) -> str:
    """As a string of TOML, which is one of JSON."""
    return json.dumps(path.resolve().as_posix(), ensure_ascii=False)
