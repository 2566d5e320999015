"""What application code has told its repositories to write: collected, checked, and written together.

A value that does not fit, and a row of somebody else, are refused at once; what only the rows that are there
can tell, when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Boolean

from strandline.errors import DeclarationError, ForeignRow, ValuesRefused
from strandline.model.aggregate import Aggregate
from strandline.model.audit import DimAudit
from strandline.model.base import Base
from strandline.model.bridge import Bridge
from strandline.model.combination import Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.factory import accepted, columns_of, given_columns, refusal
from strandline.model.hierarchy import Hierarchy
from strandline.model.mini import History
from strandline.model.prepared import Prepared
from strandline.natural_key import encode
from strandline.warehouse.repository.change import Change, Kind, ascending, complete
from strandline.warehouse.repository.protocol import Store
from strandline.warehouse.repository.settling import Told, key_names, settle

MADE: Final = (Aggregate, Bridge, Combination, DimAudit, Hierarchy, History, Prepared)
"""Models whose rows strandline makes of others."""

A_MOMENT: Final = "datetime(2026, 3, 1, tzinfo=UTC), say."
IS_DELETED: Final = "is_deleted"


@dataclass
class Writer:
    """Takes what is to be written, and writes it when it is asked to."""

    store: Store
    source: str | None
    now: Callable[[], datetime]
    _members: dict[type[Dimension], list[Change]] = field(default_factory=dict)
    _rows: dict[type[Base], list[Told]] = field(default_factory=dict)

    def take(
        self, model: type[Any], kind: Kind, rows: Iterable[Any], *, effective_at: datetime | None = None
    ) -> None:
        """Take rows to be added or upserted. Raises ValuesRefused, ForeignRow or DeclarationError."""
        _refuse_made(model)
        at = aware(effective_at, "effective_at")
        for row in rows:
            if not isinstance(row, model):
                raise DeclarationError(
                    f"{model.__name__}: {type(row).__name__} is another model",
                    hint=f"work.repository({type(row).__name__})",
                )
            values = self._own(model, _set_of(model, row))
            if issubclass(model, Dimension):
                self._take_member(model, kind, row, values, at)
            else:
                self._rows.setdefault(model, []).append(Told(kind, values))

    def delete(self, model: type[Any], key: Any, *, effective_at: datetime | None = None) -> None:
        """Take the key of what is to be deleted: of a member its natural key, else a primary key."""
        _refuse_made(model)
        at = aware(effective_at, "effective_at")
        if issubclass(model, Dimension):
            self._own(model, {})
            change = Change("delete", natural_key(model, key), self._moment(), at)
            self._members.setdefault(model, []).append(change)
            return
        column = columns_of(model).get(IS_DELETED)
        if column is None or not isinstance(column.type, Boolean):
            raise DeclarationError(
                f"{model.__name__}: its rows cannot be marked as deleted",
                hint=f"Give it a column {IS_DELETED}: Mapped[bool]. A fact is corrected by another one.",
            )
        parts = key if isinstance(key, tuple) else (key,)
        values = dict(zip(key_names(model), parts, strict=True))
        self._rows.setdefault(model, []).append(Told("delete", {**values, IS_DELETED: True}))

    def forget(self) -> None:
        """Write nothing of it."""
        self._members.clear()
        self._rows.clear()

    def flush(self) -> None:
        """Write all of it or, where one thing is refused, nothing; forget it, written or not."""
        members, rows = dict(self._members), dict(self._rows)
        self.forget()
        if not members and not rows:
            return
        with self.store.whole():
            self.store.hold([*members, *rows], source=self.source)
            for dimension, changes in members.items():
                self._write_members(dimension, changes)
            for model, told in rows.items():
                settled = settle(self.store, model, told)
                if settled.new or settled.changed:
                    self.store.write(model, [*settled.new.values()], [*settled.changed.values()])

    def _write_members(self, dimension: type[Dimension], changes: list[Change]) -> None:
        assert self.source is not None
        latest = self.store.latest(dimension, self.source, {it.source_id for it in changes})
        for staged in ascending(complete(dimension, latest, changes)):
            self.store.merge(dimension, self.source, staged)

    def _take_member(
        self, model: type[Dimension], kind: Kind, row: Any, values: dict[str, Any], at: datetime | None
    ) -> None:
        source_id = natural_key(model, values.pop("source_id", None))
        del values["source_system"]
        # Of a row that was read it is when that was written.
        synced_at = None if "updated_at" in row.__dict__ else row.__dict__.get("synced_at")
        change = Change(kind, source_id, self._moment(), at, synced_at, values)
        self._members.setdefault(model, []).append(change)

    def _own(self, model: type[Base], values: dict[str, Any]) -> dict[str, Any]:
        """The values, of a row that is this application's to write."""
        if "source_system" not in columns_of(model):
            return values
        if self.source is None:
            raise DeclarationError(
                f"{model.__name__}: nobody said whose rows this application writes",
                hint='UnitOfWork(…, source="backoffice"), a name that no source of a pipeline has.',
            )
        whose = values.get("source_system") or self.source
        if whose != self.source:
            raise ForeignRow(
                f"{model.__name__} {values.get('source_id')!r} is of {whose}, and this application writes"
                f" what is of {self.source}",
                hint=f"Change it in {whose}, or keep what you know of it in a table of your own.",
            )
        return {**values, "source_system": whose}

    def _moment(self) -> datetime:
        now = aware(self.now(), "now()")
        assert now is not None
        return now


def aware(moment: Any, name: str) -> datetime | None:
    """A moment that was told, in UTC."""
    if moment is not None and not isinstance(moment, datetime):
        raise DeclarationError(f"{name}={moment!r} is no datetime", hint=A_MOMENT)
    if moment is not None and moment.tzinfo is None:
        raise DeclarationError(
            f"{name}={moment.isoformat()} has no time zone, so nobody knows which moment is meant",
            hint=A_MOMENT,
        )
    return None if moment is None else moment.astimezone(UTC)


def _refuse_made(model: type[Any]) -> None:
    """Refuse to write what is made of something else."""
    if issubclass(model, MADE):
        raise DeclarationError(
            f"{model.__name__}: its rows are made of others", hint="Write those that they are made of."
        )
    if issubclass(model, Fact) and (
        model.only_here or model.restates_history or any(it.gives for it in model.references().values())
    ):
        raise DeclarationError(
            f"{model.__name__}: its rows are made of all records of a thing, which an application has not",
            hint="Let a pipeline load it, or declare a Fact of events.",
        )


def _set_of(model: type[Base], row: Any) -> dict[str, Any]:
    """What is set of a row that a program may set, checked."""
    if row.natural_keys:
        wrong = {name: f"it names {key!r} of {source}" for name, (source, key) in row.natural_keys.items()}
        raise ValuesRefused(
            f"{model.__name__}: {'; '.join(f'{name}: {why}' for name, why in wrong.items())}",
            hint="Set the keys: work.repository(<dimension>).current(<natural key>, source=…).key.",
            wrong=wrong,
        )
    return accepted(
        model, {name: row.__dict__[name] for name in given_columns(model) if name in row.__dict__}
    )


def natural_key(model: type[Base], value: Any) -> str:
    """The natural key as the warehouse has it, a number as its text."""
    try:
        source_id = encode(value)
    except ValueError as error:
        raise refusal(model, wrong={"source_id": str(error)}) from error
    if source_id is None:
        raise refusal(model, wrong={"source_id": "it must be filled"})
    return source_id
