"""What became of each task: rows held back, and the accuracies on them."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from engrax.continual import average_accuracy, backward_transfer, forgetting

HELD = 500
"""Rows of a task that are held back at most; those that come later are all trained on."""

Task = int | str | None


@dataclasses.dataclass(frozen=True)
class ForgettingReport:
    """How much of each task is left.

    **Fields:**

    - `tasks`: their ids in the order in which they came; None for rows without one.
    - `rows`: how many rows of each were held back.
    - `matrix`: R (tasks, tasks), R[i, j] the accuracy on task j when task i had been learned (for
      the present task: now); NaN above the diagonal, and for a task without rows held back. Among
      all classes seen by then; a tie counts as wrong.
    - `average_accuracy`: the mean of the last row.
    - `backward_transfer`: the mean of R[last, j] - R[j, j] over all tasks but the last; NaN if
      there is one task alone.
    - `forgetting`: its negative.
    """

    tasks: list[Task]
    rows: list[int]
    matrix: Float[np.ndarray, "tasks tasks"]
    average_accuracy: float
    backward_transfer: float
    forgetting: float

    @classmethod
    def of(
        cls, tasks: list[Task], rows: list[int], accuracies: list[list[float]]
    ) -> "ForgettingReport":
        """The report of the matrix with these rows, each up to its diagonal."""
        matrix = np.full((len(tasks), len(tasks)), np.nan)
        for i, found in enumerate(accuracies):
            matrix[i, : len(found)] = found
        several = len(tasks) > 1
        return cls(
            list(tasks),
            rows,
            matrix,
            float(average_accuracy(matrix)),
            float(backward_transfer(matrix)) if several else float("nan"),
            float(forgetting(matrix)) if several else float("nan"),
        )

    def __str__(self) -> str:
        lines = [
            f"after {task!r}: " + " ".join(f"{value:5.3f}" for value in row[: i + 1])
            for i, (task, row) in enumerate(zip(self.tasks, self.matrix, strict=True))
        ]
        lines.append(f"average accuracy {self.average_accuracy:.3f}")
        return "\n".join([*lines, f"forgetting {self.forgetting:.3f}"])


@dataclasses.dataclass
class Held:
    """The rows held back of each task, and the accuracies at the end of each that has ended.

    **Fields:** `x`, `y`: a list of arrays a task; `ended`: rows of R, each up to its diagonal.
    """

    x: list[list[np.ndarray]] = dataclasses.field(default_factory=list)
    y: list[list[np.ndarray]] = dataclasses.field(default_factory=list)
    ended: list[list[float]] = dataclasses.field(default_factory=list)

    def begin(self) -> None:
        """Room for one more task."""
        self.x.append([])
        self.y.append([])

    def counts(self) -> list[int]:
        """Rows held back of each task."""
        return [sum(map(len, parts)) for parts in self.y]

    def choose(
        self,
        heads: Int[np.ndarray, " rows"],
        trained: np.ndarray,
        share: float,
        random: np.random.RandomState,
    ) -> np.ndarray:
        """Which rows (booleans) are held back: each with probability `share` while there is room.

        A class that was not trained yet (`trained`, by head) gives its first row to training.
        """
        held = random.uniform(size=len(heads)) < share
        for head in np.unique(heads[held]):
            mine = np.flatnonzero(heads == head)
            if not trained[head] and held[mine].all():
                held[mine[0]] = False
        room = HELD - sum(map(len, self.y[-1]))
        held[np.flatnonzero(held)[max(room, 0) :]] = False
        return held

    def add(self, x: np.ndarray, heads: np.ndarray) -> None:
        """Rows of the present task."""
        if len(x):
            self.x[-1].append(x)
            self.y[-1].append(heads)

    def rows(self, task: int) -> tuple[np.ndarray, np.ndarray]:
        """All rows held back of a task, joined."""
        return np.concatenate(self.x[task]), np.concatenate(self.y[task])

    def accuracies(self, scores: Callable[[np.ndarray], np.ndarray]) -> list[float]:
        """The accuracy on every task so far."""
        return [
            _accuracy(scores, *self.rows(task)) if self.y[task] else float("nan")
            for task in range(len(self.y))
        ]


def _accuracy(scores: Callable[[np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    found = scores(x)
    own = found[np.arange(len(y)), y].copy()
    found[np.arange(len(y)), y] = -np.inf
    # A NaN is larger than nothing, and a class alone is larger than -inf.
    return float((own > found.max(1)).mean())
