"""In which encoding a text file is written that declares none: UTF-8 if it can be, else a guess."""

from __future__ import annotations

import codecs
from typing import Final

from strandline import log
from strandline.errors import DeclarationError

LOOKED_AT: Final = 1024 * 1024
GUESSED_FROM: Final = 64 * 1024


def detect(start: bytes, *, where: str) -> str | None:
    """The guess, by what a file begins with, which is logged; None where it may be UTF-8 or has a byte order
    mark.
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or is_utf8(start):
        return None
    guess = _guess(start, where)
    log.warn("encoding guessed", where=where, encoding=guess, hint=f"Declare it: encoding={guess!r}.")
    return guess


def is_utf8(start: bytes) -> bool:
    """Whether what a file begins with is UTF-8, also where it breaks off within a letter."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _guess(start: bytes, where: str) -> str:
    try:
        from charset_normalizer import from_bytes  # an extra
    except ModuleNotFoundError as error:
        raise DeclarationError(
            f"{where}: it is not UTF-8, and guessing its encoding needs the library charset-normalizer",
            hint="Declare it, as in encoding=\"cp1252\", or pip install 'strandline[files]'.",
        ) from error
    # Around the first letter that says anything.
    first = next(at for at, byte in enumerate(start) if byte > 127)
    best = from_bytes(start[max(0, first - GUESSED_FROM // 2) : first + GUESSED_FROM // 2]).best()
    if best is None:
        raise DeclarationError(
            f"{where}: it is not UTF-8, and nobody can tell what else it is",
            hint='Declare it, as in encoding="cp1252".',
        )
    return str(best.encoding)
