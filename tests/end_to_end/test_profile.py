"""`strandline profile` as a user types it: a file, an address, a stream, and a page to look at."""

import re
from pathlib import Path

import pytest

from strandline.testing.project import Project
from strandline.testing.server import Html, Response, ScriptedApi, Status

SAMPLES = Path(__file__).parents[1] / "samples"
FLEET = Path(__file__).with_name("fleet.py")


@pytest.fixture
def project(tmp_path: Path, program: Path) -> Project:
    return Project(tmp_path, environment={}, program=program)


def test_a_file_is_told_as_a_table(project: Project) -> None:
    project.add(SAMPLES / "parcels.json")
    shown = project.strandline("profile", "parcels.json").stdout

    assert "parcels.json: JSON, 3 records" in shown
    assert re.search(r"^weight_kg +number as text +100.0% +3", shown, re.MULTILINE)
    assert "records    results  sure: the only list of objects" in shown
    assert 'paginator  LinkInBody("next")  sure: next is a link' in shown
    assert "key        parcel_id  sure: the identifier of a parcel" in shown
    assert "cursor     modified  sure: timestamp of the last change" in shown


def test_an_address_is_asked_with_its_headers_which_are_shown_nowhere(project: Project) -> None:
    body, link = (SAMPLES / "repository_issues.json").read_bytes(), '<https://x>; rel="next"'
    with ScriptedApi() as api:
        api.fail("/issues", Status(401, body=b'{"message": "who is hunter2hunter2?"}'), request=1)
        api.fail("/issues", Response(body, headers={"Link": link}), request=2)
        words = ("profile", f"{api.url}/issues?api_key=geheim&page=1", "--header", "X-Key: hunter2hunter2")
        refused = project.strandline(*words, "--json")
        found = project.strandline(*words, "--json")
        assert [it.headers["x-key"] for it in api.requests] == ["hunter2hunter2"] * 2

    assert (refused.code, refused.document["error"]["kind"]) == (1, "CredentialsRejected")
    assert "--header" in refused.document["error"]["hint"]
    assert found.document["paginator"]["what"] == "LinkHeader()"
    assert found.document["keys"][0]["what"] == "id"
    assert "geheim" not in found.stdout + refused.stdout + found.stderr
    assert "hunter2" not in found.stdout + found.stderr + refused.stdout + refused.stderr


def test_errors_of_an_address_are_told(project: Project) -> None:
    with ScriptedApi() as api:
        api.fail("/page", Html())
        api.fail("/broken", Status(503))
        page = project.strandline("profile", f"{api.url}/page")
        broken = project.strandline("profile", f"{api.url}/broken")
        gone = api.url
    nobody = project.strandline("profile", gone)

    assert "it is a web page, not JSON: 'Please sign in'" in page.error
    assert "answered 503" in broken.error
    assert (nobody.code, "nobody answers there" in nobody.error) == (1, True)


def test_a_redirect_to_another_host_is_not_followed(project: Project) -> None:
    with ScriptedApi() as api:
        elsewhere = {"Location": "http://localhost:9/b?token=t0p"}
        api.fail("/a", Response(status=302, headers=elsewhere))
        found = project.strandline("profile", f"{api.url}/a")

    assert "it redirects to http://localhost:9/b" in found.error
    assert "t0p" not in found.error


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("nope.json",), "nope.json: there is no such file", "Name a file that is there"),
        (("ftp://x/y",), "only http:// and https:// are asked", "Save a sample"),
        (("a.json", "--header", "x: y"), "--header is for addresses", "Leave it out"),
        (("http://127.0.0.1:9", "--header", "nonsense"), "--header: has no colon", "X-API-Key"),
        (
            ("harbour.boats",),
            "harbour.boats: no file of that name, and no stream of pipeline",
            "harbour.ships",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_told(
    project: Project, words: tuple[str, ...], message: str, hint: str
) -> None:
    project.add(FLEET)
    (project.folder / "fleet.py").rename(project.folder / "pipeline.py")
    found = project.strandline("profile", *words)

    assert found.code == 2
    assert message in found.error
    assert hint in found.error


def test_a_stream_is_read_and_nothing_is_stored(project: Project) -> None:
    project.add(FLEET)
    (project.folder / "fleet.py").rename(project.folder / "pipeline.py")
    line = '{"id": "S%d", "at": "2026-01-01T00:00:00Z", "name": "Fram", "flag": "no", "port": "Oslo"}\n'
    (project.folder / "records.jsonl").write_text("".join(line % number for number in range(5)))
    found = project.strandline("profile", "harbour.ships", "--limit", "3", "--json").document

    assert (found["records"], found["is_cut"], found["keys"][0]["what"]) == (3, True, "id")
    assert not (project.folder / ".strandline").exists()


def test_the_page_has_plots_and_loads_nothing(project: Project) -> None:
    (project.folder / "odd.json").write_text(
        '[{"id": 1, "size": 3, "kind": "<b>x</b>", "email": "a@b.example"},'
        ' {"id": 2, "size": 9.5, "kind": "<b>x</b>", "email": "c@d.example"}]'
    )
    assert project.strandline("profile", "odd.json", "--html", "odd.html").code == 0
    page = (project.folder / "odd.html").read_text()

    assert page.count("<svg") >= 6
    assert "<b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt; (2)" in page
    assert "a@b.example" not in page
    assert not re.search(r"(?:src|href|url)\s*[=(]|https?:", page)
    refused = project.strandline("profile", "odd.json", "--html", "no/odd.html")
    assert (refused.code, "cannot be written" in refused.error) == (1, True)
