"""How many records of a stream may be rejected before its run fails."""

from __future__ import annotations

from dataclasses import dataclass

from strandline.errors import DeclarationError


@dataclass(frozen=True)
class Rejects:
    """How many records of a stream may be rejected in one run: it fails, before it merges, above both.

    One of them may be None: then the other decides alone.
    """

    count: int | None = 20
    share: float | None = 0.1

    def __post_init__(self) -> None:
        if self.count is None and self.share is None:
            raise DeclarationError(
                f"{self!r}: no limit at all", hint="Give count= or share=; count=10**9 lets everything pass."
            )
        if (self.count or 0) < 0 or not 0 <= (self.share or 0) <= 1:
            raise DeclarationError(
                f"{self!r}: count is 0 or more, and share lies between 0 and 1",
                hint="A tenth is share=0.1.",
            )

    def exceeded(self, *, rejected: int, records: int) -> bool:
        """Whether that is too many."""
        above_count = self.count is None or rejected > self.count
        return above_count and (self.share is None or rejected > self.share * records)

    @property
    def limit(self) -> str:
        """How many may be, in words."""
        count = None if self.count is None else str(self.count)
        share = None if self.share is None else f"{self.share:.4%}".rstrip("0%").rstrip(".") + "%"
        return " and ".join(it for it in (count, share) if it is not None)
