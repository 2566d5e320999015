"""Read marks that are set by hand: what is refused, and who may not set them now."""

from pathlib import Path

import pytest
from tests import harbour

from strandline.cli import mark as marks
from strandline.errors import DeclarationError, WarehouseBusy
from strandline.pipeline import amendment
from strandline.warehouse import lock, mark
from strandline.warehouse.database import Database

PIPELINES = [harbour.gauges]
GAUGES, BUOYS = "harbour.gauges", "harbour.buoys"


@pytest.mark.parametrize(
    ("name", "value", "is_none", "says"),
    [
        (GAUGES, None, False, "to what?"),
        (GAUGES, "2026-03-01T12:00:00Z", True, "a mark, or --none?"),
        (GAUGES, "yesterday", False, "'yesterday' is no mark of the cursor at"),
        (GAUGES, "4711", False, "'4711' is no mark of the cursor at"),
        ("harbour.gauge", None, True, "no pipeline here reads 'harbour.gauge'"),
        (BUOYS, "1", False, "has no cursor"),
    ],
)
def test_what_is_typed_is_refused_with_what_to_type(
    name: str, value: str | None, is_none: bool, says: str
) -> None:
    with pytest.raises(DeclarationError, match=says) as refused:
        marks.given(PIPELINES, name, value, is_none=is_none)
    assert refused.value.hint


def test_a_moment_without_a_zone_is_utc() -> None:
    assert marks.given(PIPELINES, GAUGES, "2026-03-01", is_none=False) == {
        GAUGES: "datetime:2026-03-01T00:00:00+00:00"
    }


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"marks": [1]}', '{"marks": {"a": 1}}'])
def test_what_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "marks.json"
    file.write_text(text)
    with pytest.raises(DeclarationError, match=r"marks\.json is no export of marks"):
        marks.exported(file)
    with pytest.raises(DeclarationError, match=r"nowhere\.json is no export of marks"):
        marks.exported(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("given", "reason", "says"),
    [
        ({GAUGES: None}, " ", "no reason was given"),
        ({GAUGES: "soon"}, "x", "not an encoded mark: 'soon'"),
        ({GAUGES: "int:1"}, "x", "the mark 'int:1' is a int, and the cursor at a datetime"),
        ({GAUGES: None, BUOYS: None}, "x", "harbour.buoys: has no cursor"),
    ],
)
def test_nothing_is_set_where_one_mark_is_refused(
    warehouse: Database, given: dict[str, str | None], reason: str, says: str
) -> None:
    before = "datetime:2026-03-01T00:00:00+00:00"
    amendment.amend(PIPELINES, warehouse, {GAUGES: before}, reason="a beginning", by="somebody")
    with pytest.raises(DeclarationError, match=says):
        amendment.amend(PIPELINES, warehouse, given, reason=reason, by="somebody")
    with warehouse.begin() as connection:
        assert mark.read_up_to(connection, GAUGES) == before
        assert [it["reason"] for it in mark.changes(warehouse, connection, GAUGES)] == ["a beginning"]


def test_no_mark_is_set_while_a_run_reads_the_stream(warehouse: Database) -> None:
    with warehouse.connect() as other:
        with other.begin():
            lock.hold_stream(other, GAUGES)
        with pytest.raises(WarehouseBusy, match=GAUGES):
            amendment.amend(PIPELINES, warehouse, {GAUGES: None}, reason="x", by="somebody")
        lock.release_all(other)
    assert amendment.amend(PIPELINES, warehouse, {GAUGES: None}, reason="x", by="somebody") == [
        amendment.Amendment(GAUGES, None, None, is_forward=False)
    ]
