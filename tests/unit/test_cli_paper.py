"""What is written into a file is what Rich would draw there, trailing blanks apart."""

import io

import pytest
from rich.console import Console as Rich

from strandline.cli import output, paper
from strandline.cli.paper import Table

ROWS = [
    {"stream": "crm.customers", "records": 1_200, "is_done": True, "mark": None},
    {"stream": "shop.orders", "records": 7, "is_done": False, "mark": "[2026-03-01]"},
]
COLUMNS = {"stream": "stream", "records": "records", "is_done": "done", "mark": "read up to"}


def drawn(table: Table) -> list[str]:
    """As Rich draws it into a file."""
    out = io.StringIO()
    Rich(file=out, width=paper.WIDTH).print(table.drawn())
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("title", [None, "Streams"])
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []])
def test_a_table_in_plain_text_is_the_one_that_rich_draws(
    rows: list[dict[str, object]], title: str | None
) -> None:
    table = output.table(rows, columns=COLUMNS, title=title)
    assert table.lines() == drawn(table)


def test_what_does_not_fit_is_folded(capsys: pytest.CaptureFixture[str]) -> None:
    table = output.table([{"stream": "x" * 130}], columns={"stream": "stream"})
    paper.console().print(table)
    assert capsys.readouterr().out.splitlines()[1:] == ["x" * 120, f"{'x' * 10:<120}"]


def test_bold_is_not_for_files_and_brackets_are_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    out = paper.console()
    out.print("[bold]sales[/bold], run 2: done")
    out.print()
    out.print("the list \\[1, 2]")
    assert capsys.readouterr().out == "sales, run 2: done\n\nthe list [1, 2]\n"
