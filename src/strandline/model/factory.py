"""Rows made by a program: from a dict of values, or from what an API answered.

    DimCustomer.from_dict({"source_id": "C-1", "customer_name": "Alder", "segment": "retail"})
    DimCustomer.from_api_response(response.json(), stream=Crm.customers)

A row that is made so has not been written anywhere. What strandline fills by itself, keys, validity and audit
columns, cannot be given: a web form that is handed on as it came changes no more than it should.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Column
from sqlalchemy import inspect as inspected

from strandline import late
from strandline.errors import ValuesRefused
from strandline.model.column import (
    Attribute,
    Degenerate,
    EventTime,
    Grain,
    Measure,
    Milestone,
    Period,
    Reference,
    role,
)
from strandline.model.custom import Custom
from strandline.model.value import checked

GIVEN: Final = (Attribute, Custom, Degenerate, EventTime, Grain, Measure, Milestone, Period, Reference)
"""What a column of a star means that a program may fill."""

IDENTIFYING: Final = ("source_id", "source_system")

_reception: Final = late.finder("strandline.model", {"receive": "model.reception"})
"""Contracts and mappers, which stand above the models, are loaded when an answer is to be read."""


class Factory:
    """Every model's ways to be made by a program."""

    def __repr__(self) -> str:
        """The row by its key; what else it holds may be about a person."""
        keys = (name for name, column in columns_of(type(self)).items() if column.primary_key)
        told = " ".join(f"{name}={self.__dict__[name]!r}" for name in keys if name in self.__dict__)
        return f"<{type(self).__name__}{f' {told}' if told else ''}>"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """A row with these values, each checked and converted as its column's type has it.

        Raises ValuesRefused with all that is wrong with them: names that the model does not have, with those
        that are nearest; columns that strandline fills; values that do not fit. What is not given stays
        unset.
        """
        row = cls()
        assign(row, accepted(cls, data))
        return row

    def update_from_dict(self, data: Mapping[str, Any]) -> frozenset[str]:
        """Set these values, checked as `from_dict` does, and tell which columns have another one now. Where
        one is refused none is set.
        """
        values = accepted(type(self), data)
        changed = {name for name, value in values.items() if getattr(self, name, None) != value}
        assign(self, {name: values[name] for name in values if name in changed or not has(self, name)})
        return frozenset(changed)

    @classmethod
    def from_api_response(
        cls,
        payload: Any,
        existing: Self | None = None,
        synced_at: datetime | None = None,
        *,
        mapper: type[Any] | None = None,
        stream: Any = None,
    ) -> Self:
        """The row that a load would make of this record: through the contract and the mapper of this model.

        `payload` is the record as the API sent it, bytes, text or what its JSON was decoded to. With
        `existing` that row gets the values, and is what comes back. `synced_at` is when it was read: now
        unless told. `mapper` names the mapper where the model has several. `stream`, as `Crm.customers`,
        tells the natural key, which no mapper knows, and reads the bytes exactly as a run does.

        Raises RecordRejected as a run would note it, DeclarationError where no mapper fits.
        """
        rows = _receive(cls, payload, mapper=mapper, stream=stream, synced_at=synced_at, is_single=True)
        values, keys = rows[0]
        return _filled(cls() if existing is None else existing, values, keys)

    @classmethod
    def list_from_api_response(
        cls,
        payload: Any,
        synced_at: datetime | None = None,
        *,
        mapper: type[Any] | None = None,
        stream: Any = None,
    ) -> list[Self]:
        """The same where a mapper with `each=` makes a row of each of the record's lines."""
        rows = _receive(cls, payload, mapper=mapper, stream=stream, synced_at=synced_at, is_single=False)
        return [_filled(cls(), values, keys) for values, keys in rows]

    @property
    def natural_keys(self) -> Mapping[str, tuple[str | None, str | None]]:
        """Whom the references of a fact name that `from_api_response` has made: by column the source, where
        it is told, and the natural key. The keys themselves are found when the fact is loaded.
        """
        found: Mapping[str, tuple[str | None, str | None]] = self.__dict__.get("_natural_keys", {})
        return found


R = TypeVar("R")

Received = list[tuple[dict[str, Any], dict[str, tuple[str | None, str | None]]]]
"""For each row its values by column, and whom its references name."""


def _receive(model: type[Any], payload: Any, **how: Any) -> Received:
    receive: Any = _reception("receive")
    found: Received = receive(model, payload, **how)
    return found


def _filled(row: R, values: Mapping[str, Any], keys: Mapping[str, tuple[str | None, str | None]]) -> R:
    assign(row, values)
    if keys:
        row.__dict__["_natural_keys"] = dict(keys)
    return row


def assign(row: Any, values: Mapping[str, Any]) -> None:
    """Set these attributes of a row."""
    for name, value in values.items():
        setattr(row, name, value)


def has(row: Any, name: str) -> bool:
    """Whether the attribute of a row has been set or read."""
    return name in row.__dict__


def _columns(model: Any) -> Mapping[str, Column[Any]]:
    found = {it.key: it.columns[0] for it in inspected(model).column_attrs}
    return {name: column for name, column in found.items() if isinstance(column, Column)}


def _given_columns(model: Any) -> Mapping[str, Column[Any]]:
    columns = columns_of(model)
    if any(role(column) is not None for column in columns.values()):
        return {
            name: column
            for name, column in columns.items()
            if isinstance(role(column), GIVEN) or name in IDENTIFYING
        }
    ours = set(getattr(model, "__audit_columns__", ())) - set(IDENTIFYING)
    return {name: column for name, column in columns.items() if name not in ours}


columns_of: Final[Callable[[Any], Mapping[str, Column[Any]]]] = cache(_columns)
"""The columns of a model by the names of its attributes."""

given_columns: Final[Callable[[Any], Mapping[str, Column[Any]]]] = cache(_given_columns)
"""Those of them that a program gives: of a star's tables what is declared, and of others all."""


def accepted(model: type[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The values by column as the database would hand them back, or ValuesRefused with all that is wrong."""
    given, columns = given_columns(model), columns_of(model)
    values: dict[str, Any] = {}
    unknown: dict[str, str | None] = {}
    wrong: dict[str, str] = {}
    for name, value in data.items():
        if name not in columns:
            unknown[name] = next(iter(get_close_matches(name, given, n=1)), None)
        elif name not in given:
            wrong[name] = "strandline fills it itself"
        else:
            try:
                values[name] = checked(given[name], value)
            except ValueError as error:
                wrong[name] = str(error)
    if unknown or wrong:
        raise refusal(model, unknown=unknown, wrong=wrong, known=list(given))
    return values


def refusal(
    model: type[Any],
    *,
    unknown: Mapping[str, str | None] | None = None,
    wrong: Mapping[str, str] | None = None,
    known: Sequence[str] = (),
) -> ValuesRefused:
    """The error that says what is wrong with the values for a row of this model."""
    unknown, wrong = unknown or {}, wrong or {}
    parts = [f"{name}: {why}" for name, why in wrong.items()]
    parts += [f"{name}: there is no such column" for name in unknown]
    near = [f"{right!r} for {name!r}" for name, right in unknown.items() if right]
    hint = f"Did you mean {', '.join(near)}?" if near else None
    if hint is None and unknown:
        hint = f"Its columns are {', '.join(known)}."
    return ValuesRefused(
        f"{model.__name__}: {'; '.join(parts)}", hint=hint, unknown=dict(unknown), wrong=dict(wrong)
    )
