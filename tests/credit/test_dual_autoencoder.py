import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from engrax.core import Batch
from engrax.credit import AutoencoderAlignment, CounterCurrent, DualAutoencoder, network_sgd

X = jr.uniform(jr.key(10), (5, 2, 8, 8))
Y = jnp.zeros(5, jnp.int32)
CHANNELS = (2, 3, 4)
TOP = 4


def pair():
    """A pair after its zero start: all blocks do something."""
    dual = DualAutoencoder(CHANNELS, key=jr.key(0))
    last = jr.normal(jr.key(1), (2, 3, 3, 3))
    where = lambda d: (d.network.kernels[-1], d.mirror.kernels[-1])
    return eqx.tree_at(where, dual, (last, -last))


def test_the_levels_of_both_networks_match_and_both_start_at_zero():
    dual = DualAutoencoder(CHANNELS, key=jr.key(0))
    activities, signals, _ = dual.sweep(X, X)
    assert [a.shape for a in activities] == [b.shape for b in signals]
    np.testing.assert_array_equal(signals[-1], activities[0])
    assert not activities[-1].any()
    assert not signals[0].any()
    np.testing.assert_array_equal(jnp.mean((dual.predict(X) - X) ** 2), jnp.mean(X**2))


def test_every_loss_reaches_one_block_of_each_network():
    dual, loss = pair(), AutoencoderAlignment()

    def levels(dual):
        activities, signals, _ = dual.sweep(X, X)
        return loss(activities, signals, X, Y)

    rows = jax.jacrev(levels)(dual)
    for block, (up, down) in enumerate(
        zip(rows.forward_layers(), rows.feedback_layers(), strict=True), start=1
    ):
        for level in range(TOP + 1):
            assert np.any(up[0][level]) == (block == level)
            assert np.any(down[0][level]) == (block == level + 1)


def slow(a, b, ends):
    """The losses of one level with the batch in front, by the book."""
    a, b = (np.moveaxis(np.asarray(v, np.float64), -1, 0) for v in (a, b))
    loss = ((a - b) ** 2).mean()
    if not ends:

        def maps(v):
            v = v - v.mean((2, 3), keepdims=True)
            return v / (np.linalg.norm(v, axis=(2, 3), keepdims=True) + 1e-8)

        loss += ((maps(a) - maps(b)) ** 2).mean()
    return a.shape[2] * loss


def test_the_losses_equal_a_slow_version():
    activities, signals, _ = pair().sweep(X, X)
    # Maps that are not constant, as the slow version divides by their norm as it is.
    activities = [a + 0.1 * jr.normal(jr.key(i), a.shape) for i, a in enumerate(activities)]
    found = AutoencoderAlignment()(activities, signals, X, Y)
    for level, loss in enumerate(found):
        signal = np.asarray(signals[level])
        flat = signal.std((1, 2)) == 0
        if flat.any():
            continue
        expected = slow(activities[level], signal, level in (0, TOP))
        np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_a_dead_map_gives_a_finite_gradient():
    a = jnp.zeros((2, 4, 4, 3))
    levels = [a, a, a]

    def total(levels):
        return AutoencoderAlignment()(levels, [a + 1.0] * 3, X, Y).sum()

    assert all(np.isfinite(g).all() for g in jax.grad(total)(levels))


def learner(feedback_rate=0.01):
    rates = [
        {"learning_rate": jnp.float32(r), "momentum": jnp.float32(0.9), "clip": jnp.float32(0.2)}
        for r in (0.01, feedback_rate)
    ]
    build = eqx.Partial(DualAutoencoder, CHANNELS)
    return CounterCurrent(build, AutoencoderAlignment(), network_sgd, *rates)


def test_learning_lowers_the_reconstruction_error_and_leaves_scale_and_shift_alone():
    method = learner()
    start = method.init(key=jr.key(1))
    state, records = jax.lax.scan(lambda s, _: method.step(s, Batch(X, Y)), start, None, length=60)
    assert records["output_loss"][-1] < 0.5 * records["output_loss"][0]
    before, after = method.model(start), method.model(state)
    for old, new in zip(before.network.norms, after.network.norms, strict=True):
        np.testing.assert_array_equal(old.weight, new.weight)
        np.testing.assert_array_equal(old.bias, new.bias)
        assert np.any(old.mean != new.mean)
    reconstructed = method.predict(state, X)
    assert reconstructed.shape == X.shape
    assert np.isfinite(reconstructed).all()


def test_a_rate_of_zero_freezes_the_feedback_weights_and_not_its_statistics():
    method = learner(feedback_rate=0.0)
    start = method.init(key=jr.key(1))
    state, _ = method.step(start, Batch(X, Y))
    before, after = method.model(start), method.model(state)
    for old, new in zip(before.mirror.kernels, after.mirror.kernels, strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.any(before.mirror.norms[0].mean != after.mirror.norms[0].mean)
