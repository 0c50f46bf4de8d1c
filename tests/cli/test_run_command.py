"""`engrax run` from end to end, on a study that takes a second."""

import dataclasses
import json
import os
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest

import engrax as package
from engrax.cli import _progress
from engrax.lab import claims_hash
from tests import tiny_study
from tests.tiny_study import CLAIMS, STUDY


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch):
    """Sends this process a signal once the fast counter has come to a tick."""

    def arrange(tick: int, number: int = signal.SIGINT) -> None:
        plain = _progress.Display.update

        def update(self, where):
            plain(self, where)
            if (where.arm, where.phase, where.tick) == ("fast", "running", tick):
                os.kill(os.getpid(), number)

        monkeypatch.setattr(_progress.Display, "update", update)

    return arrange


def the_run() -> Path:
    (folder,) = Path("runs").iterdir()
    return folder


def test_a_run_prints_verdicts_and_leaves_a_folder_that_loads(engrax) -> None:
    answer = engrax("run", "tiny")
    assert answer.code == 0
    assert "The fast counter ends above the slow one." in answer.out
    assert "(95 % t, n = 6)" in answer.out
    assert "≥ 190 %" in answer.out
    assert answer.err.splitlines() == [
        "fast (arm 1 of 2), running",
        "slow (arm 2 of 2), running",
        "drawing",
    ]
    folder = the_run()
    assert folder.name.startswith("tiny-cpu-")
    assert f"{folder}/report.html" in answer.out
    run = package.load_run(folder)
    assert run.command == "engrax run tiny"
    assert {j.name: j.verdict for j in run.judgements} == {"C1": "open", "C2": "fails"}


def test_options_reach_the_configuration_and_the_arms(engrax) -> None:
    options = "--seeds 3 --ticks 5 --noise.size 0 --shape 7 8 9 --verbose --claims C2 --out here"
    answer = engrax("run", "tiny", "--scale", "smoke", *options.split())
    assert answer.code == 0
    assert "kept without verdicts" in answer.out
    run = package.load_run("here")
    assert (run.scale, run.config.seeds, run.config.ticks) == ("smoke", 3, 5)
    assert run.config.shape == (7, 8, 9)
    assert run.config.verbose
    assert "fast" not in run
    # without noise the slow counter gains half its rate at each of 5 ticks (float32)
    np.testing.assert_allclose(run["slow"]["total"].isel(tick=-1), 0.25, rtol=1e-6)


def test_smoke_makes_the_arms_of_the_claims_that_the_study_chose_for_it(
    engrax, monkeypatch
) -> None:
    monkeypatch.setattr(tiny_study, "STUDY", dataclasses.replace(STUDY, smoke=("C2",)))
    chosen = engrax("run", "tiny", "--scale", "smoke", "--out", "chosen")
    assert "arms:    those of C2; --claims all makes every arm" in chosen.out
    assert "At smoke the arms of C2 are made, if no claim is named." in engrax("show", "tiny").out
    every = engrax("run", "tiny", "--scale", "smoke", "--out", "every", "--claims", "all")
    assert "those of C2" not in every.out
    assert "fast" not in package.load_run("chosen")
    assert "fast" in package.load_run("every")


def test_the_study_may_stand_behind_the_options(engrax) -> None:
    assert engrax("run", "--scale", "smoke", "--out", "here", "tiny").code == 0
    assert Path("here/run.json").exists()


def test_headline_runs_that_claim_alone(engrax) -> None:
    engrax("run", "tiny", "--headline", "--out", "here")
    assert [j.name for j in package.load_run("here").judgements] == ["C1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_prints_the_command_that_resumes_it(engrax, stop_at, number) -> None:
    engrax("run", "tiny", "--out", "whole")
    stop_at(6, number)
    answer = engrax("run", "tiny")
    assert answer.code == 130
    said, _, command = answer.error.partition("; go on with: ")
    assert said.startswith("stopped; all finished work is in ")
    stop_at(-1)
    assert engrax(*shlex.split(command)[1:]).code == 0
    whole, resumed = package.load_run("whole"), package.load_run(the_run())
    np.testing.assert_array_equal(whole["fast"]["total"], resumed["fast"]["total"])
    assert whole.judgements == resumed.judgements


def test_resume_without_a_folder_finds_the_newest_unfinished_run(engrax, stop_at) -> None:
    stop_at(6)
    assert engrax("run", "tiny").code == 130
    stop_at(-1)
    assert engrax("run", "tiny", "--resume").code == 0
    assert len(list(Path("runs").iterdir())) == 1
    assert engrax("run", "tiny", "--resume").code == 2  # nothing is left to resume


def test_report_draws_again_what_was_deleted(engrax) -> None:
    engrax("run", "tiny", "--out", "runs/a")
    figure, page = Path("runs/a/figures/totals.svg"), Path("runs/a/report.html")
    before = figure.read_bytes(), page.read_bytes()
    figure.unlink()
    page.unlink()
    answer = engrax("report")
    assert answer.code == 0
    assert answer.out.split() == [str(page.absolute())]
    assert (figure.read_bytes(), page.read_bytes()) == before
    package.load_run("runs/a")


def test_record_writes_the_ledger(engrax) -> None:
    answer = engrax("run", "tiny", "--record")
    assert answer.code == 0
    assert "results/tiny.json" in answer.out
    entry = json.loads(Path("results/tiny.json").read_text())
    run = package.load_run(the_run())
    assert entry["claims_hash"] == claims_hash(CLAIMS)
    assert [c["verdict"] for c in entry["claims"]] == ["open", "fails"]
    part = entry["claims"][0]["parts"][1]
    np.testing.assert_array_equal(part["values"], run["fast"]["total"].isel(tick=-1))
    (source,) = entry["sources"]
    assert source["command"] == "engrax run tiny --record"
    assert source["environment"]["versions"]["jax"]
    assert entry["figures"] == ["tiny-totals.svg"]
    assert Path("results/figures/tiny-totals.svg").stat().st_size < 300_000


def test_claims_recorded_later_join_those_of_the_same_configuration(engrax) -> None:
    engrax("run", "tiny", "--claims", "C2", "--record", "--out", "a")
    engrax("run", "tiny", "--claims", "C1", "--record", "--out", "b")
    entry = json.loads(Path("results/tiny.json").read_text())
    assert [(c["name"], c["source"]) for c in entry["claims"]] == [("C1", 1), ("C2", 0)]
    assert [s["command"].split()[4] for s in entry["sources"]] == ["C2", "C1"]
    engrax("run", "tiny", "--record", "--out", "c")
    entry = json.loads(Path("results/tiny.json").read_text())
    assert len(entry["sources"]) == 1, "a run of all claims replaces what was there"
    engrax("run", "tiny", "--seeds", "7", "--claims", "C1", "--record", "--out", "d")
    entry = json.loads(Path("results/tiny.json").read_text())
    assert [c["name"] for c in entry["claims"]] == ["C1"], "other seeds are another measurement"
