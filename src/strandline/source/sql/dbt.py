"""dbt's models as a source: each by its name, found in the manifest that dbt has written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import ColumnElement

from strandline.errors import DeclarationError, SourceUnavailable
from strandline.source.cursor import CursorValue
from strandline.source.page import Pages
from strandline.source.sql.source import SqlSource

KINDS: Final = ("model", "seed", "snapshot")
"""What of dbt's is a table or a view."""


class DbtSource(SqlSource):
    """What a dbt project makes, read as streams: `self.model("regions")`.

    `manifest` says where dbt has written what it knows of its models. URL and all else are those of a
    SqlSource.
    """

    manifest: ClassVar[str | Path] = "dbt/target/manifest.json"

    def model(
        self,
        name: str,
        *,
        since: CursorValue | None = None,
        until: CursorValue | None = None,
        columns: Sequence[str] | None = None,
        where: str | ColumnElement[bool] | None = None,
        at_once: bool = True,
        size: int = 10_000,
    ) -> Pages:
        """The rows of a model, seed or snapshot, "regions" or "project.regions" where two have one name."""
        found = self._find(name)
        relation = (found["schema"], found.get("alias") or found["name"])
        options: dict[str, Any] = {"since": since, "until": until, "columns": columns, "where": where}
        yield from self.table(relation, **options, at_once=at_once, size=size)

    def _find(self, name: str) -> dict[str, Any]:
        nodes = [it for it in self._nodes() if it.get("resource_type") in KINDS]
        found = [it for it in nodes if name in (it["name"], f"{it['package_name']}.{it['name']}")]
        made = [it for it in found if (it.get("config") or {}).get("materialized") != "ephemeral"]
        if len(made) == 1:
            return made[0]
        if found and not made:
            raise DeclarationError(
                f"{self.name}: dbt's model {name!r} is ephemeral: there is no table of it",
                hint="Materialize it as a table or a view.",
            )
        names = [f"{it['package_name']}.{it['name']}" for it in (made or nodes)]
        raise DeclarationError(
            f"{self.name}: {'several models of dbt are' if made else 'no model of dbt is'} called {name!r}",
            hint=f"Name one of {', '.join(sorted(names)) or 'its models; there are none'}.",
        )

    def _nodes(self) -> list[dict[str, Any]]:
        path = Path(self.manifest)
        try:
            return list(json.loads(path.read_bytes())["nodes"].values())
        except OSError as error:
            raise SourceUnavailable(
                f"{self.name}: {path} cannot be read: {error.strerror}",
                hint="dbt parse writes it; or set `manifest` to where it is.",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceUnavailable(
                f"{self.name}: {path} is no manifest of dbt: {type(error).__name__}: {error}",
                hint="dbt parse writes it anew.",
            ) from error
