import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engrax.continual import (
    PermutedTasks,
    RehearsalStream,
    SplitTasks,
    TaskSequence,
    matched_rate,
    own_classes,
    rehearsal_counts,
    rehearsal_table,
    rehearsal_weights,
)
from engrax.core import simulate
from engrax.probes import compiled_cost
from tests.continual.cases import FLAT, dataset, learner


def permuted(n=3, batch=16):
    return PermutedTasks(dataset(noise=60), n, first_identity=True, batch=batch, scaling=FLAT)


def rehearsing(kind="power", budget=40, source=None, order="mixed", **more):
    source = permuted() if source is None else source
    table = jnp.asarray(rehearsal_table(kind, source.tasks), jnp.float32)
    return RehearsalStream(source, table, budget, order=order, **more)


@eqx.filter_jit
def _visit(stream, state, task, steps):
    def step(state, place):
        state, batch = stream.draw(state, task, place)
        return state, (jnp.broadcast_to(batch.task, batch.y.shape), batch.index)

    return jax.lax.scan(step, state, jnp.arange(steps, dtype=jnp.int32))


def visit(stream, task, steps, key=0, state=None):
    """Tasks and rows (steps, batch) of one visit, and the state after it."""
    state = stream.init(key=jr.key(key)) if state is None else state
    state, (tasks, rows) = _visit(stream, state, jnp.int32(task), steps)
    return np.asarray(tasks), np.asarray(rows), state


def test_the_numbers_for_ten_tasks():
    found = rehearsal_weights("power", 9)[::-1]
    np.testing.assert_allclose(
        found, [0.353, 0.177, 0.118, 0.088, 0.071, 0.059, 0.050, 0.044, 0.039], atol=6e-4
    )
    lag = np.arange(1, 10)
    np.testing.assert_allclose(found @ lag, 9 / (1 / lag).sum())
    assert round(float(found @ lag), 2) == 3.18


def test_limits_of_the_laws():
    for n in (1, 2, 9):
        uniform = rehearsal_weights("uniform", n)
        np.testing.assert_allclose(rehearsal_weights("power", n, b=0.0), uniform)
        np.testing.assert_allclose(rehearsal_weights("exp", n, lam=0.0), uniform)
        recent = rehearsal_weights("recent", n)
        np.testing.assert_allclose(rehearsal_weights("power", n, b=200.0), recent, atol=1e-30)
        np.testing.assert_array_equal(recent[:-1], 0)
        np.testing.assert_array_equal(rehearsal_weights("oldest", n), recent[::-1])
        assert rehearsal_weights("none", n).sum() == 0
    assert rehearsal_weights("power", 0).shape == (0,)


@pytest.mark.parametrize("b", [0.5, 1.0, 1.5])
def test_an_exponential_is_matched_in_what_it_should_be(b):
    power, lag = rehearsal_weights("power", 9, b), np.arange(9, 0, -1)
    mean = rehearsal_weights("exp", 9, b)
    np.testing.assert_allclose(mean @ lag, power @ lag, rtol=1e-9)
    first = rehearsal_weights("exp", 9, b, match="lag1")
    np.testing.assert_allclose(first[-1], power[-1], rtol=1e-9)
    ratio = mean[1:] / mean[:-1]
    np.testing.assert_allclose(ratio, np.exp(matched_rate(9, b)))


def test_a_table_has_one_law_in_all_phases():
    table = rehearsal_table("exp", 10)
    rate = matched_rate(9, 1.0)
    for phase in range(2, 10):
        np.testing.assert_allclose(table[phase, 1:phase] / table[phase, : phase - 1], np.exp(rate))
    assert not np.triu(table).any()
    np.testing.assert_allclose(table[1:].sum(1), 1)
    power = rehearsal_table("power", 4)
    np.testing.assert_allclose(power[3, :3], np.array([1 / 3, 1 / 2, 1]) / (11 / 6))


@given(st.lists(st.floats(0, 1, width=32), min_size=7, max_size=7), st.integers(0, 5000))
def test_counts_add_up_and_are_as_near_as_whole_numbers_are(weights, budget):
    weights = np.asarray(weights, np.float32)
    found = np.asarray(rehearsal_counts(jnp.asarray(weights), budget))
    if weights.sum() < 1e-20:
        return
    assert found.sum() == budget
    share = budget * weights.astype(float) / weights.astype(float).sum()
    # Largest remainders stay within one of the share; float32 adds its rounding of it.
    assert np.abs(found - share).max() < 1 + 1e-6 * max(budget, 1)


def test_counts_follow_the_law_and_none_gets_nothing():
    weights = jnp.asarray(rehearsal_weights("power", 4), jnp.float32)
    np.testing.assert_array_equal(rehearsal_counts(weights, 25), [3, 4, 6, 12])
    np.testing.assert_array_equal(rehearsal_counts(jnp.zeros(3), 7), [0, 0, 0])
    np.testing.assert_array_equal(rehearsal_counts(jnp.ones(4), 6), [2, 2, 1, 1])
    sampled = rehearsal_counts(jnp.zeros(3), 7, "sampled", jr.key(0))
    np.testing.assert_array_equal(sampled, [0, 0, 0])


def test_sampled_counts_have_the_law_as_their_mean():
    weights = jnp.asarray(rehearsal_weights("power", 9), jnp.float32)
    keys = jr.split(jr.key(0), 1000)
    draws = jax.vmap(lambda key: rehearsal_counts(weights, 20, "sampled", key))(keys)
    assert (np.asarray(draws).sum(1) == 20).all()
    pooled = np.asarray(draws).sum(0)
    # A fixed key; a right sampler fails with a probability of 1e-4.
    assert stats.chisquare(pooled, np.asarray(weights, float) * 20000).pvalue > 1e-4


def test_permutations_are_paired_and_the_first_is_the_identity():
    source = permuted(4)
    states = [
        rehearsing(kind, 40, source).init(key=jr.key(3)) for kind in ("power", "none", "uniform")
    ]
    pixels = np.asarray(states[0]["pixels"])
    for state in states[1:]:
        np.testing.assert_array_equal(state["pixels"], pixels)
    np.testing.assert_array_equal(np.sort(pixels, 1), np.tile(np.arange(9), (4, 1)))
    np.testing.assert_array_equal(pixels[0], np.arange(9))
    assert len({tuple(row) for row in pixels}) == 4
    other = rehearsing("power", 40, source).init(key=jr.key(4))["pixels"]
    assert not np.array_equal(other[1], pixels[1])
    # The same in training and at the test.
    stream = rehearsing("power", 40, source)
    state, batch = stream.draw(states[0], jnp.int32(2), jnp.int32(0))
    raw = np.asarray(source.scaling(source.x[batch.index])).reshape(-1, 9)
    seen = np.take_along_axis(raw, pixels[np.asarray(batch.task)], 1)
    np.testing.assert_array_equal(batch.x, seen)
    x, _, _ = stream.test(state, jnp.int32(2))
    raw = np.asarray(source.scaling(source.x_test)).reshape(-1, 9)
    np.testing.assert_array_equal(x, raw[:, pixels[2]])


def test_without_a_budget_it_is_its_source_bit_for_bit():
    source = permuted()
    runs = []
    for stream in (source, rehearsing("power", 0, source)):
        system = TaskSequence(learner(), stream, 12, candidates=own_classes, reset_optimizer=True)
        runs.append(simulate(system, 3, key=jr.key(0), seeds=2))
    a, b = (eqx.filter(run.state["learner"], eqx.is_inexact_array) for run in runs)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(runs[0].records["accuracy"], runs[1].records["accuracy"])
    plain, block = (visit(stream, 1, 10) for stream in (source, rehearsing(budget=0, source=source,
                    order="block")))  # fmt: skip
    np.testing.assert_array_equal(plain[1], block[1])


def test_a_phase_holds_all_new_examples_and_the_counted_old_ones():
    stream = rehearsing("power", 48)  # 80 + 48 = 8 batches of 16
    tasks, rows, state = visit(stream, 2, 16)
    for epoch in (slice(0, 8), slice(8, 16)):
        new = tasks[epoch] == 2
        np.testing.assert_array_equal(np.sort(rows[epoch][new]), np.arange(80))
        np.testing.assert_array_equal(np.bincount(tasks[epoch].ravel()), [16, 32, 80])
    np.testing.assert_array_equal(stream.counts(state), [16, 32, 0])
    # One list a phase, in another order every epoch.
    first, second = (sorted(rows[e][tasks[e] < 2]) for e in (slice(0, 8), slice(8, 16)))
    assert first == second
    assert not np.array_equal(rows[:8], rows[8:])
    assert (tasks[:8] == 2).any(1).all()
    assert (tasks[:8] < 2).any(1).sum() > 4


def test_in_a_block_the_new_ones_come_first():
    stream = rehearsing("uniform", 40, order="block")  # 120 = 7 batches of 16, and 8
    tasks, _, _ = visit(stream, 2, 7)
    assert (tasks.ravel()[:72] == 2).all()
    np.testing.assert_array_equal(np.bincount(tasks.ravel()[72:]), [20, 20])


def test_what_no_old_task_takes_is_new_and_all_schedules_have_the_same_steps():
    for kind, task in (("none", 2), ("power", 0)):
        tasks, rows, _ = visit(rehearsing(kind, 48), task, 16)
        tasks, rows = tasks[:8], rows[:8]
        assert (tasks == task).all()
        assert (np.bincount(rows.ravel(), minlength=80) >= 1).all()
    np.testing.assert_array_equal(np.unique(visit(rehearsing("recent", 48), 2, 16)[0]), [1, 2])


def test_joint_training_is_uniform_rehearsal_of_everything():
    stream = rehearsing("uniform", 160, replace=False)  # r = p - 1 in the last phase
    tasks, rows, _ = visit(stream, 2, 15)
    found = sorted(zip(tasks.ravel().tolist(), rows.ravel().tolist(), strict=True))
    assert found == [(task, row) for task in range(3) for row in range(80)]


def test_rehearsal_from_a_memory_knows_no_other_examples():
    stream = rehearsing("uniform", 48, memory=5)
    state = stream.init(key=jr.key(0))
    tasks, rows, state = visit(stream, 2, 8, state=state)
    for task in range(2):
        kept = set(np.asarray(state["memory"][task]).tolist())
        assert len(kept) == 5
        assert set(rows[tasks == task].tolist()) <= kept
    tasks, rows, _ = visit(rehearsing("uniform", 10, memory=5, replace=False), 2, 5, state=None)
    assert len(set(rows[tasks == 2].tolist())) > 60
    np.testing.assert_array_equal(np.unique(rows[tasks == 0], return_counts=True)[1], 1)


def test_tasks_of_different_sizes():
    data = dataset(classes=4, per_class=20)
    source = SplitTasks(data, 2, order=[0, 1, 2, 3], heads="growing", batch=10, scaling=FLAT)
    source = eqx.tree_at(lambda s: s.count, source, jnp.array([40, 30], jnp.int32))
    stream = rehearsing("power", 20, source)
    tasks, rows, _ = visit(stream, 1, 5)
    np.testing.assert_array_equal(np.bincount(tasks.ravel()), [20, 30])
    assert set(rows[tasks == 1].tolist()) == set(np.asarray(source.index[1, :30]).tolist())
    assert stream.trained_outputs(jnp.zeros(10, jnp.int32)).shape == (10, 4)


def test_old_tasks_are_kept_and_schedules_can_be_swept():
    stream = rehearsing("none", 32)
    system = TaskSequence(learner(), stream, 60, candidates=own_classes, reset_optimizer=True)
    tables = np.stack([rehearsal_table(kind, 3) for kind in ("none", "uniform")])
    grid = {"law": (lambda s: s["tasks"].table, tables.astype(np.float32))}
    found = simulate(system, 3, key=jr.key(0), seeds=4, grid=grid).records["accuracy"]
    first = found[:, :, -1, 0].mean(0)
    assert first[1] > first[0] + 0.1


def test_a_rehearsed_example_costs_what_a_new_one_does():
    source = permuted()
    costs = []
    for stream in (source, rehearsing("power", 48, source)):
        state = stream.init(key=jr.key(0))
        net = learner(widths=(9, 64, 4))
        inner = net.init(key=jr.key(1))

        def step(state, inner, stream=stream, net=net):
            # Inside an epoch: the list is made once a phase, an order once an epoch.
            tasks = jnp.zeros(16, jnp.int32)
            if stream is source:
                batch = stream.pick(state, tasks, state["order"][:16])
            else:
                spots = state["order"][:16]
                old = state["rehearsed"][:, jnp.clip(spots - 80, 0, 47)]
                picked = jnp.where(spots < 80, spots, old[1])
                batch = stream.pick(state, jnp.where(spots < 80, tasks, old[0]), picked)
            return net.step(inner, batch)

        costs.append(compiled_cost(step, state, inner).flops)
    assert costs[1] < 1.01 * costs[0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="kinds are"):
        rehearsal_weights("linear", 3)
    with pytest.raises(ValueError, match="at least 0"):
        rehearsal_weights("power", -1)
    with pytest.raises(ValueError, match="at least one task"):
        rehearsal_table("power", 0)
    with pytest.raises(ValueError, match="with a key"):
        rehearsal_counts(jnp.ones(2), 3, "sampled")
    with pytest.raises(ValueError, match="budget from 0"):
        rehearsing(budget=-1)
    with pytest.raises(Exception, match="random"):  # beartype's own, where it is on
        rehearsing(order="random")
    with pytest.raises(ValueError, match="row of shares"):
        RehearsalStream(permuted(), jnp.zeros((2, 2)), 4, order="mixed")
    with pytest.raises(ValueError, match="has not come before"):
        RehearsalStream(permuted(), jnp.ones((3, 3)), 4, order="mixed")
