"""What `strandline profile` reads, and what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from strandline.cli import commands, output, paper
from strandline.cli.option import importing
from strandline.cli.register import percent
from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.source.division import Division
from strandline.source.profile import fetch, probe, sample
from strandline.source.profile import profile as profiles
from strandline.source.profile.finding import Finding
from strandline.source.profile.profile import Profile
from strandline.source.stream import Stream

COLUMNS: Final = {
    "path": "field",
    "type": "type",
    "filled": "filled",
    "distinct": "distinct",
    "personal": "personal",
    "range": "range",
    "examples": "examples",
}
SUFFIXES: Final = (".json", ".csv", ".tsv", ".txt", ".gz", ".yaml", ".yml", ".zip", ".zst", *sample.LINES)
MOST_SHOWN: Final = 5
MOST_LETTERS: Final = 40


def look(wanted: str, *, headers: Sequence[str], limit: int, app: str | None, probe: bool = False) -> Profile:
    """The profile of a file, an address or a stream."""
    if not _is_stream(wanted):
        decoded = sample.decode(receive(wanted, headers=headers), limit=limit)
        found = profiles.of_sample(decoded, limit=limit)
        return probed(found, wanted, headers=headers) if probe else found
    if headers:
        raise DeclarationError("--header is for addresses", hint="A stream has its own credentials.")
    settings = commands.read_settings(None, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    return _read(_choose(wanted, pipelines, app=settings.app), limit=limit)


def probed(found: Profile, wanted: str, *, headers: Sequence[str]) -> Profile:
    """The same with the paginator that another request found, where the answer told of none."""
    if not fetch.is_address(wanted):
        raise DeclarationError("--probe is for addresses", hint="Leave it out for a file.")
    if found.paging is None or found.paging.name != "SinglePage":
        return found
    paging = probe.another_page(wanted, found.records, headers=dict(map(_header, headers)))
    return found if paging is None else replace(found, paging=paging)


def since_param(wanted: str, kind: str, *, headers: Sequence[str]) -> str | None:
    """The parameter by which the address tells of changes."""
    return probe.since_param(wanted, kind, headers=dict(map(_header, headers)))


def receive(wanted: str, *, headers: Sequence[str]) -> sample.Received:
    """The bytes of a file or an address."""
    if fetch.is_address(wanted):
        return fetch.read_url(wanted, headers=dict(map(_header, headers)))
    if "://" in wanted:
        raise DeclarationError(
            f"{wanted.partition('?')[0]}: only http:// and https:// are asked",
            hint="Save a sample into a file, and name that.",
        )
    if headers:
        raise DeclarationError("--header is for addresses", hint="Leave it out for a file.")
    return sample.read_file(Path(wanted))


def _header(written: str) -> tuple[str, str]:
    name, found, value = written.partition(":")
    if not found or not name.strip():
        raise DeclarationError("--header: has no colon", hint="Write it as in 'X-API-Key: …'.")
    return name.strip(), value.strip()


def _is_stream(wanted: str) -> bool:
    is_file = "/" in wanted or wanted.lower().endswith(SUFFIXES) or Path(wanted).exists()
    return not is_file and wanted.count(".") == 1 and all(it.isidentifier() for it in wanted.split("."))


def _choose(name: str, pipelines: Sequence[Any], *, app: str) -> Stream:
    known = {it.stream.qualified_name: it.stream for pipeline in pipelines for it in pipeline.syncs}
    if name not in known:
        raise DeclarationError(
            f"{name}: no file of that name, and no stream of {app}", hint=nearest(name, set(known))
        )
    stream: Stream = known[name]
    if isinstance(stream.per, Division):
        raise DeclarationError(
            f"{name}: is read for each of many, so nobody can tell which to look at",
            hint="Name the address of one: strandline profile https://…",
        )
    return stream


def _read(stream: Stream, *, limit: int) -> Profile:
    """The first records that the stream's source sends; nothing is stored."""
    records: list[Mapping[str, Any]] = []
    with stream.source() as source, closing(stream.read(source)) as pages:
        for page in pages:
            for payload in page.records[: limit + 1 - len(records)]:
                decoded = sample.load(payload.decode("utf-8", "replace"))
                records += [decoded] if isinstance(decoded, dict) else []
            if len(records) > limit:
                break
    return profiles.of_records(
        records[:limit], where=stream.qualified_name, stream=stream.name, is_cut=len(records) > limit
    )


def print_profile(found: Profile, *, as_json: bool, page: Path | None) -> None:
    """The fields, and below them what follows from them."""
    told = found.as_dict()
    if as_json:
        output.print_json({**told, "page": None if page is None else str(page)})
        return
    out, say = paper.console(), sys.stdout.write
    cut = ", the first ones" if found.is_cut else ""
    many = "1 record" if len(found.records) == 1 else f"{len(found.records):,} records"
    say(f"{found.where}: {found.format}, {many}{cut}\n\n")
    rows = [_row(it) for it in told["fields"]]
    columns = {name: it for name, it in COLUMNS.items() if any(row[name] not in (None, "") for row in rows)}
    out.print(output.table(rows, columns=columns))
    say("\n")
    if found.place is not None:
        _say("records", [found.place.finding])
    if found.paging is not None:
        _say("paginator", [found.paging.finding])
    _say("key", found.keys)
    _say("cursor", found.cursors)
    if page is not None:
        say(f"\n{page} is written.\n")


def _row(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "path": told["path"],
        "type": told["type"],
        "filled": percent(told["fill_rate"]),
        "distinct": told["distinct"],
        "personal": "perhaps" if told["is_personal"] else "",
        "range": " to ".join(dict.fromkeys(map(_cell, (told["min"], told["max"])))),
        "examples": _cut(", ".join(json.dumps(it, ensure_ascii=False) for it in told["examples"])),
    }


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value[:10]  # a day tells enough
    return "" if value is None else f"{value:,}"


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"


def _say(what: str, found: Sequence[Finding]) -> None:
    """The findings, the surest first; guesses only where there is nothing better."""
    found = [it for it in found if it.rank < 2] or found
    if not found:
        sys.stdout.write(f"{what:<10} none found\n")
    for number, it in enumerate(found[:MOST_SHOWN]):
        sys.stdout.write(f"{'' if number else what:<10} {it.what}  {it.sure}: {it.why}\n")
