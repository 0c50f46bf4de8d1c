import numpy as np
import pytest

from engrax.tasks import mnist_1d
from engrax.tasks._mnist_1d import _signals


def test_parts_are_balanced_and_the_seed_says_all():
    data = mnist_1d(train=200, test=100)
    assert data.x.shape == (200, 40)
    assert data.x_test.shape == (100, 40)
    np.testing.assert_array_equal(np.bincount(data.y), 20)
    np.testing.assert_array_equal(np.bincount(data.y_test), 10)
    assert (data.x.min(), data.x.max()) == (0, 255)
    assert data.checksum == mnist_1d(train=200, test=100).checksum
    assert data.checksum != mnist_1d(1, train=200, test=100).checksum


def test_curves_are_there_below_the_noise():
    """A kernel read-out finds the classes far better than chance, and not all of them.

    The paper's figures: logistic regression 32 %, a small convolutional net 94 %.
    """
    data = mnist_1d(train=2000, test=500)
    x, x_test = (part.astype(float) / 40 for part in (data.x, data.x_test))
    distance = ((x_test[:, None] - x[None]) ** 2).sum(-1)
    nearest = data.y[distance.argmin(1)]
    assert 0.3 < (nearest == data.y_test).mean() < 0.8


def test_smooth_noise_is_where_the_curve_is_not():
    """Around the curve neighbors differ as little as noise that was smoothed: its deviation is
    .25 / sqrt(2 sqrt(pi) 2), and the part of a curve is a sixth to a fourth of the signal."""
    signals = _signals(np.random.default_rng(0), np.zeros(400, int))
    assert signals.shape == (400, 40)
    slopes = np.linspace(-0.5, 0.5, 40)
    flat = signals - signals.mean(1, keepdims=True)
    fitted = flat - (flat @ slopes / (slopes @ slopes))[:, None] * slopes
    quiet = np.median(np.abs(fitted))
    assert 0.04 < quiet < 0.2


@pytest.mark.parametrize(("train", "test"), [(4001, 1000), (0, 10), (10, -10)])
def test_unequal_classes(train, test):
    with pytest.raises(ValueError, match="multiples of 10"):
        mnist_1d(train=train, test=test)
