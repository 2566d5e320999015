"""The tutorial of the first hour, followed to the letter: two servers that know nothing of strandline, an
empty folder, and the lines that a user writes.
"""

import os
import random
import shutil
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.documentation import AS_TEXT, PORT, ROOT, Block, Reader, blocks, commands_of, guarded
from tests.end_to_end import kinto
from tests.end_to_end.kinto import PASSWORD, USER, Shop
from tests.servers.directus import server as directus
from tests.servers.directus.server import Studio
from tests.workspace import surroundings

from strandline.testing import postgres

pytestmark = pytest.mark.servers
PAGE = ROOT / "docs" / "tutorial" / "first-hour.md"
SECRETS = {"STUDIO__TOKEN": directus.TOKEN, "WEBSHOP__USER": USER, "WEBSHOP__PASSWORD": PASSWORD}
MOST_LINES = 60


@pytest.fixture
def studio(new_directus_url: str) -> Iterator[Studio]:
    """A studio with 130 clients and 170 jobs."""
    with Studio(new_directus_url) as studio:
        studio.open()
        directus.seed(studio, random.Random(1))
        yield studio


@pytest.fixture
def webshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with 40 customers and 120 orders."""
    with kinto.server(tmp_path_factory.mktemp("kinto")) as url, Shop(url, "shop") as shop:
        kinto.seed(shop, random.Random(1), customers_=40, orders_=120)
        yield shop


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty one, in which an embedded server may start."""
    folder = Path(tempfile.mkdtemp(prefix="strandline-hour-", dir=postgres.folder_in_memory()))
    folder.chmod(0o755)
    with guarded(folder / "atelier" / ".strandline"):
        yield folder
    shutil.rmtree(folder)


class Newcomer(Reader):
    """Somebody who has servers, and stays in one terminal from beginning to end."""

    def follow(self, block: Block) -> None:
        """Do what is live; the secrets are theirs."""
        if "live" in block.words:
            text = block.text
            for name, value in SECRETS.items():
                text = text.replace(f"+STRANDLINE_{name}=…", f"+STRANDLINE_{name}={value}")
            super().follow(replace(block, words=block.words - {"live"}, text=text))

    def follow_console(self, block: Block) -> None:
        """Type the commands; where they lead and what they set stays so."""
        for command, shown in commands_of(block):
            if command.startswith("cd "):
                self.folder /= command.split()[1]
            elif command.startswith("source "):
                self.environment["PATH"] = f"{self.folder}/.venv/bin:{self.environment['PATH']}"
            else:
                typed = command.replace("--empty", f"--empty --strandline {ROOT}")
                super().follow_console(replace(block, text=f"$ {typed}{shown}"))


def test_the_tutorial_leads_from_two_apis_to_a_star(
    studio: Studio, webshop: Shop, folder: Path, program: Path
) -> None:
    found = blocks(PAGE)
    environment = surroundings() | {
        "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        **AS_TEXT,
        "STUDIO": studio.url,
        "STUDIO_TOKEN": directus.TOKEN,
        "WEBSHOP": f"{webshop.url}/buckets/{webshop.bucket}/collections",
        "WEBSHOP_LOGIN": b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    }
    newcomer = Newcomer(folder, environment, port=PORT, patience=600)
    for block in found:
        newcomer.follow(block)
        if "--request PATCH" in block.text:
            studio.change("clients", [1], {"tier": "platinum"})
    newcomer.close()

    assert lines_of_their_own(found) < MOST_LINES


def lines_of_their_own(page: list[Block]) -> int:
    """What the page has its reader write: files, and changed lines of what was generated."""
    written = [it for it in page if "title" in it.options]
    return sum(
        sum(line.startswith("+") or it.kind != "diff" for line in it.text.splitlines()) for it in written
    )
