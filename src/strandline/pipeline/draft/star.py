"""The module `model`: a dimension or a fact, and a mapper, for each stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from strandline.errors import DeclarationError
from strandline.model.path import nearest
from strandline.pipeline.draft import code, column, dimension, kind, reference
from strandline.pipeline.draft.code import Names
from strandline.pipeline.draft.column import Drafted
from strandline.pipeline.draft.contract import CLASSES
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.fact import FactDraft
from strandline.pipeline.draft.reference import Known
from strandline.pipeline.draft.source_code import SourceModule
from strandline.source.offer import class_name
from strandline.source.profile.finding import Finding


@dataclass(frozen=True)
class Choice:
    """What the user decided."""

    facts: Sequence[str] = ()
    """Streams that tell of what happened."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Dimensions, by the fields that point at them."""
    known: Sequence[Known] = ()
    """Dimensions that are there already."""


NOTHING: Final = Choice()


class Stars:
    """The models of a source's streams."""

    def __init__(self, module: SourceModule, choice: Choice = NOTHING) -> None:
        self._module, self._choice = module, choice
        self._streams = {it.name: it for it in module.draft.streams}
        for name in choice.facts:
            if name not in self._streams:
                raise DeclarationError(
                    f"--fact {name}: there is no stream of that name", hint=nearest(name, set(self._streams))
                )
        self._names = self._named()
        self._known = self._all_known()
        facts = {name: module.contracts[name] for name in choice.facts}
        reference.check(choice.references, facts, self._known)
        self.kinds = {name: self._kind(it) for name, it in self._streams.items()}
        """Why a stream may be a fact."""

    def made(self) -> list[Drafted]:
        """A model and a mapper for each stream."""
        return [self._drafted(it) for it in self._streams.values()]

    def _named(self) -> dict[str, tuple[str, str]]:
        """What the model and the mapper of each stream are called."""
        taken = {it.name for it in self._module.contracts.values()} | CLASSES | {self._module.class_name}
        found = {}
        for it in self._streams.values():
            prefix = "Fact" if it.name in self._choice.facts else "Dim"
            entity = class_name(it.entity)
            mapper = f"{self._module.class_name}{entity}"
            names = (f"{prefix}{entity}", mapper)
            found[it.name] = tuple(f"{one}Mapper" if one in taken else one for one in names)
        return {name: (made[0], made[1]) for name, made in found.items()}

    def _all_known(self) -> list[Known]:
        own = [
            Known(self._names[it.name][0], it.entity, key=it.key[0], keys=reference.keys_of(it))
            for it in self._streams.values()
            if it.name not in self._choice.facts
        ]
        names = {it.name for it in own}
        return [*own, *(it for it in self._choice.known if it.name not in names)]

    def _pointing(self, stream: StreamDraft) -> list[reference.Pointing]:
        asked = self._choice.references if stream.name in self._choice.facts else {}
        return reference.pointing(stream, self._module.contracts[stream.name], self._known, asked)

    def _kind(self, stream: StreamDraft) -> Finding | None:
        return kind.fact(stream, self._module.contracts[stream.name], self._pointing(stream))

    def _drafted(self, stream: StreamDraft) -> Drafted:
        contract, (model, mapper) = self._module.contracts[stream.name], self._names[stream.name]
        if stream.name in self._choice.facts:
            return FactDraft(stream, contract, self._pointing(stream)).draft(model=model, mapper=mapper)
        why = self.kinds[stream.name]
        return dimension.draft(stream, contract, model=model, mapper=mapper, kind=why)


def text(module: SourceModule, made: Sequence[Drafted]) -> str:
    """The module."""
    names = Names()
    names.add("sqlalchemy.orm", "Mapped")
    names.add("strandline", "Mapper", "field")
    names.add("source", *(it.contract.name for it in made))
    for it in made:
        names.add("strandline", it.base)
        for where, needed in it.needs.items():
            names.add(where, *needed)
        for one in it.columns:
            column.need(one.annotation, one.type, names)
    ordered = sorted(made, key=lambda it: it.base == "Fact")  # what they refer to stands before them
    parts = [list(_model(it)) for it in ordered] + [list(_mapper(it, module)) for it in ordered]
    body = "\n\n\n".join("\n".join(it) for it in parts)
    doc = '"""The database schema layer: the star, and how records become its rows."""'
    return "\n".join([doc, "", *names.lines(), "", "", body]) + "\n"


def _model(it: Drafted) -> Iterator[str]:
    yield f"class {it.model}({it.base}):"
    yield code.docstring(it.doc, indent=1)
    yield ""
    for told in it.unsure:
        yield from code.unsure(told, indent=1)
    for one in it.columns:
        yield from one.lines
    if it.notes:
        yield ""
    for told in it.notes:
        yield from code.comment(told, indent=1)


def _mapper(it: Drafted, module: SourceModule) -> Iterator[str]:
    yield from code.call(f"class {it.mapper}(", [f"Mapper[{it.contract.name}, {it.model}]"], end="):")
    yield code.docstring(f"The {it.stream.name.replace('_', ' ')} of {module.draft.name}", indent=1)
    yield ""
    for one in it.columns:
        if one.path:
            other = f', source="{one.source}"' if one.source else ""
            using = f", using={one.using}" if one.using else ""
            yield from code.call(f"{one.name} = field(", [f'"{one.path}"{using}{other}'], indent=1)
