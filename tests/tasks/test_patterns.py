"""Patterns, examples and averages."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy import stats

from engrax.tasks import (
    active_pixels,
    averaged_examples,
    binarize,
    class_averages,
    flip,
    noisy_examples,
    random_patterns,
)


def test_examples_agree_with_their_pattern_as_often_as_their_quality_says():
    patterns = random_patterns(jr.key(0), 4, 200)
    examples = noisy_examples(jr.key(1), patterns, 50, 0.4)
    assert examples.shape == (4, 50, 200)
    assert set(np.unique(examples)) == {-1, 1}
    agreement = np.mean(np.asarray(examples) * np.asarray(patterns)[:, None])
    # 40,000 bits of standard deviation 0.92: 4 standard errors.
    assert agreement == pytest.approx(0.4, abs=0.02)


def test_averages_and_their_second_moment():
    patterns = random_patterns(jr.key(0), 20, 400)
    mean, second = class_averages(noisy_examples(jr.key(1), patterns, 8, 0.5))
    assert second.shape == (20,)
    np.testing.assert_allclose(second, np.mean(np.asarray(mean) ** 2, axis=1), rtol=1e-6)
    # R = r^2 + (1 - r^2) / M; 8,000 sites of standard deviation about 0.35: 4 standard errors.
    assert float(second.mean()) == pytest.approx(0.25 + 0.75 / 8, abs=0.016)


@pytest.mark.parametrize(("count", "quality"), [(1, 0.3), (8, 0.5), (15, 0.5), (100, 0.1)])
def test_averages_without_examples_have_the_same_law(count, quality):
    patterns = random_patterns(jr.key(0), 10, 2000)
    mean = np.asarray(averaged_examples(jr.key(1), patterns, count, quality))
    right = np.round((mean * np.asarray(patterns) + 1) / 2 * count).astype(int).ravel()
    assert right.min() >= 0
    assert right.max() <= count
    expected = stats.binom.pmf(np.arange(count + 1), count, (1 + quality) / 2) * right.size
    found = np.bincount(right, minlength=count + 1)
    keep = expected > 5
    # Chi-squared over the cells that can be seen; a false alarm once in 10,000.
    statistic = np.sum((found - expected)[keep] ** 2 / expected[keep])
    assert statistic < stats.chi2.ppf(1 - 1e-4, keep.sum())


def test_perfect_examples_are_the_pattern():
    patterns = random_patterns(jr.key(0), 3, 50)
    np.testing.assert_array_equal(averaged_examples(jr.key(1), patterns, 7, 1.0), patterns)
    np.testing.assert_array_equal(noisy_examples(jr.key(1), patterns, 2, 1.0)[:, 0], patterns)


def test_flips():
    patterns = random_patterns(jr.key(0), 10, 1000)
    np.testing.assert_array_equal(flip(jr.key(1), patterns, 0.0), patterns)
    np.testing.assert_array_equal(flip(jr.key(1), patterns, 1.0), -patterns)
    # 10,000 coins: 4 standard errors.
    assert float(jnp.mean(flip(jr.key(1), patterns, 0.1) != patterns)) == pytest.approx(
        0.1, abs=0.012
    )


def test_pixels_become_spins_and_constant_ones_go():
    images = np.array([[0, 128, 255, 0], [0, 127, 255, 255]], np.uint8)
    np.testing.assert_array_equal(binarize(jnp.asarray(images))[0], [-1, 1, 1, -1])
    active = active_pixels(images)
    np.testing.assert_array_equal(active, [False, True, False, True])
    kept = binarize(jnp.asarray(images), active)
    assert kept.dtype == jnp.int8
    np.testing.assert_array_equal(kept, [[1, -1], [-1, 1]])


def test_impossible_examples_are_refused():
    patterns = random_patterns(jr.key(0), 3, 5)
    for draw in (noisy_examples, averaged_examples):
        with pytest.raises(ValueError, match="0 < quality <= 1"):
            draw(jr.key(1), patterns, 4, 1.5)
        with pytest.raises(ValueError, match="at least one example"):
            draw(jr.key(1), patterns, 0, 0.5)
