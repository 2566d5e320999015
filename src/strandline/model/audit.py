"""The audit dimension: which load each row of the warehouse took its values from, and how good that load was.

One row is one merge that wrote something: a run, a stream and a target. `mapper_version` changes whenever the
mapper or its contract does, so that rows which an older mapper made are found. Kimball & Ross, The Data
Warehouse Toolkit (3rd ed.), chapter 6.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Identity, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from strandline.model.base import Base, BigKey
from strandline.model.column import NOT_APPLICABLE_KEY, UNKNOWN_KEY

COMPLETE: Final = "complete"
WITH_REJECTS: Final = "with rejects"


class DimAudit(Base):
    """A load: which run merged which stream through which mapper, and with what quality."""

    audit_key: Mapped[int] = mapped_column(
        BigKey, Identity(start=1), primary_key=True, comment="Surrogate key: one a merge that wrote something"
    )
    run_id: Mapped[int] = mapped_column(BigInteger(), comment="The run, as in the ledger")
    pipeline: Mapped[str | None] = mapped_column(Text())
    source_system: Mapped[str | None] = mapped_column(Text(), comment="The source that was read")
    stream: Mapped[str | None] = mapped_column(Text())
    target: Mapped[str | None] = mapped_column(Text(), comment="The model that was filled")
    mapper: Mapped[str | None] = mapped_column(Text())
    mapper_version: Mapped[str | None] = mapped_column(
        String(32), comment="Changes whenever the mapper or its contract does"
    )
    strandline_version: Mapped[str | None] = mapped_column(Text())
    outcome: Mapped[str] = mapped_column(
        String(20), comment=f"{COMPLETE}, or {WITH_REJECTS}; Unknown and Not applicable on -1 and -2"
    )
    records: Mapped[int] = mapped_column(comment="The entries of the raw log that were merged or rejected")
    rejects: Mapped[int] = mapped_column(comment="Those of them that were rejected")
    merged_at: Mapped[datetime | None] = mapped_column()

    @classmethod
    def table(cls) -> Table:
        """The mapped table."""
        table = cls.__table__
        assert isinstance(table, Table)
        return table

    @classmethod
    def key_column(cls) -> Column[Any]:
        """`audit_key`."""
        return cls.table().c.audit_key


def special_loads() -> list[dict[str, object]]:
    """The rows -1, of rows that were written before there was an audit dimension, and -2, of no load."""
    words = {UNKNOWN_KEY: "Unknown", NOT_APPLICABLE_KEY: "Not applicable"}
    return [
        {"audit_key": key, "run_id": 0, "outcome": word, "records": 0, "rejects": 0}
        for key, word in words.items()
    ]
