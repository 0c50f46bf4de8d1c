"""NoProp in its three variants, and the chain of its blocks under backpropagation."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jaxtyping import TypeCheckError

from engrax.core import Batch, accuracy, named
from engrax.credit import (
    AdjointODEClassifier,
    BackpropChain,
    CosineVariancePreserving,
    LearnableVariancePreserving,
    LocalCrossEntropy,
    NoProp,
    adjoint_ode,
    noprop_fm_loss,
)
from engrax.credit._block_learner import block_at
from engrax.nn import DenoisingBlock, LabelEmbedding

CLASSES, STEPS = 3, 4
BLOCK = eqx.Partial(
    DenoisingBlock, (5,), CLASSES, CLASSES, image_path="dense", hidden=12, norm="layer"
)
TIMED = eqx.Partial(
    DenoisingBlock, (5,), CLASSES, CLASSES, image_path="dense", hidden=12, norm=None, time=True
)
FIXED = eqx.Partial(LabelEmbedding, CLASSES)
LEARNED = eqx.Partial(LabelEmbedding, CLASSES, mode="orthogonal")
HYPER = {"learning_rate": jnp.float32(1e-2), "weight_decay": jnp.float32(1e-3)}
RATE = {"learning_rate": jnp.float32(1e-2)}
CHAIN = CosineVariancePreserving(STEPS)
Y = jnp.arange(24) % CLASSES
X = 2 * jr.normal(jr.key(11), (CLASSES, 5))[Y] + 0.3 * jr.normal(jr.key(10), (24, 5))
BATCH = Batch(X, Y)


def noprop(block=BLOCK, schedule=CHAIN, embedding=FIXED, **options):
    return NoProp(block, schedule, embedding, optax.adamw, HYPER, **options)


LEARNERS = {
    "discrete": noprop(embedding=LEARNED, readout_steps=STEPS),
    "sequential": noprop(embedding=LEARNED, mode="sequential", pass_length=2),
    "continuous": noprop(
        TIMED, LearnableVariancePreserving(8), LEARNED, variant="ct", steps=20, readout_steps=4
    ),
    "flow": noprop(TIMED, None, LEARNED, variant="fm", steps=20),
    "backpropagation": BackpropChain(BLOCK, optax.adamw, HYPER, FIXED, STEPS),
    "adjoint": AdjointODEClassifier(TIMED, optax.adamw, HYPER, LEARNED, 10),
    "independent": LocalCrossEntropy(BLOCK, optax.adamw, HYPER, blocks=STEPS),
}


def floats(tree):
    return [v for v in jax.tree.leaves(tree) if jnp.issubdtype(v.dtype, jnp.floating)]


@eqx.filter_jit
def trained(learner, state):
    step = lambda s, _: learner.step(s, BATCH)
    final, record = jax.lax.scan(step, state, length=300)
    return final, record, learner.predict(final, X)


@pytest.mark.parametrize("name", LEARNERS)
def test_learner_contract(name):
    """Learns a separable toy; keeps the state's form; predicts in parts, and the same twice."""
    learner = dataclasses.replace(LEARNERS[name], part=10)
    state = learner.init(key=jr.key(5))
    final, record, outputs = trained(learner, state)
    form = jax.tree.map(lambda v: (v.shape, v.dtype), state)
    assert form == jax.tree.map(lambda v: (v.shape, v.dtype), final)
    assert not any(v.weak_type for v in floats(state))
    assert all(jnp.shape(v) == (300,) and jnp.isfinite(v).all() for v in record.values())
    assert outputs.shape == (24, CLASSES)
    assert accuracy(outputs, Y) > 0.9


def test_states_under_vmap_learn_as_each_alone():
    # Without Adam, a step of which moves by the rate even where the gradient is rounding error.
    plain = dataclasses.replace(LEARNERS["sequential"], optimizer=optax.sgd, hyper=RATE)

    @eqx.filter_jit
    def both(plain, states):
        step = lambda s: plain.step(s, BATCH)[0]
        return jax.vmap(step)(states), jax.lax.map(step, states)

    states = jax.vmap(lambda k: plain.init(key=k))(jr.split(jr.key(5), 2))
    for a, b in zip(*map(floats, both(plain, states)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_read_outs_of_one_final_state():
    """Linear: W z + b. Posterior: the distance of softmax(W z + b) W_emb; nearest: that of z."""
    learner = LEARNERS["discrete"]
    parts = learner.model(learner.init(key=jr.key(0)))
    z = jr.normal(jr.key(1), (6, CLASSES))
    linear = z @ parts["readout"].weight.T + parts["readout"].bias[None]
    w = np.asarray(parts["embedding"].weight)

    def distance(points):
        return -0.5 * np.square(np.asarray(points)[:, None] - w[None]).sum(-1)

    expected = {
        "linear": linear, "posterior": distance(jax.nn.softmax(linear) @ w), "nearest": distance(z)
    }  # fmt: skip
    for name, scores in expected.items():
        np.testing.assert_allclose(learner.scores(parts, z, readout=name), scores, atol=1e-5)
    trained_by = noprop(readout="posterior")
    np.testing.assert_allclose(trained_by.scores(parts, z), expected["posterior"], atol=1e-5)


@pytest.mark.parametrize("embedding", [FIXED, LEARNED])
def test_a_read_out_starts_by_naming_the_nearest_class(embedding):
    learner = noprop(embedding=embedding)
    parts = learner.model(learner.init(key=jr.key(0)))
    z = jr.normal(jr.key(1), (50, CLASSES))
    linear, nearest = (learner.scores(parts, z, readout=name) for name in ("linear", "nearest"))
    np.testing.assert_array_equal(linear.argmax(1), nearest.argmax(1))


def test_draws_and_samplers_of_a_prediction():
    learner = noprop(readout="nearest", sampler="ode", draws=3)
    state = learner.init(key=jr.key(0))
    outputs = learner.outputs(state, X)
    assert outputs.shape == (3, 24, CLASSES)
    assert jnp.abs(outputs[0] - outputs[1]).max() > 1e-3
    np.testing.assert_allclose(learner.predict(state, X), outputs.mean(0), atol=1e-6)


def parallel_gradient(learner, parts, key):
    def value(blocks):
        return learner.loss({**parts, "blocks": blocks}, BATCH, key)[0]

    return eqx.filter_grad(value)(parts["blocks"])


@pytest.mark.parametrize("embedding", [FIXED, LEARNED])
def test_a_block_learns_alone(embedding):
    """The gradient of a block does not change, bit for bit, when any other block does; and it is
    that of the block's own loss L_t, for the same noise.
    """
    learner = noprop(embedding=embedding)
    parts = learner.model(learner.init(key=jr.key(0)))
    key = jr.key(1)
    found = eqx.filter_jit(parallel_gradient)(learner, parts, key)
    for t in range(STEPS):
        shifted = jax.tree.map(
            lambda v, t=t: jnp.where(
                (jnp.arange(STEPS) == t).reshape(-1, *(1,) * (v.ndim - 1)), v, v + 0.1
            ),
            eqx.filter(parts["blocks"], eqx.is_array),
        )
        other = {**parts, "blocks": eqx.combine(shifted, parts["blocks"])}
        again = eqx.filter_jit(parallel_gradient)(learner, other, key)
        for a, b in zip(floats(block_at(found, t)), floats(block_at(again, t)), strict=True):
            np.testing.assert_array_equal(a, b)

        def own(block, t=t):
            return learner.block_loss({**parts, "blocks": block}, jnp.int32(t), BATCH, key)[0]

        alone = eqx.filter_grad(own)(block_at(parts["blocks"], t))
        for a, b in zip(floats(block_at(found, t)), floats(alone), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_sequential_training_moves_one_block_at_a_time():
    learner = LEARNERS["sequential"]
    state = learner.init(key=jr.key(0))
    step = eqx.filter_jit(learner.step)
    moved = []
    for _ in range(2 * STEPS + 1):
        new, _ = step(state, BATCH)
        change = jax.tree.map(
            lambda a, b: jnp.abs(a - b).reshape(STEPS, -1).max(1),
            state["model"]["blocks"], new["model"]["blocks"],
        )  # fmt: skip
        moved.append(np.flatnonzero(np.max(jax.tree.leaves(change), 0) > 0).tolist())
        assert jnp.any(new["model"]["readout"].weight != state["model"]["readout"].weight)
        assert jnp.any(new["model"]["embedding"].weight != state["model"]["embedding"].weight)
        state = new
    assert moved == [[0], [0], [1], [1], [2], [2], [3], [3], [0]]


def test_one_block_is_a_classifier_with_a_squared_error():
    """T = 1: the loss is that of one image classifier, squared error on softmax outputs."""
    learner = noprop(schedule=CosineVariancePreserving(1), eta=0.7)
    parts = learner.model(learner.init(key=jr.key(0)))
    key = jr.key(1)
    loss, _ = learner.loss(parts, BATCH, key)
    block = block_at(parts["blocks"], 0)
    level = learner.schedule.levels
    noise = jr.normal(named(jr.fold_in(key, 0), "noise"), (24, CLASSES))
    u = np.eye(CLASSES)[np.asarray(Y)]
    z = np.sqrt(level[0]) * u + np.sqrt(1 - level[0]) * noise
    p = jax.nn.softmax(block(X, jnp.asarray(z, jnp.float32)))
    snr = level / (1 - level)
    squared = 0.5 * 0.7 * (snr[1] - snr[0]) * np.square(p - u).sum(1).mean()
    np.testing.assert_allclose(loss, squared + learner.shared_loss(parts, Y, key), rtol=1e-5)


@pytest.mark.parametrize("name", ["discrete", "continuous"])
def test_guesses_lie_between_the_classes(name):
    """Inside the convex hull of the embeddings: weights of 0 and above that add to one."""
    learner = LEARNERS[name]
    parts = learner.model(learner.init(key=jr.key(0)))
    w = np.asarray(parts["embedding"].weight, np.float64)
    guesses = np.asarray(learner._paths(parts, X, jr.split(jr.key(2), 1)).guesses[0])
    # As many classes as dimensions: the weights are unique.
    shares = guesses @ np.linalg.inv(w)
    assert shares.min() > -1e-5
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)


def test_velocities_need_not_lie_between_the_classes():
    learner = LEARNERS["flow"]
    parts = learner.model(learner.init(key=jr.key(0)))
    far = eqx.tree_at(lambda p: p["blocks"].bias, parts, jnp.array([5.0, 5.0, 5.0]))
    guesses = learner._paths(far, X, jr.split(jr.key(2), 1)).guesses[0]
    assert (guesses @ jnp.linalg.inv(far["embedding"].weight)).sum(-1).min() > 2


def test_the_exact_velocity_has_a_flow_loss_of_zero_for_one_class(monkeypatch):
    """v(z, t) = (u - z) / (1 - t) is u - z_0 everywhere, and z + (1 - t) v is u."""

    def exact(self, x, z, t, *, key):
        return (1.0 - z) / (1 - t)[:, None], self

    monkeypatch.setattr(DenoisingBlock, "train", exact)
    block, embedding = TIMED(key=jr.key(0)), LabelEmbedding(1, key=jr.key(0))
    y = jnp.zeros(8, jnp.int32)
    loss, (_, ends) = noprop_fm_loss(block, embedding, jnp.zeros((8, 5)), y, jr.key(1))
    # (u - z) / (1 - t) in float32, with 1 - t down to 1/16.
    np.testing.assert_allclose(loss, 0, atol=1e-9)
    np.testing.assert_allclose(ends, 1, atol=1e-5)


def test_a_trained_block_becomes_the_best_denoiser():
    """Two classes at +-1 in the plane: p(c | z, x) is known."""
    block = eqx.Partial(
        DenoisingBlock, (2,), 2, 2, image_path="dense", hidden=32, norm=None, dropout=0.0
    )
    hyper = {"learning_rate": jnp.float32(3e-3)}
    learner = NoProp(
        block, CosineVariancePreserving(2), eqx.Partial(LabelEmbedding, 2), optax.adam, hyper
    )
    centers = jnp.array([[1.0, 0.0], [-0.5, 0.5]])

    def draw(key, n=256):
        y = jr.randint(jr.fold_in(key, 0), (n,), 0, 2)
        return centers[y] + jr.normal(jr.fold_in(key, 1), (n, 2)), y

    @eqx.filter_jit
    def run(state):
        one = lambda s, key: (learner.step(s, Batch(*draw(key)))[0], None)
        return jax.lax.scan(one, state, jr.split(jr.key(3), 1500))[0]

    blocks = learner.model(run(learner.init(key=jr.key(0))))["blocks"]
    x, y = draw(jr.key(4), 2000)
    for t in range(2):
        level = learner.schedule.levels[t]
        z = jnp.sqrt(level) * jnp.eye(2)[y] + jnp.sqrt(1 - level) * jr.normal(jr.key(t), (2000, 2))
        log_p = -0.5 * jnp.square(x[:, None] - centers[None]).sum(-1)
        log_p -= jnp.square(z[:, None] - jnp.sqrt(level) * jnp.eye(2)[None]).sum(-1) / (
            2 * (1 - level)
        )
        missed = jax.nn.softmax(block_at(blocks, t)(x, z)) - jax.nn.softmax(log_p)
        assert jnp.square(missed).sum(1).mean() < 1e-2


def test_classes_collapse_without_the_anchor_and_stay_apart_with_it():
    def spread(anchored):
        learner = noprop(TIMED, None, LEARNED, variant="fm", anchored=anchored)

        @eqx.filter_jit
        def run(state):
            return jax.lax.scan(lambda s, _: learner.step(s, BATCH), state, length=300)[0]

        w = learner.model(run(learner.init(key=jr.key(0))))["embedding"].weight
        return np.linalg.norm(w[:, None] - w[None], axis=-1).sum() / (CLASSES * (CLASSES - 1))

    assert spread(True) > 2 * spread(False)


def test_the_trace_of_a_chain_shows_what_its_blocks_said():
    for name in ("discrete", "backpropagation"):
        learner = LEARNERS[name]
        state = learner.init(key=jr.key(0))
        trace = learner.trace(state, X)
        w = learner.model(state)["embedding"].weight
        np.testing.assert_allclose(trace.guesses, jax.nn.softmax(trace.logits) @ w, atol=1e-5)
        assert trace.hidden.shape == (STEPS, 24, 6)
    flow = LEARNERS["flow"]
    state = flow.init(key=jr.key(0))
    with pytest.raises(ValueError, match="variant='dt'"):
        flow.trace(state, X)


def test_the_adjoint_gradient_is_the_gradient_in_the_limit_of_many_steps():
    """Both of first order in the step: four times the steps, a quarter of the difference."""
    start, w = jnp.array([0.3, -0.7]), jnp.array([[0.5, -1.0], [1.2, 0.1]])

    def field(w, t, z):
        return jnp.tanh(w @ z) + t

    def plain(w, start, steps):
        move = lambda z, t: (z + field(w, t, z) / steps, None)
        return jax.lax.scan(move, start, jnp.arange(steps) / steps)[0]

    def gap(steps):
        one, other = (
            jax.grad(lambda w, z, solve=solve: jnp.sum(solve(w, z) ** 2), (0, 1))(w, start)
            for solve in (
                lambda w, z: adjoint_ode(field, w, z, steps),
                lambda w, z: plain(w, z, steps),
            )
        )
        return max(float(jnp.abs(a - b).max()) for a, b in zip(one, other, strict=True))

    np.testing.assert_allclose(adjoint_ode(field, w, start, 20), plain(w, start, 20), rtol=1e-6)
    coarse, fine = gap(25), gap(100)
    assert fine < 0.35 * coarse < 0.1
    with pytest.raises(ValueError, match="steps=0"):
        adjoint_ode(field, w, start, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"variant": "sde"}, "'sde'"),
        ({"schedule": None}, "expected CosineVariancePreserving"),
        ({"variant": "ct"}, "expected LearnableVariancePreserving"),
        ({"mode": "both"}, "'both'"),
        ({"readout": "knn"}, "'knn'"),
        ({"sampler": "euler"}, "sampler='euler'"),
        ({"draws": 0}, "draws=0"),
        ({"variant": "fm", "schedule": None, "readout": "linear"}, "readout='linear'"),
        ({"variant": "fm", "schedule": None, "mode": "sequential"}, "mode='sequential'"),
    ],
)
def test_what_is_no_noprop_is_refused(options, sentence):
    # With types checked at run time, as in the tests, an unknown name is caught before.
    with pytest.raises((ValueError, TypeCheckError), match=sentence):
        noprop(**options)


@pytest.mark.parametrize(
    ("learner", "sentence"),
    [
        (noprop(embedding=eqx.Partial(LabelEmbedding, 2)), "3 classes and an embedding of 2 rows"),
        (noprop(embedding=eqx.Partial(LabelEmbedding, 4)), "make them agree"),
        (noprop(TIMED), "expected time=True for 'ct'"),
        (noprop(BLOCK, None, variant="fm"), "without time"),
        (AdjointODEClassifier(BLOCK, optax.adamw, HYPER, FIXED, 3), "without time"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(learner, sentence):
    with pytest.raises(ValueError, match=sentence):
        learner.init(key=jr.key(0))


def test_no_block_and_no_step_are_refused():
    with pytest.raises(ValueError, match="steps=0"):
        BackpropChain(BLOCK, optax.adamw, HYPER, FIXED, 0)
    with pytest.raises(ValueError, match="steps=0"):
        AdjointODEClassifier(TIMED, optax.adamw, HYPER, FIXED, 0)
    with pytest.raises(ValueError, match="blocks=0"):
        LocalCrossEntropy(BLOCK, optax.adamw, HYPER, blocks=0)


def test_labels_outside_are_an_error_or_a_divergence():
    learner = noprop()
    state = learner.init(key=jr.key(0))
    wrong = Batch(X, Y + 1)
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        learner.loss(learner.model(state), wrong, jr.key(0))
    _, record = eqx.filter_jit(learner.step)(state, wrong)
    assert jnp.isnan(record["loss"])


@pytest.mark.parametrize("name", LEARNERS)
def test_an_equal_learner_is_the_same_program(name):
    static = [eqx.partition(LEARNERS[name], eqx.is_array)[1] for _ in range(2)]
    rebuilt = jax.tree.unflatten(jax.tree.structure(static[0]), jax.tree.leaves(static[0]))
    assert rebuilt == static[1]
