"""The files of a drafted source: what is in each, and writing them where nothing is."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from strandline.errors import DeclarationError, StrandlineError
from strandline.pipeline.draft import code, star
from strandline.pipeline.draft.code import Names
from strandline.pipeline.draft.column import Drafted
from strandline.pipeline.draft.source_code import SourceModule
from strandline.pipeline.draft.star import Stars
from strandline.source.offer import words_of

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
TAKEN: Final = frozenset({"source", "model", "pipeline", "strandline", "samples", "http", "file", "record"})
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode

HELPER: Final = '''SAMPLES = Path(__file__).with_name("samples")


def lines(name: str) -> list[bytes]:
    """The sampled records of a stream."""
    return (SAMPLES / f"{name}.jsonl").read_bytes().splitlines()
'''
TEST: Final = '''\
@pytest.mark.parametrize(("name", "payload"), [(it, payload) for it in STREAMS for payload in lines(it)])
def test_a_sampled_record_satisfies_its_contract_and_becomes_a_row(name: str, payload: bytes) -> None:
    """It has a natural key, and a value for each column that needs one."""
    stream, model = STREAMS[name]

    assert stream.natural_key(stream.parse(payload))
    assert model.from_api_response(payload, stream=stream)
'''


def check_name(name: str) -> None:
    """Raise DeclarationError for what cannot be the name of a source."""
    is_usable = NAME.fullmatch(name) and not keyword.iskeyword(name) and not keyword.issoftkeyword(name)
    if is_usable and name not in TAKEN:
        return
    made = "_".join(words_of(name)) or "shop"
    made = (
        f"source_{made}"
        if made[0].isdigit()
        else f"{made}_api"
        if made in TAKEN or keyword.iskeyword(made)
        else made
    )
    why = "is taken by a module" if name in TAKEN else "is no name for a source"
    raise DeclarationError(
        f"{name}: {why}: small letters, digits and _, a letter first",
        hint=f"Type: strandline generate source {made} --from …",
    )


def check_folder(folder: Path, name: str) -> None:
    """Raise DeclarationError where something would be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise DeclarationError(f"{folder}: is a file", hint=_elsewhere(folder, name))
    there = [it for it in paths(name) if (folder / it).exists()]
    if there:
        raise DeclarationError(
            f"{folder}: there is {', '.join(there)} already, and nothing is overwritten",
            hint=_elsewhere(folder, name),
        )


def _elsewhere(folder: Path, name: str) -> str:
    return f"Choose another folder: strandline generate source {name} --from … --out {folder}_new"


def paths(name: str) -> list[str]:
    """What is written."""
    return ["source.py", "model.py", "pipeline.py", f"test_{name}.py", "samples"]


def files(module: SourceModule, stars: Stars) -> dict[str, str]:
    """All files, by their paths in the folder."""
    draft, made = module.draft, stars.made()
    samples = {f"samples/{it.name}.jsonl": _lines(it.samples) for it in draft.streams}
    return {
        "source.py": module.text(),
        "model.py": star.text(module, made),
        "pipeline.py": _pipeline(module, made),
        f"test_{draft.name}.py": _test(module, made),
        **samples,
    }


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{_encode(it).decode()}\n" for it in records)


def _pipeline(module: SourceModule, made: Sequence[Drafted]) -> str:
    name, names = module.draft.name, Names()
    names.add("model", *(it.mapper for it in made))
    names.add("source", module.class_name)
    names.add("strandline", "Pipeline")
    syncs = [
        line
        for it in made
        for line in code.call(f"{name}.sync(", [f"{module.class_name}.{it.stream.name}", it.mapper])
    ]
    lines = [
        '"""The application layer: what runs."""',
        "",
        *names.lines(),
        "",
        f'{name} = Pipeline("{name}")',
        *syncs,
    ]
    return "\n".join(lines) + "\n"


def _test(module: SourceModule, made: Sequence[Drafted]) -> str:
    names = Names()
    names.add("pathlib", "Path")
    names.add("model", *(it.model for it in made))
    names.add("source", module.class_name)
    bases = sorted({it.base for it in made})
    names.add("strandline", *bases)
    names.add("strandline.source", "Stream")
    doc = (
        f"The contracts and mappers of {module.draft.name}, tried on the records that they were written from"
    )
    rows = [line for it in made for line in _row(f"{module.class_name}.{it.stream.name}", it)]
    models = " | ".join(f"type[{it}]" for it in bases)
    table = [f"STREAMS: dict[str, tuple[Stream, {models}]] = {{", *rows, "}"]
    imports = "\n".join(names.lines()).replace("\n\nfrom strandline", "\n\nimport pytest\nfrom strandline", 1)
    return "\n".join([code.docstring(doc), "", imports, "", *table, HELPER, "", TEST])


def _row(stream: str, drafted: Drafted) -> list[str]:
    whole = f'    "{drafted.stream.name}": ({stream}, {drafted.model}),'
    if len(whole) <= code.WIDTH:
        return [whole]
    return [f'    "{drafted.stream.name}": (', f"        {stream},", f"        {drafted.model},", "    ),"]


def write(made: Mapping[str, str], folder: Path) -> None:
    """Write the files. Raises StrandlineError where that cannot be done."""
    try:
        (folder / "samples").mkdir(parents=True)
        for path, text in made.items():
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StrandlineError(f"{folder}: cannot be written: {error.strerror or error}") from error
