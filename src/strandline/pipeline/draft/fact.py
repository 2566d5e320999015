"""A fact of a stream: its grain, its event time, whom it concerns, what describes it, what is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from strandline.pipeline.draft import code, column, role
from strandline.pipeline.draft.column import Column, Drafted, Leaf
from strandline.pipeline.draft.contract import Contract
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.reference import Pointing
from strandline.pipeline.lint import word
from strandline.source.profile import naming

IDENTIFYING: Final = ("id", "number", "no", "code", "sku", "ean", "isbn", "iban", "uuid")
LONG: Final = 200
"""A text with more letters describes no row that is counted by it."""


class FactDraft:
    """Writes one."""

    def __init__(self, stream: StreamDraft, contract: Contract, pointing: Sequence[Pointing]) -> None:
        self._stream, self._contract, self._pointing = stream, contract, pointing
        self._roles = role.of(stream, contract)
        self._columns: list[Column] = []
        self._unsure: list[str] = []
        self._left: list[str] = []
        self._used = {*stream.key, stream.cursor, *(it.leaf.source for it in pointing)}
        self._needs: dict[str, set[str]] = {"strandline": {"grain"}}

    def draft(self, *, model: str, mapper: str) -> Drafted:
        """The fact."""
        for name in self._stream.key:
            self._grain(name)
        moment = self._event_time()
        for pointing in self._pointing:
            self._reference(pointing, moment)
        self._dates(moment)
        for it in self._rest():
            self._describe(it)
        for it in self._roles.measures:
            if it.source not in self._used:
                self._measure(it)
        doc = f"One row {'an' if self._entity[:1] in 'aeiou' else 'a'} {self._entity.replace('_', ' ')}"
        notes = [f"Left out: {', '.join(self._left)}."] if self._left else []
        return Drafted(
            self._stream,
            self._contract,
            "Fact",
            model,
            mapper,
            doc,
            self._columns,
            self._unsure + self._lines(),
            notes,
            self._needs,
        )

    @property
    def _entity(self) -> str:
        return self._stream.entity

    def _free(self, name: str) -> str:
        return column.free(name, self._entity, {it.name for it in self._columns})

    def _called(self, leaf: Leaf) -> str:
        return column.called(leaf, self._entity, {it.name for it in self._columns})

    def _add(
        self, name: str, function: str, arguments: list[str], *, told: str, type_: str = "", **more: str
    ) -> None:
        self._needs["strandline"].add(function)
        lines = code.call(
            f"{name}: Mapped[{told}] = {function}(", [*filter(None, [type_]), *arguments], indent=1
        )
        self._columns.append(Column(name, lines, told.removesuffix(" | None"), type_, **more))

    def _grain(self, source: str) -> None:
        member = self._contract.member(source)
        leaf = Leaf(source, member.name, member, is_required=True)
        name = f"{self._entity}_id" if naming.is_identifier(source) else member.name
        if word.last(name) not in IDENTIFYING:
            name = f"{name.removesuffix('_key')}_id"
        annotated, type_ = column.annotation(leaf), column.type_of(leaf)
        if leaf.kind == "integer":
            annotated, type_ = "str", "String(20)"  # an identifier is a text, whoever counts it
        if annotated == "str" and not type_:
            type_ = "String(80)"
        self._add(self._free(name), "grain", [], told=annotated, type_=type_, path=leaf.path)

    def _event_time(self) -> Column | None:
        """When it happened, in the column that references look their versions up by."""
        if not self._roles.times:
            self._unsure.append(
                "nothing in it tells when it happened, so its references take the latest versions"
            )
            return None
        chosen, *others = self._roles.times
        rank = role.time_rank(chosen, self._entity)
        alike = [it.source for it in others if role.time_rank(it, self._entity) <= max(rank, 3 * bool(rank))]
        if rank or alike:
            beside = f"; {', '.join(alike[:3])} would do as well" if alike else ""
            self._unsure.append(f"that it happens at {chosen.source} is a guess{beside}")
        self._used.add(chosen.source)
        name = self._called(chosen)
        self._add(name, "event_time", [], told=column.told(chosen), path=chosen.path)
        return self._columns[-1]

    def _reference(self, it: Pointing, moment: Column | None) -> None:
        if it.finding.rank:
            self._unsure.append(f"{it.leaf.source} points at {it.known.name}: {it.finding.why}")
        if it.known.module:
            self._needs.setdefault(it.known.module, set()).add(it.known.name)
        as_of = [f'as_of="{moment.name}"'] if moment else []
        arguments = [it.known.name, *as_of, 'missing="infer"']
        taken = {one.name for one in self._columns}
        names = [f"{it.role}_key", *(f"{it.role}_{number}_key" for number in range(2, 100))]
        name = next(one for one in names if one not in taken)
        self._add(name, "references", arguments, told="int", path=it.leaf.path, source=it.known.source)

    def _dates(self, moment: Column | None) -> None:
        """A key of the date dimension for the event, and one for each date that is left."""
        for it in self._roles.times:
            is_kept = role.time_rank(it, self._entity) not in (1, 4)
            if it.source not in self._used and is_kept:
                self._used.add(it.source)
                self._add(self._called(it), "degenerate", [], told=column.told(it), path=it.path)
                self._date_key(self._columns[-1].name)
        if moment is not None:
            self._date_key(moment.name)

    def _date_key(self, name: str) -> None:
        self._needs["strandline"].add("DimDate")
        base = name.removesuffix("_at").removesuffix("_date").removesuffix("_on")
        key = f"{base}_date_key"
        if key not in {it.name for it in self._columns}:
            self._add(key, "references", ["DimDate", f'on="{name}"'], told="int")

    def _rest(self) -> Iterator[Leaf]:
        """What describes a row: no measure, no time, and nothing of whom it refers to."""
        within = {it.leaf.source.rpartition(".")[0] for it in self._pointing} - {""} - column.WRAPPERS
        measured = {it.source for it in self._roles.measures}
        for it in column.leaves(self._contract):
            is_of_other = it.source.rpartition(".")[0] in within
            if it.source in self._used | measured or column.is_link(it) or is_of_other:
                continue
            if it.kind in column.TIMES:
                self._left.append(it.source)
                continue
            yield it

    def _describe(self, leaf: Leaf) -> None:
        longest = leaf.member.field.shape.longest
        is_text = column.annotation(leaf) == "str"
        words = set(naming.words(leaf.member.source))
        if is_text and ((longest or 0) > LONG or words & {"description", "note", "notes", "comment", "body"}):
            self._left.append(f"{leaf.source} (a text of any length)")
            return
        if is_text and (column.is_personal(leaf) or word.holds(leaf.member.name, word.PERSONAL)):
            self._left.append(f"{leaf.source} (personal: it belongs on a dimension)")
            return
        if role.other_of(leaf):
            other = role.other_of(leaf)
            self._unsure.append(
                f"{leaf.source} is called as the identifier of a {other}, and no dimension of these is known;"
                f" --reference {leaf.source}=DIMENSION makes a key of it"
            )
        type_ = column.type_of(leaf) or ("String(200)" if is_text else "")
        self._value(leaf, "degenerate", [], type_)

    def _value(self, leaf: Leaf, function: str, arguments: list[str], type_: str) -> None:
        """A column with what the field says."""
        told, using = column.told(leaf), column.using(leaf)
        self._add(
            self._called(leaf), function, arguments, told=told, type_=type_, path=leaf.path, using=using
        )

    def _measure(self, leaf: Leaf) -> None:
        additive = role.additivity(leaf, has_quantity=self._roles.has_quantity)
        if not role.is_known_measure(leaf):
            self._unsure.append(f"that {leaf.source} may be summed is a guess")
        if column.type_of(leaf) == "Money" and column.using(leaf):
            cents = "where these are cents, let the mapper divide"
            self._unsure.append(f"{leaf.source} comes in whole numbers: {cents}")
        arguments = [f"additive={additive}"]
        weighed = "Weigh it by the quantity" if self._roles.has_quantity else "Average it, and do not sum it"
        if additive == "False":
            arguments.append(f'comment="{weighed}"')
        elif not leaf.is_required:
            arguments.append('comment="Empty where the source sends none"')
        self._value(leaf, "measure", arguments, column.type_of(leaf))

    def _lines(self) -> list[str]:
        """What is said where a record has lines."""
        shapes = {it.source: it.field.shape.items for it in self._contract.members}
        lists = [name for name, it in shapes.items() if it is not None and it.kind == "object"]
        return [
            f'it has {it}: where these are asked for, one row is one of them, by a mapper with each="{it}"'
            for it in lists
        ]
