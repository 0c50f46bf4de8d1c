import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from engrax.core import Batch
from engrax.credit import ClassAlignment, CounterCurrent, DualConv, network_sgd
from engrax.nn import ConvNet, upsample

CHANNELS, SHAPE, CLASSES = (1, 3, 4), (7, 7), 3
X = jr.normal(jr.key(10), (6, 1, 7, 7))
Y = jnp.array([0, 1, 2, 2, 1, 0])


def pair(pool="max"):
    return DualConv(CHANNELS, SHAPE, CLASSES, pool=pool, key=jr.key(0))


def levels(dual, loss):
    return loss(dual.forward(X), dual.feedback(loss.targets(X, Y)), X, Y)


@pytest.mark.parametrize("pool", ["max", "stride"])
def test_feedback_shapes_equal_the_pooled_shapes(pool):
    dual = pair(pool)
    forward, feedback = dual.forward(X), dual.feedback(jnp.eye(CLASSES))
    assert [a.shape[1:] for a in forward] == [b.shape[1:] for b in feedback]
    assert {b.shape[0] for b in feedback} == {CLASSES}
    side = 3 if pool == "max" else 4
    assert forward[1].shape == (6, 3, side, side)


@pytest.mark.parametrize("pool", ["max", "stride"])
def test_every_loss_reaches_one_layer_of_each_network(pool):
    dual, loss = pair(pool), ClassAlignment(CLASSES, "cosine")
    rows = jax.jacrev(levels)(dual, loss)
    for layer, (up, down) in enumerate(
        zip(rows.forward_layers(), rows.feedback_layers(), strict=True), start=1
    ):
        for level in range(len(CHANNELS) + 1):
            reached = [any(np.any(g[level]) for g in jax.tree.leaves(side)) for side in (up, down)]
            assert reached == [layer == level, layer == level + 1]


def test_the_forward_half_is_the_baseline_of_the_same_key():
    net = ConvNet(CHANNELS, SHAPE, CLASSES, key=jr.key(0))
    np.testing.assert_array_equal(pair().predict(X), net.predict(X))


def test_the_output_layer_learns_as_under_backpropagation():
    net = ConvNet(CHANNELS, SHAPE, CLASSES, key=jr.key(0))
    exact = eqx.filter_grad(
        lambda n: optax.softmax_cross_entropy_with_integer_labels(n.predict(X), Y).mean()
    )(net)
    forward, _, _, _ = learner().gradients(pair(), X, Y)
    # Equal up to the order of six summed terms.
    np.testing.assert_allclose(forward[-1], exact.readout, atol=1e-6)
    assert np.abs(forward[0].weight - exact.convolutions[0].weight).max() > 1e-4


def test_the_signal_of_a_class_is_that_of_its_one_hot_row():
    dual = pair()
    by_class = dual.feedback(jnp.eye(CLASSES))
    by_example = dual.feedback(jax.nn.one_hot(Y, CLASSES))
    for few, many in zip(by_class, by_example, strict=True):
        np.testing.assert_allclose(few[Y], many, atol=1e-6)


def test_the_lowest_signal_is_a_plain_convolution_of_the_level_above():
    dual = pair()
    b = dual.feedback(jnp.eye(CLASSES))
    large = upsample(jnp.moveaxis(b[1], 0, -1), 2, shape=SHAPE)
    np.testing.assert_allclose(jnp.moveaxis(dual.convolutions[0](large), -1, 0), b[0], atol=1e-6)
    assert (b[0] < -1).any() or (b[0] != jax.nn.elu(b[0])).any()


def learner(feedback_rate=1.0, **loss):
    rates = [
        {"learning_rate": jnp.float32(r), "momentum": jnp.float32(0.8), "clip": jnp.float32(0.3)}
        for r in (1.0, feedback_rate)
    ]
    build = eqx.Partial(DualConv, CHANNELS, SHAPE, CLASSES)
    return CounterCurrent(build, ClassAlignment(CLASSES, "cosine", **loss), network_sgd, *rates)


def test_learning_lowers_the_loss_and_a_rate_of_zero_freezes_the_feedback():
    method = learner(feedback_rate=0.0)
    start = method.init(key=jr.key(1))
    state, records = jax.lax.scan(lambda s, _: method.step(s, Batch(X, Y)), start, None, length=20)
    assert records["loss"][-1] < records["loss"][0]
    before, after = method.model(start), method.model(state)
    for a, b in zip(
        jax.tree.leaves(before.feedback_layers()),
        jax.tree.leaves(after.feedback_layers()),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_masked_example_gives_no_gradient():
    dual = pair()
    logits = dual.predict(X)
    # A margin so wide that every example counts as fitted: nothing but the feedback side moves.
    margin = float(1.0 - 0.5 * jax.nn.softmax(logits).min())
    forward, feedback, _, _ = learner(margin=margin).gradients(dual, X, Y)
    assert not any(np.any(g) for g in jax.tree.leaves(forward))
    assert any(np.any(g) for g in jax.tree.leaves(feedback))
