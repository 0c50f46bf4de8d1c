"""A multilayer perceptron classifier with a choice of how credit is assigned."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from engrax.core import Batch, Learner

from ._checks import check_counts, check_net, check_rates
from ._credit import CREDITS, make_learner, probabilities
from ._plain import from_plain, own_generator, plain_leaves


class MLPClassifier(ClassifierMixin, BaseEstimator):
    """A neural-network classifier that learns with or without backpropagation.

    The interface is scikit-learn's: rows of numbers in, labels of any type out; it goes into a
    `Pipeline` and a `GridSearchCV`. Scale the columns first (`StandardScaler`): nothing is scaled
    in here.

        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        model = make_pipeline(StandardScaler(), MLPClassifier(credit="noprop", random_state=0))
        model.fit(x, y).score(x_test, y_test)

    Every rule runs with AdamW, on shuffled batches.

    Parameters
    ----------
    credit : str
        How the layers learn: "backprop", "feedback_alignment", "sign_symmetric",
        "direct_feedback_alignment", "direct_random_target_projection", "target_propagation",
        "counter_current", "forward_forward", "forward_gradient" or "noprop". See
        `engrax.credit` for what they are.
    hidden_layer_sizes : tuple of int
        Units of each hidden layer. "noprop" has blocks instead of layers: the first number is
        their width, and there must be no other.
    blocks : int
        Blocks of "noprop"; the others ignore it.
    learning_rate, weight_decay : float
        Of AdamW.
    epochs : int
        Passes over the rows in `fit`.
    batch_size : int
        Rows a step, at most as many as there are. In the last batch of a pass rows from its
        beginning fill up what is missing.
    random_state : int, RandomState or None
        Of initial weights, order and noise. With an int, equal calls give equal models.

    Attributes
    ----------
    classes_ : the labels, sorted. n_features_in_ : columns seen in `fit`.
    loss_curve_ : mean training loss of every pass, whatever the rule's loss is.

    Raises
    ------
    ValueError : an unknown `credit`, a number out of range, or fewer than two classes, in `fit`.
    """

    classes_: np.ndarray
    n_features_in_: int
    loss_curve_: list[float]

    def __init__(
        self,
        credit: Any = "backprop",
        *,
        hidden_layer_sizes: Any = (64,),
        blocks: Any = 5,
        learning_rate: Any = 3e-3,
        weight_decay: Any = 1e-4,
        epochs: Any = 100,
        batch_size: Any = 32,
        random_state: Any = None,
    ):
        # As they come, whatever their type: scikit-learn wants parameters checked in `fit`.
        self.credit = credit
        self.hidden_layer_sizes = hidden_layer_sizes
        self.blocks = blocks
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "MLPClassifier":
        """Learns from rows X (examples, features) and labels y (examples,), from the beginning."""
        self._check_parameters()
        X, y = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(y)
        self._begin(np.unique(y))
        self._learn(X, y, int(self.epochs))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> "MLPClassifier":
        """One pass over these rows, going on from where the model is.

        The first call has to name all `classes`, unless they are all in y.
        """
        first = not hasattr(self, "classes_")
        if first:
            self._check_parameters()
        X, y = validate_data(self, X, y, dtype=np.float32, reset=first)
        check_classification_targets(y)
        if first:
            self._begin(np.unique(y) if classes is None else unique_labels(classes))
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"partial_fit got classes {unique_labels(classes)}, and an earlier call "
                f"{self.classes_}; leave them out, or begin anew with `fit`."
            )
        if unknown := sorted(set(np.unique(y)) - set(self.classes_)):
            raise ValueError(
                f"partial_fit got labels {unknown} that are none of its classes "
                f"{list(self.classes_)}; name all classes in the first call."
            )
        self._learn(X, y, 1)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (examples, classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        found = _probabilities(self._learner(), self._restored(), jnp.asarray(X))
        wide = np.asarray(found, np.float64)
        return wide / wide.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of every row."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def _check_parameters(self) -> None:
        if self.credit not in CREDITS:
            raise ValueError(
                f"credit={self.credit!r} is unknown; choose one of {', '.join(CREDITS)}."
            )
        check_net(self.credit, self.hidden_layer_sizes)
        check_counts(self, "blocks", "epochs", "batch_size")
        check_rates(self)

    def _begin(self, classes: np.ndarray) -> None:
        if len(classes) < 2:
            raise ValueError(
                f"MLPClassifier got {len(classes)} class; expected labels of at least 2 classes."
            )
        self.classes_ = classes
        self._shape = (
            self.credit,
            (self.n_features_in_, *map(int, self.hidden_layer_sizes), len(classes)),
            int(self.blocks),
        )
        self._random = own_generator(self.random_state)
        seed = int(self._random.randint(2**31 - 1))
        self._keep(_initial(self._learner(), jr.key(seed)))
        self.loss_curve_ = []

    def _learn(self, X: np.ndarray, y: np.ndarray, epochs: int) -> None:
        labels = np.searchsorted(self.classes_, y).astype(np.int32)
        batch = min(int(self.batch_size), len(X))
        steps = -(-len(X) // batch)
        order = np.stack([self._random.permutation(len(X)) for _ in range(epochs)])
        order = np.take(order, np.arange(steps * batch) % len(X), axis=1).astype(np.int32)
        state, losses = _trained(
            self._learner(),
            self._restored(),
            jnp.asarray(X),
            jnp.asarray(labels),
            jnp.asarray(order.reshape(epochs, steps, batch)),
        )
        self._keep(state)
        self.loss_curve_ += [float(loss) for loss in losses]

    def _learner(self) -> Learner:
        return make_learner(*self._shape, float(self.learning_rate), float(self.weight_decay))

    def _keep(self, state: Any) -> None:
        """The state as plain arrays, which can be pickled."""
        self._leaves = plain_leaves(state)

    def _restored(self) -> Any:
        return from_plain(_shapes(self._learner()), self._leaves)


def _shapes(learner: Learner) -> Any:
    return eqx.filter_eval_shape(lambda key: learner.init(key=key), jr.key(0))


@eqx.filter_jit
def _initial(learner: Learner, key: Array) -> Any:
    return learner.init(key=key)


@eqx.filter_jit
def _trained(learner: Learner, state: Any, x: Array, y: Array, order: Array) -> tuple[Any, Array]:
    """After passes in these orders (epochs, steps, batch), and the mean loss of each pass."""

    def step(state: Any, index: Array) -> tuple[Any, Array]:
        state, record = learner.step(state, Batch(x[index], y[index]))
        return state, record["loss"]

    def epoch(state: Any, order: Array) -> tuple[Any, Array]:
        state, losses = jax.lax.scan(step, state, order)
        return state, losses.mean()

    return jax.lax.scan(epoch, state, order)


@eqx.filter_jit
def _probabilities(learner: Learner, state: Any, x: Array) -> Array:
    return probabilities(learner, state, x)
