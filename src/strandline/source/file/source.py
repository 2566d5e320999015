"""A source that is a folder of files, on this machine or elsewhere, the new ones of which are read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import SecretStr

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable
from strandline.source.file.ledger import NewBy
from strandline.source.file.place import Place, check_pattern, place_of
from strandline.source.file.reader import Reader
from strandline.source.format import Format
from strandline.source.page import Pages
from strandline.source.redaction import Redaction
from strandline.source.stream import Source, reading


class FileSource(Source):
    """A folder of files that are read as streams.

    `root` is a path or a URL that fsspec knows, "s3://bucket/drop"; it comes from the settings' field of that
    name unless the class sets it. A stream's method returns `self.files(…)`.
    """

    root: ClassVar[str] = ""

    def options(self) -> Mapping[str, Any]:
        """What fsspec is to be told besides the URL, credentials for example; nothing unless overridden."""
        return {}

    def files(
        self,
        pattern: str,
        *,
        format: Format,  # noqa: A002  # as users write it
        since: str | None = None,
        new_by: NewBy = "time",
        at_rest: timedelta = timedelta(0),
    ) -> Pages:
        """The rows of the files whose names fit, "prices/*.csv.gz", in the order of their names.

        Those that `since` tells of are left out; so the stream takes `since` and has no cursor. A file is new
        again when its size or the time of its last change is another, or `new_by` its name only, or its
        content. One that was changed within the time `at_rest` is left for a later run. What is compressed,
        or a zip of several, is unpacked.

        A file that is cut short, or changed while it is read, is not taken for read; when the others have
        been, the stream fails and names it.
        """
        check_pattern(pattern, where=type(self).__name__)
        asked_by = reading.get()
        reader = Reader(
            self.place,
            format=format,
            name=asked_by.qualified_name if asked_by else self.name,
            scrub=Redaction(secrets=self.settings.secrets()).scrub,
            keeps_state=asked_by is not None and asked_by.takes_state,
        )
        yield from reader.pages(pattern, since=since, new_by=new_by, at_rest=at_rest)

    @cached_property
    def place(self) -> Place:
        """The folder; looked for when first needed."""
        return place_of(self.root or self._root_of_settings(), self.options())

    def __enter__(self) -> Self:
        """Have a place, so that one that cannot be is told before anything is read; one that is out of reach
        is told by the streams that it fails.
        """
        with suppress(SourceUnavailable, CredentialsRejected):
            _ = self.place
        return super().__enter__()

    def _root_of_settings(self) -> str:
        root = getattr(self.settings, "root", None)
        if not root:
            raise DeclarationError(
                f"{type(self).__name__}: has no root",
                hint="Set it on the class, or declare root: str on its settings.",
            )
        return root.get_secret_value() if isinstance(root, SecretStr) else str(root)
