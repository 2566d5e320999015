"""The pages on taps and connectors, followed to the letter with the real ones; only installing is ours."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.documentation import PORT, ROOT, Reader, blocks

from strandline.warehouse.database import Database

pytestmark = pytest.mark.connectors


SHIPS = """
    SELECT string_agg(concat_ws(' ', ship_name, flag, length::numeric(9, 2)), ', ' ORDER BY source_id)
    FROM warehouse.dim_ship WHERE ship_key > 0 AND is_current
"""
PURCHASES = """
    SELECT (SELECT count(*) FROM warehouse.dim_user WHERE user_key > 0) = 200
        AND (SELECT count(*) FROM warehouse.fact_purchase) = (SELECT count(*) FROM raw.faker_purchases)
        AND NOT EXISTS (
            SELECT FROM warehouse.fact_purchase AS f
            JOIN warehouse.dim_user AS u USING (user_key)
            JOIN raw.faker_purchases_json AS r ON r.source_id = f.purchase_id::text
            WHERE u.source_id <> r.record ->> 'user_id'
        )
"""


@pytest.mark.parametrize(
    ("page", "program", "query", "found"),
    [
        ("use-a-singer-tap", "jsonl", SHIPS, "Ada NL 88.50, Grace NO 120.00, Mary IE 61.25"),
        ("use-an-airbyte-connector", "faker", PURCHASES, True),
    ],
    ids=["tap", "connector"],
)
def test_a_star_comes_of_what_the_page_says(
    tmp_path: Path,
    warehouse: Database,
    database_url: str,
    on_path: Callable[[str], str],
    page: str,
    program: str,
    query: str,
    found: object,
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STRANDLINE_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{on_path(program)}",
        "TTY_COMPATIBLE": "0",
        "NO_COLOR": "1",
        "COLUMNS": "160",
        "STRANDLINE_DATABASE_URL": database_url,
    }
    reader = Reader(tmp_path, environment, PORT)
    for block in blocks(ROOT / "docs" / "how-to" / f"{page}.md"):
        here = block.words - {"by-hand"} if "connectors" in block.words else block.words
        reader.follow(replace(block, words=here))
    reader.close()
    with warehouse.begin() as connection:
        assert connection.scalar(text(query)) == found
