"""A classifier that goes on learning and does not forget."""

import math
import numbers
import os
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from engrax.core import Learner

from ._checks import check_counts, check_net, check_rates
from ._continual_report import ForgettingReport, Held, Task
from ._continual_training import (
    ANCHORED,
    LEARNERS,
    STRATEGIES,
    Setting,
    buffer_of,
    ended,
    grown,
    initial,
    remembered,
    scored,
    shapes_of,
    started,
    trained,
    with_strategy,
)
from ._credit import rates
from ._plain import from_plain, own_generator, padded, plain_leaves


class ContinualClassifier(ClassifierMixin, BaseEstimator):
    """A neural-network classifier for data that come task by task, or as a stream.

    The interface is scikit-learn's. `partial_fit` takes rows as they come, one or many; labels that
    it has not met become new classes. What was learned before is kept by a strategy. Scale the
    columns first: nothing is scaled in here.

        model = ContinualClassifier("replay", random_state=0)
        for task, (x, y) in enumerate(batches):
            model.partial_fit(x, y, task=task)
        model.predict(x), model.forgetting_report().matrix

    The net has a fixed number of heads, and only those whose class was trained compete. When there
    are more classes than heads, the heads double, and what was learned stays as it is.

    Parameters
    ----------
    strategy : str or callable
        How the past is kept. "replay": a reservoir of rows, each seen so far in it with the same
        probability; every step goes over `replay_batch` of them beside the new ones. "ewc": when
        a task ends, its weights are anchored, each by its Fisher information (elastic weight
        consolidation); it needs `task`, and the same labels in every task suit it better than new
        ones. "finetune": not at all. Or `strategy(learner) -> learner`, such as a wrapper of
        `engrax.continual`.
    learner : str or callable
        How the layers learn: "backprop", "feedback_alignment", "sign_symmetric",
        "direct_feedback_alignment", "direct_random_target_projection", "target_propagation",
        "forward_gradient" or "counter_current"; the last two do not go with "ewc". Classes not
        trained yet take no part, but for "counter_current", where they compete in training (not in
        answers). Or `learner(widths) -> engrax.core.Learner`, whose outputs have a place for each
        head and whose batches have a `mask`.
    memory : int
        Rows that are kept: for "replay" in all, otherwise of the present task, for what happens at
        its end.
    replay_batch : int
        Rows of the memory in every step of "replay".
    strength : float
        Of the anchor of "ewc".
    hidden_layer_sizes : tuple of int
        Units of each hidden layer.
    learning_rate, weight_decay : float
        Of AdamW.
    epochs : int
        Passes over the rows in `fit`.
    passes : int
        Passes over the rows in each call of `partial_fit`.
    batch_size : int
        Rows a step; of fewer rows, the next power of two. In the last batch of a pass rows from
        its beginning fill up what is missing.
    heads : int
        Heads that there are at first.
    holdback : float
        The share of each call's rows, from 0 to below 1, that is held back for
        `forgetting_report` and never trained on; at most 500 rows of a task. The first row of a
        class is always trained on. The model keeps them.
    random_state : int, RandomState or None
        Of initial weights, order, memory and rows held back. With an int, equal calls give equal
        models.

    Attributes
    ----------
    classes_ : the labels met or announced so far, sorted; `predict_proba` has a column for each.
    tasks_ : ids of the tasks so far. n_features_in_ : columns. loss_ : mean training loss of the
    last call, NaN before a row was trained on.

    Raises
    ------
    ValueError : an unknown strategy or learner, a number out of range, rows with NaN or with
    another number of columns, labels of another kind (text and numbers), and a task that has ended.
    Nothing has changed then.
    """

    classes_: np.ndarray
    tasks_: list[Task]
    n_features_in_: int
    loss_: float

    def __init__(
        self,
        strategy: Any = "replay",
        learner: Any = "backprop",
        memory: Any = 500,
        *,
        replay_batch: Any = 32,
        strength: Any = 1000.0,
        hidden_layer_sizes: Any = (64,),
        learning_rate: Any = 3e-3,
        weight_decay: Any = 1e-4,
        epochs: Any = 100,
        passes: Any = 1,
        batch_size: Any = 32,
        heads: Any = 16,
        holdback: Any = 0.1,
        random_state: Any = None,
    ):
        # As they come, whatever their type: scikit-learn wants parameters checked in `fit`.
        self.strategy = strategy
        self.learner = learner
        self.memory = memory
        self.replay_batch = replay_batch
        self.strength = strength
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.passes = passes
        self.batch_size = batch_size
        self.heads = heads
        self.holdback = holdback
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "ContinualClassifier":
        """Learns from rows X (examples, features) and labels y (examples,), from the beginning.

        They are one task; `partial_fit` may go on with others.
        """
        self._check_parameters()
        X, y = self._validated(X, y, reset=True)
        _check_kinds(y)
        self._begin(y)
        self._meet(y)
        self._learn(X, y, int(self.epochs))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, task: Any = None
    ) -> "ContinualClassifier":
        """Goes on learning from these rows, `passes` times over them.

        Rows that are given twice count as different ones, in the memory and where rows are held
        back: ask for more `passes` instead.

        `classes` are labels to have columns for from now on. They need not be all: a label that was
        never announced becomes a class when it comes. One that never comes has probability 0.

        `task` is a whole number, a string or None. A new one ends the present task and begins the
        next; the present one, or None, goes on with it. One that has ended is refused: give a task
        that comes back an id of its own.
        """
        first = not self.__sklearn_is_fitted__()
        if first:
            self._check_parameters()
        X, y = self._validated(X, y, reset=first)
        announced = y if classes is None else np.asarray(unique_labels(classes))
        if first:
            _check_kinds(y, announced)
            _check_task(task, [])
            self._begin(y, task)
        else:
            _check_kinds(self.classes_, y, announced)
            self._enter(task)
        self._meet(announced)
        self._meet(y)
        self._learn(X, y, int(self.passes))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (examples, classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        scores = self._scores(X)[:, self._head_of].astype(np.float64)
        grown = np.exp(scores - scores.max(1, keepdims=True))
        return grown / grown.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of every row."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def forgetting_report(self) -> ForgettingReport:
        """The accuracy matrix of the tasks so far, and what it says, on rows held back.

        **Raises:** `ValueError` where `holdback` is 0, and `NotFittedError` before the first row.
        """
        check_is_fitted(self)
        if not self.holdback:
            raise ValueError(
                "forgetting_report needs rows that were held back, and holdback=0; choose a share."
            )
        now = [*self._held.ended, self._held.accuracies(self._scores)]
        return ForgettingReport.of(self.tasks_, self._held.counts(), now)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model into a folder: arrays as safetensors, the rest as JSON.

        A strategy or learner of your own is left out: give it to `load` again.

        **Raises:** `OSError` when the folder cannot be written, `NotFittedError` before the first
        row, `ValueError` for labels that JSON does not have.
        """
        from ._continual_files import save

        check_is_fitted(self)
        save(self, path)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, strategy: Any = None, learner: Any = None
    ) -> "ContinualClassifier":
        """The model that `save` wrote; it goes on as if it had never been away.

        Nothing in the folder is run. `strategy`, `learner`: your own, where the model had one.

        **Raises:** `ValueError` when the folder holds no such model, or a damaged one.
        """
        from ._continual_files import load

        return load(cls, path, strategy, learner)

    def _check_parameters(self) -> None:
        for name, known in (("strategy", STRATEGIES), ("learner", tuple(LEARNERS))):
            value = getattr(self, name)
            if not callable(value) and (not isinstance(value, str) or value not in known):
                raise ValueError(
                    f"{name}={value!r} is unknown; choose one of {', '.join(known)}, or a function."
                )
        anchored = callable(self.learner) or self.learner in ANCHORED
        if self.strategy == "ewc" and not anchored:
            raise ValueError(
                f"strategy='ewc' cannot hold the weights of learner={self.learner!r}; choose "
                f"one of {', '.join(ANCHORED)}."
            )
        check_net("", self.hidden_layer_sizes)
        names = "memory", "replay_batch", "epochs", "passes", "batch_size", "heads"
        check_counts(self, *names)
        check_rates(self)
        for name, low, high in (("strength", 0, math.inf), ("holdback", 0, 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not low <= float(value) < high:
                raise ValueError(f"{name}={value!r}; expected a number from {low} to below {high}.")

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=np.float32, reset=reset)
        check_classification_targets(y)
        return X, y

    def _begin(self, y: np.ndarray, task: Task = None) -> None:
        """A fresh net, and the first task."""
        self.classes_, self.tasks_, self.loss_ = np.unique(y)[:0], [task], math.nan
        self._head_of = np.zeros(0, np.int64)
        self._heads = int(self.heads)
        self._trained = np.zeros(self._heads, bool)
        self._held = Held()
        self._held.begin()
        self._random = own_generator(self.random_state)
        self._made = self._structure()
        learner = self._wrapped()
        state = initial(learner, self._buffer(), self._key())
        self._state = started(learner, state, jnp.int32(0), self._key())

    def _enter(self, task: Any) -> None:
        """Ends the present task and begins the next, if this is one."""
        if not _check_task(task, self.tasks_):
            return
        place = len(self.tasks_)
        self._held.ended.append(self._held.accuracies(self._scores))
        learner, seen = self._wrapped(), jnp.asarray(self._trained)
        state = ended(learner, self._state, jnp.int32(place - 1), seen, self._key())
        self._state = started(learner, state, jnp.int32(place), self._key())
        self.tasks_ = [*self.tasks_, task]
        self._held.begin()

    def _meet(self, labels: np.ndarray) -> None:
        """Gives new labels a head each; twice the heads if there are too few."""
        new = np.setdiff1d(labels, self.classes_)
        if not len(new):
            return
        classes = np.union1d(self.classes_, new)
        heads = np.full(len(classes), -1)
        heads[np.searchsorted(classes, self.classes_)] = self._head_of
        heads[np.searchsorted(classes, new)] = len(self.classes_) + np.arange(len(new))
        self.classes_, self._head_of = classes, heads
        while self._heads < len(classes):
            self._heads *= 2
        if self._heads > len(self._trained):
            fresh = initial(self._wrapped(), self._buffer(), self._key())
            self._state = grown(self._state, fresh)
            self._trained = np.pad(self._trained, (0, self._heads - len(self._trained)))

    def _learn(self, X: np.ndarray, y: np.ndarray, passes: int) -> None:
        """Holds some rows back, trains on the others, and offers these to the memory."""
        heads = self._head_of[np.searchsorted(self.classes_, y)].astype(np.int32)
        held = self._held.choose(heads, self._trained, float(self.holdback), self._random)
        self._held.add(X[held], heads[held])
        X, heads = X[~held], heads[~held]
        if not len(X):
            return
        self._trained[np.unique(heads)] = True
        count = len(X)
        more = padded(count) - count
        rows = jnp.asarray(np.pad(X, ((0, more), (0, 0)))), jnp.asarray(np.pad(heads, (0, more)))
        learner, task = self._wrapped(), jnp.int32(len(self.tasks_) - 1)
        order, steps = self._order(count, passes)
        state, loss = trained(
            learner, self._state, rows, jnp.asarray(self._trained), order, steps, task
        )
        self._state = remembered(
            learner, state, self._buffer(), rows, jnp.int32(count), task, self._key()
        )
        self.loss_ = float(loss)

    def _order(self, count: int, passes: int) -> tuple[Any, Any]:
        """Batches of row numbers (padded, batch), and how many of them there are."""
        batch = min(int(self.batch_size), padded(count, 1))
        steps = -(-count // batch)
        order = np.stack([self._random.permutation(count) for _ in range(passes)])
        order = np.take(order, np.arange(steps * batch) % count, axis=1).reshape(-1, batch)
        more = padded(len(order), 256) - len(order)
        return jnp.asarray(np.pad(order, ((0, more), (0, 0))).astype(np.int32)), jnp.int32(
            len(order)
        )

    def _scores(self, X: np.ndarray) -> np.ndarray:
        """Scores (rows, heads), -inf of those that were not trained."""
        rows = jnp.asarray(np.pad(X, ((0, padded(len(X)) - len(X)), (0, 0))))
        found = scored(self._wrapped(), self._state, rows, jnp.asarray(self._trained))
        return np.array(found)[: len(X)]

    def _wrapped(self) -> Learner:
        """The learner of this many heads, under the strategy."""
        made: dict[str, Any] = self._made
        widths = (self.n_features_in_, *map(int, made["hidden_layer_sizes"]), self._heads)
        if made["learner"] in LEARNERS:
            hyper = rates(float(self.learning_rate), float(self.weight_decay))
            learner = LEARNERS[made["learner"]](widths, 1, hyper)
        else:
            learner = made["learner"](widths)
        return with_strategy(made["strategy"], learner, self._setting(), jnp.asarray(self._trained))

    def _structure(self) -> dict[str, Any]:
        """What a model that has begun keeps, whatever becomes of its parameters."""
        names = "strategy", "learner", "memory", "hidden_layer_sizes"
        return {name: getattr(self, name) for name in names}

    def _setting(self) -> Setting:
        return Setting(
            self.n_features_in_,
            int(self._made["memory"]),
            int(self.replay_batch),
            jnp.float32(self.strength),
            jnp.float32(self.learning_rate),
        )

    def _buffer(self) -> Any:
        return buffer_of(self._setting())

    def _key(self) -> Any:
        return jr.key(int(self._random.randint(2**31 - 1)))

    def _with_leaves(self, leaves: list[np.ndarray]) -> Any:
        return from_plain(shapes_of(self._wrapped(), self._buffer()), leaves)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_state")

    def __getstate__(self) -> dict[str, Any]:
        # Typed keys cannot be pickled.
        kept: dict[str, Any] = dict(super().__getstate__())  # pyright: ignore - a stub says bytes
        if "_state" in kept:
            kept["_state"] = plain_leaves(kept["_state"])
        return kept

    def __setstate__(self, kept: dict[str, Any]) -> None:
        super().__setstate__(kept)
        if "_state" in kept:
            self._state = self._with_leaves(kept["_state"])


def _check_task(task: Any, tasks: list[Task]) -> bool:
    """Whether a task begins; refuses what is no id, and one that has ended."""
    if isinstance(task, bool) or not isinstance(task, numbers.Integral | str | None):
        raise ValueError(f"task={task!r}; expected a whole number, a string or None.")
    if not tasks or task is None or task == tasks[-1]:
        return False
    if task in tasks:
        raise ValueError(
            f"task {task!r} has ended: task {tasks[-1]!r} began after it; give a task that comes "
            "back an id of its own, or leave the id out to go on with the present task."
        )
    return True


def _check_kinds(*labels: np.ndarray) -> None:
    """Refuses text among numbers, which would silently become text."""
    kinds = {_kind(label) for part in labels for label in _some(part)}
    if len(kinds) > 1:
        raise ValueError(
            f"labels are {' and '.join(sorted(kinds))}; expected labels of one kind, as in the "
            "calls before."
        )


def _some(labels: np.ndarray) -> list[Any]:
    """One label for all where the array has a type, else every one."""
    return list(labels) if labels.dtype.kind == "O" else list(labels[:1])


def _kind(label: Any) -> str:
    return "numbers" if isinstance(label, numbers.Number | np.bool_) else "text"
