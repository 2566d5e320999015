"""What a contract's fields are, and who uses which: for the rules on mappers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from strandline.model.mapper import Mapped
from strandline.model.path import leaf_of
from strandline.pipeline.definition import Sync


def used_by(sync: Sync) -> Iterator[str]:
    """The fields of the contract that a sync uses: for itself, and in its mapper's paths."""
    stream = sync.stream
    yield from stream.key
    yield from (it for it in (stream.effective_at, stream.tie_break, stream.deleted) if it)
    if stream.cursor:
        yield stream.cursor.field
    if sync.mapper.lines:
        yield _first(sync.mapper.lines.path)
    for it in sync.mapper.mapped.values():
        yield from _of_path(it)
        for combined in it.combined.mapped.values() if it.combined else ():
            yield from _of_path(combined)


def _of_path(it: Mapped) -> Iterator[str]:
    if it.declared is not None and not it.declared.is_line:
        yield _first(it.declared.path)


def _first(path: str) -> str:
    return path.partition(".")[0]


def may_be_naive(contract: type[BaseModel], path: str) -> bool:
    """Whether a path leads to a time of which nothing says that it has a zone."""
    if leaf_of(contract, path) is not datetime:
        return False
    above, _, name = path.rpartition(".")
    owner = leaf_of(contract, above)
    info = owner.model_fields.get(name) if isinstance(owner, type) and issubclass(owner, BaseModel) else None
    return info is not None and not _is_settled(owner, name, info)


def _is_settled(owner: type[BaseModel], name: str, info: FieldInfo) -> bool:
    """Whether something else looks at the value as well: a Zone, or a validator."""
    validators = owner.__pydantic_decorators__.field_validators.values()
    return (
        bool(info.metadata)
        or _is_annotated(info.annotation)
        or any(name in it.info.fields for it in validators)
    )


def _is_annotated(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated or any(_is_annotated(it) for it in get_args(annotation))
