"""The profile of a sample: its fields, where its records are, its key, its cursor and its paginator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from strandline.errors import UnexpectedResponse
from strandline.source.profile import form, keys, naming, paging, place
from strandline.source.profile.finding import Finding
from strandline.source.profile.paging import Answer, Paging
from strandline.source.profile.place import Place
from strandline.source.profile.sample import Received, Sample
from strandline.source.profile.tree import Node, grow

ERRORS: Final = ("error", "errors", "fault", "exception", "detail", "message", "error_description")
COMPARE: Final = "Compare the address with the API's documentation; credentials are given with --header."
PLAIN: Final = frozenset({"text", "integer", "number", "boolean"})


@dataclass(frozen=True)
class Profile:
    """What a sample tells."""

    where: str
    format: str
    records: Sequence[Mapping[str, Any]]
    root: Node
    place: Place | None
    paging: Paging | None
    keys: Sequence[Finding]
    cursors: Sequence[Finding]
    sample: Sample | None = None
    """None of a stream."""
    is_cut: bool = False

    @property
    def key(self) -> Finding | None:
        """The likeliest key."""
        return self.keys[0] if self.keys else None

    @property
    def cursor(self) -> Finding | None:
        """The likeliest cursor field."""
        return self.cursors[0] if self.cursors else None

    @property
    def personal(self) -> list[Finding]:
        """The fields that may point at a person."""
        return [
            _personal(path, node) for path, node in self.root.flat() if node.is_personal and is_leaf(node)
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sample": self.where,
            "format": self.format,
            "records": len(self.records),
            "is_cut": self.is_cut,
            "records_at": self.place.finding.as_dict() if self.place else None,
            "paginator": self.paging.finding.as_dict() if self.paging else None,
            "keys": [it.as_dict() for it in self.keys],
            "cursors": [it.as_dict() for it in self.cursors],
            "personal": [it.as_dict() for it in self.personal],
            "fields": [describe(path, node) for path, node in self.root.flat()],
        }


def of_sample(sample: Sample, *, limit: int) -> Profile:
    """The profile of a file or an answer. Raises UnexpectedResponse for an error, and where there is no
    record.
    """
    received, asked = sample.received, _asked(sample.received)
    refuse_error(sample.body, received)
    found = place.find(sample.body, asked=asked) if isinstance(sample.body, dict | list) else None
    if found is None:
        raise _nothing(sample)
    records = found.records[:limit]
    root = grow(records)
    answer = Answer(
        dict(paging.beside(sample.body, found.way)) if not found.is_single else {},
        received.headers,
        received.params,
        len(found.records),
        records[-1],
    )
    return Profile(
        received.where,
        sample.format,
        records,
        root,
        found if sample.format == "JSON" else None,
        paging.find(answer) if sample.format == "JSON" and not found.is_single else None,
        keys.candidates(root, records, stream=asked or (found.way[-1] if found.way else "")),
        keys.cursors(root),
        sample,
        is_cut=sample.is_cut or len(found.records) > limit,
    )


def of_records(records: Sequence[Mapping[str, Any]], *, where: str, stream: str, is_cut: bool) -> Profile:
    """The profile of records that a stream has read."""
    if not records:
        raise UnexpectedResponse(f"{where}: brought no record", hint="Ask for a range that has records.")
    root = grow(records)
    found = keys.candidates(root, records, stream=stream)
    return Profile(where, "stream", records, root, None, None, found, keys.cursors(root), is_cut=is_cut)


def _asked(received: Received) -> str:
    """The last word of the address, or the name of the file."""
    return received.name.partition(".")[0]


def refuse_error(body: Any, received: Received) -> None:
    """Raise UnexpectedResponse where the body tells of an error and of nothing else."""
    if not isinstance(body, dict):
        return
    if _says_no(body):
        raise UnexpectedResponse(f"{received.where}: it tells of an error: {_short(body)}", hint=COMPARE)
    if not any(body.get(it) for it in ERRORS):
        return
    told = next(it for it in ERRORS if body.get(it))
    is_alone = told in ("error", "errors", "fault", "exception")
    few = {
        "code",
        "status",
        "statuscode",
        "documentation_url",
        "path",
        "timestamp",
        "type",
        "request_id",
        "success",
    }
    others = [name for name in body if name not in ERRORS and name.lower() not in few]
    has_records = any(
        value and isinstance(value, dict | list) for name, value in body.items() if name in others
    )
    if has_records or (others and not is_alone):
        return
    raise UnexpectedResponse(
        f"{received.where}: it tells of an error: {told}: {_short(body[told])}",
        hint=COMPARE,
    )


def _says_no(body: Mapping[str, Any]) -> bool:
    """Whether it says that it did not succeed, and has nothing but that to say."""
    is_refusal = any(body.get(it) is False for it in ("success", "ok", "succeeded"))
    return is_refusal and not any(isinstance(it, dict | list) and it for it in body.values())


def _nothing(sample: Sample) -> UnexpectedResponse:
    where, empty = sample.received.where, place.empty_lists(sample.body) if sample.body != {} else []
    if sample.format == "CSV":
        return UnexpectedResponse(f"{where}: there is a header and no row")
    if empty:
        what = f"{empty[0]} is an empty list" if empty[0] else "it is an empty list"
        return UnexpectedResponse(
            f"{where}: {what}, so nothing can be told of its records",
            hint="Ask for a range that has records, of an account that has some.",
        )
    return UnexpectedResponse(
        f"{where}: there are no objects in it that could be records: {_short(sample.body)}",
        hint="Records are JSON objects, in a list or one by one.",
    )


def _short(value: Any) -> str:
    text = str(value)
    return repr(text[:160] + "…" if len(text) > 160 else text)


def is_leaf(node: Node) -> bool:
    """Whether it has values of its own."""
    return bool(PLAIN & set(node.told))


def type_of(node: Node) -> str:
    """The type, in words: `text`, `timestamp`, `list of object`, `text or integer`."""
    if not node.told:
        return "nothing"
    if node.form is not None:
        return node.form
    told = [_within(it, node) for it in sorted(node.told)]
    if set(told) == {"integer", "number"}:
        return "number"
    return f"{keys.unit(node)} since 1970" if keys.is_epoch(node) else " or ".join(told)


def _within(kind: str, node: Node) -> str:
    if kind == "list" and node.element is not None and node.element.told:
        return f"list of {type_of(node.element)}"
    return kind


def _personal(path: str, node: Node) -> Finding:
    if node.form in form.PERSONAL:
        return Finding(path, "likely", f"each value looks like a {node.form}")
    return Finding(path, "unsure", "called so")


def describe(path: str, node: Node) -> dict[str, Any]:
    """All that is known of a field."""
    lengths = [len(value) for kind, value in node.values if kind == "text"]
    least, most = extremes(node)
    return {
        "path": path,
        "type": type_of(node),
        "kinds": dict(node.kinds),
        "filled": node.filled,
        "fill_rate": round(node.fill_rate, 4),
        "distinct": len(node.values) if is_leaf(node) else None,
        "longest": max(lengths, default=None),
        "min": least,
        "max": most,
        "is_personal": node.is_personal,
        "examples": [plain(it) for it in node.examples()],
    }


def extremes(node: Node) -> tuple[Any, Any]:
    """The least and the most, of numbers and times."""
    if node.is_personal or naming.is_identifier(node.name):
        return None, None
    is_time = node.form in (form.TIMESTAMP, form.NAIVE, form.DATE)
    if not is_time and not set(node.told) <= {"integer", "number"}:
        return None, None
    values = [value for kind, value in node.values if kind != "boolean"]
    return (plain(min(values)), plain(max(values))) if values else (None, None)


def plain(value: Any) -> Any:
    """As JSON has it."""
    return float(value) if isinstance(value, Decimal) else value
