"""What `strandline generate source` does, and what it prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from strandline.cli import output, profiling
from strandline.errors import DeclarationError
from strandline.pipeline.draft import code, document, draft, project
from strandline.pipeline.draft.draft import SourceDraft, StreamDraft
from strandline.source.profile import profile, sample
from strandline.source.profile.profile import Profile
from strandline.source.redaction import ALWAYS

LIMIT: Final = 10_000
MOST_TOLD: Final = 20


def generate(
    name: str, begin: str, *, out: Path | None, streams: Sequence[str], headers: Sequence[str]
) -> dict[str, Any]:
    """Write the files, and tell what is in them."""
    folder = out or Path(name)
    project.check_name(name)
    project.check_folder(folder, name)
    received = profiling.receive(begin, headers=headers)
    found: Profile | None = None
    content = document.load(received)
    if content is not None:
        made = document.read(content, name=name, streams=streams, where=received.where)
    else:
        if len(streams) > 1:
            raise DeclarationError("--stream: a sample is of one stream", hint="Give one name, or none.")
        found = profile.of_sample(sample.decode(received, limit=LIMIT), limit=LIMIT)
        made = _of_sample(name, found, begin, called=streams[0] if streams else None, headers=headers)
    files = project.files(made)
    project.write(files, folder)
    return _told(made, folder, list(files), found, files["source.py"] + files["model.py"])


def _of_sample(
    name: str, found: Profile, begin: str, *, called: str | None, headers: Sequence[str]
) -> SourceDraft:
    stream = draft.of_profile(found, name=called)
    made = SourceDraft(name, [stream])
    assert found.sample is not None
    if begin.startswith(("http://", "https://")):
        _place(made, stream, begin, headers)
    elif found.format == "JSON":
        made.auth_note = (
            "a saved answer tells of no credentials; where the API wants some, return them from auth()"
        )
        stream.path, stream.path_note = f"/{stream.name}", "the path is a guess"
    else:
        made.is_file = True
        suffix = Path(found.sample.received.name).suffix
        stream.path = f"{stream.name}*{suffix}"
        stream.path_note = "which files belong to it is a guess"
        stream.file_format = _format(found.sample)
    if not made.is_file and found.format != "JSON":
        raise DeclarationError(
            f"{begin}: answers {found.format}", hint="Save it into a file, and generate from that."
        )
    if stream.cursor is not None and not made.is_file:
        stream.since_param = "updated_since"
        stream.since_note = "that changes are asked for by 'updated_since' is a guess"
    return made


def _place(made: SourceDraft, stream: StreamDraft, begin: str, headers: Sequence[str]) -> None:
    """Address, parameters and credentials, without what is secret."""
    parts = urlsplit(begin)
    made.base_url, stream.path = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path or "/"
    for name in list(stream.params):
        if name.lower() in ALWAYS:
            made.auth = f"query:{name}"
            del stream.params[name]
        else:
            stream.params[name] = _literal(stream.params[name])
    for it in headers:
        header, _, value = it.partition(":")
        kind = value.strip().partition(" ")[0].lower()
        if header.strip().lower() == "authorization" and kind in ("bearer", "basic"):
            made.auth = kind
        elif header.strip().lower() not in ("accept", "user-agent", "content-type"):
            made.auth = f"header:{header.strip()}"


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


def _told(
    made: SourceDraft, folder: Path, files: list[str], found: Profile | None, text: str
) -> dict[str, Any]:
    personal = [it.what for it in found.personal] if found else []
    return {
        "source": made.name,
        "folder": str(folder),
        "files": files,
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


def print_generated(told: dict[str, Any], *, as_json: bool) -> None:
    """What was written, and what to do next."""
    if as_json:
        output.print_json(told)
        return
    from strandline.cli import paper

    say, folder, name = sys.stdout.write, told["folder"], told["source"]
    shown = [it for it in told["files"] if not it.startswith("samples/")]
    many = "1 stream" if len(told["streams"]) == 1 else f"{len(told['streams'])} streams"
    say(f"{folder}: {', '.join(shown)} and samples are written, with {many}\n\n")
    rows = [{**it, "paginator": (it["paginator"] or "").partition("(")[0]} for it in told["streams"]]
    paper.console().print(output.table(rows, columns=COLUMNS))
    if told["left_out"]:
        more = len(told["left_out"]) - MOST_TOLD
        listed = ", ".join(told["left_out"][:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
        say(f"\nLeft out, for they hang on records of others (--stream writes one): {listed}\n")
    if told["personal"]:
        say(
            f"\n{folder}/samples may point at persons ({', '.join(told['personal'][:MOST_TOLD])}):"
            " change it before you share it.\n"
        )
    say("\nNext:\n")
    if told["unsure"]:
        say(f"  look at what is unsure, {told['unsure']} times: grep -A1 'unsure:' {folder}/*.py\n")
    say(f"  try it on the sample: cd {folder} && pytest\n")
    say(f"  run it: strandline run {name}\n")
