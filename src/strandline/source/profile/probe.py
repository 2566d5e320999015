"""Asking an address for another page, in the ways that are usual, where its answer tells of none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from strandline.errors import SourceError
from strandline.source.profile import fetch, place, sample
from strandline.source.profile.finding import Finding, Sureness
from strandline.source.profile.paging import Paging

WAYS: Final = (
    ("Offset", "offset", ""),
    ("PageNumber", "page", ""),
    ("Offset", "skip", 'param="skip"'),
    ("Offset", "$skip", 'param="$skip"'),
    ("Offset", "_start", 'param="_start"'),
    ("PageNumber", "page[number]", 'param="page[number]"'),
)
"""Paginators, with the parameter that is tried."""

SINCE: Final = (
    *(
        "updated_since",
        "since",
        "modified_since",
        "updated_after",
        "_since",
        "changed_since",
        "updated_at_min",
    ),
    *("modified_after", "updatedSince", "modifiedSince"),
)
"""Parameters that ask for what has changed since."""

Records = Sequence[Mapping[str, Any]]


def another_page(url: str, records: Records, *, headers: Mapping[str, str]) -> Paging | None:
    """The paginator whose parameter brings other records than the first page; None where none does."""
    for name, param, arguments in WAYS:
        value = len(records) if name == "Offset" else 2
        found = _ask(_with(url, param, value), headers)
        if found is None or any(it in records for it in found):
            continue  # it was refused, or not understood
        if not found and not _ask(
            _with(url, param, value - len(records) if name == "Offset" else 1), headers
        ):
            continue  # a field of that name is asked for
        sure: Sureness = "sure" if found else "likely"
        told = f"{len(found)} other records" if found else "none, and without it all of them come"
        code = f"{name}({arguments})"
        why = f"asked with {param}={value}, the address has {told}"
        return Paging(Finding(code, sure, why), name, arguments, frozenset({param}))
    return None


def since_param(url: str, kind: str, *, headers: Mapping[str, str]) -> str | None:
    """The parameter by which the address brings nothing that has changed since now, and something since 1970;
    None where it knows none of the usual ones. `kind` is what the cursor holds.
    """
    now = datetime.now(UTC)
    late, early = {
        "seconds": (f"{now.timestamp():.0f}", "1"),
        "milliseconds": (f"{now.timestamp() * 1000:.0f}", "1"),
        "date": (f"{now + timedelta(days=1):%Y-%m-%d}", "1970-01-02"),
    }.get(kind, (f"{now:%Y-%m-%dT%H:%M:%SZ}", "1970-01-02T00:00:00Z"))
    for it in SINCE:
        is_understood = _ask(_with(url, it, late), headers) == ()
        if is_understood and _ask(_with(url, it, early), headers):  # else a field of that name is asked for
            return it
    return None


def _ask(url: str, headers: Mapping[str, str]) -> Records | None:
    """The records there; None where it answers with anything else."""
    try:
        body = sample.decode(fetch.read_url(url, headers=headers), limit=10_000).body
    except SourceError:
        return None
    if not isinstance(body, dict | list):
        return None
    found = place.find(body)
    if found is not None and not found.is_single:
        return found.records
    return () if place.empty_lists(body) else None


def _with(url: str, param: str, value: int | str) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), (param, str(value))]
    return urlunsplit(parts._replace(query=urlencode(query, safe="[]$")))
