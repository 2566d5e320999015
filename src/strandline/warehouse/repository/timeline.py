"""The history of a member in memory: what a merge does to its versions, in plain loops.

Kimball's types 0, 1, 2, 3 and 6, as `warehouse.scd` has them for whole batches in SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from strandline.model.column import ROLE, ChangedAt, Previous
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import Dimension
from strandline.warehouse.repository.protocol import Staged

Version = dict[str, Any]
"""A row, by the names of its columns."""


def tell(
    dimension: type[Dimension], versions: list[Version], staged: Staged, open_version: Callable[[], Version]
) -> list[Version]:
    """Bring the versions of a member, the first one first, up to what is said of it; those that were written.
    `open_version` gives a row with a new key and the columns that are alike in all rows.
    """
    latest = versions[-1] if versions else None
    if staged.is_deleted:
        assert latest is not None
        latest |= {"valid_to": staged.effective_at, "is_current": False, "is_deleted": True}
        return [latest]
    written: list[Version] = []
    before = None if latest is None or latest["is_inferred"] else dict(latest)
    if latest is not None and before is None:
        _complete(dimension, latest, staged)
        written.append(latest)
    elif latest is None or _opens(dimension, latest, staged):
        written += _open(dimension, versions, staged, open_version())
    alike = [it for it in versions if _overwrite(dimension, it, before, staged)]
    return [it for it in versions if any(it is one for one in (*written, *alike))]


def _opens(dimension: type[Dimension], latest: Version, staged: Staged) -> bool:
    names = [column.name for column in dimension.attributes(2)]
    return latest["is_deleted"] or any(latest[name] != staged.values[name] for name in names)


def _complete(dimension: type[Dimension], latest: Version, staged: Staged) -> None:
    latest |= {name: staged.values[of] for name, of in dimension.filled().items()}
    latest |= {"valid_from": staged.effective_at, "is_inferred": False, "synced_at": staged.synced_at}


def _open(
    dimension: type[Dimension], versions: list[Version], staged: Staged, opened: Version
) -> list[Version]:
    latest = versions[-1] if versions else None
    opened |= {name: staged.values[of] for name, of in dimension.filled().items()}
    opened |= {"valid_from": staged.effective_at, "valid_to": None, "version": len(versions) + 1}
    opened |= {"is_current": True, "is_inferred": False, "is_deleted": False, "synced_at": staged.synced_at}
    versions.append(opened)
    if latest is None:
        return [opened]
    durable = dimension.durable_key_column().name
    opened |= {name: latest[name] for name in (durable, *_memory(dimension))}
    opened |= {column.name: latest[column.name] for column in dimension.attributes(0)}
    latest |= {
        "valid_to": latest["valid_to"] or staged.effective_at,
        "is_current": False,
        "is_deleted": False,
    }
    return [latest, opened]


def _memory(dimension: type[Dimension]) -> list[str]:
    return [column.name for kind in (Previous, ChangedAt) for column in dimension.companions(kind)]


def _overwrite(dimension: type[Dimension], version: Version, before: Version | None, staged: Staged) -> bool:
    """Give a version what all of them have alike; whether it had something else."""
    becomes = {name: staged.values[of] for name, of in dimension.overwritten().items()}
    for column in dimension.companions(Previous):
        of = column.info[ROLE].of
        if before is not None and before[of] != staged.values[of]:
            becomes |= {column.name: before[of], f"{of}_changed_at": staged.effective_at}
    is_other = any(version[name] != value for name, value in becomes.items())
    if is_other:
        version |= {**becomes, "synced_at": staged.synced_at}
    fields = staged.values.get(CUSTOM_FIELDS)
    if CUSTOM_FIELDS not in version or version[CUSTOM_FIELDS] == fields:
        return is_other
    version[CUSTOM_FIELDS] = fields
    return True


def answering(
    versions: Sequence[Version], moment: datetime | None, gap: Literal["last", "unknown"]
) -> Version | None:
    """The version that a fact of this moment points at, as `warehouse.key` has it: without a moment the
    latest; before the first one the first; in a gap the one before it, or none.
    """
    if moment is None:
        return versions[-1] if versions else None
    found = None
    for version in versions:
        if version["version"] == 1 or version["valid_from"] <= moment:
            found = version
    if (
        found is not None
        and gap == "unknown"
        and found["valid_to"] is not None
        and found["valid_to"] <= moment
    ):
        return None
    return found
