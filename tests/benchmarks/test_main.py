"""Which interpreter times which topic, and what is said where a peer is not there."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as main
from benchmarks import start


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_packages_are_looked_for_in_the_interpreter_that_runs_the_topic() -> None:
    assert main.absent(sys.executable, ("numpy", "no_such_package")) == ["no_such_package"]


def test_a_peer_with_an_environment_of_its_own_runs_there() -> None:
    assert main.python_of("continual") == main.python_of("credit") == sys.executable
    own = main.interpreter("avalanche")
    own.parent.mkdir(parents=True)
    own.touch()
    assert main.python_of("continual") == str(own)
    assert main.python_of("credit") == sys.executable


def test_what_is_missing_is_named_with_the_page_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(main, "absent", lambda python, packages: [packages[-1]])
    assert main.missing("continual") == (
        "continual needs avalanche installed; see benchmarks/README.md"
    )
    monkeypatch.setattr(main, "absent", lambda python, packages: [])
    monkeypatch.delenv("ENGRAX_EFFICIENT_KAN", raising=False)
    assert "ENGRAX_EFFICIENT_KAN" in str(main.missing("kan"))
    assert main.missing("credit") is None


def test_starts_are_timed_in_processes_that_must_succeed(tmp_path: Path) -> None:
    good = [sys.executable, "-c", "import os; assert os.environ['GIVEN'] == os.getcwd()"]
    assert start.seconds(good, str(tmp_path), GIVEN=str(tmp_path)) > 0
    bad = [sys.executable, "-c", "raise SystemExit('no disk')"]
    with pytest.raises(RuntimeError, match="ended with 1: no disk"):
        start.seconds(bad, str(tmp_path))


def test_starts_are_drawn_between_their_marks_on_the_page() -> None:
    page = start.PAGE.read_text(encoding="utf-8")
    taken = {
        "engrax list": {"warm": 0.051},
        "a study": {"cold": 61.0, "warm": 8.5, "arms": 11},
        "another": {"cold": 61.0, "warm": 9.5, "all": 28.0, "arms": 9, "of": 30},
    }
    made = start.drawn(page, {"machine": {"cores": "2"}, "seconds": taken})
    assert "| `engrax list` |  |  | 0.05 s |  |" in made
    assert "| `a study` | 11 | 61.00 s | 8.50 s |  |" in made
    assert "| `another` | 9 of 30 | 61.00 s | 9.50 s | 28.00 s |" in made
    assert "Measured on: cores 2." in made
    assert start.drawn(made, {"machine": {"cores": "2"}, "seconds": taken}) == made
    assert made.startswith(page[: page.index("<!-- start -->")])
    assert start.table({"machine": {"cores": "2"}, "seconds": taken}) in made


def test_the_page_shows_the_starts_that_were_measured() -> None:
    page, ledger = (path.read_text(encoding="utf-8") for path in (start.PAGE, start.LEDGER))
    assert start.drawn(page, json.loads(ledger)) == page
