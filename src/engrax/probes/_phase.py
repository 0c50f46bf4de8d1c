"""The learning phases of a network on corrupted labels."""

import enum

import numpy as np


class Phase(enum.IntEnum):
    """What a network made of a task with corrupted labels (Doshi et al. 2024, App. C)."""

    CONFUSION = 0
    """It neither generalizes nor memorizes."""
    MEMORIZATION = 1
    """It fits its training labels, the corrupted ones included, and nothing else."""
    COEXISTENCE = 2
    """It generalizes, and has memorized the corrupted labels besides."""
    PARTIAL_INVERSION = 3
    """It generalizes, and corrects some of the corrupted labels that it was trained on."""
    FULL_INVERSION = 4
    """It generalizes, and corrects them all."""
    FORGETTING = 5
    """It had generalized, and has lost it again."""


def classify_phase(
    train: np.ndarray | float,
    test: np.ndarray | float,
    corruption: np.ndarray | float,
    best_test: np.ndarray | float = 0.0,
) -> np.ndarray:
    """The phase of each pair of accuracies, as an integer array of their common shape.

    Generalizing means a test accuracy of at least 0.9, memorizing a training accuracy of at least
    0.9; inversion is full where the training accuracy lies below 1.05 - `corruption` (Doshi et al.
    2024, Tab. 2). `best_test` is the highest test accuracy earlier in training: it alone tells
    forgetting from confusion. A NaN counts as 0.
    """
    train, test, corruption, best_test = np.broadcast_arrays(
        np.nan_to_num(train), np.nan_to_num(test), corruption, np.nan_to_num(best_test)
    )
    general, memorized = test >= 0.9, train >= 0.9
    return np.select(
        [
            general & memorized,
            general & (train >= 1.05 - corruption),
            general,
            memorized,
            best_test >= 0.9,
        ],
        [
            Phase.COEXISTENCE,
            Phase.PARTIAL_INVERSION,
            Phase.FULL_INVERSION,
            Phase.MEMORIZATION,
            Phase.FORGETTING,
        ],
        Phase.CONFUSION,
    )
