"""What SQLAlchemy's sessions are told of our rows: to fill the audit columns, and to refuse what must not be.

Loads do not go through sessions, so this is for application code: for repositories, and for whoever adds rows
to a session of their own. It checks and stamps; nothing is worked out here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy import inspect as inspected
from sqlalchemy.orm import object_session

from strandline.errors import VersionFixed
from strandline.model.column import NOT_APPLICABLE_KEY
from strandline.model.factory import accepted, given_columns

SOURCE: Final = "source"
"""Under which name a session's `info` tells whose rows an application writes."""


def listen(audited: type[Any]) -> None:
    """Listen to whatever has audit columns."""
    event.listen(audited, "before_insert", _before_insert, propagate=True)
    event.listen(audited, "before_update", _before_update, propagate=True)
    event.listen(audited, "before_delete", _before_delete, propagate=True)


def _before_insert(_mapper: Any, _connection: Any, row: Any) -> None:
    now, session = datetime.now(UTC), object_session(row)
    stamps = {
        "created_at": now,
        "updated_at": now,
        "synced_at": now,
        "source_system": None if session is None else session.info.get(SOURCE),
        "schema_version": type(row).__schema_version__,
        "run_id": 0,
        "audit_key": NOT_APPLICABLE_KEY,
    }
    for name, value in stamps.items():
        if getattr(row, name) is None:
            setattr(row, name, value)
    _check(row)


def _before_update(_mapper: Any, _connection: Any, row: Any) -> None:
    changed = _changed(row)
    if not changed:
        return
    _refuse_version(row, f"{', '.join(sorted(changed))} was changed by itself")
    _check(row)
    row.updated_at, row.run_id, row.audit_key = datetime.now(UTC), 0, NOT_APPLICABLE_KEY


def _before_delete(_mapper: Any, _connection: Any, row: Any) -> None:
    _refuse_version(row, "it is to be deleted by itself")


def _changed(row: Any) -> set[str]:
    state = inspected(row)
    return {it.key for it in state.mapper.column_attrs if state.attrs[it.key].history.has_changes()}


def _refuse_version(row: Any, what: str) -> None:
    if hasattr(type(row), "dimension_name"):
        raise VersionFixed(
            f"{type(row).__name__} {row.source_id!r}, version {row.version}: {what}",
            hint=f"work.repository({type(row).__name__}).upsert(row), or soft_delete(row.source_id).",
        )


def _check(row: Any) -> None:
    """Refuse what its columns would not hold, with all that is wrong."""
    model = type(row)
    accepted(
        model,
        {name: row.__dict__[name] for name in given_columns(model) if row.__dict__.get(name) is not None},
    )
