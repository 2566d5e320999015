"""The documentation as a strict build takes it: no link that leads nowhere, no block that is passed over, no
page that nobody comes to.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.documentation import FENCE, ROOT, blocks

DOCS = ROOT / "docs"
BESIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = sorted([*DOCS.rglob("*.md"), *BESIDE, *(ROOT / "examples").rglob("*.md")])
FOLLOWED = {"console", "python", "sql", "output", "text"}
WRITTEN = {*FOLLOWED, "bash", "diff", "ini", "json", "yaml"}
"""With a title, or by hand, a block may be of these kinds too."""

WORDS = {"by-hand", "add", "raises", "executed", "excerpt", "connectors", "live"}
OPTIONS = {"title", "exit", "terminal"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without its blocks, in which a comment is no heading and an index no link."""
    return FENCE.sub("", page.read_text())


def headings(page: Path) -> list[tuple[int, str]]:
    return [(len(it[1]), it[2]) for it in re.finditer(r"^(#+) (.+)$", prose(page), re.MULTILINE)]


def anchors(page: Path) -> Iterator[str]:
    """As GitHub makes them of headings: the second of a name is numbered."""
    counts = Counter[str]()
    for _, heading in headings(page):
        name = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        yield f"{name}-{counts[name]}" if counts[name] else name
        counts[name] += 1


def links(page: Path) -> list[str]:
    """The targets that are files of ours."""
    return re.findall(r"\]\(((?!https?:)[^)\s]+)\)", re.sub(r"`[^`\n]+`", "", prose(page)))


@every_page
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page

        assert file.is_relative_to(ROOT), target
        assert file.exists(), target
        assert not anchor or anchor in set(anchors(file)), target


@every_page
def test_no_link_is_written_in_another_way_that_nobody_checks(page: Path) -> None:
    told = re.sub(r"`[^`\n]+`", "", prose(page))

    assert not re.findall(r"\]\[|^\[[^\]]+\]: (?!https?:)|<a |<img ", told, re.MULTILINE)


@every_page
def test_a_page_has_one_title_and_no_level_is_left_out(page: Path) -> None:
    levels = [level for level, _ in headings(page)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_one_that_is_followed(page: Path) -> None:
    """A fence that is not closed, or a word that is spelled otherwise, would leave it out without a sound."""
    assert "```" not in prose(page)
    for block in blocks(page):
        is_written = "title" in block.options or "by-hand" in block.words

        assert block.kind in (WRITTEN if is_written else FOLLOWED), block.where
        assert block.words <= WORDS, block.where
        assert set(block.options) <= OPTIONS, block.where


def test_every_page_is_reached_from_the_front() -> None:
    """From README.md, by links alone."""
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [(page.parent / it.partition("#")[0]).resolve() for it in links(page) if it[0] != "#"]

    assert not set(DOCS.rglob("*.md")) - reached


def test_the_code_names_no_page_that_is_not_there() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        for target in re.findall(
            r"docs/(?:how-to|reference|explanation|tutorial)/[\w-]+\.md", file.read_text()
        ):
            assert (ROOT / target).exists(), f"{file}: {target}"
