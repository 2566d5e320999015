"""Python as a page of the documentation is followed in it: a block a line, all of them in one module.

Each line that comes is a JSON list of where the block stands and its source; one goes back, of what it
printed, how it failed, and which statements it executed.
"""

import io
import json
import sys
import traceback
import types
import warnings
from contextlib import redirect_stdout

from tests import executed


def interpret() -> None:
    """Run what comes in, until there is no more."""
    warnings.simplefilter("error")
    page = sys.modules["page"] = types.ModuleType("page")
    for line in sys.stdin:
        where, source = json.loads(line)
        out, failed = io.StringIO(), ""
        executed.listed.clear()
        with redirect_stdout(out):
            try:
                exec(compile(source, where, "exec"), page.__dict__)  # noqa: S102  # what the page is about
            except Exception as error:  # noqa: BLE001  # the reader compares it with what the page says
                hint = getattr(error, "hint", None)
                failed = f"{type(error).__name__}: {error}" + (f"\nhint: {hint}" if hint else "")
                traceback.print_exc()
        sys.stdout.write(json.dumps([out.getvalue(), failed, executed.listed]) + "\n")
        sys.stdout.flush()
