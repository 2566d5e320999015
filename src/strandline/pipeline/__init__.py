"""What runs when: pipelines, their runs and what they report."""

from strandline.pipeline.definition import Pipeline, Rejects
from strandline.pipeline.report import RunReport
from strandline.pipeline.run import run

__all__ = ["Pipeline", "Rejects", "RunReport", "run"]
