"""DSR, BPTT and OTTT: their gradients against loops, formulas and each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import Batch
from engrax.credit import BPTTLearner, DSRLearner, OnlineTraceLearner, network_sgd
from engrax.nn import SpikingNetwork
from engrax.spiking import DSRLIF, LIF, rate_weights, sigmoid_surrogate, weighted_rate

T, B, WIDTHS = 6, 9, (6, 8, 7, 3)
HYPER = {"learning_rate": jnp.float32(0.5)}
SURROGATE = sigmoid_surrogate(4.0)
NEURON = LIF(0.5, threshold=0.3, detach_reset=True, surrogate=SURROGATE)
RATES = eqx.Partial(SpikingNetwork, WIDTHS, DSRLIF(T), T)
SPIKES = eqx.Partial(SpikingNetwork, WIDTHS, NEURON, T)
Y = jnp.array([0, 1, 2, 2, 1, 0, 1, 1, 2])
X = jax.nn.relu(2 * jr.normal(jr.key(11), (3, 6))[Y] + 0.3 * jr.normal(jr.key(10), (B, 6)))
MOVING = jnp.moveaxis(jr.uniform(jr.key(12), (T, B, 6)) * X[None], 0, 1)
PROPAGATIONS = ("weights", "random", "sign")
KINDS = {"dsr": DSRLearner, "bptt": BPTTLearner, "ottt": OnlineTraceLearner}


def learner(kind, **options):
    return KINDS[kind](RATES if kind == "dsr" else SPIKES, network_sgd, HYPER, **options)


def gradient_of(learner, state, x=X, projections=None):
    model = learner.model(state)
    x = x if learner.static else jnp.moveaxis(x, 1, 0)
    down = learner.feedback(model, state["feedback"])
    return learner.gradient(model, down, x, Y, projections)


def weights_of(model):
    return [layer.weight for layer in model.layers]


def error_of(logits):
    return np.asarray(jax.nn.softmax(logits) - jax.nn.one_hot(Y, 3)) / B


def slope(u):
    s = 1 / (1 + np.exp(-4 * (np.asarray(u, np.float64) - 0.3)))
    return 4 * s * (1 - s)


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("propagation", PROPAGATIONS)
def test_dsr_on_rates_is_the_differentiated_run(propagation, static):
    """The cheap backward pass against `DSRLIF.run` differentiated step by step."""
    ours = learner("dsr", propagation=propagation, static=static)
    state = ours.init(key=jr.key(0))
    model = ours.model(state)
    down = ours.feedback(model, state["feedback"])
    x = X if static else MOVING

    def loss(model):
        xs = x if static else jnp.moveaxis(x, 1, 0)
        logits = weighted_rate(model.activities(xs, static=static, feedback=down)[-1])
        return optax.softmax_cross_entropy_with_integer_labels(logits, Y).mean()

    value, expected = eqx.filter_value_and_grad(loss)(model)
    loss, gradient, _, samples = gradient_of(ours, state, x)
    np.testing.assert_allclose(loss, value, rtol=1e-5)
    for a, b in zip(weights_of(gradient), weights_of(expected), strict=True):
        assert np.any(b)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(gradient.layers[:-1], expected.layers[:-1], strict=True):
        np.testing.assert_allclose(a.neuron.threshold, b.neuron.threshold, atol=1e-6)
    assert [s.shape for s in samples] == [(1, B, 6), (1, B, 8), (1, B, 7)]
    activities = model.activities(x if static else jnp.moveaxis(x, 1, 0), static=static)
    np.testing.assert_allclose(samples[1][0], weighted_rate(activities[1]), atol=1e-5)


@pytest.mark.parametrize("propagation", PROPAGATIONS)
def test_ottt_against_a_loop_over_time(propagation):
    ours = learner("ottt", propagation=propagation)
    state = ours.init(key=jr.key(0))
    model = ours.model(state)
    w = [np.asarray(v, np.float64) for v in weights_of(model)]
    down = [np.asarray(f, np.float64) for f in state["feedback"]]
    if propagation == "weights":
        down = w[1:]
    if propagation == "sign":
        down = [np.sign(v) / np.sqrt(v.shape[1]) for v in w[1:]]
    _, gradient, logits, _ = gradient_of(ours, state)
    x = np.asarray(X, np.float64)
    v1, v2, a1, a2 = (np.zeros((B, n)) for n in (8, 7, 8, 7))
    expected, total = [np.zeros_like(v) for v in w], 0
    for _ in range(T):
        u1 = 0.5 * v1 + x @ w[0].T
        s1 = (u1 >= 0.3) * 1.0
        u2 = 0.5 * v2 + s1 @ w[1].T
        s2 = (u2 >= 0.3) * 1.0
        v1, v2 = u1 - 0.3 * s1, u2 - 0.3 * s2
        a1, a2 = 0.5 * a1 + s1, 0.5 * a2 + s2
        out = s2 @ w[2].T
        total = total + out
        d3 = error_of(jnp.float32(out)) / T
        d2 = (d3 @ down[1]) * slope(u2)
        d1 = (d2 @ down[0]) * slope(u1)
        for g, d, a in zip(expected, (d1, d2, d3), (x, a1, a2), strict=True):
            g += d.T @ a
    np.testing.assert_allclose(logits, total, atol=1e-5)
    for a, b in zip(weights_of(gradient), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_ottt_of_one_layer_is_bptt_with_the_cut_paths():
    """One spiking layer, no reset in the gradient: the traces hold all of the past."""
    build = eqx.Partial(SpikingNetwork, (6, 3), NEURON, T, spiking_output=True)
    ottt = OnlineTraceLearner(build, network_sgd, HYPER, static=False)
    state = ottt.init(key=jr.key(1))
    model = ottt.model(state)

    def loss(model):
        out = model.run(jnp.moveaxis(MOVING, 1, 0))
        labels = jnp.broadcast_to(Y, out.shape[:2])
        return optax.softmax_cross_entropy_with_integer_labels(out, labels).mean()

    value, through_time = eqx.filter_value_and_grad(loss)(model)
    loss, gradient, _, _ = gradient_of(ottt, state, MOVING)
    np.testing.assert_allclose(loss, value, rtol=1e-6)
    assert np.any(through_time.layers[0].weight)
    np.testing.assert_allclose(
        gradient.layers[0].weight, through_time.layers[0].weight, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("static", [True, False])
def test_online_steps_sum_up_to_the_gradient_of_all_steps(static):
    """At a rate of zero the weights stand still, and momentum collects what was asked for."""
    collect = {"learning_rate": jnp.float32(0.0), "momentum": jnp.float32(1.0)}
    online, whole = (
        OnlineTraceLearner(SPIKES, network_sgd, collect, static=static, online=o)
        for o in (True, False)
    )
    batch = Batch(X if static else MOVING, Y)
    state = whole.init(key=jr.key(0))
    one, record, samples = online.learn(state, batch)
    two, expected, others = whole.learn(state, batch)
    assert record.keys() == expected.keys()
    for a, b in zip(
        jax.tree.leaves((one, record, samples)), jax.tree.leaves((two, expected, others))
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    moving = OnlineTraceLearner(SPIKES, network_sgd, HYPER, static=static, online=True)
    assert np.any(moving.learn(moving.init(key=jr.key(0)), batch)[0]["model"].layers[0].weight)


@pytest.mark.parametrize("kind", KINDS)
def test_signs_for_feedback_change_nothing_where_weights_are_their_signs(kind):
    sign, plain = learner(kind, propagation="sign"), learner(kind)
    state = sign.init(key=jr.key(0))
    signed = [jnp.sign(w) / jnp.sqrt(jnp.float32(w.shape[1])) for w in weights_of(state["model"])]
    state["model"] = eqx.tree_at(weights_of, state["model"], signed)
    one, two = gradient_of(sign, state)[1], gradient_of(plain, state)[1]
    for a, b in zip(weights_of(one), weights_of(two), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_projected_trace_is_a_projected_gradient(kind):
    """G_perp = G (I - H^T H) in every layer, and neither loss nor error sees it."""
    ours = learner(kind)
    state = ours.init(key=jr.key(0))
    bases = [
        jnp.linalg.qr(jr.normal(jr.key(n), (n, 2)))[0].T
        for n in (w.shape[1] for w in weights_of(state["model"]))
    ]
    projections = [lambda x, h=h: x - (x @ h.T) @ h for h in bases]
    loss, plain, _, _ = gradient_of(ours, state)
    same, projected, _, _ = gradient_of(ours, state, projections=projections)
    assert loss == same
    for g, p, h in zip(weights_of(plain), weights_of(projected), bases, strict=True):
        np.testing.assert_allclose(p, g - (g @ h.T) @ h, rtol=1e-4, atol=1e-5)
        assert np.abs(p - g).max() > 1e-3


def test_projecting_rates_or_steps_is_one_where_the_projection_is_linear():
    keep = jnp.diag(jr.uniform(jr.key(0), (8,)))
    projections = [None, lambda x: x @ keep, None]
    results = []
    for how in ("rates", "steps"):
        ours = learner("dsr", project=how)
        results.append(gradient_of(ours, ours.init(key=jr.key(0)), projections=projections)[1])
    for a, b in zip(*map(weights_of, results), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["bptt", "ottt"])
def test_samples_are_all_that_the_layer_saw(kind):
    ours = learner(kind)
    state = ours.init(key=jr.key(0))
    spikes = ours.model(state).activities(X)[1]
    samples = gradient_of(ours, state)[3]
    if kind == "bptt":
        assert [s.shape for s in samples] == [(1, B, 6), (1, T * B, 8), (1, T * B, 7)]
        np.testing.assert_array_equal(samples[1][0], spikes.reshape(-1, 8))
    else:
        assert [s.shape for s in samples] == [(T, 2 * B, 6), (T, 2 * B, 8), (T, 2 * B, 7)]
        np.testing.assert_array_equal(samples[1][:, :B], spikes)
        np.testing.assert_allclose(samples[1][1, B:], 0.5 * spikes[0] + spikes[1])


@pytest.mark.parametrize("kind", KINDS)
def test_only_weights_and_rate_thresholds_move_and_a_scale_of_zero_freezes(kind):
    ours = learner(kind)
    state = ours.init(key=jr.key(0))
    scale = jax.tree.map(lambda _: 1.0, ours.trained(ours.model(state)))
    scale = eqx.tree_at(lambda m: m.layers[1].weight, scale, 0.0)
    new, _, _ = ours.learn(state, Batch(X, Y), scale=scale)
    before, after = ours.model(state), ours.model(new)
    moved = [np.any(a != b) for a, b in zip(weights_of(before), weights_of(after), strict=True)]
    assert moved == [True, False, True]
    if kind != "dsr":
        neurons = [
            (m.layers[0].neuron.decay, m.layers[0].neuron.threshold) for m in (before, after)
        ]
        assert neurons[0] == neurons[1]


@pytest.mark.parametrize("propagation", PROPAGATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_learner_contract(kind, propagation):
    """Learns a separable toy, keeps the state's form, agrees with itself under jit and vmap."""
    ours = learner(kind, propagation=propagation)
    state = ours.init(key=jr.key(0))
    step = eqx.filter_jit(lambda s: ours.step(s, Batch(X, Y)))
    new, record = ours.step(state, Batch(X, Y))
    for a, b in zip(jax.tree.leaves(new), jax.tree.leaves(step(state)[0]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    form = jax.tree.map(lambda v: (v.shape, v.dtype, v.weak_type), state)
    assert form == jax.tree.map(lambda v: (v.shape, v.dtype, v.weak_type), new)
    assert all(jnp.shape(v) == () for v in record.values())
    keys = jr.split(jr.key(5), 2)
    states = jax.vmap(lambda k: ours.init(key=k))(keys)
    together, _ = jax.vmap(lambda s: ours.step(s, Batch(X, Y)))(states)
    alone, _ = ours.step(ours.init(key=keys[1]), Batch(X, Y))
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a[1], b, atol=1e-5)
    final = jax.jit(
        lambda s: jax.lax.scan(lambda s, _: ours.step(s, Batch(X, Y)), s, length=200)[0]
    )(state)
    outputs = ours.predict(final, X)
    assert outputs.shape == (B, 3)
    # 4 of 9 is the largest class; seven spiking units have few codes for rules as coarse as these.
    assert np.mean(outputs.argmax(1) == Y) > 0.7


def test_an_equal_learner_is_the_same_program():
    for kind in KINDS:
        one, two = (eqx.partition(learner(kind), eqx.is_array)[1] for _ in range(2))
        assert one == two


@pytest.mark.parametrize(
    ("ours", "x", "message"),
    [
        (DSRLearner(SPIKES, network_sgd, HYPER), X, "trains layers of DSRLIF and got LIF"),
        (OnlineTraceLearner(RATES, network_sgd, HYPER), X, "trains layers of LIF neurons"),
        (learner("bptt"), MOVING, r"expected \(batch, features\)"),
        (learner("bptt", static=False), X, r"expected \(batch, time, features\)"),
    ],
)
def test_bad_input_is_told_in_a_sentence(ours, x, message):
    with pytest.raises(ValueError, match=message):
        ours.step(ours.init(key=jr.key(0)), Batch(x, Y))


def test_the_readout_of_dsr_weighs_late_steps_more():
    ours = learner("dsr")
    state = ours.init(key=jr.key(0))
    hidden = ours.model(state).activities(X)[-2]
    w = weights_of(state["model"])[-1]
    expected = np.tensordot(rate_weights(T), hidden, 1) @ w.T
    np.testing.assert_allclose(ours.predict(state, X), expected, atol=1e-5)
