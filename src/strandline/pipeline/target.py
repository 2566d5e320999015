"""One model that a stream fills, as a run sees it: how records become its rows, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Dialect, Table

from strandline.model.column import Attribute, GroupKey, Outrigger, role
from strandline.model.conversion import Conversion, compile_mapper
from strandline.model.custom import CUSTOM_FIELDS, CustomFields
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.pipeline.definition import Sync
from strandline.secrecy import KNOWN
from strandline.source.personal import is_declared_personal
from strandline.source.stream import Source
from strandline.warehouse import raw, staging
from strandline.warehouse.packed import Packed


def target_of(sync: Sync, *, sources: Sequence[type[Source]], rows: Dialect) -> Target:
    """The target of the sync, as a run begins with it; the sources are all of the pipeline's, and `rows` is
    the dialect that mappers make rows for.
    """
    KNOWN.hide_named(_personal_names(sync))
    conversion = compile_mapper(
        sync.mapper,
        rows,
        keys=sync.stream.source.natural_keys,
        keys_of={source.name: source.natural_keys for source in sources},
    )
    return Target(sync, conversion, _stage(sync, conversion, sync.staging_name), applied=0)


def _personal_names(sync: Sync) -> Iterator[str]:
    """What is called so points at a person: columns, the fields that fill them, and those that are marked."""
    for name, mapped in sync.mapper.mapped.items():
        meaning = role(mapped.column)
        if isinstance(meaning, Attribute) and meaning.pii:
            yield name
            yield from [it.name for it in mapped.steps[-1:]]
    for name, info in sync.stream.contract.model_fields.items():
        if is_declared_personal(info):
            yield name
            yield from [it for it in (info.alias,) if it]


def _stage(sync: Sync, conversion: Conversion, name: str) -> Table:
    return staging.staging_table(
        name,
        conversion.columns,
        has_custom=issubclass(sync.model, CustomFields),
        tie_break=sync.stream.tie_break_type,
    )


@dataclass
class Target:
    """One model that the stream fills: how, through which staging table, and how far it is."""

    sync: Sync
    conversion: Conversion
    staged: Table
    applied: int
    filled_columns: Sequence[str] = ()
    """The columns of the model that have been filled up to there."""
    filled: int = 0
    """How many versions this run has filled in columns that are new."""
    rejected: int = 0
    """How many records were found out to be rejects when these were filled."""
    dropped: tuple[str, ...] = ()
    """The columns that its table has and its model has not."""
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    packed: Packed = field(default_factory=Packed)
    """More of them, as others have packed them."""

    @cached_property
    def is_fact(self) -> bool:
        """Whether its rows are those of a fact."""
        return issubclass(self.sync.model, Fact)

    def stage_apart(self, suffix: str = "replay") -> None:
        """Stage where runs do not, so that what is there stays."""
        name = raw.table_name(f"{self.sync.staging_name}__{suffix}")
        self.staged = _stage(self.sync, self.conversion, name)

    @property
    def fillable(self) -> list[str]:
        """The columns of the model that its records fill."""
        model = self.sync.model
        if not issubclass(model, Dimension):
            return []
        beside = [*model.companions(Outrigger), *model.companions(GroupKey)]
        return [*model.filled(), *(column.name for column in beside)]

    @property
    def sources(self) -> dict[str, str]:
        """Whose natural keys a column holds, where that is another source than the record's."""
        mapped = self.sync.mapper.mapped
        return {name: it.source for name, it in mapped.items() if it.source is not None}

    @property
    def new_columns(self) -> set[str]:
        """The columns that have been declared since the last merge."""
        return set(self.fillable) - set(self.filled_columns) if self.applied else set()

    @cached_property
    def has_custom_fields(self) -> bool:
        """Whether it keeps what the contract does not name."""
        return CUSTOM_FIELDS in self.staged.c

    @cached_property
    def is_plain(self) -> bool:
        """Whether a record gives one row, just as the mapper makes it."""
        settles = self.sync.stream.tie_break is not None
        return not (settles or self.has_custom_fields or self.conversion.has_lines)

    def empty(self) -> tuple[list[tuple[Any, ...]], Packed]:
        """Its rows, and those that are packed, which are then the caller's."""
        full = self.rows, self.packed
        self.rows, self.packed = [], Packed()
        return full

    def keep(self, kept: Set[int] | None) -> None:
        """Keep the rows of these entries, and no others; None: all."""
        if kept is not None:
            self.rows = [row for row in self.rows if row[0] in kept]
            self.packed = self.packed.only(kept)

    def tombstone(
        self,
        raw_id: int,
        source_id: str,
        effective_at: datetime,
        synced_at: datetime,
        *,
        settles: tuple[Any, ...],
    ) -> None:
        """Add the row of a deletion: nothing but who and when, the grain of a fact and what settles a tie.

        Raises RecordRejected where a column cannot hold its moment.
        """
        said = self.conversion.at_deletion(effective_at)
        if self.sync.tombstone_grain is not None:
            said[self.sync.tombstone_grain] = source_id
        values = [said.get(column.name) for column in self.conversion.columns]
        custom = [None] if self.has_custom_fields else []
        self.rows.append((raw_id, source_id, effective_at, synced_at, True, *values, *custom, *settles))
