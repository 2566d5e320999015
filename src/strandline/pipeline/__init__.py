"""What runs when: pipelines, what they expect, their runs and what they report."""

from strandline.model.expectation import accepted, fresh, holds, not_null, refers, unique
from strandline.pipeline.certificate import Certificate
from strandline.pipeline.definition import Pipeline, Rejects
from strandline.pipeline.deletion import Deletes
from strandline.pipeline.erasure import erase
from strandline.pipeline.prune import prune
from strandline.pipeline.reconciliation import row_count, total
from strandline.pipeline.report import RunReport
from strandline.pipeline.restore import restore
from strandline.pipeline.run import run

__all__ = [
    "Certificate",
    "Deletes",
    "Pipeline",
    "Rejects",
    "RunReport",
    "accepted",
    "erase",
    "fresh",
    "holds",
    "not_null",
    "prune",
    "refers",
    "restore",
    "row_count",
    "run",
    "total",
    "unique",
]
