"""The study: its systems in cases that are known, its claims on made-up runs, itself at smoke."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from engrax.core import named, simulate
from engrax.lab import figures, judge, run_study
from engrax.nn import BinaryPerceptron
from engrax.studies.meanfield_cl import CLAIMS, SCALES, STUDY, arms, plots
from engrax.studies.meanfield_cl import _claims as claims
from engrax.studies.meanfield_cl._arms import gradient_identity, images, pair_images
from engrax.studies.meanfield_cl._deep import metaplastic_table
from engrax.studies.meanfield_cl._measures import EpochMedians
from engrax.studies.meanfield_cl._perceptron import (
    FirstTask,
    Prior,
    SecondTask,
    Student,
    Students,
    after_first,
    fit,
)
from engrax.tasks import teacher_student
from tests import made_run

CONFIG = SCALES["smoke"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    return run_study(STUDY, scale="smoke", out=tmp_path_factory.mktemp("run") / "smoke")


Made = partial(made_run.Made, config=CONFIG)


def tree(variables, **coords):
    return xr.DataTree(xr.Dataset(variables, coords))


def test_a_fit_is_the_loop_of_adam_over_short_batches_with_a_prior():
    n, student = 6, Student(1.5, 0.05, 4, 0.1, 3)
    (task,) = teacher_student(jr.key(0), n, (1.5,))
    start, reference = BinaryPerceptron.random(n, key=jr.key(1)), jr.normal(jr.key(2), (n,))
    gamma = 0.7
    found, errors = fit(
        start, task.x, task.y, student, task.teacher, Prior(reference, jnp.float32(gamma))
    )
    h, m, s, t = (np.asarray(start.h, float), np.zeros(n), np.zeros(n), 0)
    slope = jax.jit(jax.grad(BinaryPerceptron.energy))
    for epoch in range(3):
        for begin in range(0, len(task.x), 4):
            t += 1
            part = slice(begin, begin + 4)
            given = BinaryPerceptron(jnp.asarray(h, jnp.float32))
            g = np.asarray(slope(given, task.x[part], task.y[part]).h)
            # The prior counts once an epoch, by the share of a whole batch.
            pull = (1 - np.tanh(h) ** 2) * (h - np.asarray(reference, float))
            g = g + gamma * 4 / len(task.x) * pull
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
            step = (m / (1 - 0.9**t)) / np.sqrt(s / (1 - 0.999**t))
            h = h - 0.05 * (step + 0.1 * h)
        overlap = np.mean(np.where(h < 0, -1, 1) * np.asarray(task.teacher))
        np.testing.assert_allclose(errors[epoch], np.arccos(overlap) / np.pi, atol=1e-4)
    np.testing.assert_allclose(found.h, h, rtol=1e-3, atol=1e-4)


def test_plain_descent_sums_over_the_examples():
    student = Student(2.0, 0.01, 0, 0.0, 1, "sgd")
    (task,) = teacher_student(jr.key(0), 8, (2.0,))
    start = BinaryPerceptron.random(8, key=jr.key(1))
    found, errors = fit(start, task.x, task.y, student)
    gradient = jax.jit(jax.grad(BinaryPerceptron.energy))(start, task.x, task.y)
    np.testing.assert_allclose(found.h, start.h - 0.01 * gradient.h, rtol=1e-5, atol=1e-6)
    assert errors is None


def test_the_second_task_goes_on_from_the_first_with_its_teacher():
    """A strong prior leaves the fields alone, so the error on the first task is that of before."""
    n, student = 40, Student(3.0, 0.02, 0, 0.0, 150)
    first = FirstTask(n, student)
    before = simulate(first, 1, key=jr.key(0), seeds=2)
    second = SecondTask(n, 2.0, student, jnp.float32(0.5), jnp.array([1e4, 0.0]))
    after = simulate(
        second,
        1,
        key=jr.key(0),
        seeds=2,
        start=lambda fresh, run: jax.vmap(after_first)(fresh, before.state),
    )
    kept = after.records["error1"][:, 0, 0]
    np.testing.assert_allclose(kept, before.records["error"][:, 0], atol=0.05)
    assert (after.records["error2"][:, 0, 1] < after.records["error2"][:, 0, 0]).all()
    assert after.records["error1"][:, 0, 1].mean() > kept.mean()


def test_students_share_the_examples_of_smaller_loads():
    students = (Student(0.5, 0.01, 0, 0.0, 2), Student(1.0, 0.01, 0, 0.0, 2))
    both = simulate(Students(20, students), 2, key=jr.key(0), seeds=1)
    seed = jr.fold_in(jr.key(0), 0)
    (task,) = teacher_student(named(seed, "task"), 20, (1.0,))
    start = BinaryPerceptron.random(20, key=named(seed, "start"))
    found, _ = fit(start, task.x[:10], task.y[:10], students[0])
    np.testing.assert_allclose(
        both.records["qd"][0, 0], found.overlaps(task.teacher)["qd"], rtol=1e-5
    )


def test_medians_of_epochs():
    found = EpochMedians(3)(jnp.array([1.0, 9.0, 2.0, 5.0, 5.0, 0.0]))
    np.testing.assert_array_equal(found, [2, 5])


def test_the_time_to_converge_is_the_end_of_the_first_still_window():
    trace = np.concatenate([np.linspace(0.5, 0.1, 8), np.full(12, 0.1)])
    moving = np.linspace(0.5, 0.1, 20)
    found = claims.converged_after(np.stack([trace, moving]), 4, 1e-3)
    # Windows end where the last moving value, at place 6, has left them.
    assert found.tolist() == [11, 20]


def test_the_slowest_load_and_how_slow_it_is():
    config = dataclasses.replace(CONFIG, window=2, stillness=1e-3)
    still, steps = {1.0: 3, 1.5: 8, 2.0: 5}, 12
    rows = [[*np.linspace(0.9, 0.5, t), *np.full(steps - t, 0.1)] for t in still.values()]
    slowing = tree(
        {"trace": (("seed", "tick", "step"), np.array([rows, rows]))},
        seed=[0, 1],
        tick=list(still),
    )
    run = Made(config=config, slowing=slowing)
    times = claims.convergence_times(run)
    assert times.dims == ("seed", "load")
    assert claims.slowest_load(run) == 1.5
    np.testing.assert_allclose(claims.slowing_down(run), [10 / 5] * 2)


def second(e1, e2):
    shape = ("seed", "similarity", "tick", "gamma")
    data = {name: (shape, np.array(v)) for name, v in (("error1", e1), ("error2", e2))}
    data["qd"] = (shape, np.ones(np.shape(e1)))
    return tree(
        data, seed=[0, 1], similarity=np.array([0.1], np.float32), tick=[1], gamma=[1.0, 0.0]
    )


def test_cells_are_counted_by_both_errors():
    potential = tree(
        {
            name: (("gamma", "similarity", "load"), np.array([[values]]))
            for name, values in (("error1", [0.2, 0.3]), ("error2", [0.4, np.nan]))
        },
        gamma=[1.0],
        similarity=[0.1],
        load=[1.0, 2.0],
    )
    near = second([[[[0.2, 0.5]]], [[[0.25, 0.5]]]], [[[[0.4, 0.1]]], [[[0.42, 0.1]]]])
    run = Made(potential=potential, second_1=near, second_2=near)
    # At load 1 the means are off by 0.025 and 0.01; at load 2 the potential is not known.
    assert claims.cells_in_agreement(run) == 1
    np.testing.assert_allclose(claims.protection(run), [0.3, 0.25])


def test_one_task_is_held_against_the_low_branch():
    theory = tree(
        {"error": (("branch", "load"), [[0.4, 0.3, 0.2], [0.4, 0.3, 0.0]])},
        branch=["low", "high"],
        load=[0.5, 1.0, 1.6],
    )
    single = tree(
        {"error": (("seed", "tick"), [[0.42, 0.29, 0.1], [0.4, 0.33, 0.1]])},
        seed=[0, 1],
        tick=[0.5, 1.0, 1.6],
    )
    run = Made(theory=theory, single=single)
    assert claims.theory_gap(run) == pytest.approx(0.01)


def test_numbers_of_deep_networks():
    matrix = [[[0.9, 0.1], [0.7, 0.8]], [[0.8, 0.1], [0.8, 0.9]]]
    arm = tree(
        {
            "accuracy": (("seed", "tick", "tested"), matrix),
            "auc": (("seed", "tick"), [[0.5, 0.7], [0.5, 0.9]]),
            "variance": (("seed", "tick", "epoch"), [[[0.5, 0.4], [0.3, 0.1]]] * 2),
            "kl_error": (("seed", "tick", "epoch"), [[[0.5, 0.4], [0.3, 0.02]]] * 2),
        },
        seed=[0, 1],
        tick=[1, 2],
    )
    np.testing.assert_allclose(claims.average(arm), [0.75, 0.85])
    np.testing.assert_allclose(claims.transfer(arm), [-0.2, 0.0])
    np.testing.assert_allclose(claims.foretold(arm), [0.7, 0.9])
    assert claims.variance_change(arm) == pytest.approx(-0.4)
    np.testing.assert_allclose(claims.second_order_error(arm), [0.02] * 2)


def test_the_gradient_of_the_divergence_is_exact():
    assert float(gradient_identity(50)["deviation"]) < 1e-12


def test_no_test_image_trains_or_chooses():
    split = images(CONFIG)
    rows = [{x.tobytes() for x in part.x} for part in (split.train, split.validation, split.test)]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    pair = pair_images(CONFIG)
    assert len(pair.train.x) == 2 * CONFIG.pair_train
    assert pair.train.y.max() == 19


def test_all_scales_find_the_arms_of_their_claims():
    for scale, config in SCALES.items():
        built = set(arms(config))
        wanted = {name for claim in CLAIMS for name in claim.arms}
        assert scale == "smoke" or wanted <= built
        assert 1.0 in config.second_loads
        assert 1.0 in config.slow_loads
        assert 0.0 in config.similarities
    assert SCALES["cpu"].epochs * SCALES["cpu"].per_epoch == 1232
    tuned = arms(dataclasses.replace(CONFIG, tuning_seeds=1))["metaplastic"]().tuning
    assert tuned.values == tuple(range(1, 1 + len(metaplastic_table(CONFIG))))
    assert len(metaplastic_table(SCALES["cpu"])) == 16


@pytest.mark.parametrize("name", SCALES["cpu"].beside)
def test_arms_that_smoke_leaves_out_can_be_run(name):
    """Traced, not compiled: shapes and types of a tick."""
    arm = arms(dataclasses.replace(CONFIG, beside=SCALES["cpu"].beside))[name]()
    state = jax.eval_shape(lambda: arm.system.init(key=jr.key(0)))
    after, record = jax.eval_shape(arm.system.step, state, jax.ShapeDtypeStruct((), jnp.int32))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert record["accuracy"].shape == (2,)


def test_the_figure_of_the_pair():
    modes = ("accuracy", "accuracy_sample", "accuracy_sign")
    matrix = (("seed", "tick", "tested"), np.full((2, 2, 2), 0.5))
    arm = tree(dict.fromkeys(modes, matrix), seed=[0, 1], tick=[1, 2], tested=["a", "b"])
    drawn = plots(Made(pair_variational=arm))
    assert set(drawn) == {"pair"}
    figures.check_labels(drawn["pair"])


def test_smoke(smoke):
    assert smoke["second_1"]["error1"].dims == ("seed", "similarity", "tick", "gamma")
    assert smoke["variational"]["variance"].dims == ("seed", "tick", "epoch")
    assert smoke["slowing"]["trace"].shape == (2, 2, CONFIG.slow_steps)
    assert (smoke["theory"]["error"] > 0).all()
    assert smoke.judgements == ()
    assert not smoke.diverged
    # The claims can be computed, whatever they say of nets that have learned nothing, but for those
    # with loads or arms that smoke leaves out for the time that it takes to compile them.
    found = [j.name for j in judge(CLAIMS, smoke)]
    assert found == ["C1", "C5", "C6", "C7"]
    for name in ("C3", "C4"):
        claim = next(claim for claim in CLAIMS if claim.name == name)
        assert all(np.shape(part.value(smoke)) == (2,) for part in claim.parts.values())


def test_every_figure_is_drawn_from_the_arms_that_are_there(smoke):
    drawn = plots(smoke)
    assert set(drawn) == {
        "single_task", "two_tasks", "protection", "slowing", "forgetting", "methods", "plasticity",
        "divergence",
    }  # fmt: skip
    for figure in drawn.values():
        figures.check_labels(figure)
    assert set(plots(Made(variational=smoke["variational"]))) == {
        "forgetting", "methods", "plasticity", "divergence",
    }  # fmt: skip
