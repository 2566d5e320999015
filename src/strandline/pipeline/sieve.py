"""What comes unchanged, found before contract and mapper: most of a snapshot, on most days.

A payload that is byte for byte the latest entry of its key says nothing new, so nobody needs to read it. Its
key is read at a glance, and its hash is compared with that entry's. Whatever is not certain to be unchanged
goes the whole way: a key that only the contract can tell, and a key that has come in this chunk already, for
A, B, A is three entries. Streams with a cursor go it as well: their mark is made of what the contract reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from xxhash import xxh3_128_digest

from strandline.pipeline.chunk import Chunk
from strandline.pipeline.intake import Intake
from strandline.source.glance import Glance

LatestHashes = Callable[[Sequence[str]], dict[str, bytes]]
"""(natural keys) → the hash of the latest entry of each that has one"""


class Sieve:
    """Lets through what may be new, and counts the rest among what came again."""

    def __init__(self, intake: Intake, glance: Glance, latest_hashes: LatestHashes) -> None:
        self.known: dict[str, bytes | None] = {}
        """The hash of the latest entry of each key of this chunk that was looked up; None: it has none."""
        self._intake = intake
        self._glance = glance
        self._latest_hashes = latest_hashes
        self._chunk: Chunk | None = None
        self._touched: set[str | None] = set()

    def sift(self, records: Sequence[bytes], first: int) -> Iterator[tuple[int, bytes]]:
        """The records that may be new, each with its number; the caller takes in one before it asks on."""
        chunk, keys = self._intake.chunk, list(map(self._glance, records))
        if chunk is not self._chunk:
            self._chunk, self.known, self._touched = chunk, {}, set()
        self._look_up(keys)
        known, touched, again = self.known, self._touched, chunk.again
        for raw_id, (payload, key) in enumerate(zip(records, keys, strict=True), first):
            if key is not None and key not in touched:
                digest = xxh3_128_digest(payload)
                if known[key] == digest:
                    again.append((raw_id, key, None, digest))
                    continue
            yield raw_id, payload
            touched.add(chunk.entries[-1][1])

    def _look_up(self, keys: Sequence[str | None]) -> None:
        asked = [key for key in dict.fromkeys(keys) if key is not None and key not in self.known]
        self.known |= dict.fromkeys(asked)
        self.known |= self._latest_hashes(asked)
