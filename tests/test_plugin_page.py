"""The study of the page on plug-ins, installed as the page says, is listed, shown and run."""

import re
import tomllib
from pathlib import Path

import pytest

from engrax.cli import main

PAGE = Path(__file__).parent.parent / "docs" / "plugin.md"
BLOCK = re.compile(r'^```\w+ title="(.+?)"\n(.*?)^```', re.M | re.S)


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """The page's files, and what an installer would make of them: an importable folder with the
    entry points beside it.
    """
    for name, content in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    installed = tmp_path / "src" / f"{project['name']}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {place}" for name, place in points.items())
        for group, points in project["entry-points"].items()
    ]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path / "src")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_names_the_files_that_it_shows(package):
    text = PAGE.read_text(encoding="utf-8")
    assert {name for name, _ in BLOCK.findall(text)} == {
        "pyproject.toml",
        "src/mystudies/__init__.py",
    }


def test_the_plug_in_is_listed_shown_and_run(package, capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert re.search(r"^leaky +A slower leak averages more noise away", listed, re.M)
    assert main(["show", "leaky"]) == 0
    assert "slow - fast: ≤ −0.25" in capsys.readouterr().out
    assert main(["run", "leaky", "--scale", "smoke", "--out", "smoke"]) == 0
    assert (package / "smoke" / "report.html").is_file()
    changed = ["--seeds", "3", "--rates", "0.01", "0.5", "--scale", "smoke", "--out", "changed"]
    assert main(["run", "leaky", *changed]) == 0
    assert "without verdicts" in capsys.readouterr().out
    assert main(["run", "leaky", "--out", "judged"]) == 0
    assert "holds" in capsys.readouterr().out
    assert (package / "judged" / "figures" / "distance.svg").is_file()
