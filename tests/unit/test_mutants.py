"""The mutants of `make mutants` are mutants of the code as it is: each has a place in it, and only one."""

import pytest
from tests.mutation import __main__ as mutation
from tests.mutation.mutant import Mutant


@pytest.mark.parametrize("mutant", mutation.MUTANTS, ids=lambda it: f"{it.module}: {it.why}")
def test_a_mutant_has_one_place_in_its_module(mutant: Mutant) -> None:
    module = mutation.ROOT / "src" / "strandline" / "warehouse" / f"{mutant.module}.py"
    assert mutation.misplaced(mutant, module.read_text()) is None
