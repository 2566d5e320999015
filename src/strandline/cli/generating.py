"""What `strandline generate source` does, and what it prints."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from strandline.cli import known_dimensions, output, placed, profiling
from strandline.errors import DeclarationError
from strandline.pipeline.draft import code, document, draft, graphql, project, reference
from strandline.pipeline.draft.draft import SourceDraft, StreamDraft
from strandline.pipeline.draft.source_code import SourceModule
from strandline.pipeline.draft.star import Choice, Stars
from strandline.scaffold import placing
from strandline.source.profile import fetch, keys, profile, sample
from strandline.source.profile.profile import Profile
from strandline.source.redaction import ALWAYS

LIMIT: Final = 10_000
MOST_TOLD: Final = 20


@dataclass(frozen=True)
class Asked:
    """What the user wants."""

    name: str
    begin: Sequence[str]
    """Samples, or a document."""
    streams: Sequence[str]
    headers: Sequence[str]
    facts: Sequence[str]
    references: Sequence[str]
    app: str | None
    probe: bool


def generate(asked: Asked, *, out: Path | None) -> dict[str, Any]:
    """Write the files, and tell what is in them."""
    folder = out or Path(asked.name)
    place = placing.find(Path.cwd()) if out is None else None
    project.check_name(asked.name)
    if place is None:
        project.check_folder(folder, asked.name)
    else:
        place.check(asked.name)
    references = reference.parse(asked.references)
    made, profiles = _drafted(asked)
    known = known_dimensions.of_app(asked.app) if asked.app else ()
    module = SourceModule(made)
    stars = Stars(module, Choice(asked.facts, references, known))
    files = project.files(module, stars)
    told = _told(made, folder, files, profiles) | {"suggested": _suggested(made, stars, asked.facts)}
    if place is None:
        project.write(files, folder)
        return told
    return told | {"folder": "."} | asdict(place.write(files, asked.name))


def _drafted(asked: Asked) -> tuple[SourceDraft, list[Profile]]:
    """The source, of a document or of samples."""
    received = [profiling.receive(it, headers=asked.headers) for it in asked.begin]
    contents = [document.load(it) for it in received]
    if len(contents) == 1 and contents[0] is not None:
        made = document.read(contents[0], name=asked.name, streams=asked.streams, where=received[0].where)
        _authorize(made, asked.headers)
        return made, []
    one = next((it.where for it, content in zip(received, contents, strict=True) if content), None)
    if one is not None:
        raise DeclarationError(
            f"--from {one}: is a document, and a document stands alone",
            hint="Leave the samples out, and name streams of the document with --stream.",
        )
    if len(asked.streams) not in (0, len(received)):
        raise DeclarationError(
            f"--stream: {len(asked.streams)} names for {len(received)} samples",
            hint="A sample is of one stream: give a name for each --from, in their order, or none.",
        )
    profiles = [profile.of_sample(sample.decode(it, limit=LIMIT), limit=LIMIT) for it in received]
    if asked.probe:
        profiles = [
            profiling.probed(found, begin, headers=asked.headers)
            for found, begin in zip(profiles, asked.begin, strict=True)
        ]
    names: Sequence[str | None] = asked.streams or [None] * len(profiles)
    made = SourceDraft(asked.name, [])
    for found, begin, called in zip(profiles, asked.begin, names, strict=True):
        _add(made, draft.of_profile(found, name=called), found, begin, asked=asked)
    return made, profiles


def _add(made: SourceDraft, stream: StreamDraft, found: Profile, begin: str, *, asked: Asked) -> None:
    """One more stream, of a sample."""
    assert found.sample is not None
    if any(it.name == stream.name for it in made.streams):
        raise DeclarationError(
            f"--from {begin}: another sample is called {stream.name}, too",
            hint="Name the streams with --stream, one for each --from, in their order.",
        )
    is_file = found.format != "JSON"
    if made.streams and made.is_file != is_file:
        raise DeclarationError(
            f"--from {begin}: answers of an API and files with rows are read by sources of different kinds",
            hint="Generate a source of each.",
        )
    made.is_file = is_file
    made.streams.append(stream)
    _locate(made, stream, found, begin, headers=asked.headers)
    if graphql.note(stream, found) and not fetch.is_address(begin):
        stream.path, stream.path_note = "/graphql", "that queries are posted to /graphql is a guess"
    if stream.cursor is not None and not made.is_file:
        stream.since_param = "updated_since"
        stream.since_note = "that changes are asked for by 'updated_since' is a guess"
        if asked.probe:
            _probe_since(stream, found, begin, headers=asked.headers)


def _probe_since(stream: StreamDraft, found: Profile, begin: str, *, headers: Sequence[str]) -> None:
    """Ask which parameter asks for changes; where none is known all is read each time."""
    assert stream.cursor is not None
    node = found.root.children.get(stream.cursor)
    kind = "timestamp" if node is None else node.form or keys.unit(node)
    param = profiling.since_param(begin, kind, headers=headers)
    if param is not None:
        stream.since_param, stream.since_note = param, ""
        return
    stream.since_note += "; the usual ones were tried, and the address knows none of them"


def _locate(
    made: SourceDraft, stream: StreamDraft, found: Profile, begin: str, *, headers: Sequence[str]
) -> None:
    """Where the stream is asked for."""
    assert found.sample is not None
    is_address = fetch.is_address(begin)
    if is_address and made.is_file:
        raise DeclarationError(
            f"{begin}: answers {found.format}", hint="Save it into a file, and generate from that."
        )
    if is_address:
        _place(made, stream, begin, headers)
    elif made.is_file:
        suffix = Path(found.sample.received.name).suffix
        stream.path = f"{stream.name}*{suffix}"
        stream.path_note = "which files belong to it is a guess"
        stream.file_format = _format(found.sample)
    else:
        told = "a saved answer tells of no credentials; where the API wants some, return them from auth()"
        made.auth_note = "" if made.auth else told
        stream.path, stream.path_note = f"/{stream.name}", "the path is a guess"
    body = found.sample.body
    if isinstance(body, dict) and "jsonrpc" in body:
        stream.path_note = (
            'an answer of JSON-RPC, which is asked by a POST: self.pages(…, method="POST", json=…)'
        )


def _place(made: SourceDraft, stream: StreamDraft, begin: str, headers: Sequence[str]) -> None:
    """Address, parameters and credentials, without what is secret."""
    parts = urlsplit(begin)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if made.base_url not in (None, base):
        raise DeclarationError(
            f"{base}: the other samples are of {made.base_url}", hint="Generate a source of each."
        )
    made.base_url, stream.path = base, parts.path or "/"
    for name in list(stream.params):
        if name.lower() in ALWAYS:
            made.auth = f"query:{name}"
            del stream.params[name]
        else:
            stream.params[name] = _literal(stream.params[name])
    _authorize(made, headers)


def _authorize(made: SourceDraft, headers: Sequence[str]) -> None:
    """Credentials of the kind that the user gave."""
    for it in headers:
        header, _, value = it.partition(":")
        kind = value.strip().partition(" ")[0].lower()
        if header.strip().lower() == "authorization" and kind in ("bearer", "basic"):
            made.auth, made.auth_note = kind, ""
        elif header.strip().lower() not in ("accept", "user-agent", "content-type"):
            made.auth, made.auth_note = f"header:{header.strip()}", ""


def _literal(value: str) -> str:
    is_number = value.isdigit() and str(int(value)) == value
    return value if is_number else code.quoted(value)


def _format(found: sample.Sample) -> str:
    if found.format == "NDJSON":
        return "JsonLines()"
    told = "" if found.delimiter == "," else f"delimiter={_delimiter(found.delimiter)}, "
    return f'Csv({told}null=("",))'


def _delimiter(letter: str) -> str:
    return '"\\t"' if letter == "\t" else f'"{letter}"'


def _suggested(made: SourceDraft, stars: Stars, facts: Sequence[str]) -> dict[str, Any]:
    """Streams that were written as dimensions and may be facts, and why."""
    found = {it.name: stars.kinds[it.name] for it in made.streams if it.name not in facts}
    return {name: it.as_dict() for name, it in found.items() if it is not None}


def _told(
    made: SourceDraft, folder: Path, files: Mapping[str, str], profiles: Sequence[Profile]
) -> dict[str, Any]:
    personal = [it.what for found in profiles for it in found.personal]
    text = files["source.py"] + files["model.py"]
    return {
        "source": made.name,
        "folder": str(folder),
        "files": list(files),
        "streams": [
            {
                "stream": it.name,
                "path": it.path,
                "key": ", ".join(it.key),
                "key_is": it.key_finding.sure if it.key_finding else "sure",
                "cursor": it.cursor,
                "cursor_is": it.cursor_finding.sure if it.cursor and it.cursor_finding else None,
                "paginator": it.paginator or None,
                "records": it.records
                if isinstance(it.records, str) or it.records is None
                else ".".join(it.records),
                "sampled": len(it.samples),
            }
            for it in made.streams
        ],
        "unsure": text.count("# unsure: "),
        "personal": personal,
        "left_out": made.left_out,
        "untold": made.untold,
    }


COLUMNS: Final = {
    "stream": "stream",
    "records": "records",
    "key": "key",
    "key_is": "",
    "cursor": "cursor",
    "cursor_is": " ",
    "paginator": "paginator",
}


def _say_left_out(told: dict[str, Any]) -> None:
    """Which streams of a document were not written, and how they would be."""
    say = sys.stdout.write
    if told["left_out"]:
        more = len(told["left_out"]) - MOST_TOLD
        listed = ", ".join(told["left_out"][:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
        say(f"\nLeft out, for they hang on records of others (--stream writes one): {listed}\n")
    if told["untold"]:
        listed = ", ".join(told["untold"][:MOST_TOLD])
        say(f"\nLeft out, for nothing is told of their fields (--from an answer does): {listed}\n")


def print_generated(told: dict[str, Any], *, as_json: bool) -> None:
    """What was written, and what to do next."""
    if as_json:
        output.print_json(told)
        return
    from strandline.cli import paper

    say, folder, name = sys.stdout.write, told["folder"], told["source"]
    shown = [it for it in told["files"] if not it.startswith("samples/")]
    many = "1 stream" if len(told["streams"]) == 1 else f"{len(told['streams'])} streams"
    if "changed" in told:
        say("\n".join([*placed.head(told), "", ""]))
    else:
        say(f"{folder}: {', '.join(shown)} and samples are written, with {many}\n\n")
    rows = [{**it, "paginator": (it["paginator"] or "").partition("(")[0]} for it in told["streams"]]
    paper.console().print(output.table(rows, columns=COLUMNS))
    _say_left_out(told)
    is_placed = "changed" in told
    if told["personal"]:
        samples = placed.samples(name) if is_placed else f"{folder}/samples"
        say(
            f"\n{samples} may point at persons ({', '.join(told['personal'][:MOST_TOLD])}):"
            " change it before you share it.\n"
        )
    for stream, it in told["suggested"].items():
        say(f"\n{stream} is written as a dimension, and may be a fact ({it['sure']}): {it['why']}.\n")
        remove = placed.undo(told) if is_placed else f"remove {folder}"
        say(f"  for a fact, {remove} and type the same with: --fact {stream}\n")
    say("\nNext:\n")
    if is_placed:
        say("".join(f"  {it}\n" for it in placed.steps(told)))
        return
    if told["unsure"]:
        say(f"  look at what is unsure, {told['unsure']} times: grep -A1 'unsure:' {folder}/*.py\n")
    say(f"  try it on the sample: cd {folder} && pytest\n")
    say(f"  run it: strandline run {name}\n")
