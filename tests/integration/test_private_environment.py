"""PostgreSQL's programs in a folder that is nobody's but root's, such as an environment in /root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from strandline.testing import postgres
from strandline.warehouse import account, cluster
from strandline.warehouse.account import Account

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not account.can_use_setpriv(), reason="only root can act as two users, with setpriv"
)


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder of mode 0700, in memory where there is some."""
    folder = Path(tempfile.mkdtemp(prefix="strandline-", dir=postgres.folder_in_memory()))
    yield folder
    shutil.rmtree(folder)


@as_root
def test_programs_that_only_root_could_reach_find_each_other(private: Path) -> None:
    package = cluster.binaries().parents[1]
    for it in package.parent.glob(f"{package.name}*"):
        shutil.copytree(it, private / it.name)
    nobody = pwd.getpwnam("nobody")
    owner = Account(nobody.pw_uid, nobody.pw_gid)
    home = private / "home"
    home.mkdir(mode=0o700)
    owner.give(home)
    programs = private / package.name / cluster.binaries().relative_to(package)

    assert not owner.can_reach(programs)
    command = owner.command([str(programs / "initdb"), "-D", str(home / "data")], [home, programs])
    made = subprocess.run(command, capture_output=True, text=True, check=False)

    assert made.returncode == 0, made.stderr
