"""The dimensions that the user's pipelines fill already, so that a drafted fact can refer to them."""

from __future__ import annotations

from typing import Final

from strandline.cli import commands
from strandline.cli.option import importing
from strandline.errors import DeclarationError
from strandline.model.base import snake_case
from strandline.model.dimension import Dimension
from strandline.pipeline.draft.code import LOCAL
from strandline.pipeline.draft.reference import Known

BEGINNINGS: Final = ("dim_", "dimension_")


def of_app(app: str) -> list[Known]:
    """The dimensions of these modules, each with a source that fills it."""
    settings = commands.read_settings(None, app)
    with importing(settings.app):
        pipelines = commands.find(settings)
    found: dict[str, Known] = {}
    for sync in (it for pipeline in pipelines for it in pipeline.syncs):
        model = sync.model
        if issubclass(model, Dimension) and model.__name__ not in found:
            _refuse_same_name(model)
            entity = _entity(snake_case(model.__name__))
            found[model.__name__] = Known(
                model.__name__, entity, model.__module__, source=sync.stream.source.name
            )
    return list(found.values())


def _entity(name: str) -> str:
    return next((name.removeprefix(it) for it in BEGINNINGS if name.startswith(it)), name)


def _refuse_same_name(model: type[Dimension]) -> None:
    if model.__module__ in LOCAL:
        raise DeclarationError(
            f"{model.__name__} is in the module {model.__module__}, as what is written now would be",
            hint="Generate both at once, with --from for each sample, or give that module a name of its own.",
        )
