"""The imprint of the way in which a replay makes rows: what two replays have in common that make the same."""

from __future__ import annotations

import json
import site
import sys
import sysconfig
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from xxhash import xxh3_128_hexdigest

from strandline.pipeline.load import Load
from strandline.pipeline.target import Target

OURS: Final = "strandline"


def imprint(load: Load, target: Target) -> str:
    """A hash of contract, mapper and choice, and of all code that they may call.

    A version of a mapper does not tell of functions that it calls. Of what is staged by one and completed by
    another replay all rows have to be made alike, so every file of the project counts here.
    """
    assert load.replayed is not None
    since, keys = load.replayed.since, load.replayed.keys
    choice = [None if since is None else since.isoformat(), None if keys is None else sorted(keys)]
    versions = [load.versions[it] for it in ("", target.sync.target)]
    sync = target.sync
    named = {it.__module__ for it in (sync.mapper, sync.mapper.contract, sync.stream.source, sync.model)}
    parts = [version(OURS), *versions, choice, _code(frozenset(named))]
    return xxh3_128_hexdigest(json.dumps(parts).encode("utf-8", "surrogatepass"))


def _code(named: frozenset[str]) -> list[str]:
    """A hash of each file of the packages that these modules belong to, and of what is not installed."""
    own = {it.partition(".")[0] for it in named}
    found = {}
    for name, module in list(sys.modules.items()):
        package, file = name.partition(".")[0], getattr(module, "__file__", None)
        if package == OURS or not isinstance(file, str):
            continue
        # As texts, for most of what is loaded is installed, and paths of all of it take a tenth of a second.
        if (package in own or not file.startswith(_installed())) and Path(file).is_file():
            found[file] = xxh3_128_hexdigest(Path(file).read_bytes())
    return [it for pair in sorted(found.items()) for it in pair]


@cache
def _installed() -> tuple[str, ...]:
    """Where Python and what was installed lie, each folder with what ends its name."""
    paths = sysconfig.get_paths()
    folders = [paths[it] for it in ("stdlib", "platstdlib", "purelib", "platlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(str(Path(it) / "_")[:-1] for it in folders)
