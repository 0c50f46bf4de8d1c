"""MNIST-1D: ten short curves, hidden in longer signals."""

import numpy as np
from jaxtyping import Float, Int32

from ._dataset import Dataset

_TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
"""One curve a class, as published with the data set (Apache License 2.0)."""
_CURVE, _PADDED, _LENGTH = 12, 72, 40


def mnist_1d(seed: int = 42, *, train: int = 4000, test: int = 1000) -> Dataset:
    """MNIST-1D (Greydanus and Kobak 2020, arXiv 2011.14439), made anew: signals of 40 points.

    Each example is the curve of its class, padded and stretched to 72 points, scaled, rotated,
    with smooth noise around it, white noise, and a slope, taken at 40 points. The recipe and its
    constants are the paper's; the draws are others, so accuracies compare within a percent or so.
    Values from the smallest to the largest of the training part are bytes 0 to 255.

    Raises:
        ValueError: parts that do not hold equally many examples of all ten classes.
    """
    if min(train, test) < 10 or train % 10 or test % 10:
        raise ValueError(
            f"mnist_1d got train={train} and test={test}; expected positive multiples of 10, for "
            "as many examples of each class."
        )
    random = np.random.default_rng(seed)
    labels = [random.permutation(n) % 10 for n in (train, test)]
    signals = [_signals(random, y) for y in labels]
    low, high = signals[0].min(), signals[0].max()
    x, x_test = (
        np.round(255 * np.clip((s - low) / (high - low), 0, 1)).astype(np.uint8) for s in signals
    )
    y, y_test = (y.astype(np.int32) for y in labels)
    return Dataset("mnist_1d", x, y, x_test, y_test, f"made from seed {seed}")


def _signals(
    random: np.random.Generator, y: Int32[np.ndarray, " examples"] | np.ndarray
) -> Float[np.ndarray, "examples 40"]:
    """One signal for each label."""
    from scipy.ndimage import gaussian_filter1d  # 0.1 s, and only here

    n, points = len(y), np.arange(_PADDED)
    curves = np.array(_TEMPLATES)
    curves = (curves - curves.mean(1, keepdims=True)) / curves.std(1, keepdims=True)
    curves = (curves - curves[:, :1]) / 6
    padded = np.pad(curves[y], ((0, 0), (0, _PADDED)))
    # Stretched: the curve and 36 to 60 zeros behind it, to 72 points.
    zeros = random.integers(36, 61, (n, 1))
    place = points / (_PADDED - 1) * (_CURVE + zeros - 1)
    below = place.astype(int)
    left, right = (np.take_along_axis(padded, i, 1) for i in (below, below + 1))
    x = left + (place - below) * (right - left)
    x *= 1 + 0.4 * (random.random((n, 1)) - 0.5)
    turned = (points - random.integers(0, 48, (n, 1))) % _PADDED
    x, inside = (np.take_along_axis(a, turned, 1) for a in (x, place < _CURVE))
    smooth = gaussian_filter1d(random.normal(0, 0.25, x.shape), 2, axis=1)
    x = np.where(inside, x, smooth) + random.normal(0, 0.02, x.shape)
    x -= 0.75 * (random.random((n, 1)) - 0.5) * np.linspace(-0.5, 0.5, _PADDED)
    at = np.linspace(0, _PADDED - 1, _LENGTH)
    first = np.minimum(at.astype(int), _PADDED - 2)
    return x[:, first] + (at - first) * (x[:, first + 1] - x[:, first])
