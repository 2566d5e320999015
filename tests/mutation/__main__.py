"""Break the merge and the prune on purpose, one condition at a time, and see whether a test notices.

    make mutants                      every mutant
    make mutants ARGS="late key"      those of these modules

Each mutant is a copy of the package with one condition of its SQL turned wrong. The tests below run on it
until one fails: then the mutant is killed. One that survives is a condition that nothing proves, and the
command ends with 1. A mutant whose text does not stand in its module exactly once is an error: the code has
moved on, and so must the list.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutation import fact as of_fact
from tests.mutation import mutant as of_merge
from tests.mutation import prune as of_prune
from tests.mutation.mutant import Mutant

from strandline.testing import postgres

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/nightly/test_many_histories.py",
    "tests/integration/test_scd_history.py",
    "tests/integration/test_fact_reference.py",
    "tests/integration/test_inferred_member.py",
    "tests/integration/test_record_identity.py",
    "tests/integration/test_pipeline_reject.py",
    "tests/property/test_fact_against_oracle.py",
    "tests/property/test_grain_against_oracle.py",
    "tests/property/test_quarantine_against_oracle.py",
    "tests/property/test_lines_against_oracle.py",
    "tests/property/test_history_against_oracle.py",
    "tests/property/test_first_members_against_oracle.py",
)
PRUNES = (
    "tests/property/test_prune_rule_against_oracle.py",
    "tests/property/test_prune_against_oracle.py",
    "tests/integration/test_prune.py",
)
FACTS = ("test_fact_against_oracle", "test_grain_against_oracle", "test_lines_against_oracle")
QUARANTINE = ("test_quarantine_against_oracle", "test_pipeline_reject")
NEAREST = {
    "fact": FACTS,
    "grain": FACTS,
    "resolution": FACTS,
    "release": QUARANTINE,
    "quarantine": QUARANTINE,
    "first": ("test_first_members_against_oracle",),
}
"""The tests that a module's mutants are most likely to be killed by: they are the first, for all of them take
minutes.
"""
MUTANTS = of_merge.MUTANTS + of_fact.MUTANTS + of_prune.MUTANTS
HISTORIES = "300"
CASES = "12"


def misplaced(mutant: Mutant, text: str) -> str | None:
    """Why the mutant is none of this module's text; None if it is."""
    times = text.count(mutant.right)
    return (
        None if times == 1 else f"{mutant.module}.py: {mutant.right!r} stands in it {times} times, not once"
    )


def copy_of(package: Path, folder: Path, mutant: Mutant) -> Path:
    """The package with this mutation, below the folder."""
    source = folder / "src"
    shutil.copytree(package, source / "strandline", ignore=shutil.ignore_patterns("__pycache__"))
    module = source / "strandline" / "warehouse" / f"{mutant.module}.py"
    text = module.read_text()
    if not_once := misplaced(mutant, text):
        sys.exit(not_once)
    module.write_text(text.replace(mutant.right, mutant.wrong))
    return source


def killer(source: Path, url: str, tests: Sequence[str]) -> str | None:
    """The first of these tests that fails on this package; None if all pass."""
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "-m", "nightly or not nightly", "--no-header"),
        *("--database-url", url, "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=no"),
        *("--hypothesis-profile", "first_failure", *tests),
    ]
    environment = {**os.environ, "PYTHONPATH": str(source), "HISTORIES": HISTORIES, "CASES": CASES}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" ", 1)[1].split(" - ")[0] if failed else done.stdout[-500:] + done.stderr[-500:]


def tests_of(module: str) -> Sequence[str]:
    """The tests that a module's mutants have to pass, the likeliest to fail first."""
    if module in ("prune", "horizon"):  # no part of the merge
        return PRUNES
    nearest = NEAREST.get(module, ())
    return sorted(TESTS, key=lambda test: Path(test).stem not in nearest)


def main(modules: list[str]) -> int:
    """Try the mutants of these modules, or all; how many survive decides the exit code."""
    chosen = [mutant for mutant in MUTANTS if not modules or mutant.module in modules]
    survivors = 0
    with postgres.temporary_server() as server:
        url = server.render_as_string(hide_password=False)
        for number, mutant in enumerate(chosen, 1):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                source = copy_of(ROOT / "src" / "strandline", Path(folder), mutant)
                by = killer(source, url, tests_of(mutant.module))
            survivors += by is None
            told = f"killed by {by}" if by else "SURVIVES"
            took = time.monotonic() - began
            sys.stdout.write(f"{number}/{len(chosen)} {mutant.module}: {mutant.why}: {told} ({took:.0f} s)\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survivors} of {len(chosen)} mutants killed.\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
