"""What is odd about a simulated API: oddities that APIs in use have, and that a source must live with."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from strandline.source.cursor import Precision

Paging = Literal["token", "offset", "page"]
Sorting = Literal["updated", "id", "none"]
Deleting = Literal["never", "flag", "removed", "tombstones"]

NOTHING = timedelta(0)


@dataclass(frozen=True)
class Quirks:
    """How an API behaves; unless told, without oddities: the oldest change first, a token to go on with.

    Shares are probabilities from 0 to 1, asked anew for every request.
    """

    _: KW_ONLY
    paging: Paging = "token"
    page_size: int = 5
    sorting: Sorting = "updated"
    """"none" is another order for every walk, which tokens and numbered pages still follow."""
    precision: Precision = Precision.MICROSECOND
    """Of the filter: what the client asks for is cut down to it, on the API's clock in UTC."""
    is_exclusive: bool = False
    """The filter is `>`. Then no two records share a time."""
    tick: timedelta = timedelta(microseconds=1)
    """The step of the clock that stamps changes: within one many records have the same time."""
    skew: timedelta = NOTHING
    """How far the API's clock is ahead of ours."""
    late: timedelta = NOTHING
    """A change is seen up to so long after the time that it is stamped with, as transactions that last do."""
    repeats: float = 0.0
    """Share of pages that begin with the last record of the page before."""
    short_pages: float = 0.0
    """Share of pages with fewer records than there could be, though more follow."""
    truncated: float = 0.0
    """Share of answers that end in the middle, with nothing but the body to tell it."""
    resets: float = 0.0
    """Share of requests whose connection is reset."""
    refused: float = 0.0
    """Share of requests that begin a storm: this one and the next are answered with 429."""
    storm: int = 2
    """How many requests a storm lasts."""
    token_life: int | None = None
    """After so many requests the access token has expired; None: no token is asked for."""
    rotates_tokens: bool = False
    """An access token is got for a refresh token, which is good for one use: the next one comes with it."""
    lost_tokens: float = 0.0
    """Share of answers with tokens that are lost on the way (502); the refresh token before stays good."""
    wrong_total: int = 0
    """What is added to the number of records that the answer tells."""
    deleting: Deleting = "flag"
    """What becomes of a deleted record: nothing is ever deleted; it stays with `"deleted": true` and a new
    time; it is gone; or it is gone, and listed at `/things/deleted`.
    """
    reuses_ids: bool = False
    """A deleted id may be given to another thing."""
    changes_while_read: bool = False
    """Things change, come and go between two pages of a walk."""

    @property
    def lag(self) -> timedelta:
        """How far a careful mark stays behind the start of a run."""
        return self.late + max(-self.skew, NOTHING) + (self.tick if self.late else NOTHING)


def draw(dice: Random) -> Quirks:
    """Quirks at random, that go together."""
    paging: Paging = dice.choice(["token", "token", "offset", "page"])
    is_exclusive = dice.random() < 0.15
    return Quirks(
        paging=paging,
        page_size=dice.choice([1, 2, 3, 5, 8]),
        sorting=dice.choice(["updated", "updated", "id"] if paging == "token" else ["updated", "id"]),
        precision=dice.choice(list(Precision)),
        is_exclusive=is_exclusive,
        tick=timedelta(microseconds=1) if is_exclusive else dice.choice(TICKS),
        skew=dice.choice([NOTHING, NOTHING, timedelta(minutes=5), timedelta(minutes=-5)]),
        late=dice.choice([NOTHING, timedelta(seconds=2), timedelta(minutes=2)]),
        repeats=dice.choice([0.0, 0.3]) if paging == "token" else 0.0,
        short_pages=dice.choice([0.0, 0.3]) if paging != "page" else 0.0,
        truncated=dice.choice([0.0, 0.0, 0.15]),
        resets=dice.choice([0.0, 0.0, 0.1]),
        refused=dice.choice([0.0, 0.0, 0.1]),
        storm=dice.choice([1, 3, 12]),
        token_life=dice.choice([None, 1, 4]),
        rotates_tokens=dice.random() < 0.5,
        lost_tokens=dice.choice([0.0, 0.2]),
        wrong_total=dice.choice([0, 0, 0, -2, 3]),
        deleting=dice.choice(["never", "flag", "flag", "removed", "tombstones"]),
        reuses_ids=dice.random() < 0.5,
        changes_while_read=dice.random() < 0.7,
    )


TICKS = [timedelta(microseconds=1), timedelta(milliseconds=50), timedelta(seconds=1), timedelta(minutes=1)]
