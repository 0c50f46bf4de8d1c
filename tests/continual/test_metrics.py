import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as some
import numpy as np
import pytest

from engrax.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    global_forgetting,
    learning_accuracy,
    local_forgetting,
    need_weighted_accuracy,
)

MATRIX = np.array([[0.9, 0.2, 0.1], [0.8, 0.95, 0.3], [0.5, 0.85, 0.9]])


def test_a_hand_example():
    assert average_accuracy(MATRIX) == pytest.approx((0.5 + 0.85 + 0.9) / 3)
    assert learning_accuracy(MATRIX) == pytest.approx((0.9 + 0.95 + 0.9) / 3)
    assert backward_transfer(MATRIX) == pytest.approx((-0.4 - 0.1) / 2)
    assert forgetting(MATRIX) == pytest.approx(0.25)
    assert forward_transfer(MATRIX, [0.1, 0.1, 0.15]) == pytest.approx((0.1 + 0.15) / 2)


square = some.integers(2, 5).flatmap(
    lambda n: arrays.arrays(np.float64, (3, n, n), elements=some.floats(0, 1))
)


@hypothesis.given(square)
def test_loops_agree_and_leading_axes_are_carried(matrix):
    n = matrix.shape[-1]
    for row in range(3):
        m = matrix[row]
        kept = [m[n - 1, j] - m[j, j] for j in range(n - 1)]
        np.testing.assert_allclose(backward_transfer(matrix)[row], np.mean(kept), atol=1e-12)
    # What is left is what was learned, plus what was transferred back to all tasks but the last.
    np.testing.assert_allclose(
        average_accuracy(matrix),
        learning_accuracy(matrix) + backward_transfer(matrix) * (n - 1) / n,
        atol=1e-12,
    )
    assert (forgetting(matrix) == -backward_transfer(matrix)).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: average_accuracy(np.ones(3)),
        lambda: backward_transfer(np.ones((2, 3))),
        lambda: backward_transfer(np.ones((1, 1))),
        lambda: forward_transfer(MATRIX, [0.1]),
    ],
)
def test_no_matrix_is_refused(call):
    with pytest.raises(ValueError):
        call()


def test_needed_tasks_count_by_their_weight():
    matrix = [[0.9, 0.1], [0.5, 0.8]]
    np.testing.assert_allclose(need_weighted_accuracy(matrix, [1, 3]), (0.5 + 2.4) / 4)
    np.testing.assert_allclose(need_weighted_accuracy([matrix] * 3, [1, 1]), [0.65] * 3)
    for wrong in ([1.0], [-1.0, 2.0], [0.0, 0.0]):
        with pytest.raises(ValueError, match="one number from 0 a task"):
            need_weighted_accuracy(matrix, wrong)


def test_global_and_local_forgetting_by_hand():
    R = np.array([[0.9, 0.0, 0.0], [0.5, 0.8, 0.0], [0.3, 0.7, 0.6]])
    # i=2: 1/2 (.9 - .5); i=3: 1/3 (.9 - .3) + 1/3 (.8 - .7); over N - 1 = 2.
    np.testing.assert_allclose(global_forgetting(R, [1, 1, 1]), (0.2 + 0.2 + 0.1 / 3) / 2)
    # Classes 2, 1, 1: 2/3 * .4, and 2/4 * .6 + 1/4 * .1.
    np.testing.assert_allclose(global_forgetting(R, [2, 1, 1]), (0.8 / 3 + 0.3 + 0.025) / 2)
    np.testing.assert_allclose(local_forgetting(R), (0.6 + 0.1) / 2)
    still = np.tril(np.ones((3, 3))) * [0.9, 0.8, 0.6]
    np.testing.assert_allclose(global_forgetting(np.stack([still, R]), [1, 1, 1])[0], 0, atol=1e-15)
    assert local_forgetting(still) == 0


def test_counts_of_classes_fit_the_matrix():
    for counts in ([1, 1], [1, 1, 0]):
        with pytest.raises(ValueError, match="a number of classes above 0 for each"):
            global_forgetting(np.eye(3), counts)
