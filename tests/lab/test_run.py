"""Running a study: stages, tuning, folders, resume and what is refused."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr
from jaxtyping import Array

from engrax.core import System
from engrax.lab import (
    Arm,
    ArmCheckpoints,
    Claim,
    FolderError,
    Interrupted,
    Part,
    Reference,
    RunError,
    Tuning,
    UnknownName,
    at_least,
    load_run,
    redraw,
    run_study,
)
from tests.tiny_study import CLAIMS, STUDY, Config, Counter, plots


class Hill(System):
    """Climbs to 1 at its rate; emits how far it has come, and how far on other data."""

    rate: Array

    def init(self, *, key):
        return {"x": jnp.float32(0), "key": key}

    def step(self, state, input):
        x = state["x"] + self.rate * (1 - state["x"])
        return {**state, "x": x}, {"height": x, "validation": -((self.rate - 0.5) ** 2)}


def rate(system):
    return system.rate


def best_validation(records):
    return records["validation"][..., -1]


def carry_on(fresh, hill):
    return {**fresh, "total": hill["x"]}


def measured(state):
    return {"twice": 2 * state["total"], "vector": np.full(3, state["total"])}


def staged_arms(config):
    tuning = Tuning(rate, (0.01, 0.1), best_validation)
    shape = {"gain": (lambda s: s.rate, (0.0, 1.0))}
    later = Counter(jnp.float32(0), jnp.float32(0), jnp.int32(-1))
    return {
        "hill": Arm(Hill(jnp.float32(0)), config.ticks, tuning=tuning),
        "unused": Arm(Hill(jnp.float32(0)), config.ticks),
        "later": Arm(
            later, 4, grid=shape, needs=("hill",), start=carry_on, measure=measured,
            dims={"vector": ("place",)}, coords={"place": ["a", "b", "c"]},
        ),
        "line": Reference(lambda: xr.Dataset({"y": ("x", [0.0, 1.0])}, {"x": [1.0, 2.0]})),
    }  # fmt: skip


def at_end(run):
    return run["later"]["final"]["twice"].isel(gain=0)


STAGED = dataclasses.replace(
    STUDY,
    claims=(Claim("C1", "It goes on.", {"end": Part(at_end, at_least(1.0))}, ("later", "line")),),
    headline="C1",
    arms=staged_arms,
    plots=lambda run: {},
)


def test_stages_tuning_grids_measures_and_references_end_in_one_tree(tmp_path):
    run = run_study(STAGED, out=tmp_path / "run", claims=("C1",))
    assert set(run.records.children) == {"hill", "later", "line"}, "only what the claims need"
    assert "unused" in run_study(STAGED, out=tmp_path / "whole"), "everything, unless told"
    hill, later = run["hill"], run["later"]
    # 0.01, 0.1 are given; the best lies on the edge twice, so the grid grows to 1 and 10.
    np.testing.assert_allclose(hill["tuning"]["tuned_value"], [0.01, 0.1, 1.0])
    assert hill["tuning"].attrs["best"] == 0.1
    assert hill["tuning"]["calibration_seed"].values.min() >= 1000
    expected = 1 - 0.9 ** np.arange(1, 21)  # the closed form of climbing at the chosen rate
    np.testing.assert_allclose(hill["height"], np.tile(expected, (6, 1)), rtol=1e-5)
    assert later["total"].dims == ("seed", "gain", "tick")
    np.testing.assert_allclose(later["total"].sel(gain=1.0)[0], expected[-1] + np.arange(1, 5))
    np.testing.assert_allclose(later["final"]["twice"].sel(gain=0.0), 2 * expected[-1], rtol=1e-5)
    assert later["final"]["vector"].dims == ("seed", "gain", "place")
    assert list(later["final"]["place"].values) == ["a", "b", "c"]
    assert run["line"]["y"].sel(x=2.0) == 1
    assert [j.verdict for j in run.judgements] == ["holds"]


def test_a_loaded_run_is_the_run(tmp_path):
    run = run_study(STAGED, out=tmp_path / "run", command="engrax run staged")
    again = load_run(tmp_path / "run", study=STAGED)
    xr.testing.assert_identical(run.records, again.records)
    assert again.judgements == run.judgements
    assert again.config == run.config == Config()
    assert (again.command, again.scale) == ("engrax run staged", "cpu")
    assert again.environment == run.environment


def test_figures_are_drawn_again_from_the_folder_alone(tmp_path):
    run_study(STUDY, out=tmp_path / "run")
    for figure in (tmp_path / "run" / "figures").iterdir():
        figure.unlink()
    with pytest.raises(FolderError, match="is missing"):
        load_run(tmp_path / "run", study=STUDY)
    again = tmp_path / "again"
    run = run_study(STUDY, out=again)
    before = (again / "figures" / "totals.svg").read_bytes()
    redraw(load_run(again, study=STUDY))
    assert (again / "figures" / "totals.svg").read_bytes() == before
    assert load_run(again, study=STUDY).judgements == run.judgements


def stop_after(updates, number=signal.SIGTERM):
    seen = []

    def progress(where):
        seen.append(where)
        if len(seen) == updates:
            os.kill(os.getpid(), number)

    return progress


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("updates", [1, 4, 9, 20])
def test_a_run_told_to_stop_resumes_to_the_same_bits(tmp_path, updates, number):
    whole = run_study(STUDY, out=tmp_path / "whole")
    with pytest.raises(Interrupted, match="all finished work is in"):
        run_study(STUDY, out=tmp_path / "cut", progress=stop_after(updates, number))
    with pytest.raises(FolderError, match="not finished; resume it first"):
        load_run(tmp_path / "cut", study=STUDY)
    resumed = run_study(STUDY, out=tmp_path / "cut", resume=True)
    for arm in whole.records.children:
        a, b = (run[arm].to_dataset().drop_attrs() for run in (whole, resumed))
        xr.testing.assert_identical(a, b)
    assert resumed.judgements == whole.judgements


def test_tuning_is_stored_before_any_claim_seed_and_not_repeated(tmp_path):
    with pytest.raises(Interrupted):
        run_study(STAGED, out=tmp_path / "run", progress=stop_after(5))
    stored = tmp_path / "run" / "tuning" / "hill.json"
    table = json.loads(stored.read_text())
    seen = []
    run = run_study(STAGED, out=tmp_path / "run", resume=True, progress=seen.append)
    assert "tuning" not in {where.phase for where in seen}
    assert json.loads(stored.read_text()) == table
    assert run["hill"]["tuning"].attrs["best"] == 0.1


def test_calibration_runs_start_from_what_the_arm_starts_from(tmp_path):
    """On calibration seeds of their own: the needed arm is run there with its tuned number."""
    scored = []

    def score(records):
        scored.append(np.asarray(records["height"])[..., 0])
        return best_validation(records)

    def arms(config):
        first = Tuning(rate, (0.05, 0.5, 5.0), best_validation, seeds=2)
        then = Tuning(rate, (0.25, 0.5, 1.0), score, seeds=2, ticks=1)
        start = lambda fresh, hill: {**fresh, "x": hill["x"]}
        return {
            "hill": Arm(Hill(jnp.float32(0)), 2, tuning=first),
            "again": Arm(Hill(jnp.float32(0)), 3, tuning=then, needs=("hill",), start=start),
        }

    study = dataclasses.replace(STAGED, arms=arms, claims=STUDY.claims)
    run = run_study(study, out=tmp_path / "run")
    # Two steps at 0.5 climb to 3/4; then one step at 1/4, 1/2 or 1.
    expected = 1 - 0.25 * (1 - np.array([0.25, 0.5, 1.0]))
    np.testing.assert_allclose(scored[0], np.tile(expected, (2, 1)), rtol=1e-6)
    np.testing.assert_allclose(run["again"]["height"][:, -1], 1 - 0.25 / 8, rtol=1e-6)


def test_a_study_chooses_what_it_tries_itself_with(tmp_path):
    study = dataclasses.replace(STUDY, smoke=("C2",))
    few = set(run_study(study, scale="smoke", out=tmp_path / "few").records.children)
    asked = run_study(study, scale="smoke", out=tmp_path / "asked", claims=("C2",))
    every = set(run_study(study, scale="smoke", out=tmp_path / "all", claims=()).records.children)
    larger = set(run_study(study, out=tmp_path / "larger").records.children)
    assert few == set(asked.records.children) < every == larger == set(STUDY.arms(Config()))
    with pytest.raises(ValueError, match="smoke runs 'C9', no claim of tiny"):
        dataclasses.replace(STUDY, smoke=("C9",))


def test_a_claim_added_later_reuses_the_arms_already_run(tmp_path):
    run_study(STUDY, out=tmp_path / "run", claims=("C2",))
    run = run_study(STUDY, out=tmp_path / "run", resume=True)
    whole = run_study(STUDY, out=tmp_path / "whole")
    assert run.judgements == whole.judgements


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": Config(rate=0.2)}, "made with rate = 0.1, not 0.2"),
        ({"scale": "paper"}, "made with scale = 'cpu', not 'paper'"),
    ],
)
def test_a_folder_of_another_configuration_is_refused(tmp_path, change, message):
    run_study(STUDY, out=tmp_path / "run")
    with pytest.raises(FolderError, match=message):
        run_study(STUDY, out=tmp_path / "run", resume=True, **change)


def test_a_folder_in_use_is_never_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match="is in use and holds no run; choose another --out"):
        run_study(STUDY, out=tmp_path)
    run_study(STUDY, out=tmp_path / "run")
    with pytest.raises(FolderError, match="already holds a run; add --resume"):
        run_study(STUDY, out=tmp_path / "run")
    other = dataclasses.replace(STUDY, name="other")
    with pytest.raises(FolderError, match="made with study = 'tiny', not 'other'"):
        run_study(other, out=tmp_path / "run", resume=True)


@pytest.mark.parametrize("name", ["records.nc", "figures/totals.png", "run.json"])
@pytest.mark.parametrize("how", ["flip", "truncate", "delete", "add"])
def test_any_change_to_a_folder_is_found(tmp_path, name, how):
    run_study(STUDY, out=tmp_path / "run", claims=("C2",))
    path = tmp_path / "run" / name
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif how == "truncate":
        path.write_bytes(data[:-1])
    elif how == "delete":
        path.unlink()
    else:
        path.with_name("stranger").write_text("?")
    with pytest.raises(FolderError):
        load_run(tmp_path / "run", study=STUDY)


def checkpoints(folder: Path, heard: list[str]) -> ArmCheckpoints:
    return ArmCheckpoints(folder, every=0.0, warn=heard.append)


@pytest.mark.parametrize("how", ["flip", "truncate", "delete", "empty"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, how):
    heard: list[str] = []
    kept = {"w": jnp.arange(6.0).reshape(2, 3), "key": jr.split(jr.key(0)), "n": np.arange(3)}
    for tick in (1, 2, 3):
        now = {**kept, "w": kept["w"] + tick}
        checkpoints(tmp_path, heard).save(tick, now, last=False)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"2.safetensors", "3.safetensors"}, "two are kept"
    tick, found = checkpoints(tmp_path, heard).restore(lambda: kept)
    assert tick == 3
    np.testing.assert_array_equal(found["w"], kept["w"] + 3)
    np.testing.assert_array_equal(jr.key_data(found["key"]), jr.key_data(kept["key"]))
    newest = tmp_path / "3.safetensors"
    if how == "flip":
        data = bytearray(newest.read_bytes())
        data[len(data) // 2] ^= 8
        newest.write_bytes(data)
    elif how == "truncate":
        newest.write_bytes(newest.read_bytes()[:-3])
    elif how == "delete":
        newest.unlink()
    else:
        newest.write_bytes(b"")
    tick, found = checkpoints(tmp_path, heard).restore(lambda: kept)
    assert tick == 2
    np.testing.assert_array_equal(found["w"], kept["w"] + 2)
    damaged = f"checkpoint 3 of {tmp_path.name} is damaged (it has changed since it was written)"
    assert heard == ([] if how == "delete" else [damaged])


def test_a_diverged_seed_leaves_the_claim_open_and_the_others_as_they_were(tmp_path):
    healthy = run_study(STUDY, out=tmp_path / "a")
    broken = dataclasses.replace(STUDY, scales={**STUDY.scales, "cpu": Config(break_at=7)})
    run = run_study(broken, out=tmp_path / "b")
    # The counter breaks in every seed of `fast`: each is named, with its arm and tick.
    assert run.diverged == [("fast", seed, 7) for seed in range(6)]
    assert {j.name: j.verdict for j in run.judgements}["C1"] == "open"
    a, b = (r["slow"].to_dataset().drop_attrs() for r in (healthy, run))
    xr.testing.assert_identical(a, b)


def test_claims_are_judged_only_where_they_were_meant_to_be(tmp_path):
    judged = lambda n, **how: bool(run_study(STUDY, out=tmp_path / n, **how).judgements)
    assert judged("cpu")
    assert judged("more", config=Config(seeds=7))
    assert not judged("few", config=Config(seeds=4))
    assert not judged("smoke", scale="smoke")
    assert not judged("changed", config=Config(rate=0.3))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"scale": "cpuu"}, "unknown scale 'cpuu': did you mean cpu"),
        ({"claims": ("C1", "C9")}, "unknown claim 'C9'"),
        ({"config": Config(seeds=0)}, "seeds must be a whole number of at least 1, got 0"),
        ({"config": Config(seeds=-2)}, "at least 1, got -2"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(tmp_path, how, message):
    with pytest.raises(RunError, match=message) as caught:
        run_study(STUDY, out=tmp_path / "run", **how)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists(), "nothing is left behind"


def test_a_study_names_claims_that_exist():
    with pytest.raises(ValueError, match="headline 'C7' is no claim of tiny"):
        dataclasses.replace(STUDY, headline="C7")
    assert STUDY.select(None) == CLAIMS
    with pytest.raises(UnknownName):
        STUDY.select(("C3",))
    assert plots is STUDY.plots


@pytest.mark.parametrize("grid", [(0.1,), (0.2, 0.1), (0.0, 1.0)])
def test_a_tuning_grid_ascends(grid):
    with pytest.raises(ValueError, match="ascends from above 0"):
        Tuning(rate, grid, best_validation)


def test_a_score_of_the_wrong_shape_is_refused(tmp_path):
    def arms(config):
        tuning = Tuning(rate, (0.1, 0.2), lambda records: records["validation"])
        return {"hill": Arm(Hill(jnp.float32(0)), 3, tuning=tuning)}

    study = dataclasses.replace(
        STAGED,
        arms=arms,
        claims=(Claim("C1", "x", {"x": Part(at_end, at_least(0.0))}, ("hill",)),),
    )
    with pytest.raises(RunError, match=r"should be \(seed, value\), \(1, 2\)"):
        run_study(study, out=tmp_path / "run")


def test_an_arm_that_no_claim_needs_is_not_even_built(tmp_path):
    def unbuildable() -> Arm:
        raise AssertionError("this arm's data is not here")

    claim = STAGED.claims[0]
    given = STAGED.arms(STAGED.scale("cpu"))
    lazy = {name: (lambda arm=arm: arm) for name, arm in given.items()}
    study = dataclasses.replace(STAGED, arms=lambda config: {**lazy, "elsewhere": unbuildable})
    run = run_study(study, claims=(claim.name,), out=tmp_path / "run")
    assert "elsewhere" not in run
    with pytest.raises(AssertionError, match="not here"):
        run_study(study, out=tmp_path / "all")
