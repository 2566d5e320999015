"""The tables of the page on what a sample tells say what is found."""

import os
from pathlib import Path

import pytest
from tests.documentation import ROOT

from strandline.pipeline.draft import document, draft, graphql
from strandline.source.profile import profile, sample

PAGE = (ROOT / "docs" / "explanation" / "what-a-sample-tells.md").read_text()
SAMPLES = ROOT / "tests" / "samples"
DOCUMENTS = Path(os.environ.get("STRANDLINE_TEST_DOCUMENTS", ROOT.parent / "shared" / "data" / "openapi"))


def row(name: str) -> list[str]:
    """The cells of the row, without its name."""
    line = next(it for it in PAGE.splitlines() if it.startswith(f"| `{name}` |"))
    return [it.strip() for it in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("path", sorted(SAMPLES.iterdir()), ids=lambda it: it.name)
def test_the_page_says_what_a_sample_tells(path: Path) -> None:
    found = profile.of_sample(sample.decode(sample.read_file(path), limit=1000), limit=1000)
    made = draft.of_profile(found, name=None)
    graphql.note(made, found)
    place, key, cursor, paging = found.place, made.key_finding, made.cursor_finding, found.paging
    assert key is not None

    assert row(path.name)[1:5] == [
        "the lines" if place is None else place.finding.what + ", unsure" * (place.finding.rank == 2),
        f"{', '.join(made.key)}, {key.sure}",
        f"{made.cursor}, {cursor.sure}" if made.cursor and cursor else "none",
        f"{paging.name}, {paging.finding.sure}" if paging and paging.name != "SinglePage" else "none",
    ]


@pytest.mark.parametrize(
    "name", ["asana.yaml", "box.json", "twilio_api_v2010.json", "twilio_taskrouter_v1.json"]
)
def test_the_page_says_what_a_document_tells(name: str) -> None:
    if not (DOCUMENTS / name).exists():
        pytest.skip(f"{name} is not in {DOCUMENTS}; STRANDLINE_TEST_DOCUMENTS says where such documents are")

    assert row(name)[2:9] == documented(DOCUMENTS / name)


def documented(path: Path) -> list[str]:
    """What the table says of a document."""
    content = document.load(sample.read_file(path))
    assert content is not None
    made = document.read(content, name="north", streams=(), where=str(path))
    unsure = [it for it in made.streams if it.key_finding is not None and it.key_finding.rank == 2]
    counts = [len(made.streams), len(made.left_out), len(made.untold), len(made.streams) - len(unsure)]
    counts += [len(unsure), sum(bool(it.paginator) for it in made.streams)]
    return [str(it) for it in [*counts, sum(it.cursor is not None for it in made.streams)]]
