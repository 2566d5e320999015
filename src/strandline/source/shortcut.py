"""A shortcut past the contract: what Pydantic would make of a record, read by msgspec in a fifth of the time.

    payload ─▶ msgspec ─▶ what is left ─▶ a record with the contract's attributes
                  └───────────┴─ anything in doubt ─▶ None: the whole way, through the contract

It takes only what it reads as the contract does, to the value, and refuses nothing: whatever it does not
take, a wrong record most of all, the contract decides on. What it gives is no model, so it serves mappers
that follow paths and nothing else. Fields that a contract does not name are learned from records that went
the whole way, and where too few records are taken the shortcut closes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import msgspec

from strandline.source.census import Shape
from strandline.source.contract import AS_SENT, Record, may_round
from strandline.source.outline import Kind, Outline, Outlined, outline_of

Read = Callable[[bytes], tuple[Any, Shape] | None]
"""(payload) → the record and what it carries besides its contract; None: it takes the whole way."""

DOUBTS: Final = (ValueError, ArithmeticError, LookupError, RecursionError)
"""What is raised on the way, by msgspec (a ValueError) or by what is left to do."""

MOST_EXTRAS: Final = 64
"""More fields that a contract does not name would take longer to look for than the contract does."""

TRIES: Final = 1_000
WORTHWHILE: Final = 250
"""So many of so many records must be taken."""

BACKSLASH: Final = b"\\"
NINES: Final = b".999999"
ROUNDED_UP: Final = re.compile(rb"\.999999[5-9]").search
FINER: Final = re.compile(rb"\.\d{7}").search
ESCAPED: Final = re.compile(rb"\\u00[23]").search
"""Seven digits of a second, which msgspec rounds and Pydantic cuts; and what may spell them otherwise."""


class Shortcut:
    """The shortcut past one contract, for whoever asks it in turn."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._levels = {it.where: it for it in outline.levels() if it.where is not None}
        self.taken = 0
        """So many records were; whoever reads counts them, and says which are missed."""
        self._missed = 0
        self._is_open = True
        self.read: Read = _Author(outline).build()

    def miss(self) -> None:
        """A record was not taken."""
        self._missed += 1
        if self.taken + self._missed >= TRIES:
            if self.taken < WORTHWHILE:
                self._is_open, self.read = False, _closed
            self.taken = self._missed = 0

    def learn(self, shape: Shape) -> None:
        """What a record carried that went the whole way may come again."""
        if not self._is_open:
            return
        known = sum(len(it.extras) for it in self._levels.values())
        for where, model, names, _ in shape:
            level = self._levels.get(where)
            if level is None or level.model is not model:
                continue
            new = [it for it in names if it not in level.extras and level.may_carry(it)]
            if new and known + len(new) <= MOST_EXTRAS:
                level.extras += new
                known += len(new)
                self.read = _Author(self._outline).build()


def compile_shortcut(model: type[Record]) -> Shortcut | None:
    """The shortcut past this contract; None where there is none."""
    outline = outline_of(model)
    return Shortcut(outline) if outline is not None else None


def _closed(_: bytes) -> None:
    return None


class _Author:
    """Writes what is left to do after msgspec, as one function."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "decode": msgspec.json.Decoder(outline.struct()).decode,
            "DOUBTS": DOUBTS,
            "Decimal": Decimal,
            "as_sent": AS_SENT,
            "may_round": may_round,
            "is_rounded_up": ROUNDED_UP,
            "is_finer": FINER,
            "is_escaped": ESCAPED,
        }

    def build(self) -> Read:
        self._settle(self._outline, "record", "        ")
        if any("is_fine" in it for it in self._lines):
            self._doubt_moments()
        lines = [
            "def read(raw):",
            "    try:",
            "        record = decode(raw)",
            *self._lines,
            *self._tell_shape(),
            "    except DOUBTS:",
            "        return None",
        ]
        scope = dict(self._names)
        exec(compile("\n".join(lines), f"<{self._outline.model.__name__}>", "exec"), scope)  # noqa: S102  # our own lines
        read: Read = scope["read"]
        return read

    def _settle(self, outline: Outline, holder: str, indent: str) -> None:
        """Have what msgspec has read as it stands become what it is."""
        for it in outline.fields:
            place = f"{holder}.{it.name}"
            if it.kind is Kind.DECIMAL:
                self._write(indent, *_decimal(place))
            elif it.kind is Kind.BOOLEAN:
                self._write(indent, *_boolean(place))
            elif it.kind is Kind.MOMENT:
                self._write(indent, *_moment(place, it))
            elif it.inner is not None and _has_left(it.inner):
                self._settle_within(it, it.inner, place, indent)

    def _settle_within(self, it: Outlined, inner: Outline, place: str, indent: str) -> None:
        below = f"it_{len(indent) // 4}"
        if it.is_list:
            self._write(indent, f"for {below} in {place} or ():")
        else:
            self._write(indent, f"{below} = {place}", f"if {below} is not None:")
        self._settle(inner, below, f"{indent}    ")

    def _write(self, indent: str, *lines: str) -> None:
        self._lines += [indent + it for it in lines]

    def _doubt_moments(self) -> None:
        """Searches for one thing after the other, the quickest first: for a byte, a text, a pattern."""
        self._lines.insert(0, "        is_fine = 0")
        doubts = (
            f"{ord(BACKSLASH)} in raw and is_escaped(raw)",
            f"raw.rfind({NINES!r}) >= 0 and is_rounded_up(raw)",
            "is_fine and is_finer(raw)",
        )
        self._lines += [f"        if {it}: return None" for it in doubts]

    def _tell_shape(self) -> list[str]:
        """What the record carries besides, by the types of what it may carry."""
        levels = [it for it in self._outline.levels() if it.extras]
        if not levels:
            return ["        return record, ()"]
        lines: list[str] = []
        types: list[str] = []
        for number, it in enumerate(levels):
            lines += self._reach(it, f"at_{number}")
            types += [f"type(at_{number}.{it.attribute(place)})" for place in range(len(it.extras))]
        shapes: dict[tuple[type, ...], tuple[Shape, bool]] = {}
        self._names |= {"shapes": shapes, "shape_of": _shaper(levels, shapes)}
        return [
            *(f"        {it}" for it in lines),
            f"        types = ({', '.join(types)},)",
            "        shape, is_float = shapes.get(types) or shape_of(types)",
            # What a float cannot hold is a Decimal to the contract.
            "        if is_float and may_round(raw): return None",
            "        return record, shape",
        ]

    def _reach(self, level: Outline, name: str) -> Iterator[str]:
        """Lines that find the model in the record, or something as empty."""
        blank = SimpleNamespace(**{level.attribute(it): msgspec.UNSET for it in range(len(level.extras))})
        self._names[f"blank_{name}"] = blank
        yield f"{name} = record"
        for step in _way(self._outline, level):
            yield f"if {name} is not None: {name} = {name}.{step}"
        yield f"if {name} is None: {name} = blank_{name}"


def _way(outline: Outline, level: Outline) -> list[str]:
    """The attributes from one model to the other."""
    if outline is level:
        return []
    for it in outline.fields:
        if it.inner is not None and not it.is_list and any(below is level for below in it.inner.levels()):
            return [it.name, *_way(it.inner, level)]
    raise AssertionError(f"{level.model.__name__} is not in {outline.model.__name__}")


def _shaper(
    levels: list[Outline], shapes: dict[tuple[type, ...], tuple[Shape, bool]]
) -> Callable[[tuple[type, ...]], tuple[Shape, bool]]:
    def shape_of(types: tuple[type, ...]) -> tuple[Shape, bool]:
        rest, shape = list(types), Shape()
        for level in levels:
            theirs, rest = rest[: len(level.extras)], rest[len(level.extras) :]
            there = sorted(
                (name, kind)
                for name, kind in zip(level.extras, theirs, strict=True)
                if kind is not msgspec.UnsetType
            )
            if there and level.where is not None:
                names, kinds = zip(*there, strict=True)
                shape += ((level.where, level.model, names, kinds),)
        shapes[types] = shape, float in types
        return shapes[types]

    return shape_of


def _has_left(outline: Outline) -> bool:
    return any(
        it.kind is not Kind.PLAIN or (it.inner is not None and _has_left(it.inner)) for it in outline.fields
    )


def _decimal(place: str) -> list[str]:
    return [
        f"value = {place}",
        "if type(value) is str:",
        f"    value = {place} = Decimal(value)",
        "    if not value.is_finite(): return None",
        "elif type(value) is int:",
        f"    {place} = Decimal(value)",
        "elif type(value) is float:",
        "    value = repr(value)",
        "    if 'e' in value or may_round(raw): return None",
        f"    {place} = Decimal(value.removesuffix('.0'))",
    ]


def _boolean(place: str) -> list[str]:
    return [
        f"value = {place}",
        "if type(value) is str:",
        f"    {place} = as_sent[value]",
        "elif value is not None and type(value) is not bool: return None",
    ]


def _moment(place: str, it: Outlined) -> list[str]:
    if it.may_be_none:
        return [f"value = {place}", "if value is not None: is_fine |= value.microsecond"]
    return [f"is_fine |= {place}.microsecond"]
