"""A program of somebody else's as a source: a Singer tap or an Airbyte connector, run as a process.

What it is told goes into files that only this user can read, and which are gone when it has ended; what it
says goes on to stderr, without secrets.
"""

from __future__ import annotations

import os
import shlex
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

from pydantic import BaseModel, SecretStr
from pydantic_core import to_json

from strandline import disk
from strandline.errors import DeclarationError, ProgramFailed, UnexpectedResponse
from strandline.log import say
from strandline.source.offer import Offered
from strandline.source.process import Process
from strandline.source.redaction import Redaction
from strandline.source.settings import SourceSettings, env_prefix
from strandline.source.stream import Source, reading

EXCERPT: Final = 200
"""So many letters of a line that makes no sense stand in the error."""


class ProgramSettings(SourceSettings):
    """What a program is told: each field by its name, or by its `serialization_alias`, and as much of it as
    is set. Secrets are SecretStr.
    """

    command: str | None = None
    """Where the program is on this machine, and what else it is called with; instead of the source's
    `command`.
    """

    def config(self) -> dict[str, Any]:
        """What the program is told, with its secrets."""
        told = self.model_dump(by_alias=True, exclude_none=True, exclude=set(ProgramSettings.model_fields))
        return {name: _revealed(value) for name, value in told.items()}


def _revealed(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case BaseModel():
            return _revealed(value.model_dump(by_alias=True, exclude_none=True))
        case dict():
            return {name: _revealed(it) for name, it in value.items()}
        case list() | tuple():
            return [_revealed(it) for it in value]
    return value


class ProgramSource(Source, ABC):
    """A source that a program reads. `SingerSource` and `AirbyteSource` are two."""

    command: ClassVar[str] = ""
    """The program, and what else it is always called with."""
    patience: ClassVar[float] = 600.0
    """For how many seconds it may say nothing."""
    settings: ProgramSettings

    def __init__(self, *, settings: ProgramSettings | None = None) -> None:
        super().__init__(settings=settings)
        self._discovering = threading.Lock()

    @abstractmethod
    def offered(self) -> list[Offered]:
        """The streams that there are, as they can be declared."""

    @contextmanager
    def running(self, *arguments: str, files: Mapping[str, bytes]) -> Iterator[Process]:
        """The program, called with these arguments and options that name files of this content; ended with
        the block.
        """
        with TemporaryDirectory(prefix="strandline-") as folder:
            command = [*self._command, *arguments]
            for option, content in files.items():
                path = Path(folder, option.lstrip("-") + ".json")
                with open(
                    os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL | disk.BINARY, 0o600), "wb"
                ) as file:
                    file.write(content)
                command += [option, str(path)]
            process = self._start(command)
            try:
                yield process
            finally:
                process.end()

    def _start(self, command: list[str]) -> Process:
        try:
            return Process(command, name=self._where, heard=self.heard, patience=self.patience)
        except (FileNotFoundError, PermissionError) as error:
            raise DeclarationError(
                f"{self._where}: {command[0]!r} cannot be run: {error.strerror}",
                hint="Install it in an environment of its own, and say where it is:"
                f" {env_prefix(self.name)}COMMAND=/…/bin/{Path(command[0]).name}",
            ) from error

    @property
    def _command(self) -> list[str]:
        said = f"set {env_prefix(self.name)}COMMAND."
        try:
            command = shlex.split(self.settings.command or self.command)
        except ValueError as error:
            raise DeclarationError(
                f"{type(self).__name__}: its command is no command: {error}",
                hint=f"Correct command in the class, or {said}",
            ) from error
        if not command:
            raise DeclarationError(
                f"{type(self).__name__}: which program reads it?",
                hint=f'Write command = "…" in the class, or {said}',
            )
        return command

    @property
    def _where(self) -> str:
        asked_by = reading.get()
        return asked_by.qualified_name if asked_by is not None else self.name

    @cached_property
    def redaction(self) -> Redaction:
        """What is secret in what the program says."""
        return Redaction(secrets=self.settings.secrets())

    def config(self) -> bytes:
        """What the program is told, as JSON."""
        return to_json(self.settings.config())

    def scrubbed(self, text: str) -> str:
        """The text without the settings' secrets."""
        return self.redaction.scrub(text)

    def heard(self, text: str) -> None:
        """Pass on what the program says."""
        say(self.scrubbed(text), stream=self._where)

    def check(self, process: Process, *, why: str = "") -> None:
        """Wait for its end. Raises ProgramFailed where that was none that it should be."""
        code = process.result()
        if code or why:
            ending = f"signal {-code}" if code < 0 else f"exit code {code}"
            said = self.scrubbed(f"{': ' + why if why else ''}{process.last_words}")
            raise ProgramFailed(
                f"{self._where}: {self._command[0]} ended with {ending}{said}",
                hint="What it had sent before is kept with its state, and running again goes on from there.",
            )

    def unreadable(self, line: bytes, why: str) -> UnexpectedResponse:
        """That a line makes no sense, with its beginning."""
        shown = self.scrubbed(line[: 4 * EXCERPT].decode(errors="replace"))[:EXCERPT]
        return UnexpectedResponse(
            f"{self._where}: {why}: {shown!r}",
            hint=f"Look at what {self._command[0]} writes to stdout.",
        )
