"""An environment of its own for each peer, made once and kept, with the versions that its folder locks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
PYTHON: Final = "3.11"
"""The one that every peer supports."""


class Missing(Exception):
    """A peer cannot be had here, and why."""


def prepared(peer: str, *, folder: Path = FOLDER, kept: Path = FOLDER / ".environments") -> Path:
    """Where the programs are that the peer's folder in this one locks. Raises Missing where they cannot be
    installed.
    """
    locked = folder / peer / "requirements.txt"
    made = kept / peer
    stamp, wanted = made / ".locked", hashlib.sha256(locked.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"{peer}: installing", file=sys.stderr, flush=True)
        _uv(peer, "venv", "--clear", "--python", PYTHON, str(made))
        _uv(peer, "pip", "install", "--python", str(made), "--requirement", str(locked))
        stamp.write_text(wanted)
    return made / "bin"


def _uv(peer: str, *arguments: str) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is None:
        raise Missing(f"{peer}: there is no uv to install it with")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{peer}: {done.stderr.strip().splitlines()[-1]}")
