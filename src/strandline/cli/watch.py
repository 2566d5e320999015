"""Pipelines of whose failures the address in the settings is told, also of those before a run begins."""

from __future__ import annotations

from typing import Any

from strandline.cli import commands
from strandline.cli.option import importing
from strandline.errors import StrandlineError
from strandline.settings import Settings


def choose(name: str, settings: Settings) -> Any:
    """The pipeline of that name, watched. A module that cannot be imported is told as well."""
    hook = _hook(settings)
    try:
        with importing(settings.app):
            pipeline = commands.choose(name, settings)
    except StrandlineError as error:
        if hook is not None:
            from strandline.pipeline.notice import of_error

            hook(of_error(name, error))
        raise
    commands.warn_of_strangers([pipeline])
    _watch([pipeline], hook, settings)
    return pipeline


def find(settings: Settings) -> list[Any]:
    """All pipelines, watched."""
    hook = _hook(settings)
    with importing(settings.app):
        pipelines = commands.find(settings)
    _watch(pipelines, hook, settings)
    return pipelines


def _hook(settings: Settings) -> Any:
    told = settings.notify
    if told.webhook is None:
        return None
    from strandline.pipeline.webhook import Webhook

    return Webhook(told.webhook, secret=told.secret, timeout=told.timeout, environment=settings.environment)


def _watch(pipelines: list[Any], hook: Any, settings: Settings) -> None:
    for pipeline in pipelines if hook is not None else ():
        pipeline.on_failure(hook, partial=settings.notify.partial)
