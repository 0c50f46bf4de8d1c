"""The ledger and the table made from it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from engrax.lab import (
    FolderError,
    Run,
    RunError,
    claims_hash,
    figures,
    load_study,
    plan_record,
    record,
    run_study,
    studies_table,
    write_table,
)
from engrax.lab._ledger import BEGIN, END, config_hash, read_ledger, with_table
from tests.tiny_study import CLAIMS, STUDY, Config

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_study(
        STUDY,
        out=tmp_path_factory.mktemp("ledger") / "run",
        command="engrax run tiny --out 'a folder' --record",
    )


def test_a_record_holds_what_the_table_and_a_reader_need(run, tmp_path) -> None:
    entry = json.loads(record(run, tmp_path).read_text())
    assert entry["config"]["noise"] == {"size": 0.1}
    assert entry["config_hash"] == config_hash(STUDY, "cpu", Config())
    assert entry["claims_hash"] == claims_hash(CLAIMS)
    assert len(entry["claims"][0]["parts"][0]["values"]) == 6
    assert entry["sources"][0]["environment"]["cores"] >= 1
    assert entry["sources"][0]["command"] == "engrax run tiny --record"
    assert not list(tmp_path.rglob("*.part"))


def test_the_table_says_where_the_minutes_were_spent(run, tmp_path) -> None:
    path = record(run, tmp_path)
    entry = json.loads(path.read_text())
    source = entry["sources"][0]
    card = {**source, "minutes": 3.0, "environment": {**source["environment"], "devices": ["H9"]}}
    cores = {**source, "minutes": 2.4, "environment": {**source["environment"], "cores": 7}}
    path.write_text(json.dumps({**entry, "sources": [cores, card, cores]}))
    assert "5 min on 7 cores, 3 min on H9" in studies_table(tmp_path)


def test_recording_twice_writes_the_same_bytes(run, tmp_path) -> None:
    before = record(run, tmp_path).read_bytes()
    assert record(run, tmp_path).read_bytes() == before


def test_the_hash_sees_every_field() -> None:
    hashes = {
        config_hash(STUDY, scale, config)
        for scale in ("cpu", "paper")
        for config in (Config(), Config(seeds=7), Config(rate=0.1 + 1e-9), Config(shape=(2, 4)))
    }
    assert len(hashes) == 8


def test_a_heavy_figure_is_rasterized(run, tmp_path) -> None:
    def plots(run):
        figure, axes = figures.axes(xlabel="x", ylabel="y")
        for row in np.random.default_rng(0).normal(size=(40, 1000)):
            axes.plot(row)  # each short enough to stay a vector, and noise does not compress
        return {"noise": figure}

    record(dataclasses.replace(run, study=dataclasses.replace(STUDY, plots=plots)), tmp_path)
    svg = (tmp_path / "figures" / "tiny-noise.svg").read_text()
    assert "<image" in svg
    assert len(svg) < 300_000


def test_only_judged_runs_are_recorded(tmp_path) -> None:
    for scale, config in (("smoke", STUDY.scale("smoke")), ("cpu", Config(rate=1.0))):
        with pytest.raises(RunError, match="only judged claims are recorded"):
            plan_record(STUDY, scale, config, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="cannot write"):
        plan_record(STUDY, "cpu", Config(), tmp_path / "file")


def test_the_table_goes_between_its_markers_and_nowhere_else(run, tmp_path) -> None:
    readme, results = tmp_path / "README.md", tmp_path / "results"
    record(run, results)
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert write_table(readme, results)
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| Study |")
    assert text.endswith(f"{END}\nafter\n")
    row = text.splitlines()[4]
    assert row.count("|") == 6
    assert row.startswith("| `tiny` | [Counting, Fast and Slow (2024)](https://arxiv.org/abs/24")
    assert "**open**. The fast counter ends above the slow one." in row
    assert "C1 open, C2 fails" in row
    assert "cpu, 6 seeds" in row
    assert not write_table(readme, results), "up to date"


def test_a_text_without_markers_is_refused(tmp_path) -> None:
    (tmp_path / "README.md").write_text("no markers")
    with pytest.raises(RunError, match="add them where the table goes"):
        write_table(tmp_path / "README.md", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "7"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(FolderError, match=r"odd\.json cannot be read"):
        studies_table(tmp_path)


def test_a_headline_of_many_parts_shows_the_worst_of_them(run, tmp_path) -> None:
    path = record(run, tmp_path)
    entry = json.loads(path.read_text())
    part = entry["claims"][0]["parts"][0]
    verdicts = ("holds", "open", "holds", "fails", "holds")
    entry["claims"][0]["parts"] = [
        part | {"name": f"part {i}", "verdict": verdict} for i, verdict in enumerate(verdicts)
    ]
    path.write_text(json.dumps(entry))
    table = studies_table(tmp_path)
    shown = [table.find(f"part {i}") for i in (3, 1, 0)]
    assert shown == sorted(shown)
    assert shown[0] > 0
    assert "part 2" not in table
    assert "and 2 more parts" in table


def test_other_ledgers_stay_out_of_the_table(run, tmp_path) -> None:
    record(run, tmp_path)
    alone = studies_table(tmp_path)
    (tmp_path / "benchmarks.json").write_text('{"conv": []}')
    assert studies_table(tmp_path) == alone


def test_the_table_in_the_readme_is_up_to_date() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    fresh = with_table(text, studies_table(REPOSITORY / "results"))
    assert text == fresh, "run `make readme`"


def test_recorded_claims_and_configurations_are_those_of_the_code() -> None:
    for name, entry in read_ledger(REPOSITORY / "results").items():
        study = load_study(name)
        assert entry["claims_hash"] == claims_hash(study.claims), f"a rule moved: run {name} again"
        config = dataclasses.replace(study.scale(entry["scale"]), seeds=entry["config"]["seeds"])
        assert entry["config_hash"] == config_hash(study, entry["scale"], config), name
        for figure in entry["figures"]:
            assert (REPOSITORY / "results" / "figures" / figure).stat().st_size < 300_000, figure
