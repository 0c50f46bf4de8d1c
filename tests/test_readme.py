"""README and docs: their code runs, commands and files exist, the table is that of the ledger."""

import re
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from engrax.lab import write_table
from tests.nn.test_checkpoints import vit_tensors

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").glob("*.md"))
MADE = {"studies/index.md", "benchmarks.md"}
"""Pages of the site that are made when it is built."""
PAGES = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "DATA.md", "REPRODUCING.md")
] + DOCS


def run_code(page):
    """Executes the Python blocks of a page, one after another in one namespace."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    namespace = {"__name__": page.stem}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)


def test_the_code_of_the_readme_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_code(ROOT / "README.md")
    said = capsys.readouterr().out.splitlines()
    assert int(said[0].split("%")[0]) > 60  # chance is 10 %
    assert said[1:] == ["(2, 2, 2)", "holds"]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_the_code_of_the_docs_runs_as_it_stands(page, tmp_path, monkeypatch):
    if page.name == "continual.md":  # a small file in the place of the reader's own
        monkeypatch.chdir(tmp_path)
        save_file(vit_tensors(), "vit_base_patch16_224.safetensors")
    run_code(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_and_link_exists(page):
    text, makefile = page.read_text(encoding="utf-8"), (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)\b(?=[^\n]*`|  )", text):
        assert re.search(rf"^{target}:", makefile, re.M), f"{page.name} names make {target}"
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        there = link in MADE or (page.parent / link).exists()
        assert there, f"{page.name} links to {link}"


def test_the_table_of_studies_is_that_of_the_ledger(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(TEXT, encoding="utf-8")
    assert not write_table(copy, ROOT / "results"), "run `make readme`"
