"""Where files lie: a local folder, or whatever fsspec has a name for.

A file is told by its name below the folder. What a place says of it, its size and when it was last changed,
is its stamp: one that differs means that the file has been written to, or replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ftplib import Error, error_perm  # which are no OSError
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and what its place says of it."""

    name: str
    size: int
    stamp: str
    changed_at: datetime | None
    """None where the place does not say when."""


class Place(Protocol):
    """A folder somewhere."""

    @property
    def shown(self) -> str:
        """Where it is, without credentials."""

    def find(self, pattern: str) -> list[Found]:
        """The files below it whose names fit, in the order of their names."""

    def look(self, name: str) -> Found:
        """The file as it is now."""

    def open(self, name: str) -> BinaryIO:
        """The file, to be read and closed."""


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self._folder)

    def find(self, pattern: str) -> list[Found]:
        """The files below it whose names fit, in the order of their names."""
        if not self._folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self._folder}")
        names = (it.relative_to(self._folder).as_posix() for it in self._folder.glob(pattern) if it.is_file())
        return [found for name in sorted(names) if (found := self._look_again(name)) is not None]

    def _look_again(self, name: str) -> Found | None:
        """The file, unless it has been moved away or renamed meanwhile."""
        with suppress(FileNotFoundError):
            return self.look(name)
        return None

    def look(self, name: str) -> Found:
        """The file as it is now."""
        stat = (self._folder / name).stat()
        changed_at = datetime.fromtimestamp(stat.st_mtime, UTC)
        return Found(name, stat.st_size, f"{stat.st_size} {stat.st_mtime_ns}", changed_at)

    def open(self, name: str) -> BinaryIO:
        """The file, to be read and closed."""
        return (self._folder / name).open("rb")


CHANGED: Final = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
"""How the file systems of fsspec call the moment of the last change."""

VERSIONS: Final = (*CHANGED, "ETag", "etag", "md5Hash", "generation")
"""What differs in a file that was written anew."""


class RemoteFolder:
    """A folder that fsspec opens: "s3://bucket/drop", "sftp://host/out", "memory://drop"."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        try:
            from fsspec.core import url_to_fs  # an extra
        except ModuleNotFoundError as error:
            raise DeclarationError(
                "files that are not on this machine need the library fsspec",
                hint="Install it: pip install 'strandline[files]'.",
            ) from error
        self._protocol = url.partition("://")[0]
        try:
            # Some connect at once. The rest of the URL may hold a password.
            with named_errors(f"{self._protocol}://…"):
                self._files, path = url_to_fs(url, **options)
        except ImportError as error:
            raise DeclarationError(f"files cannot be read from there: {error}") from error
        except ValueError:  # which may name a part of the password
            known = f"{self._protocol}://… is no address that fsspec knows"
            raise DeclarationError(
                f"files cannot be read from there: {known}",
                hint='A password with signs in it is escaped there: "%2F" is a slash.',
            ) from None
        self._path = str(path).rstrip("/")

    @property
    def shown(self) -> str:
        """Protocol and path; credentials stand in neither."""
        return f"{self._protocol}://{self._path.lstrip('/')}"

    def find(self, pattern: str) -> list[Found]:
        """The files below it whose names fit, in the order of their names."""
        self._files.invalidate_cache()
        found = self._files.glob(f"{self._path}/{pattern}", detail=True)
        return [self._found(info) for _, info in sorted(found.items()) if info["type"] == "file"]

    def look(self, name: str) -> Found:
        """The file as it is now."""
        self._files.invalidate_cache()
        return self._found(self._files.info(f"{self._path}/{name}"))

    def open(self, name: str) -> BinaryIO:
        """The file, to be read and closed."""
        return cast("BinaryIO", self._files.open(f"{self._path}/{name}", "rb"))

    def _found(self, info: Mapping[str, Any]) -> Found:
        name = str(info["name"]).removeprefix(self._path).lstrip("/")
        changed = next((info[it] for it in CHANGED if info.get(it) is not None), None)
        if isinstance(changed, int | float):
            changed = datetime.fromtimestamp(changed, UTC)
        stamp = " ".join(str(info[it]) for it in ("size", *VERSIONS) if info.get(it) is not None)
        is_known = isinstance(changed, datetime) and changed.tzinfo is not None
        return Found(name, int(info["size"] or 0), stamp, changed if is_known else None)


def check_pattern(pattern: str, *, where: str) -> None:
    """Raises DeclarationError for one that means no files below the folder."""
    parts = pattern.split("/")
    if pattern and parts[0] and not any("**" in it and it != "**" for it in parts):
        return
    raise DeclarationError(
        f"{where}: files({pattern!r}): a pattern is relative to the root, and ** in it stands for folders",
        hint='As in "prices/*.csv", or "**/*.csv" for those in folders, too.',
    )


def place_of(root: str, options: Mapping[str, Any]) -> Place:
    """The folder that a path or URL names."""
    return RemoteFolder(root, options) if "://" in root else LocalFolder(root)


@contextmanager
def named_errors(where: str) -> Iterator[None]:
    """What a place refuses within is raised as the SourceError that fits."""
    try:
        yield
    except PermissionError as error:
        raise CredentialsRejected(f"{where}: {error}", hint="Let the user read it.") from error
    except error_perm as error:
        code = str(error)[:3]  # the rest is the own text of the server
        raise CredentialsRejected(f"{where}: {code}", hint="Check user and password.") from error
    except (Error, EOFError, OSError) as error:
        raise SourceUnavailable(
            f"{where}: {error}", hint="Check that the place is there and reachable, then run again."
        ) from error
