"""Pages made from the ledger: what they say is what the ledger and the studies hold."""

import dataclasses
import importlib.metadata
import json
import re
from pathlib import Path

import pytest
import yaml

from engrax._registry import ENTRY_POINTS, studies
from engrax.lab import FolderError, atlas, figures, load_study, record, run_study
from engrax.lab._atlas_study import field_docs, study_page
from engrax.lab._ledger import read_ledger
from tests.tiny_study import STUDY, Config, Noise

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results"
LEDGER = read_ledger(RESULTS)

TOLD = dataclasses.replace(
    STUDY, method="Two *counters*.", notes={"C1": "A finer <grid> was tried.", "C2": "Fine."}
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of the tiny study."""
    folder = tmp_path_factory.mktemp("atlas")
    run = run_study(STUDY, out=folder / "run", command="engrax run tiny --record")
    record(run, folder / "results")
    return folder / "results"


def judged(results: Path, first: tuple[str, str]) -> dict:
    """The ledger's entry, with these verdicts on the first claim's parts; the second holds."""
    entry = json.loads((results / "tiny.json").read_text())
    for claim, verdicts in zip(entry["claims"], (first, ("holds", "holds")), strict=True):
        claim["verdict"] = verdicts[0]
        for part, verdict in zip(claim["parts"], verdicts, strict=True):
            part["verdict"] = verdict
    return entry


@pytest.fixture
def entry(results: Path) -> dict:
    return judged(results, ("fails", "open"))


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_a_page_has_method_claims_figures_failures_command_and_configuration(entry, results):
    page = study_page(entry, TOLD, results / "figures")
    assert "# Counting, Fast and Slow" in page
    assert 'href="https://arxiv.org/abs/2401.00001"' in page
    assert section(page, "The method").strip() == "Two *counters*."
    claims = section(page, "Claims")
    assert "### C1 fails (headline) { #c1 .claim }" in claims
    assert "### C2 holds { #c2 .claim }" in claims
    assert claims.count("<svg ") == 4
    assert "The slow counter stays small &amp; &lt;close&gt; to where it was." in claims
    assert "Paper: 2.0 vs 1.0" in claims
    assert 'src="figures/tiny-totals.svg"' in section(page, "Figures")
    assert 'src="figures/tiny-totals-dark.svg"' in section(page, "Figures")
    lost = section(page, "What did not hold, and what was tried")
    assert "2 of 2 parts: fast − slow (fails); fast (open)." in lost
    assert "A finer &lt;grid&gt; was tried." in lost
    assert lost.index("A finer") < lost.index("Fine.")  # notes on claims that hold come last
    assert "engrax run tiny --headline" in section(page, "Run it")
    assert "- `engrax run tiny --record`: " in section(page, "Run it")
    assert "<td><code>noise.size</code></td><td>0.1</td>" in section(page, "Configuration")
    assert "Standard deviation a tick." in section(page, "Configuration")


def test_a_page_does_without_the_study_and_without_failures(results):
    page = study_page(judged(results, ("holds", "holds")), None, results / "figures")
    assert section(page, "The method").strip() == STUDY.summary
    assert section(page, "What did not hold, and what was tried").strip() == "Every claim holds."
    assert "Standard deviation a tick." not in page


def test_what_markdown_would_take_for_markup_is_escaped(entry, results):
    entry["paper"]["title"] = "A_b *c* [d](e) <f>"
    page = study_page(entry, None, results / "figures")
    assert r"# A\_b \*c\* \[d\](e) \<f\>" in page


def test_fields_are_explained_by_the_strings_below_them():
    docs = field_docs(Config)
    assert docs["rate"] == "What the fast counter gains a tick."
    assert docs["noise.size"] == "Standard deviation a tick."
    assert "seeds" not in docs
    assert field_docs(Noise) == {"size": "Standard deviation a tick."}


def test_the_front_page_has_a_row_a_study(entry):
    table = atlas.front_table({"tiny": entry})
    (row,) = re.findall(r"<tr><td.*?</tr>", table)
    for cell in (
        '<a href="studies/tiny.html">',
        "The fast counter ends above the slow one.",
        "fast − slow: <strong>",  # the worst part decides
        "and 1 more part<",
        "2.0 vs 1.0",
        '<span class="chip fails">',
        "min on",
    ):
        assert cell in row
    entry["claims"] = entry["claims"][1:]
    assert "not recorded" in atlas.front_table({"tiny": entry})
    assert atlas.front_table({}) == "No study has been recorded yet."
    assert atlas.with_studies(f"a\n{atlas.TABLE}\nb", RESULTS).count("studies/") == len(LEDGER)


def test_the_overview_links_every_claim(entry):
    page = atlas.overview({"tiny": entry})
    assert "2 claims: 1 hold, 0 are open, 1 fail." in page
    assert 'href="tiny.html#c1" title="The fast counter' in page
    assert 'title="The slow counter stays small &amp; &lt;close&gt;' in page


def test_a_study_that_is_not_installed_has_its_page_all_the_same(results, monkeypatch):
    pages = atlas.pages(results)
    assert set(pages) == {"studies/index.md", "studies/tiny.md"}
    assert STUDY.summary in pages["studies/tiny.md"]
    tiny = importlib.metadata.EntryPoint("tiny", "tests.tiny_study:STUDY", ENTRY_POINTS)
    monkeypatch.setattr(atlas, "studies", lambda: {"tiny": tiny})
    monkeypatch.setattr(atlas, "load_study", lambda name: TOLD)
    assert "Two *counters*." in atlas.pages(results)["studies/tiny.md"]


def test_a_ledger_that_cannot_be_read_is_one_sentence(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FolderError, match="record it again"):
        atlas.pages(tmp_path)


def test_figures_come_in_light_and_dark(results):
    drawn = atlas.drawings(results)
    light = drawn["studies/figures/tiny-totals.svg"]
    dark = drawn["studies/figures/tiny-totals-dark.svg"]
    assert figures.INK in light
    assert "fill: #ffffff" in light
    assert figures.INK not in dark
    assert "fill: #ffffff" not in dark
    assert figures.size_of(light) == figures.size_of(dark)
    with pytest.raises(ValueError, match="no viewBox"):
        figures.size_of("<svg/>")


@pytest.mark.parametrize("name", LEDGER)
def test_every_recorded_study_says_what_it_is_and_what_did_not_hold(name):
    study = load_study(name)
    assert len(study.method.split()) > 80, "a paragraph or two in plain words"
    lost = {claim["name"] for claim in LEDGER[name]["claims"] if claim["verdict"] != "holds"}
    assert lost <= set(study.notes), "every claim that does not hold has a note"


def test_a_note_is_about_a_claim():
    with pytest.raises(ValueError, match="a note is about 'C9', no claim of tiny"):
        dataclasses.replace(STUDY, notes={"C9": "Nothing."})


def nav_of(item) -> list[str]:
    """The files that a menu names."""
    if isinstance(item, str):
        return [item]
    found = item.values() if isinstance(item, dict) else item
    return [name for part in found for name in nav_of(part)]


def test_the_menu_names_every_page_and_every_package_has_one():
    docs = ROOT / "docs"
    made = {"studies/index.md", "benchmarks.md"}
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    written = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert sorted(nav_of(config["nav"])) == sorted(written | made)
    packages = {
        ".".join(path.parent.relative_to(ROOT / "src").parts)
        for path in (ROOT / "src").rglob("__init__.py")
        if "studies" not in path.parts
    } - {"engrax", "engrax.cli"}
    shown = {
        name
        for path in (docs / "api").glob("*.md")
        for name in re.findall(r"^::: (\S+)", path.read_text(), re.M)
    }
    assert shown == packages | {"engrax.lab.figures"}


def test_recorded_studies_are_installed():
    assert set(LEDGER) <= set(studies())
