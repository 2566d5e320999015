"""The command `python -m strandline.sample`: serves the sample CRM and shop until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from strandline.errors import StrandlineError
from strandline.sample.server import SampleServer, serve
from strandline.sample.world import SampleWorld


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the sample world as the command line says; the exit code."""
    given = _parser().parse_args(arguments)
    try:
        world = SampleWorld(seed=given.seed, customers=given.customers, orders=given.orders)
        server = SampleServer(world, port=given.port, latency=timedelta(milliseconds=given.latency_ms))
        serve(server)
    except StrandlineError as error:
        sys.stderr.write(f"error: {error.message}\n  hint: {error.hint}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m strandline.sample", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8801, help="0 for any that is free (default: %(default)s)"
    )
    parser.add_argument("--latency-ms", type=int, default=0, help="how long each reply waits (default: none)")
    parser.add_argument(
        "--seed", type=int, default=1, help="another seed, another world (default: %(default)s)"
    )
    parser.add_argument("--customers", type=int, default=5_000, help="(default: %(default)s)")
    parser.add_argument("--orders", type=int, default=30_000, help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
