"""Which interpreter times which topic, and what is said where a peer is not there."""

import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as main


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
