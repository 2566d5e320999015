"""What `strandline erase` and `strandline erasures` do, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from strandline.cli import commands, output, paper
from strandline.settings import Settings

LIST_COLUMNS: Final = {
    "erasure_id": "erasure",
    "stream": "stream",
    "erased_at": "when",
    "erased_by": "by",
    "reason": "reason",
    "until": "up to",
    "run_id": "run",
}


def erase(
    pipelines: Sequence[Any],
    settings: Settings,
    source: str,
    key: str,
    *,
    reason: str,
    until: datetime | None,
    reject_ids: Sequence[int],
    only_pii: bool,
    pseudonymise: bool,
    is_dry: bool,
    progress: Any,
) -> Any:
    """Erase a natural key; its certificate."""
    from strandline.pipeline import erasure, extent

    stream = extent.choose(pipelines, source)
    with commands.warehouse(settings) as database:
        return erasure.erase(
            pipelines,
            database,
            stream,
            key,
            reason=reason,
            until=until,
            reject_ids=reject_ids,
            only_pii=only_pii,
            pseudonymise=pseudonymise,
            is_dry=is_dry,
            progress=progress,
        )


def certificates(database_url: str | None) -> list[dict[str, Any]]:
    """What was erased, newest first; nothing where strandline has never run."""
    from strandline.warehouse import erasure

    with commands.looking(database_url) as there:
        return [] if there is None else erasure.certificates(there[1])


def print_certificate(certificate: Any, *, as_json: bool) -> None:
    """The certificate, and what is to be done beside it."""
    if as_json:
        output.print_json(certificate.as_dict())
        return
    told = certificate.as_dict()
    counts, kept, exported = told.pop("counts"), told.pop("kept"), told.pop("exported_to")
    is_dry = told.pop("is_dry")
    told |= {name: told[name] or None for name in ("only_pii", "pseudonymised")}  # told where it is so
    head = (
        "erasure_id",
        "stream",
        "only_pii",
        "pseudonymised",
        "reason",
        "until",
        "erased_at",
        "erased_by",
        "run_id",
        "key_hash",
        "salt",
    )
    shown = ("stream", "only_pii", "pseudonymised", "reason", "until") if is_dry else head
    output.print_mapping({name: told[name] for name in shown if told[name] is not None}, as_json=False)
    what = "would be changed or removed" if is_dry else "changed or removed"
    _print_rows(counts, columns={"name": "table", "rows": what})
    _print_rows(kept, columns={"name": "rows of facts", "rows": "kept"})
    for folder in exported:
        sys.stderr.write(f"Not touched: files in {folder}, which have what was pruned before.\n")
    if not is_dry:
        sys.stderr.write("Keep the salt: with it and the key you can show that this is the certificate.\n")


def _print_rows(rows: Mapping[str, int], *, columns: Mapping[str, str]) -> None:
    if rows:
        told = [{"name": name, "rows": number} for name, number in sorted(rows.items())]
        paper.console().print(output.table(told, columns=columns))


def print_certificates(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """All certificates."""
    if as_json:
        output.print_json(found)
        return
    if not found:
        sys.stdout.write("Nothing was erased.\n")
        return
    columns = {name: it for name, it in LIST_COLUMNS.items() if any(row[name] is not None for row in found)}
    paper.console().print(output.table(found, columns=columns))
