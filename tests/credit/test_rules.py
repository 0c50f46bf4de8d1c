"""Each rule against an example-by-example loop, and what all of them must do."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.core import Batch, GradientLearner, cross_entropy
from engrax.credit import (
    ClassAlignment,
    CounterCurrent,
    DirectFeedbackAlignment,
    DirectRandomTargetProjection,
    DualChain,
    FeedbackAlignment,
    TargetPropagation,
    network_sgd,
)
from engrax.nn import MLP

WIDTHS = (6, 5, 4, 4, 3)
BUILD = eqx.Partial(MLP, WIDTHS, jnp.tanh, bias=True)
HYPER = {"learning_rate": jnp.float32(0.5)}
CLIPPED = {"learning_rate": jnp.float32(1), "clip": jnp.float32(1)}
Y = jnp.array([0, 1, 2, 2, 1, 0, 1, 1, 2])
# Three clouds, so that rules without an error signal can tell them apart too.
X = 2 * jr.normal(jr.key(11), (3, 6))[Y] + 0.3 * jr.normal(jr.key(10), (9, 6))
STEP = 0.3

LEARNERS = {
    "backpropagation": GradientLearner(BUILD, cross_entropy, network_sgd, HYPER),
    "feedback alignment": FeedbackAlignment(BUILD, network_sgd, HYPER),
    "sign symmetric": FeedbackAlignment(BUILD, network_sgd, HYPER, sign_symmetric=True),
    "direct feedback alignment": DirectFeedbackAlignment(BUILD, network_sgd, HYPER),
    "direct random target projection": DirectRandomTargetProjection(BUILD, network_sgd, HYPER),
    "fixed-weight target propagation": TargetPropagation(
        BUILD, network_sgd, HYPER, step_size=jnp.float32(STEP)
    ),
    "learned target propagation": TargetPropagation(
        BUILD,
        network_sgd,
        HYPER,
        learned=True,
        step_size=jnp.float32(STEP),
        feedback_rate=jnp.float32(0.05),
        noise=jnp.float32(0.0),
    ),
    "counter-current": CounterCurrent(
        eqx.Partial(DualChain, WIDTHS), ClassAlignment(3), network_sgd, CLIPPED, CLIPPED
    ),
}
ALTERNATIVES = [name for name in LEARNERS if name not in ("backpropagation", "counter-current")]


def deltas(name, weights, feedback, h, label):
    """Post-synaptic signals of levels 1..L for one example."""
    slope = [1 - a**2 for a in h[1:-1]]
    p = np.exp(h[-1] - h[-1].max())
    one_hot = np.eye(3)[label]
    error = p / p.sum() - one_hot
    depth = len(weights)
    out = {depth: error}
    if name in ("feedback alignment", "sign symmetric"):
        for level in range(depth - 1, 0, -1):
            f = feedback[level - 1]
            if name == "sign symmetric":
                f = np.abs(f) * np.sign(weights[level])
            out[level] = (out[level + 1] @ f) * slope[level - 1]
    elif name.startswith("direct"):
        sent = error if name.endswith("alignment") else one_hot
        for level in range(1, depth):
            out[level] = (sent @ feedback[level - 1]) * slope[level - 1]
    else:
        target = h[depth - 1] - STEP * (error @ weights[-1])
        for level in range(depth - 1, 0, -1):
            out[level] = 2 * (h[level] - target) * slope[level - 1]
            if level > 1:
                w = feedback[level - 2]
                target = h[level - 1] + np.tanh(target @ w) - np.tanh(h[level] @ w)
    return out


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_one_step_against_a_slow_loop(name):
    learner = LEARNERS[name]
    state = learner.init(key=jr.key(0))
    layers = learner.model(state).layers
    weights, biases = (
        [np.asarray(getattr(layer, part), np.float64) for layer in layers]
        for part in ("weight", "bias")
    )
    feedback = [np.asarray(f, np.float64) for f in state["feedback"]]
    dw, db = [np.zeros_like(w) for w in weights], [np.zeros_like(b) for b in biases]
    for x, label in zip(np.asarray(X, np.float64), np.asarray(Y), strict=True):
        h = [x]
        for level, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
            z = w @ h[-1] + b
            h.append(z if level == len(weights) else np.tanh(z))
        for level, delta in deltas(name, weights, feedback, h, label).items():
            dw[level - 1] += np.outer(delta, h[level - 1]) / len(X)
            db[level - 1] += delta / len(X)
    new, _ = learner.step(state, Batch(X, Y))
    for layer, w, b, gw, gb in zip(learner.model(new).layers, weights, biases, dw, db, strict=True):
        np.testing.assert_allclose(layer.weight, w - 0.5 * gw, atol=2e-6)
        np.testing.assert_allclose(layer.bias, b - 0.5 * gb, atol=2e-6)


def test_learned_feedback_descends_the_reconstruction_error():
    learner = LEARNERS["learned target propagation"]
    state = learner.init(key=jr.key(0))
    model = learner.model(state)
    new, _ = learner.step(state, Batch(X, Y))
    h = [np.asarray(a, np.float64) for a in model.activities(X)]
    for level, before, after in zip((1, 2), state["feedback"], new["feedback"], strict=True):
        w, gradient = np.asarray(before, np.float64), np.zeros(before.shape)
        for below, above in zip(h[level], h[level + 1], strict=True):
            g = np.tanh(above @ w)
            gradient += np.outer(above, 2 * (g - below) * (1 - g**2)) / len(X)
        np.testing.assert_allclose(after, w - 0.05 * gradient, atol=1e-6)


def test_learned_feedback_comes_to_invert_the_forward_map():
    learner = eqx.tree_at(
        lambda m: (m.noise, m.hyper["learning_rate"]),
        LEARNERS["learned target propagation"],
        (jnp.float32(0.05), jnp.float32(0.0)),
    )
    state = learner.init(key=jr.key(0))

    def missed(state):
        h = learner.model(state).activities(X)
        pairs = zip(h[1:-2], h[2:-1], state["feedback"], strict=True)
        return sum(jnp.sum((jnp.tanh(above @ w) - below) ** 2) for below, above, w in pairs)

    final, _ = jax.lax.scan(lambda s, _: learner.step(s, Batch(X, Y)), state, length=300)
    assert missed(final) < 0.5 * missed(state)


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_feedback_stays_as_drawn_unless_it_is_learned(name):
    learner = LEARNERS[name]
    state = learner.init(key=jr.key(0))
    new, _ = learner.step(state, Batch(X, Y))
    same = all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(state["feedback"], new["feedback"], strict=True)
    )
    assert same == (not name.startswith("learned"))


def test_its_own_weights_as_feedback_is_backpropagation():
    aligned = LEARNERS["feedback alignment"]
    exact = LEARNERS["backpropagation"]
    state, other = aligned.init(key=jr.key(0)), exact.init(key=jr.key(0))
    state["feedback"] = [layer.weight for layer in aligned.model(state).layers[1:]]
    one, two = aligned.step(state, Batch(X, Y))[0], exact.step(other, Batch(X, Y))[0]
    for a, b in zip(jax.tree.leaves(one["model"]), jax.tree.leaves(two["model"]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", LEARNERS)
def test_learner_contract(name):
    """Learns a separable toy, keeps the state's form, agrees with itself under jit and vmap."""
    learner = LEARNERS[name]
    state = learner.init(key=jr.key(0))
    new, record = learner.step(state, Batch(X, Y))
    jitted, _ = eqx.filter_jit(learner.step)(state, Batch(X, Y))
    keys = jr.split(jr.key(5), 2)
    states = jax.vmap(lambda k: learner.init(key=k))(keys)
    together, _ = jax.vmap(lambda s: learner.step(s, Batch(X, Y)))(states)
    alone, _ = learner.step(learner.init(key=keys[1]), Batch(X, Y))

    def floats(tree):
        return [v for v in jax.tree.leaves(tree) if jnp.issubdtype(v.dtype, jnp.floating)]

    for a, b in zip(floats(new), floats(jitted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for a, b in zip(floats(together), floats(alone), strict=True):
        np.testing.assert_allclose(a[1], b, atol=1e-6)
    form = jax.tree.map(lambda v: (v.shape, v.dtype), state)
    assert form == jax.tree.map(lambda v: (v.shape, v.dtype), new)
    assert not any(v.weak_type for v in floats(new))
    assert all(jnp.shape(v) == () for v in record.values())

    final, _ = jax.lax.scan(lambda s, _: learner.step(s, Batch(X, Y)), state, length=500)
    outputs = learner.predict(final, X)
    assert outputs.shape == (9, 3)
    # 4 of 9 is the largest class; four units are few for rules that hear no error.
    assert np.mean(outputs.argmax(1) == Y) > 0.7


@pytest.mark.parametrize("name", LEARNERS)
def test_an_equal_learner_is_the_same_program(name):
    """Rebuilding a learner must not recompile: its static part compares equal."""
    static = [eqx.partition(LEARNERS[name], eqx.is_array)[1] for _ in range(2)]
    rebuilt = jax.tree.unflatten(jax.tree.structure(static[0]), jax.tree.leaves(static[0]))
    assert rebuilt == static[1]
