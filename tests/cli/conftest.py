"""The command line with two tiny studies installed, in an empty folder."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from engrax._registry import ENTRY_POINTS
from engrax.cli import main

INSTALLED = (
    importlib.metadata.EntryPoint("tiny", "tests.tiny_study:STUDY", ENTRY_POINTS),
    importlib.metadata.EntryPoint("broken", "tests.tiny_study:BROKEN", ENTRY_POINTS),
)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.metadata.entry_points

    def entry_points(**select: str) -> importlib.metadata.EntryPoints:
        if select.get("group") == ENTRY_POINTS:
            return importlib.metadata.EntryPoints(INSTALLED)
        return real(**select)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENGRAX_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.delenv("ENGRAX_TRACEBACK", raising=False)


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that an error is."""
        lines = [line for line in self.err.splitlines() if line.startswith("engrax: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("engrax: ")


@pytest.fixture
def engrax(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Types a command: `engrax("run", "tiny")`."""

    def call(*args: str) -> Answer:
        capsys.readouterr()
        code = main(args)
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call
