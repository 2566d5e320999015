"""What is found in `strandline.pipeline`, as type checkers see it."""

from strandline.model.expectation import accepted as accepted
from strandline.model.expectation import fresh as fresh
from strandline.model.expectation import holds as holds
from strandline.model.expectation import not_null as not_null
from strandline.model.expectation import refers as refers
from strandline.model.expectation import unique as unique
from strandline.pipeline.certificate import Certificate as Certificate
from strandline.pipeline.definition import Pipeline as Pipeline
from strandline.pipeline.deletion import Deletes as Deletes
from strandline.pipeline.erasure import erase as erase
from strandline.pipeline.notice import Notice as Notice
from strandline.pipeline.pruning import prune as prune
from strandline.pipeline.reconciliation import row_count as row_count
from strandline.pipeline.reconciliation import total as total
from strandline.pipeline.report import RunReport as RunReport
from strandline.pipeline.restoration import restore as restore
from strandline.pipeline.running import run as run
from strandline.pipeline.threshold import Rejects as Rejects
from strandline.pipeline.webhook import Webhook as Webhook

HOMES: dict[str, str]
