"""CSV is read block by block, and says what a plain loop over its lines would, whatever stands in them."""

import csv
import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.effort import cases

from strandline.source import Csv
from strandline.source.format.delimited import BLOCK_LINES
from strandline.source.malformed import malformed

COLUMNS = ("id", "name")

LINE = st.text(alphabet=st.sampled_from('ab,,"\\ü'), max_size=6).map(lambda it: it + "\n")
GOOD = st.sampled_from(["1,a\n", '2,"b, c"\n', '3,"d\n', 'e"\n', "\n"])


def oracle(lines: list[str]) -> list[bytes]:
    """A row is read from each line on; where that cannot be done the line is a row of its own."""
    found: list[bytes] = []
    at = row = 0
    while at < len(lines):
        rest = iter(lines[at : at + 40])
        reader = csv.reader(rest, strict=True)
        fields: list[str] | None = None
        problem = ""
        try:
            fields = next(reader)
            taken = reader.line_num
        except csv.Error as error:
            taken, problem = 1, str(error)
        text = "".join(lines[at : at + taken])
        at += taken
        if fields == []:
            continue
        row += 1
        if fields is not None and len(fields) != len(COLUMNS):
            many = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            problem = f"{many}, where there are 2 columns"
        if problem or fields is None:
            found.append(malformed(problem, row=row, text=text))
        else:
            record: dict[str, Any] = dict(zip(COLUMNS, fields, strict=True))
            found.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
    return found


@given(lines=st.lists(LINE | GOOD, max_size=12), before=st.integers(0, 12))
@cases(13)
def test_rows_are_the_same_wherever_a_block_ends(lines: list[str], before: int) -> None:
    every = ["0,good\n"] * (BLOCK_LINES - before) + lines

    found = list(Csv(columns=COLUMNS).records(io.BytesIO("".join(every).encode())))

    assert found == oracle(every)
