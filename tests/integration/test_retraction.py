"""Erasure in the records of other streams: the person goes, and what facts are made of stays."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.integration.test_erasure import Canaries, dump, erased, load, sent, treatment
from tests.integration.ward import DimPatient, FactTreatment, ward

from strandline.pipeline.pruning import prune
from strandline.pipeline.replay import replay
from strandline.pipeline.restoration import restore
from strandline.testing.written import row_versions
from strandline.warehouse import mention
from strandline.warehouse.database import Database

EXACT = '"exact": 10.000000000000000000010'


def told(canary: Canaries, number: int, patient: str, day: int, **said: Any) -> bytes:
    """A treatment with canaries where it is personal, and a number that no float holds."""
    relatives = [{"phone": canary("kin"), "kin": "q"}, {"phone": canary("kin")}]
    personal = {"contact": canary("mail@example.com"), "remark": canary('Zoë "Z"'), "relatives": relatives}
    made = {**treatment(number, patient, day), **personal, "exact": 1, **said}
    return json.dumps(made, ensure_ascii=number % 2 == 0).replace('"exact": 1', EXACT).encode()


def facts(warehouse: Database) -> list[dict[str, Any]]:
    """What the treatments are."""
    table = FactTreatment.table().c
    wanted = select(table.treatment_id, table.patient_key, table.cost, table.remark, table.contact)
    with warehouse.connect() as connection:
        return [dict(row) for row in connection.execute(wanted.order_by(table.treatment_id)).mappings()]


def logged(warehouse: Database) -> list[str]:
    """The payloads of treatments."""
    with warehouse.connect() as connection:
        rows = connection.scalars(text("SELECT payload FROM raw.ward_treatments ORDER BY raw_id"))
        return [bytes(it).decode() for it in rows]


def test_what_other_streams_say_of_the_person_goes_and_their_facts_stay(warehouse: Database) -> None:
    """In the log, in facts and their custom fields, in rejects; and it does not come back."""
    canary, others = Canaries(), Canaries()
    mail, kept = canary("Anna@Example.com"), others("other")
    patients = [sent("p", 1, email=mail, name=canary("name")), sent("q", 1, email=others("q"))]
    copied = {"undeclared": {"code": "C1", "note": f"ask {mail.lower()} first"}}
    treatments = [
        told(canary, 1, "p", 3, **copied),
        told(canary, 2, "p", 4),
        told(others, 3, "q", 4),
        told(canary, 4, "p", 5, cost="much"),
        json.dumps({**treatment(5, "q", 5), "remark": kept}).encode(),
    ]
    assert load(warehouse, patients, treatments).status == "partial"
    before = facts(warehouse)
    certificate = erased(warehouse)

    assert canary.found(dump(warehouse)) == []
    assert set(others.found(dump(warehouse))) == set(others.values)
    assert certificate.counts["raw.ward_treatments"] == 3
    assert certificate.counts["warehouse.fact_treatment"] == 2
    after = facts(warehouse)
    assert [it["cost"] for it in after] == [it["cost"] for it in before]
    assert [it["remark"] for it in after[:2]] == ["[erased]", "[erased]"]
    assert [it["contact"] for it in after[:2]] == [None, None]
    assert after[2:] == before[2:]
    assert all(EXACT in it for it in logged(warehouse)[:3])

    written = row_versions(warehouse, FactTreatment.table())
    report = load(warehouse, patients, treatments)
    told_again = report.streams[-1]
    assert (told_again.stored, told_again.unchanged) == (0, 5)
    assert replay(ward, warehouse).status == "done"
    assert row_versions(warehouse, FactTreatment.table()) == written
    again = erased(warehouse)
    assert (again.counts, row_versions(warehouse, FactTreatment.table())) == ({}, written)

    new = told(canary, 6, "p", 6, **copied)
    load(warehouse, patients, [*treatments, new])
    assert facts(warehouse)[-1]["remark"] == "[erased]"
    assert canary.found(dump(warehouse)) == []
    with warehouse.connect() as connection:
        noted = connection.execute(select(mention.effaced_entry)).all()
    assert len(noted) == 4


def history(warehouse: Database) -> list[tuple[Any, ...]]:
    """The patient's versions."""
    table = DimPatient.table().c
    columns = (table.valid_from, table.street, table.age, table.patient_name, table.email)
    wanted = select(*columns, table.custom_fields).where(table.source_id == "p")
    with warehouse.connect() as connection:
        rows = connection.execute(wanted.order_by(table.valid_from))
        return [tuple(row) for row in rows]


def test_only_what_is_personal_goes_and_the_history_stays(warehouse: Database) -> None:
    """Also of what comes later; facts keep what is not personal, and their versions."""
    canary = Canaries()
    mail = canary("mail@example.com")
    patients = [
        sent("p", 1, street="a", name=canary("name"), email=mail, phone=canary("phone")),
        sent("p", 4, street="b", name=canary("new name"), email=mail, copy=[{"of": mail}], kept="C1"),
        sent("q", 1, street="a"),
    ]
    treatments = [told(canary, 1, "p", 2), told(canary, 2, "p", 5)]
    load(warehouse, patients, treatments)
    before, was = history(warehouse), facts(warehouse)
    certificate = erased(warehouse, only_pii=True)
    after = history(warehouse)

    assert canary.found(dump(warehouse)) == []
    assert [it[:3] for it in after] == [it[:3] for it in before]
    assert {it[3:5] for it in after} == {("[erased]", None)}
    assert after[1][5]["kept"]["value"] == "C1"
    assert [it["patient_key"] for it in facts(warehouse)] == [it["patient_key"] for it in was]
    assert certificate.only_pii
    assert certificate.counts["raw.ward_patients"] == certificate.counts["raw.ward_treatments"] == 2

    later = sent("p", 8, street="c", name=canary("later"), email=canary("later mail"))
    told_later = load(warehouse, [*patients[1:], later], treatments).streams[0]
    assert (told_later.stored, told_later.unchanged) == (1, 2)
    assert replay(ward, warehouse).status == "done"
    assert [it[1:5] for it in history(warehouse)[:2]] == [it[1:5] for it in after]
    assert history(warehouse)[2][1:5] == ("c", 40, "[erased]", None)
    assert canary.found(dump(warehouse)) == []
    assert erased(warehouse, only_pii=True).counts == {}
    erased(warehouse)
    assert len(history(warehouse)) == 1


def test_what_is_restored_from_an_archive_says_nothing_personal_either(
    warehouse: Database, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    canary = Canaries()
    load(warehouse, [sent("p", 1)], [told(canary, 1, "p", 2), told(canary, 1, "p", 3)])
    prune([ward], warehouse, ["ward.treatments"], older_than=timedelta(0), export=tmp_path)
    erased(warehouse)
    report = restore([ward], warehouse, tmp_path)

    assert report.streams[0].entries == 1
    assert canary.found(dump(warehouse)) == []
    assert replay(ward, warehouse).status == "done"
    assert canary.found(dump(warehouse)) == []
