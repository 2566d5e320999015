"""What runs when: pipelines, what they expect, their runs and what they report."""

from strandline import late

HOMES = {
    "Certificate": "pipeline.certificate",
    "Deletes": "pipeline.deletion",
    "Notice": "pipeline.notice",
    "Pipeline": "pipeline.definition",
    "Rejects": "pipeline.threshold",
    "RunReport": "pipeline.report",
    "Webhook": "pipeline.webhook",
    "accepted": "model.expectation",
    "erase": "pipeline.erasure",
    "fresh": "model.expectation",
    "holds": "model.expectation",
    "not_null": "model.expectation",
    "prune": "pipeline.pruning",
    "refers": "model.expectation",
    "restore": "pipeline.restoration",
    "row_count": "pipeline.reconciliation",
    "run": "pipeline.running",
    "total": "pipeline.reconciliation",
    "unique": "model.expectation",
}

__all__ = sorted(HOMES)  # noqa: PLE0605

__getattr__ = late.finder(__name__, HOMES)


def __dir__() -> list[str]:
    return __all__
