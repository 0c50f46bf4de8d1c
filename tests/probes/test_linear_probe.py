import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from engrax.probes import linear_probe

LABELS = jr.randint(jr.key(0), (120,), 0, 3)
FEATURES = jr.normal(jr.key(1), (120, 4)) + jax.nn.one_hot(LABELS, 4) * 2.0


def test_it_finds_the_minimum_that_scikit_learn_finds():
    l2 = 0.05
    probe = linear_probe(FEATURES, LABELS, l2=l2, classes=3)
    x = (np.asarray(FEATURES) - np.asarray(probe.mean)) / np.asarray(probe.std)
    # scikit-learn sums the losses where the probe takes their mean.
    peer = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-8, max_iter=1000).fit(x, LABELS)
    # Both are determined by the penalty; float32 and the peer's tolerance leave 1e-3.
    np.testing.assert_allclose(probe.weight, peer.coef_, atol=1e-3)
    bias = peer.intercept_ - peer.intercept_.mean()
    np.testing.assert_allclose(probe.bias - probe.bias.mean(), bias, atol=1e-3)


def test_the_loss_falls_with_every_step():
    def loss(steps):
        probe = linear_probe(FEATURES, LABELS, l2=0.0, classes=3, steps=steps)
        return -jnp.take_along_axis(
            jax.nn.log_softmax(probe(FEATURES)), LABELS[:, None], axis=1
        ).mean()

    losses = [float(loss(steps)) for steps in (1, 2, 4, 8, 16)]
    assert losses == sorted(losses, reverse=True)


def test_shares_of_zero_and_one_cut_the_data():
    share = (jnp.arange(120) < 60).astype(jnp.float32)
    cut = linear_probe(FEATURES, LABELS, l2=0.1, classes=3, share=share)
    part = linear_probe(FEATURES[:60], LABELS[:60], l2=0.1, classes=3)
    # The same sums in another order.
    np.testing.assert_allclose(cut.weight, part.weight, atol=1e-4)
    np.testing.assert_allclose(cut.mean, part.mean, atol=1e-5)


def test_scale_and_offset_of_a_feature_do_not_matter_and_a_constant_one_does_no_harm():
    plain = linear_probe(FEATURES, LABELS, l2=0.1, classes=3)(FEATURES)
    moved = FEATURES * jnp.array([[2.0, 0.5, 4.0, 1.0]]) + 3.0
    again = linear_probe(moved, LABELS, l2=0.1, classes=3)(moved)
    np.testing.assert_allclose(again, plain, atol=1e-3)
    constant = jnp.concatenate([FEATURES, jnp.ones((120, 1))], 1)
    np.testing.assert_allclose(
        linear_probe(constant, LABELS, l2=0.1, classes=3)(constant), plain, atol=1e-3
    )


def test_bad_input():
    with pytest.raises(ValueError, match="at least 2 classes"):
        linear_probe(FEATURES, LABELS, l2=0.1, classes=1)
