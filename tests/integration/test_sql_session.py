"""The connections to a database that is read: as many at once as there are readers."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from strandline.source.retry import Retry
from strandline.source.sql.session import Session
from strandline.warehouse.database import Database


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_database_is_read_by_as_many_at_once_as_want_to(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    Path(tmp_path, "erp.db").touch()
    url = f"sqlite:///{tmp_path}/erp.db"
    if kind == "postgresql":
        warehouse: Database = request.getfixturevalue("warehouse")
        url = warehouse.url.render_as_string(hide_password=False)
    with closing(Session(url, policy=Retry(), setting="URL")) as session, ExitStack() as snapshots:
        for _ in range(20):
            snapshots.enter_context(session.snapshot(where="here"))
