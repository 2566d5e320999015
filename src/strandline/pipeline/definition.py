"""A pipeline: which streams go through which mappers into which models, checked when it is put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import String, Table

from strandline.errors import DeclarationError
from strandline.model.aggregate import Aggregate, aggregates_of
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.expectation import Expectation
from strandline.model.fact import Fact
from strandline.model.hierarchy import Hierarchy, hierarchies_of
from strandline.model.mapper import Mapper
from strandline.model.mini import History, MiniDimension, outriggers_of
from strandline.model.prepared import Prepared
from strandline.model.shrunken import shrunken_of
from strandline.pipeline import deletion, descent, expectation
from strandline.pipeline.dbt import Followed
from strandline.pipeline.deletion import Deletes
from strandline.pipeline.expectation import Expected, Severity
from strandline.pipeline.notice import Watched
from strandline.pipeline.threshold import Rejects
from strandline.source.stream import Source, Stream
from strandline.warehouse import raw, sweep


@dataclass(frozen=True)
class Sync:
    """One stream through one mapper into its model."""

    stream: Stream
    mapper: type[Mapper[Any, Any]]

    @property
    def model(self) -> type[Dimension] | type[Fact]:
        """The dimension or fact that it fills."""
        model = self.mapper.model
        if issubclass(model, MiniDimension):
            return model.history
        assert issubclass(model, Dimension | Fact)
        return model

    @property
    def target(self) -> str:
        """The model's name, as the ledger and the marks call it."""
        return self.model.__name__

    @property
    def staging_name(self) -> str:
        """What its staging table is called."""
        return raw.table_name(f"{self.stream.qualified_name}__{self.model.table().name}")

    @property
    def tombstone_grain(self) -> str | None:
        """The column of a fact by which a deleted record is found again."""
        return self.model.grain()[0].name if issubclass(self.model, Fact) else None

    @property
    def begins_with_key(self) -> bool:
        """Whether the first column of a fact's grain is the record's natural key, as it is."""
        if not issubclass(self.model, Fact):
            return False
        first = self.mapper.mapped[self.model.grain()[0].name]
        declared = first.declared
        if declared is None or declared.is_line or not isinstance(first.column.type, String):
            return False
        return (declared.path,) == self.stream.key and declared.using is None

    @property
    def grain_is_key(self) -> bool:
        """Whether no two records can be at one grain of a fact, for it is their natural key; where a record
        has a row for each of its lines it begins with it.
        """
        if not issubclass(self.model, Fact) or not self.stream.source.natural_keys.are_exact:
            return False
        return self.begins_with_key and (self.has_lines or len(self.model.grain()) == 1)

    @property
    def has_lines(self) -> bool:
        """Whether a record gives a row for each of its lines."""
        return self.mapper.lines is not None


@dataclass(frozen=True)
class Reading:
    """One stream of a run, with everything that it fills."""

    stream: Stream
    syncs: tuple[Sync, ...]
    rejects: Rejects
    deletes: tuple[Deletes, ...] = ()
    """How it is found out who is gone, where the records do not say it."""

    @cached_property
    def raw(self) -> Table:
        """Its raw log."""
        return raw.raw_table(
            self.stream.qualified_name,
            cursor=self.stream.cursor_type,
            tie_break=self.stream.tie_break_type,
        )

    @property
    def sweep(self) -> Deletes | None:
        """How it is looked for who is not there any more, if it is."""
        return next((it for it in self.deletes if it.means != deletion.TOMBSTONES), None)

    @property
    def tombstones(self) -> list[Stream]:
        """The streams that tell who is gone."""
        return [it.stream for it in self.deletes if it.means == deletion.TOMBSTONES and it.stream is not None]

    @property
    def streams(self) -> list[Stream]:
        """The stream, and those that have marks of their own for it."""
        return [self.stream, *self.tombstones]

    @property
    def seen(self) -> Table:
        """Where a run notes which keys are there, if it is to find out which are not."""
        return sweep.seen_table(self.stream.qualified_name)

    @property
    def why_kept(self) -> str | None:
        """Why nothing of its raw log can be pruned; None: it can."""
        made = [it.target for it in self.syncs if issubclass(it.model, Fact) and it.model.restates_history]
        return f"a row of {', '.join(made)} is made of all records of its key" if made else None


@dataclass
class Pipeline(Watched, Followed):
    """What belongs together in one run.

    sales = Pipeline("sales")
    sales.sync(Crm.customers, CrmCustomer)
    sales.sync(Shop.orders, ShopOrder)
    """

    name: str
    width: int = field(default=1, kw_only=True)
    """How many streams a run reads side by side."""
    syncs: list[Sync] = field(default_factory=list, init=False)
    expectations: list[Expected] = field(default_factory=list, init=False)
    _rejects: dict[str, Rejects] = field(default_factory=dict, init=False)
    _deletes: dict[str, tuple[Deletes, ...]] = field(default_factory=dict, init=False)

    def sync(
        self,
        stream: Stream,
        mapper: type[Mapper[Any, Any]],
        /,
        *,
        rejects: Rejects | None = None,
        deletes: Deletes | Sequence[Deletes] | None = None,
    ) -> Sync:
        """Bring the stream's records through the mapper into its model, whenever the pipeline runs.

        `rejects` says how many records may fail before the stream fails, `deletes` how it is found out which
        are gone, where they do not say it themselves; both are the stream's, whatever it fills. Raises
        DeclarationError when stream and mapper do not fit together.
        """
        added = Sync(stream, mapper)
        where = f'Pipeline("{self.name}").sync({stream!r}, {mapper.__name__})'
        _check(added, self.syncs, where=where)
        self._note_deletes(added, deletes, where=where)
        if issubclass(added.model, Fact) and not added.grain_is_key:
            added.model.index_records()
        self.syncs.append(added)
        if rejects is not None:
            self._rejects[stream.qualified_name] = rejects
        return added

    def _note_deletes(self, added: Sync, deletes: Deletes | Sequence[Deletes] | None, *, where: str) -> None:
        name = added.stream.qualified_name
        wanted = deletion.together(self._deletes.get(name, ()), deletes, where=where)
        for way in wanted:
            deletion.check(way, added.stream, where=where)
        if wanted or added.stream.deleted is not None:
            for it in (added, *self.syncs):
                if it.stream.qualified_name == name:
                    _check_findable(it, where=where)
        found = {**self._deletes, name: wanted}
        deletion.check_apart(found, [name, *(it.stream.qualified_name for it in self.syncs)], where=where)
        self._deletes = found

    def expect(
        self, model: type[Dimension] | type[Fact], /, *expectations: Expectation, severity: Severity = "fail"
    ) -> None:
        """Expect something of the rows of a model that a sync above fills; each merge into it is looked at.

        With severity "fail" a merge that breaks it is rolled back and its stream fails; with "warn" the run
        tells of it, and is partial. Raises DeclarationError when the model has not what is expected.
        """
        self.expectations += expectation.declare(
            model,
            expectations,
            severity=severity,
            filled=[(sync.model, sync.stream.source) for sync in self.syncs],
            others=self.expectations,
            where=f'Pipeline("{self.name}").expect({getattr(model, "__name__", model)}, …)',
        )

    @property
    def readings(self) -> list[Reading]:
        """The streams, each once, in the order in which they are read: those of dimensions first, children
        behind their parents. Raises DeclarationError where those are read by nobody.
        """
        by_stream: dict[str, list[Sync]] = {}
        for sync in self.ordered:
            by_stream.setdefault(sync.stream.qualified_name, []).append(sync)
        found = [
            Reading(
                syncs[0].stream, tuple(syncs), self._rejects.get(name, Rejects()), self._deletes.get(name, ())
            )
            for name, syncs in by_stream.items()
        ]
        return sorted(found, key=lambda it: descent.depth(it.stream, by_stream, where=self.name))

    @property
    def ordered(self) -> list[Sync]:
        """The syncs in the order in which they are merged: dimensions before the facts that refer to them."""
        return sorted(self.syncs, key=lambda sync: issubclass(sync.model, Fact))

    @property
    def models(
        self,
    ) -> list[
        type[Dimension]
        | type[Fact]
        | type[Prepared]
        | type[Combination]
        | type[Hierarchy]
        | type[Bridge]
        | type[Aggregate]
    ]:
        """Every model that a run touches: what is filled, what facts refer to, and what belongs to that."""
        found: dict[Any, None] = {}
        for sync in self.ordered:
            if issubclass(sync.model, Fact):
                references = {**sync.model.references(), **sync.model.date_references()}
                found |= {reference.dimension: None for reference in references.values()}
                found |= dict.fromkeys(sync.model.combinations().values())
                found |= dict.fromkeys(_of_bridges(sync.model.bridges().values()))
            found[sync.model] = None
        for model in list(found):
            found |= dict.fromkeys(_minis(model))
        for model in list(found):
            found |= dict.fromkeys(_outriggers(model))
        for model in list(found):
            found |= dict.fromkeys(hierarchies_of(model))
            found |= dict.fromkeys(shrunken_of(model))
        for it in self.aggregates:
            found |= dict.fromkeys([*it.reads(), it])
        return sorted(found, key=lambda model: issubclass(model, Fact))

    @property
    def aggregates(self) -> list[type[Aggregate]]:
        """The aggregates of the facts that it fills."""
        return aggregates_of({sync.model for sync in self.syncs if issubclass(sync.model, Fact)})

    @property
    def sources(self) -> list[type[Source]]:
        """The sources that it reads."""
        return list(dict.fromkeys(sync.stream.source for sync in self.ordered))


def _outriggers(model: type[Any]) -> list[type[Any]]:
    """The dimensions whose members it names, by bridges too, and so on: an outrigger may have outriggers."""
    if not issubclass(model, Dimension):
        return []
    named = [*model.outriggers(), *_of_bridges(model.bridges())]
    return [*named, *(it for outrigger in named for it in _outriggers(outrigger))]


def _minis(model: type[Any]) -> list[type[Any]]:
    """What belongs to a mini-dimension whose history or base this is."""
    minis = [*outriggers_of(model), *([model.mini] if issubclass(model, History) else [])]
    bases = [it.base for it in minis if it.is_outrigger]
    return [*minis, *(it.history for it in minis), *bases]


def _of_bridges(bridges: Iterable[type[Bridge]]) -> list[type[Any]]:
    """The bridges, and the dimensions that their members belong to."""
    return [it for bridge in bridges for it in (bridge, bridge.dimension)]


def _check(added: Sync, others: Iterable[Sync], *, where: str) -> None:
    if not isinstance(added.stream, Stream):
        raise DeclarationError(f"{where}: not a stream", hint="Give it as <Source>.<stream>.")
    if issubclass(added.mapper.model, Combination) and not issubclass(added.mapper.model, MiniDimension):
        raise DeclarationError(
            f"{where}: {added.mapper.model.__name__} is filled by the facts that refer to it, or by its base",
            hint=f"In the fact's mapper: <column> = combination({added.mapper.__name__}).",
        )
    if not issubclass(added.stream.contract, added.mapper.contract):
        raise DeclarationError(
            f"{where}: the stream sends {added.stream.contract.__name__}, the mapper takes"
            f" {added.mapper.contract.__name__}",
            hint=f"Write a Mapper[{added.stream.contract.__name__}, {added.target}].",
        )
    for other in others:
        _check_table_names(added.stream, other.stream, where=where)
        same_name = other.stream.source is not added.stream.source
        if same_name and other.stream.source_name == added.stream.source_name:
            raise DeclarationError(
                f"{where}: two sources are called {added.stream.source_name!r}",
                hint='Set name = "…" on one of them.',
            )
        if other.model is added.model and other.stream.source is added.stream.source:
            raise DeclarationError(
                f"{where}: {added.target} is filled from {other.stream.qualified_name} already, and the"
                f" natural keys of {added.stream.source_name} would mix",
                hint="Fill a model from one stream of each source.",
            )
    _check_lines(added, where=where)
    _check_history(added, where=where)
    _check_keep(added, where=where)


def _check_table_names(added: Stream, other: Stream, *, where: str) -> None:
    names = added.qualified_name, other.qualified_name
    taken = [{raw.table_name(name), raw.table_name(f"{name}_json")} for name in names]  # with its view
    if names[0] != names[1] and (shared := taken[0] & taken[1]):
        raise DeclarationError(
            f"{where}: {names[0]} and {names[1]} would share the raw log {min(shared)}",
            hint='Set another name = "…" on one of the sources.',
        )


def _check_lines(added: Sync, *, where: str) -> None:
    """A record that comes again replaces its lines, so they must be found by it."""
    if not added.has_lines or not issubclass(added.model, Fact):
        return
    first = added.model.grain()[0].name
    if not added.begins_with_key:
        raise DeclarationError(
            f"{where}: the lines of a record could not be found again in {added.target}, whose grain begins"
            f" with {first}",
            hint=f"Let it begin with a text column that is mapped from {added.stream.key[0]!r}, the key.",
        )
    if not added.stream.source.natural_keys.are_exact:
        raise DeclarationError(
            f"{where}: {added.stream.source_name} spells its keys in several ways, and {added.target}.{first}"
            " would be as the record spells it",
            hint="Let the source's NaturalKeys be exact, or map the lines from a stream of their own.",
        )


def _check_findable(added: Sync, *, where: str) -> None:
    """A deleted record says only its key, so a fact must be found by it."""
    if not issubclass(added.model, Fact):
        return
    if not added.begins_with_key or (len(added.model.grain()) > 1 and not added.has_lines):
        raise DeclarationError(
            f"{where}: the stream has deletions, and a deleted record could not be found in {added.target}",
            hint=f"Make the grain one text column that is mapped from {added.stream.key[0]!r}.",
        )


def _check_history(added: Sync, *, where: str) -> None:
    """A row that is made of several records of its key must be found by it."""
    if issubclass(added.model, Fact) and added.model.restates_history and not added.grain_is_key:
        raise DeclarationError(
            f"{where}: a row of {added.target} is made of several records of one key, and its grain is"
            " something else",
            hint=f"Make the grain one text column that is mapped from {added.stream.key[0]!r}, and let the"
            " source spell its keys exactly.",
        )


def _check_keep(added: Sync, *, where: str) -> None:
    """What a row is made of cannot be pruned."""
    if added.stream.keep is not None and issubclass(added.model, Fact) and added.model.restates_history:
        raise DeclarationError(
            f"{where}: the stream keeps its records for {added.stream.keep.days} days, and a row of"
            f" {added.target} is made of all records of its key",
            hint="Leave keep= out of @stream(…).",
        )
