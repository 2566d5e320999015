"""Records found unchanged before they are read leave everything as if each had gone the whole way."""

import json
from typing import Annotated, Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from tests.effort import cases
from tests.memory import pages

from strandline.model import Dimension, Mapper, attribute, field
from strandline.pipeline import Pipeline, Rejects, run
from strandline.source import Pages, Record, Source, stream
from strandline.warehouse.database import Database


class Shell(Record):
    """A shell, whose key is seen at a glance."""

    id: str
    size: int = 0


class GuardedShell(Record):
    """The same, with a key that only the contract can tell."""

    id: Annotated[str, AfterValidator(lambda key: key)]
    size: int = 0


class Beach(Source):
    """Shells, all of them each time."""

    def __init__(self, batches: list[list[bytes]]) -> None:
        super().__init__()
        self.batches = batches

    @stream(Shell, key="id", deleted="gone")
    def shells(self) -> Pages:
        """What it was given."""
        return pages(*self.batches)


class GuardedBeach(Source):
    """The same, each going the whole way."""

    def __init__(self, batches: list[list[bytes]]) -> None:
        super().__init__()
        self.batches = batches

    @stream(GuardedShell, key="id", deleted="gone")
    def shells(self) -> Pages:
        """What it was given."""
        return pages(*self.batches)


class DimShell(Dimension):
    """A shell."""

    size: Mapped[int] = attribute(scd=2)


def natural(size: int) -> int:
    """The size, if it can be one."""
    if size < 0:
        raise ValueError("smaller than nothing")
    return size


class BeachShell(Mapper[Shell, DimShell]):
    """Shells; a size below nothing is refused."""

    size = field("size", using=natural)


class GuardedBeachShell(Mapper[GuardedShell, DimShell]):
    """The same."""

    size = field("size", using=natural)


RECORDS = [
    *({"id": key, "size": size} for key in "abc" for size in (1, 2, -1)),
    *({"id": key, "size": "large"} for key in "ab"),
    *({"id": key, "gone": True} for key in "ab"),
    {"id": "a", "gone": "perhaps"},
    {"id": None},
    {"id": 5},
    {"size": 1},
]
ODD = [b"{", b'{"id":"a","size":1}', b"null"]
payloads = st.sampled_from([*(json.dumps(it).encode() for it in RECORDS), *ODD])
runs = st.lists(st.lists(st.lists(payloads, max_size=5), max_size=3), min_size=2, max_size=4)

LOG = "SELECT raw_id, source_id, payload, operation FROM raw.{source}_shells ORDER BY raw_id"
MEMBERS = """
    SELECT source_id, size, version, is_current, is_deleted FROM warehouse.dim_shell
    WHERE source_system = '{source}' ORDER BY source_id, version
"""
REJECTS = """
    SELECT raw_id, source_id, target, field, rule, state, repeats, last_run_id - run_id FROM strandline.reject
    WHERE stream = '{source}.shells' ORDER BY raw_id, target
"""


def load(database: Database, source: type[Any], batches: list[list[bytes]]) -> dict[str, object]:
    """The figures of one run."""
    mapper = BeachShell if source is Beach else GuardedBeachShell
    pipeline = Pipeline(source.name)
    pipeline.sync(source.shells, mapper, rejects=Rejects(count=10**9))
    (told,) = run(pipeline, database, sources={source.name: source(batches)}).streams
    figures = ("status", "pages", "records", "stored", "unchanged", "rejected")
    return {name: getattr(told, name) for name in figures}


def look(database: Database, source: type[Any], query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(it) for it in connection.execute(text(query.format(source=source.name)))]


A1, A2, BAD = (json.dumps(RECORDS[it]).encode() for it in (0, 1, 9))


@given(runs)
@example([[[A1]], [[A1, A2, A1], [A1]], [[A1], [A2], [A1, A1]]])
@example([[[BAD]], [[BAD, BAD]], [[BAD], [A1], [BAD]]])
@cases(3)
def test_what_is_known_at_a_glance_is_what_the_whole_way_finds(given_runs: list[list[list[bytes]]]) -> None:
    """Log, figures, members, rejects and how often these were repeated."""
    assert Beach.shells.glance is not None
    assert GuardedBeach.shells.glance is None
    database = Database("sqlite://")
    for batches in given_runs:
        assert load(database, Beach, batches) == load(database, GuardedBeach, batches)
    for query in (LOG, MEMBERS, REJECTS):
        assert look(database, Beach, query) == look(database, GuardedBeach, query)
    database.close()
