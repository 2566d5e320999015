"""Erasure: what is gone, what stays, and what does not come back."""

import itertools
import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, text
from tests.integration.ward import AggStreet, DimDoctor, DimPatient, FactTreatment, Ward, ward
from tests.written import assert_is_its_query

from strandline.errors import DeclarationError, UnknownKey, WarehouseError
from strandline.pipeline import Certificate, RunReport, erase, run
from strandline.pipeline.extent import choose
from strandline.pipeline.replay import replay
from strandline.testing.written import row_versions
from strandline.warehouse import cluster, erasure, state
from strandline.warehouse.database import Database

NUMBERS = itertools.count(1)


class Canaries:
    """Makes values that are found nowhere else, and remembers them."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def __call__(self, about: str = "") -> str:
        """Another one; umlauts and quotes are spelled in many ways."""
        self.values.append(f"Kanari-{next(NUMBERS):04}-{about}")
        return self.values[-1]

    def number(self) -> int:
        """Another one, of digits."""
        self.values.append(str(700_700_000 + next(NUMBERS)))
        return int(self.values[-1])

    def found(self, dump: str) -> list[str]:
        """Those that a dump shows, as text or as bytes."""
        return [it for it in self.values if it[:11] in dump or it[:11].encode().hex() in dump.lower()]


def sent(key: str, day: int, **said: Any) -> bytes:
    """A patient's record."""
    said = {
        "id": key,
        "at": f"2026-01-{day:02}T00:00:00Z",
        "name": "Anna",
        "street": "Main",
        "age": 40,
    } | said
    return json.dumps(said).encode()


def personal(canary: Canaries, day: int, key: str = "p", **said: Any) -> bytes:
    """A record with a canary in every field."""
    texts = {"name": 'Zoë O\'Hara "Z"', "email": "mail@example.com", "phone": "", "street": "st", "town": "t"}
    made: dict[str, Any] = {name: canary(about) for name, about in texts.items() if name not in said}
    if "age" not in said:
        made["age"] = canary.number()
    made["doctor"] = canary("doctor")
    made["allergies"] = [canary("nuts"), canary("bees")]
    made["undeclared"] = {"deep": [canary("extra"), {"deeper": canary("\\u00fc")}]}
    return sent(key, day, **made, **said)


def treatment(number: int, patient: str, day: int, cost: int = 10) -> dict[str, Any]:
    """A treatment's record."""
    return {"id": str(number), "at": f"2026-01-{day:02}T12:00:00Z", "patient": patient, "cost": str(cost)}


def load(
    warehouse: Database, patients: list[bytes], treatments: list[Any] | None = None, email: str = ""
) -> RunReport:
    """Let the ward send these."""
    source = Ward(patients, treatments)
    if email:
        source.ask_for(email)
    return run(ward, warehouse, sources={"ward": source})


def erased(warehouse: Database, key: str = "p", **arguments: Any) -> Certificate:
    """Erase a patient."""
    return erase([ward], warehouse, "ward.patients", key, reason="she asked for it", **arguments)


def dump(warehouse: Database) -> str:
    """All that there is, as text: PostgreSQL's own dump, and what the planner knows of the values."""
    url = warehouse.url.set(drivername="postgresql").render_as_string(hide_password=False)
    program = str(cluster.binaries() / "pg_dump")
    done = subprocess.run([program, "--dbname", url], capture_output=True, text=True, check=True)
    with warehouse.connect() as connection:
        statistics = connection.execute(text("SELECT * FROM pg_stats WHERE schemaname !~ '^pg_|^inf'")).all()
    return done.stdout + repr(statistics)


def analyze(warehouse: Database) -> None:
    """As autovacuum does, at a moment of its own."""
    with warehouse.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def keyless_rejects(warehouse: Database) -> list[int]:
    """The records of which nobody can tell whose they are."""
    noted = state.reject.c
    with warehouse.connect() as connection:
        return list(connection.scalars(select(noted.reject_id).where(noted.source_id.is_(None))))


def costs(warehouse: Database) -> dict[str, Any]:
    """Rows and sums of the facts."""
    fact = FactTreatment.table().c
    wanted = select(func.count().label("rows"), func.sum(fact.cost), func.min(fact.treated_at))
    with warehouse.connect() as connection:
        return dict(connection.execute(wanted).mappings().one())


def everything(warehouse: Database) -> Canaries:
    """A ward with a patient of whom every table knows something."""
    canary = Canaries()
    load(warehouse, [sent("q", 1), personal(canary, 2), personal(canary, 5)], [treatment(1, "p", 3)])
    wrong = [personal(canary, 6, age=canary("not a number")), personal(canary, 7, name="x" * 61 + canary())]
    load(warehouse, wrong, [treatment(2, "p", 6), treatment(3, "q", 6)], email=canary("asked@example.com"))
    load(warehouse, [personal(canary, 3), personal(canary, 5)], email=canary.values[1])  # late; a correction
    many = [personal(canary, 8, age=canary(f"no number {it}")) for it in range(25)]
    assert load(warehouse, [*many, b'{"id": "p", "name": "' + canary("cut").encode()]).status == "partial"
    load(warehouse, [personal(canary, 9), sent("p", 10, gone=True, name=canary()), personal(canary, 11)])
    return canary


def test_nothing_that_a_record_said_is_found_in_a_dump(warehouse: Database) -> None:
    """Not in log, history, combination, group, aggregate, quarantine, error, URL, or statistics."""
    canary = everything(warehouse)
    with warehouse.begin() as connection:  # of somebody else, and with a name that has to be quoted
        connection.execute(text('CREATE SCHEMA "Kept-Apart"'))
        connection.execute(text('CREATE TABLE "Kept-Apart".note AS SELECT generate_series(1, 9) AS number'))
    analyze(warehouse)
    before, was = dump(warehouse), costs(warehouse)
    assert set(canary.found(before)) == set(canary.values)
    certificate = erased(warehouse, reject_ids=keyless_rejects(warehouse))

    assert canary.found(dump(warehouse)) == []
    assert costs(warehouse) == was
    assert_is_its_query(warehouse, AggStreet)
    assert certificate.counts["raw.ward_patients"] == 35
    assert certificate.kept == {"fact_treatment.patient_key": 2, "fact_treatment.profile_key": 2}


def test_neither_replay_nor_late_records_nor_the_source_bring_it_back(warehouse: Database) -> None:
    """What the source still sends is not stored; when it did so last is noted."""
    canary = everything(warehouse)
    erased(warehouse, reject_ids=keyless_rejects(warehouse))
    again = Canaries()
    late = [personal(again, 4), personal(again, 9), personal(again, 12), sent("p", 13, gone=True)]
    wrong = [personal(again, 14, age=again("no number"))]
    report = load(warehouse, [*late, *wrong, sent("q", 12)], [treatment(4, "p", 14)])
    assert replay(ward, warehouse).status == "done"

    told = report.streams[0]
    assert (report.status, told.stored, told.unchanged, told.rejected) == ("done", 1, 5, 0)
    assert [*canary.found(dump(warehouse)), *again.found(dump(warehouse))] == []
    assert {it["patient_name"] for it in versions(warehouse)} == {"Unknown"}
    assert costs(warehouse)["rows"] == 4
    with warehouse.connect() as connection:
        (kept_away,) = connection.execute(select(state.erased_key)).all()
    assert kept_away.sent_again_at is not None


def versions(warehouse: Database, key: str = "p") -> list[dict[str, Any]]:
    """A patient's versions."""
    table = DimPatient.table()
    mine = select(table).where(table.c.source_id == key).order_by(table.c.version)
    with warehouse.connect() as connection:
        return [dict(row) for row in connection.execute(mine).mappings()]


def test_a_member_that_facts_refer_to_stays_known_by_its_key(warehouse: Database) -> None:
    """With its durable key, and without history; whom nothing refers to is gone."""
    patients = [sent("p", 2, street="a"), sent("p", 4, street="b"), sent("o", 2)]
    load(warehouse, patients, [treatment(1, "p", 3), treatment(2, "p", 5)])
    durable = {it["patient_durable_key"] for it in versions(warehouse)}
    erased(warehouse)
    certificate = erased(warehouse, "o")
    (left,) = versions(warehouse)

    assert (left["is_inferred"], left["is_current"]) == (True, True)
    assert (left["street"], left["age"]) == ("Unknown", None)
    assert {left["patient_durable_key"]} == durable
    assert versions(warehouse, "o") == []
    assert certificate.counts["warehouse.dim_patient"] == 1
    assert certificate.kept == {}
    with warehouse.connect() as connection:
        assert set(connection.scalars(select(FactTreatment.table().c.patient_key))) == {left["patient_key"]}


def test_what_others_have_in_common_with_the_member_stays(warehouse: Database) -> None:
    common = {"doctor": "d", "allergies": ["nuts"], "street": "same", "town": "same"}
    load(warehouse, [sent("p", 2, **common), sent("q", 2, **common)], [treatment(1, "p", 3)])
    others = versions(warehouse, "q")
    certificate = erased(warehouse)

    assert versions(warehouse, "q") == others
    assert set(certificate.counts) == {
        "raw.ward_patients",
        "strandline.field",
        "warehouse.dim_patient",
        "warehouse.dim_patient_profile_history",
    }
    with warehouse.connect() as connection:
        assert connection.scalar(select(func.count()).where(DimDoctor.table().c.source_id == "d")) == 1


def test_a_dry_erasure_tells_the_same_figures_and_changes_nothing(warehouse: Database) -> None:
    everything(warehouse)
    tables = [DimPatient.table(), FactTreatment.table(), AggStreet.table(), state.reject, state.erased_key]
    before, was = row_versions(warehouse, *tables), versions(warehouse)
    dry = erased(warehouse, is_dry=True)
    assert (row_versions(warehouse, *tables), versions(warehouse)) == (before, was)
    certificate = erased(warehouse)

    assert (dry.counts, dry.kept) == (certificate.counts, certificate.kept)
    assert (dry.erasure_id, dry.is_dry) == (None, True)
    with warehouse.connect() as connection:
        assert len(erasure.certificates(connection)) == 1


def test_what_took_effect_later_stays_and_the_person_may_come_back(warehouse: Database) -> None:
    """Of an erasure up to a moment."""
    load(warehouse, [sent("p", 2, street="a"), sent("p", 6, street="b")], [treatment(1, "p", 3)])
    erased(warehouse, until=datetime(2026, 1, 5, tzinfo=UTC))
    load(warehouse, [sent("p", 3, street="late"), sent("p", 8, street="c")])

    assert [it["street"] for it in versions(warehouse)] == ["b", "c"]
    erased(warehouse)
    load(warehouse, [sent("p", 9, street="d")])
    assert [it["street"] for it in versions(warehouse)] == ["Unknown"]


def test_a_certificate_knows_the_key_by_a_salted_hash(warehouse: Database) -> None:
    load(warehouse, [sent("p", 2)])
    certificate = erased(warehouse)
    with warehouse.connect() as connection:
        (kept,) = erasure.certificates(connection)

    assert kept["key_hash"] == certificate.key_hash == erasure.hash_of("p", certificate.salt)
    assert (kept["reason"], kept["erased_by"]) == ("she asked for it", "strandline")
    assert certificate.salt not in dump(warehouse)


def test_a_column_that_the_model_dropped_is_emptied(warehouse: Database) -> None:
    load(warehouse, [sent("p", 2), sent("q", 2)], [treatment(1, "p", 3)])
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE warehouse.dim_patient ADD COLUMN nickname text"))
        connection.execute(text("UPDATE warehouse.dim_patient SET nickname = source_id || 'ussi'"))
    erased(warehouse)

    assert "pussi" not in dump(warehouse)
    assert "qussi" in dump(warehouse)


def test_an_erasure_that_fails_leaves_everything_as_it_was(warehouse: Database) -> None:
    """All of it is one transaction."""
    load(warehouse, [sent("p", 2)], [treatment(1, "p", 3)])
    before = versions(warehouse)
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE strandline.erasure ADD CHECK (reason <> 'she asked for it')"))
    with pytest.raises(WarehouseError, match="erasure"):
        erased(warehouse)

    assert versions(warehouse) == before
    with warehouse.connect() as connection:
        assert connection.scalars(text("SELECT DISTINCT operation FROM raw.ward_patients")).all() == [
            "upsert"
        ]


def test_what_cannot_be_erased_is_told(warehouse: Database) -> None:
    load(warehouse, [sent("p", 2)], [treatment(1, "p", 3)])
    with pytest.raises(UnknownKey, match="no record of 'x' is in the raw log"):
        erased(warehouse, "x")
    with pytest.raises(DeclarationError, match=r"no pipeline reads 'ward\.nobody'"):
        erase([ward], warehouse, "ward.nobody", "1", reason="a test")
    with pytest.raises(DeclarationError, match="no reason"):
        erase([ward], warehouse, "ward.patients", "p", reason=" ")
    with pytest.raises(DeclarationError, match="no time zone"):
        erased(warehouse, until=datetime(2026, 1, 5))  # noqa: DTZ001  # that is it


def test_a_source_stands_for_its_only_stream_with_personal_data() -> None:
    assert choose([ward], "ward") == choose([ward], "ward.patients") == "ward.patients"
    with pytest.raises(DeclarationError, match="'wart' is not one stream"):
        choose([ward], "wart")
