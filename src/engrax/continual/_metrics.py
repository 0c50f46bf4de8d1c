"""What an accuracy matrix says of a learner: it learned, it kept, it forgot.

`R[i, j]` is the accuracy on task j after training on tasks 0 to i, a fraction. Leading axes
(seeds) are carried along. NumPy and JAX arrays are taken alike.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike


def average_accuracy(matrix: ArrayLike) -> Float[np.ndarray, "..."]:
    """Mean accuracy over all tasks after the last one (ACC)."""
    return np.asarray(_square(matrix)[..., -1, :].mean(-1))


def learning_accuracy(matrix: ArrayLike) -> Float[np.ndarray, "..."]:
    """Mean accuracy on each task right after it was learned: the diagonal.

    A method that never forgets because it never learns shows here.
    """
    return np.asarray(np.diagonal(_square(matrix), axis1=-2, axis2=-1).mean(-1))


def backward_transfer(matrix: ArrayLike) -> Float[np.ndarray, "..."]:
    """Mean over all tasks but the last of `R[T-1, j] - R[j, j]` (BWT); negative is forgetting
    (Lopez-Paz & Ranzato 2017, Eq. 3).

    **Raises:** `ValueError` for fewer than two tasks.
    """
    matrix = _square(matrix)
    if matrix.shape[-1] < 2:
        raise ValueError("backward transfer needs at least two tasks, got an accuracy matrix of 1")
    kept = matrix[..., -1, :] - np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.asarray(kept[..., :-1].mean(-1))


def forgetting(matrix: ArrayLike) -> Float[np.ndarray, "..."]:
    """The negative of `backward_transfer`: positive is bad."""
    return np.asarray(-backward_transfer(matrix))


def global_forgetting(matrix: ArrayLike, class_counts: ArrayLike) -> Float[np.ndarray, "..."]:
    """`1/(T-1) sum_{i>1} sum_{n<i} |T_n| / |T_1..i| (R[n, n] - R[i, n])`, where R[i, n] is sought
    among the classes of the tasks up to n (Smith et al. 2023): the drift of old answers alone.

    Among all classes seen, R would also fall because there are more of them.

    **Arguments:** `class_counts` (tasks,): the classes of each task.

    **Raises:** `ValueError` for fewer than two tasks, or counts of another length.
    """
    matrix, counts = _square(matrix), np.asarray(class_counts, float)
    tasks = matrix.shape[-1]
    if tasks < 2 or counts.shape != (tasks,) or not (counts > 0).all():
        raise ValueError(
            f"global forgetting needs two tasks or more and a number of classes above 0 for each, "
            f"got {tasks} tasks and counts of shape {counts.shape}"
        )
    lost = np.diagonal(matrix, axis1=-2, axis2=-1)[..., None, :] - matrix
    weight = np.tril(np.ones((tasks, tasks)), -1) * counts[None] / np.cumsum(counts)[:, None]
    return np.asarray((weight * lost).sum((-2, -1)) / (tasks - 1))


def local_forgetting(matrix: ArrayLike) -> Float[np.ndarray, "..."]:
    """`forgetting` of the matrix A, sought among each task's own classes: positive is bad
    (Smith et al. 2023, who print the opposite sign).
    """
    return forgetting(matrix)


def forward_transfer(matrix: ArrayLike, baseline: ArrayLike) -> Float[np.ndarray, "..."]:
    """Mean over all tasks but the first of `R[j-1, j] - baseline[j]`, with the accuracies
    (tasks,) of an untrained net as baseline (Lopez-Paz & Ranzato 2017, Eq. 4).

    **Raises:** `ValueError` for fewer than two tasks, or a baseline of another length.
    """
    matrix, baseline = _square(matrix), np.asarray(baseline)
    tasks = matrix.shape[-1]
    if tasks < 2 or baseline.shape[-1] != tasks:
        raise ValueError(
            f"forward transfer needs two tasks or more and a baseline for each, got {tasks} tasks "
            f"and a baseline of shape {baseline.shape}"
        )
    before = np.diagonal(matrix, offset=1, axis1=-2, axis2=-1)
    return np.asarray((before - baseline[..., 1:]).mean(-1))


def need_weighted_accuracy(matrix: ArrayLike, weights: ArrayLike) -> Float[np.ndarray, "..."]:
    """Accuracy after the last task, each task weighted by how likely it is needed next (tasks,).

    **Raises:** `ValueError` for weights of another length, negative ones, or none above zero.
    """
    matrix, weights = _square(matrix), np.asarray(weights, float)
    if weights.shape != matrix.shape[-1:] or (weights < 0).any() or not weights.sum() > 0:
        raise ValueError(
            f"need_weighted_accuracy got weights of shape {weights.shape} for "
            f"{matrix.shape[-1]} tasks; give one number from 0 a task, and one of them above 0"
        )
    return np.asarray(matrix[..., -1, :] @ weights / weights.sum())


def _square(matrix: ArrayLike) -> Float[np.ndarray, "... tasks tasks"]:
    matrix = np.asarray(matrix, float)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(
            f"an accuracy matrix is (..., tasks, tasks), got shape {matrix.shape}; row i holds the "
            "accuracies on all tasks after task i"
        )
    return matrix
