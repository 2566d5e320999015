"""A sample of a source, from a file or an address, decoded, or an error that says what it is."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from strandline.errors import (
    CredentialsRejected,
    DeclarationError,
    RateLimited,
    SourceUnavailable,
    UnexpectedResponse,
)
from strandline.source import compression
from strandline.source.file import charset
from strandline.source.format import Csv
from strandline.source.lenient import Truncated, Unreadable

LINES: Final = (".ndjson", ".jsonl", ".ldjson")
TABLES: Final = {".csv": ",", ".tsv": "\t"}
DELIMITERS: Final = ",;\t|"
EXCERPT: Final = 160


@dataclass(frozen=True)
class Received:
    """Bytes, and what was said of them."""

    content: bytes
    where: str
    """Where they came from, as it may be shown."""
    name: str = ""
    """The last part of the path."""
    content_type: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """What was received, decoded."""

    received: Received
    format: str
    """JSON, NDJSON or CSV."""
    body: Any
    """The decoded body; of NDJSON and CSV the list of its records."""
    delimiter: str = ","
    is_cut: bool = False
    """There is more of it."""


def read_file(path: Path) -> Received:
    """The file, unpacked. Raises DeclarationError where there is none."""
    if path.is_dir():
        raise DeclarationError(f"{path}: is a folder", hint="Name one of its files.")
    try:
        with path.open("rb") as file:
            _, member = next(compression.members(file))
            content = member.read()
    except FileNotFoundError as error:
        raise DeclarationError(f"{path}: there is no such file", hint=_near(path)) from error
    except OSError as error:
        raise SourceUnavailable(f"{path}: cannot be read: {error.strerror or error}") from error
    except (Truncated, Unreadable, StopIteration) as error:
        raise UnexpectedResponse(f"{path}: cannot be unpacked: {error}") from error
    name = path.with_suffix("") if path.suffix in (".gz", ".zst", ".zip", ".bz2") else path
    return Received(content, str(path), name=name.name)


def _near(path: Path) -> str:
    from difflib import get_close_matches

    there = [it.name for it in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, there, n=1)
    if close:
        return f"Did you mean {path.with_name(close[0])}?"
    return "Name a file that is there, an http:// or https:// address, or a stream as in crm.customers."


def decode(received: Received, *, limit: int) -> Sample:
    """What the bytes say. Raises the SourceError that fits where that is nothing that can be profiled."""
    refuse_status(received)
    content = received.content.removeprefix(b"\xef\xbb\xbf")
    start, suffix = content.lstrip()[:512], Path(received.name).suffix.lower()
    if not start:
        raise UnexpectedResponse(f"{received.where}: it is empty", hint="Ask for a range that has records.")
    if start.startswith(b"<"):
        raise _markup(received, start)
    if suffix in LINES or "ndjson" in received.content_type or "jsonl" in received.content_type:
        return _lines(received, content, limit)
    is_table = suffix in TABLES or "csv" in received.content_type
    if not is_table and start[:1] in b"{[":
        return _json(received, content, limit)
    delimiter = _delimiter(content, received) if is_table or b"\n" in content.strip() else None
    if delimiter is None:
        raise _no_json(received, content)
    return _table(received, content, delimiter, limit)


def refuse_status(received: Received) -> None:
    """Raise the error that a status from 400 on stands for."""
    status, where = received.status, received.where
    if status < 400:
        return
    said = f"{where}: answered {status}: {_excerpt(received.content)}"
    if status in (401, 403):
        raise CredentialsRejected(said, hint="Give credentials: --header 'Authorization: Bearer …'.")
    if status == 429:
        raise RateLimited(said, hint="Try again later.")
    if status >= 500:
        raise SourceUnavailable(said, hint="Try again later.")
    raise UnexpectedResponse(said, hint="Compare the address with the API's documentation.")


def load(text: str) -> Any:
    """JSON, with numbers that are exact."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _text(received: Received, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        guess = charset.detect(content[: charset.LOOKED_AT], where=received.where)
        return content.decode(guess or "utf-8", "replace")


def _json(received: Received, content: bytes, limit: int) -> Sample:
    text = _text(received, content)
    try:
        return Sample(received, "JSON", load(text))
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error) and len(text.strip().splitlines()) > 1:
            return _lines(received, content, limit)
        raise _no_json(received, content, error) from error


def _lines(received: Received, content: bytes, limit: int) -> Sample:
    records: list[Any] = []
    lines = [it for it in _text(received, content).splitlines() if it.strip()]
    for number, line in enumerate(lines[:limit], 1):
        try:
            records.append(load(line))
        except (ValueError, RecursionError) as error:
            raise UnexpectedResponse(
                f"{received.where}: line {number} is no JSON: {error}: {_excerpt(line.encode())}",
                hint="NDJSON has one whole record in each line.",
            ) from error
    return Sample(received, "NDJSON", records, is_cut=len(lines) > limit)


def _table(received: Received, content: bytes, delimiter: str, limit: int) -> Sample:
    text = _text(received, content).encode()
    try:
        rows = list(islice(Csv(delimiter=delimiter, null=("",)).records(io.BytesIO(text)), limit + 1))
    except (Truncated, Unreadable) as error:
        raise UnexpectedResponse(f"{received.where}: no CSV: {error}") from error
    records = [load(it.decode()) for it in rows[:limit]]
    return Sample(received, "CSV", records, delimiter=delimiter, is_cut=len(rows) > limit)


def _delimiter(content: bytes, received: Received) -> str | None:
    """What stands as often in the first line as in the second."""
    lines = [re.sub(r'"[^"]*"', "", it) for it in _text(received, content[:65536]).splitlines() if it.strip()]
    counts = {it: lines[0].count(it) for it in DELIMITERS}
    best = max(counts, key=lambda it: counts[it])
    if counts[best] and (len(lines) < 2 or lines[1].count(best) == counts[best]):
        return best
    return TABLES.get(Path(received.name).suffix.lower())


def _markup(received: Received, start: bytes) -> UnexpectedResponse:
    text = received.content[:20_000].decode("utf-8", "replace")
    if not re.match(rb"(?i)<!doctype html|<html|<head|<body", start) and b"<html" not in start.lower():
        return UnexpectedResponse(
            f"{received.where}: it is XML, not JSON: {_excerpt(start)}",
            hint="Ask for JSON: --header 'Accept: application/json'. XML is read by a stream with"
            " format=Xml(…); profile that stream.",
        )
    title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
    told = " ".join((title[1] if title else re.sub(r"<[^>]+>", " ", text)).split())[:EXCERPT]
    return UnexpectedResponse(
        f"{received.where}: it is a web page, not JSON: {told!r}",
        hint="That is what error pages and sign-in pages look like: compare the address, and give credentials"
        " with --header 'Authorization: Bearer …'.",
    )


def _no_json(received: Received, content: bytes, error: Exception | None = None) -> UnexpectedResponse:
    why = f": {error}" if error else ""
    return UnexpectedResponse(
        f"{received.where}: it is neither JSON nor CSV{why}: {_excerpt(content)}",
        hint="If it was saved by hand, save it anew; it may be cut short.",
    )


def _excerpt(content: bytes) -> str:
    text = " ".join(content[: EXCERPT * 4].decode("utf-8", "replace").split())
    return repr(text[:EXCERPT] + "…" if len(text) > EXCERPT else text)
