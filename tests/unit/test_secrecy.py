"""What is hidden in a line of the log, and what is not."""

import subprocess
import sys
from inspect import cleandoc

import pytest

from strandline import log
from strandline.secrecy import Secrecy


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("s3cr3t", "as3cr3tb", "a***b"),
        ("s", "not signed out: ?token=s&x, s", "not signed out: ?token=***&x, ***"),
        ("pin", "spinning, pin:pin, PIN_pin", "spinning, ***:***, PIN_pin"),
        ("a/", "xa/y, a/y", "xa/y, ***y"),
        ("é1", "é12 é1.", "é12 ***."),
    ],
)
def test_a_short_secret_is_hidden_where_it_stands_by_itself(secret: str, text: str, shown: str) -> None:
    known = Secrecy()
    known.hide([secret])
    assert known.scrub(text) == shown


def test_what_is_told_within_a_block_is_forgotten_after_it() -> None:
    known = Secrecy()
    known.hide(["before"])
    known.hide_for_now(["passing"])
    with known.forgetting():
        known.hide(["within"])
        known.hide_for_now([f"token-{it}" for it in range(200)])
        known.hide_named(["mail"])
        assert known.masked({"mail": "ada", "x": "within"}) == {"mail": "***", "x": "***"}
    told = {"mail": "ada", "x": "within token-199", "y": "before passing"}
    assert known.masked(told) == {"mail": "ada", "x": "within token-199", "y": "*** ***"}


def test_words_of_our_own_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    from strandline.secrecy import KNOWN

    KNOWN.hide(["signed", "warning"])
    log.warn("not signed out", reason="signed", of="warning")
    said = capsys.readouterr().err
    assert "not signed out" in said
    assert said.count("***") == 2
    assert said.count("warning") == 1


def test_a_manner_that_comes_late_counts_from_then_on() -> None:
    """Something was said before the settings were read, and structlog was set up for it."""
    words = """
        from strandline import log
        log.set_up(log.Manner(format="text", level="warning"))
        log.warn("early")
        log.set_up(log.Manner(format="json", level="debug"))
        log.detail("late")
    """
    done = subprocess.run([sys.executable, "-c", cleandoc(words)], capture_output=True, text=True, check=True)
    early, late = done.stderr.splitlines()
    assert "early" in early
    assert not early.startswith("{")
    assert late.startswith('{"event": "late"')
