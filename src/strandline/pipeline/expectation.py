"""What a pipeline expects of the models that it fills, checked when it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct

from strandline.errors import DeclarationError
from strandline.model.expectation import Expectation, Model
from strandline.model.mapper import Mapper
from strandline.pipeline.reconciliation import Reconciled
from strandline.source.stream import Source

Severity = Literal["fail", "warn"]

Filled = Sequence[tuple[Model, type[Source]]]
"""The models that a pipeline fills, each with the source that it is filled from."""


class Expected(Struct, frozen=True):
    """An expectation of a model, and what follows when it is broken."""

    model: Model
    expectation: Expectation
    severity: Severity

    @property
    def name(self) -> str:
        """What it is called among those of its model."""
        return self.expectation.name

    def concerns(self, model: Model, source: type[Source]) -> bool:
        """Whether it is looked at when this source has filled this model."""
        if self.model is not model:
            return False
        return not isinstance(self.expectation, Reconciled) or self.expectation.said.source is source


def declare(
    model: Any,
    expectations: Sequence[Expectation],
    *,
    severity: Severity,
    filled: Filled,
    others: Iterable[Expected],
    where: str,
) -> list[Expected]:
    """These expectations of the model. Raises DeclarationError for what cannot be expected of it."""
    if isinstance(model, type) and issubclass(model, Mapper):
        raise DeclarationError(f"{where}: it is a mapper", hint=f"Name its model: {model.model.__name__}.")
    sources = [source for it, source in filled if it is model]
    if not sources:
        names = ", ".join(dict.fromkeys(it.__name__ for it, _ in filled)) or "none yet"
        raise DeclarationError(
            f"{where}: the pipeline does not fill it",
            hint=f"Name a model that a sync(…) above fills: {names}.",
        )
    if severity not in get_args(Severity):
        raise DeclarationError(
            f"{where}: severity={severity!r} is none", hint='Give severity="fail" or severity="warn".'
        )
    if not expectations:
        raise DeclarationError(f"{where}: nothing is expected", hint='Give unique("<column>"), say.')
    known = {it.name for it in others if it.model is model}
    added: list[Expected] = []
    for it in expectations:
        _check(model, it, sources, where=where)
        if it.name in known:
            raise DeclarationError(
                f"{where}: {it.name} is expected already", hint="Expect it once, with one severity."
            )
        known.add(it.name)
        added.append(Expected(model, it, severity))
    return added


def _check(model: Model, it: Expectation, sources: Sequence[type[Source]], *, where: str) -> None:
    if not isinstance(it, Expectation):
        raise DeclarationError(f"{where}: {it!r} is no expectation", hint='Give unique("<column>"), say.')
    it.check(model, where=f"{where}: {it.kind}(…)")
    if isinstance(it, Reconciled) and it.said.source not in sources:
        raise DeclarationError(
            f"{where}: {it.name} asks a source that does not fill it",
            hint=f"Ask {', '.join(source.__name__ for source in sources)}.",
        )
