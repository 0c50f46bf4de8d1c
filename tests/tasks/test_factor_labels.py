import jax.random as jr
import numpy as np
import pytest

from engrax.tasks import factor_labels


def test_sizes_and_equal_classes():
    task = factor_labels(jr.key(0), 8000, 500)
    assert task.train.x.shape == (8000, 32)
    assert task.test.x.shape == (500, 32)
    assert task.train.x.dtype == np.float32
    counts = np.bincount(task.train.y, minlength=64)
    assert len(counts) == 64
    # Binomial counts of mean 125: six standard deviations.
    assert np.abs(counts - 125).max() < 6 * np.sqrt(125)


def test_without_noise_the_label_is_in_the_features():
    """tanh(A f) can be undone, so a linear read-out of atanh(x) gives every sign."""
    task = factor_labels(jr.key(1), 4000, 1000, noise=0.0)
    bits = 2 * ((task.train.y[:, None] >> np.arange(6)) & 1) - 1
    x, test = (np.arctanh(np.clip(part.x, -0.9999, 0.9999)) for part in task)
    weight, *_ = np.linalg.lstsq(x, bits, rcond=None)
    right = (test @ weight > 0) == ((task.test.y[:, None] >> np.arange(6)) & 1).astype(bool)
    # Least squares turns a little away from the exact direction.
    assert right.mean() > 0.98


def test_both_parts_are_of_one_task_and_the_key_decides():
    one, again, other = (factor_labels(jr.key(k), 50, 20) for k in (0, 0, 1))
    np.testing.assert_array_equal(one.train.x, again.train.x)
    assert np.abs(one.train.x - other.train.x).max() > 0.1


@pytest.mark.parametrize("wrong", [{"n_train": 0}, {"informative": 9}, {"noise": -1.0}])
def test_what_makes_no_task_is_refused(wrong):
    with pytest.raises(ValueError, match="factor_labels got"):
        factor_labels(jr.key(0), **wrong)
