"""Kolmogorov-Arnold networks as a scikit-learn regressor and classifier."""

import dataclasses
import numbers
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from engrax.nn import KAN, KANLayer, bases

from ._checks import check_counts, check_rates
from ._kan_training import BLOCK, Fit, Phase, Spec, chosen, fresh, left, predicted, trained
from ._plain import from_plain, plain_leaves


class _KANEstimator(BaseEstimator):
    """What regressor and classifier share."""

    n_features_in_: int

    def __init__(
        self,
        hidden_layer_sizes: Any = (8,),
        *,
        basis: Any = "bspline",
        functions: Any = 8,
        learning_rate: Any = 1e-2,
        weight_decay: Any = 1e-4,
        epochs: Any = 300,
        batch_size: Any = 256,
        random_state: Any = None,
    ) -> None:
        # Kept as they come: scikit-learn's contract is that `fit` checks them.
        self.hidden_layer_sizes = hidden_layer_sizes
        self.basis = basis
        self.functions = functions
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    @property
    def model_(self) -> KAN:
        """The trained net, as it works on inputs scaled to [-1, 1]."""
        check_is_fitted(self)
        model = self._restored().model
        assert isinstance(model, KAN)
        return model

    @property
    def families_(self) -> list[list[str]]:
        """The family of every input of every layer, by name."""
        model, names, found = self.model_, self._spec.families, []
        for layer in model.layers:
            inputs = layer.coefficients.shape[-1]
            basis = layer.basis if isinstance(layer, KANLayer) else None
            picks = basis.picks if isinstance(basis, bases.Picked) else np.zeros(inputs, int)
            found.append([names[k] for k in np.asarray(picks)])
        return found

    def _names(self) -> tuple[str, ...]:
        return (self.basis,) if isinstance(self.basis, str) else tuple(self.basis)

    def _check_parameters(self) -> None:
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, tuple | list) or not all(
            isinstance(n, numbers.Integral) and int(n) >= 1 for n in sizes
        ):
            raise ValueError(
                f"hidden_layer_sizes={sizes!r}; expected a tuple of positive whole numbers, or an "
                "empty one for a net without hidden nodes."
            )
        check_counts(self, "functions", "epochs", "batch_size")
        check_rates(self)
        names = self._names() if isinstance(self.basis, str | list | tuple) else ()
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"basis={self.basis!r}; expected the name of a family, or several different ones."
            )
        # Both say what is wrong with them.
        bases.check_pool([bases.by_name(name, int(self.functions)) for name in names])

    def _begin(self, X: np.ndarray, outputs: int, classes: bool) -> None:
        """Scaling by these rows, and fresh weights."""
        low, high = X.min(0), X.max(0)
        half = np.where(high > low, (high - low) / 2, 1.0)
        self._middle, self._half = (high + low) / 2, half
        self._spec = Spec(
            (X.shape[1], *map(int, self.hidden_layer_sizes), outputs),
            self._names(),
            int(self.functions),
            int(self.batch_size),
            classes,
        )
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return ((X - self._middle) / self._half).astype(np.float32)

    def _fit(self, X: np.ndarray, targets: np.ndarray) -> None:
        """All passes of a fit; with several families, the three phases of selection."""
        data, epochs = self._padded(X, targets), int(self.epochs)
        spec, seed = self._spec, jnp.int32(self._seed)
        if len(spec.families) == 1:
            self._keep(trained(spec, fresh(spec, seed), *data, self._phase(epochs)))
            return
        full, commit = max(1, round(epochs / 2)), max(1, round(0.15 * epochs))
        soft = dataclasses.replace(spec, soft=True)
        border = full / (full + commit)
        first, second = (
            self._phase(n, span=span, hard=hard)
            for n, span, hard in ((full, (0.0, border), False), (commit, (border, 1.0), True))
        )
        fit = trained(soft, fresh(soft, seed), *data, first)
        seen = self._scaled(X[np.linspace(0, len(X) - 1, 4 * BLOCK).astype(int)])
        fit = trained(soft, chosen(fit, jnp.asarray(seen)), *data, second)
        last = self._phase(max(1, epochs - full - commit), share=1 / 3)
        self._keep(trained(spec, left(fit), *data, last))

    def _pass(self, X: np.ndarray, targets: np.ndarray, *, first: bool) -> None:
        """One pass at a constant rate."""
        if first and len(self._spec.families) > 1:
            raise ValueError(
                f"partial_fit cannot choose between the families {self._spec.families}; choose one "
                "as `basis`, or call `fit` first."
            )
        begun = fresh(self._spec, jnp.int32(self._seed)) if first else self._restored()
        phase = self._phase(1, floor=1.0)
        self._keep(trained(self._spec, begun, *self._padded(X, targets), phase))

    def _phase(self, epochs: int, *, share: float = 1.0, floor: float = 0.01, **more: Any) -> Phase:
        return Phase.of(epochs, share * self.learning_rate, floor, self.weight_decay, **more)

    def _padded(self, X: np.ndarray, targets: np.ndarray) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Scaled rows and targets, with zeros behind them, and how many there are."""
        rows = len(X)
        size = max(BLOCK, 1 << (rows - 1).bit_length())
        x, y = (
            jnp.asarray(np.pad(part, ((0, size - rows), (0, 0))))
            for part in (self._scaled(X), targets.astype(np.float32))
        )
        return x, y, jnp.int32(rows)

    def _outputs(self, X: Any) -> np.ndarray:
        """Outputs (rows, out) in double precision, block by block."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        rows, model = len(X), self.model_
        scaled = np.pad(self._scaled(X), ((0, -rows % BLOCK), (0, 0)))
        blocks = scaled.reshape(-1, BLOCK, X.shape[1])
        found = [np.asarray(predicted(self._spec, model, jnp.asarray(block))) for block in blocks]
        return np.concatenate(found)[:rows].astype(np.float64)

    def _keep(self, fit: Fit) -> None:
        """The state as plain arrays, which can be pickled."""
        self._leaves = plain_leaves(eqx.filter(fit, eqx.is_array))

    def _restored(self) -> Fit:
        shapes = eqx.filter_eval_shape(fresh, self._spec, jnp.int32(0))
        dynamic, static = eqx.partition(shapes, lambda a: isinstance(a, jax.ShapeDtypeStruct))
        return eqx.combine(from_plain(dynamic, self._leaves), static)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_leaves")


class KANRegressor(RegressorMixin, _KANEstimator):
    """Regression by a Kolmogorov-Arnold network: learned functions on the edges, sums at the nodes.

    The interface is scikit-learn's: it goes into a `Pipeline` and a `GridSearchCV`.

        model = KANRegressor((5,), basis="fourier", random_state=0).fit(x, y)
        model.score(x_test, y_test)
        engrax.nn.read_kan(model.model_, ...)       # the edges as formulas

    Columns are scaled to [-1, 1] by their extremes, and targets to unit variance, both in `fit` or
    in the first `partial_fit`. Rows beyond those extremes are what the basis makes of them (see
    `engrax.nn.bases`): B-splines fade to the base term, polynomials go on as constants.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Nodes of each hidden layer; () for none.
    basis : str, or several of them
        Family of functions, a name in `engrax.nn.bases.FAMILIES`. Of several, every input of every
        layer keeps the one that serves it best: `fit` trains all of them for half of the passes,
        selects (see `engrax.nn.select`), leaves the others out, and trains on. The net ends with
        the size of one family; until then a pass takes about as many times as long as there are
        families.
    functions : int
        Functions of the family on every edge.
    learning_rate, weight_decay : float
        Of AdamW; in `fit` the rate falls to a hundredth along a cosine.
    epochs : int
        Passes over the rows in `fit`.
    batch_size : int
        Rows a step.
    random_state : int, RandomState or None
        Of initial weights and order. With an int, equal calls give equal models.

    Attributes
    ----------
    model_ : the net, an `engrax.nn.KAN` on scaled columns. families_ : names of the family of every
    input, layer by layer. n_features_in_ : columns seen in `fit`.

    Raises
    ------
    ValueError : an unknown basis, families of unequal size, or a number out of range, in `fit`;
    several families in a `partial_fit` without a `fit` before it.
    """

    def fit(self, X: Any, y: Any) -> "KANRegressor":
        """Learns from rows X (examples, features) and targets y, (examples,) or (examples, k)."""
        X, y = self._validated(X, y, reset=True)
        self._first(X, y)
        self._fit(X, (y - self._mean) / self._deviation)
        return self

    def partial_fit(self, X: Any, y: Any) -> "KANRegressor":
        """One pass over these rows at a constant rate, going on from where the model is."""
        first = not self.__sklearn_is_fitted__()
        X, y = self._validated(X, y, reset=first)
        if first:
            self._first(X, y)
        elif y.shape[1] != len(self._mean):
            raise ValueError(
                f"partial_fit got {y.shape[1]} targets a row, and an earlier call {len(self._mean)}"
                "; give as many, or begin anew with `fit`."
            )
        self._pass(X, (y - self._mean) / self._deviation, first=first)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The targets of every row, in the shape of those that were learned."""
        found = self._outputs(X) * self._deviation + self._mean
        return found[:, 0] if self._flat else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        self._check_parameters()
        X, y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, reset=reset
        )
        if reset:
            self._flat = y.ndim == 1
        return X, y.reshape(len(y), -1).astype(np.float64)

    def _first(self, X: np.ndarray, y: np.ndarray) -> None:
        self._mean, deviation = y.mean(0), y.std(0)
        self._deviation = np.where(deviation > 0, deviation, 1.0)
        self._begin(X, y.shape[1], classes=False)


class KANClassifier(ClassifierMixin, _KANEstimator):
    """Classification by a Kolmogorov-Arnold network with softmax outputs.

    Parameters, scaling of columns and attributes are those of `KANRegressor`; labels may be of any
    type.

        model = KANClassifier((8,), random_state=0).fit(x, labels)
        model.predict_proba(x_test)

    Attributes
    ----------
    classes_ : the labels, sorted; columns of `predict_proba` stand in their order.

    Raises
    ------
    ValueError : an unknown basis, a number out of range, or labels that are no classes, in `fit`.
    """

    classes_: np.ndarray

    def fit(self, X: Any, y: Any) -> "KANClassifier":
        """Learns from rows X (examples, features) and labels y (examples,)."""
        X, y = self._validated(X, y, reset=True)
        self.classes_ = np.unique(y)
        self._begin(X, len(self.classes_), classes=True)
        self._fit(X, self._one_hot(y))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> "KANClassifier":
        """One pass over these rows at a constant rate, going on from where the model is.

        The first call has to name all `classes`, unless they are all in y.
        """
        first = not self.__sklearn_is_fitted__()
        X, y = self._validated(X, y, reset=first)
        if first:
            self.classes_ = np.unique(y) if classes is None else unique_labels(classes)
            self._begin(X, len(self.classes_), classes=True)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"partial_fit got classes {unique_labels(classes)}, and an earlier call "
                f"{self.classes_}; leave them out, or begin anew with `fit`."
            )
        self._pass(X, self._one_hot(y), first=first)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (examples, classes), columns in the order of `classes_`."""
        logits = self._outputs(X)
        grown = np.exp(logits - logits.max(1, keepdims=True))
        return grown / grown.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of every row."""
        best = self.predict_proba(X).argmax(1)
        return self.classes_[best]

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        self._check_parameters()
        X, y = validate_data(self, X, y, dtype=np.float64, reset=reset)
        check_classification_targets(y)
        return X, y

    def _one_hot(self, y: np.ndarray) -> np.ndarray:
        if unknown := sorted(set(np.unique(y)) - set(self.classes_)):
            raise ValueError(
                f"partial_fit got labels {unknown} that are none of its classes "
                f"{list(self.classes_)}; name all classes in the first call."
            )
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, y)]
