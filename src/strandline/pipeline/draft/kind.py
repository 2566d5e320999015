"""Whether a stream tells of things or of what happened: a dimension or a fact, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from strandline.pipeline.draft import role
from strandline.pipeline.draft.contract import Contract
from strandline.pipeline.draft.draft import StreamDraft
from strandline.pipeline.draft.reference import Pointing
from strandline.source.profile import naming
from strandline.source.profile.finding import Finding, Sureness


def fact(stream: StreamDraft, contract: Contract, pointing: Sequence[Pointing]) -> Finding | None:
    """Why the stream may be a fact; None where nothing speaks for it."""
    found = role.of(stream, contract)
    happened = [it for it in found.times if role.time_rank(it, stream.entity) < 4]
    others = [it.leaf.source for it in pointing] or [it.source for it in found.others]
    is_called_so = not role.EVENTS.isdisjoint(naming.words(stream.entity))
    if not found.measures or not (others or is_called_so):
        return None
    measured = found.strong or [it for it in found.measures if role.is_known_measure(it)]
    if not measured or not (found.strong or is_called_so):
        return None
    is_proven = any(it.finding.sure == "sure" for it in pointing)
    sure: Sureness = (
        "sure" if happened and found.strong and is_proven else "likely" if happened and others else "unsure"
    )
    parts = [f"it measures {_listed([it.source for it in measured])}"]
    parts += [f"happens at {happened[0].source}"] if happened else []
    parts += [f"refers to others by {_listed(others)}"] if others else []
    return Finding("fact", sure, " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]])))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")
