"""A memory for rows of bits that recalls them from damaged ones."""

import numbers
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._capacity import CapacityAdvice, CapacityWarning, advice, critical_load, per_load
from ._recall import recall


class AssociativeMemory(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Stores rows of bits in a Hopfield network, and recalls them from damaged ones.

    Rows are +-1 or 0/1, or real numbers that are rounded to bits (`threshold`). Storing is one
    pass, a row at a time if need be, and forgets nothing; the couplings are Hebb's and are never
    formed, so that K rows of N columns take K N bytes.

        memory = AssociativeMemory()
        print(memory.advise(n_features=784, noise=0.1))  # before storing: how many rows it can hold
        memory.fit(rows)
        memory.predict(damaged_rows)

    With ``order=2`` it holds 0.138 N random rows; interactions of order P hold of the order of
    ``N^(P-1)``. Theory is about random rows: those that resemble each other are confused earlier.
    Like every memory of even order it cannot tell a row from its negative.

    Parameters
    ----------
    order : int
        Number of bits that interact: 2 is the Hopfield network, more the dense one.
    temperature : float
        Of recall. 0 descends to a state of lowest energy nearby. Above 0, the bits fluctuate
        and the answer is the sign of their mean over the second half of `max_sweeps`.
    threshold : "auto", float or None
        How numbers become bits: above it is 1. "auto" takes rows of -1/+1 and of 0/1 as they are,
        and else the mean of each column over the rows that are stored first. None: rows must be
        bits already.
    schedule : "sequential" or "parallel"
        At temperature 0: one bit after another with the exact field, or all at once with the
        leading-order field, which is faster, holds fewer rows in orders above 2, and may end in a
        cycle of two states.
    max_sweeps : int
        Updates of every bit, at most.
    random_state : int, RandomState or None
        Of the order of updates, and of fluctuations.

    Attributes
    ----------
    patterns_ : (rows, columns) int8 of -1 and +1, what is stored.
    threshold_ : (columns,), what is above it is 1.
    low_ : the value of an unset bit in answers: -1 where the rows stored first were of -1 and +1,
    else 0.
    critical_ : number of rows beyond which theory expects no recall. n_features_in_ : columns.

    Raises
    ------
    ValueError : parameters out of range, an order above the number of columns, or rows that are not
    bits where `threshold` is None; in `fit`, `partial_fit`, `predict`.

    Warns
    -----
    CapacityWarning : more rows are stored than theory expects to be recalled.
    """

    n_features_in_: int
    patterns_: np.ndarray
    threshold_: np.ndarray
    low_: int
    critical_: int

    def __init__(
        self,
        order: Any = 2,
        *,
        temperature: Any = 0.0,
        threshold: Any = "auto",
        schedule: Any = "sequential",
        max_sweeps: Any = 30,
        random_state: Any = None,
    ):
        # As they come, whatever their type: scikit-learn wants parameters checked in `fit`.
        self.order = order
        self.temperature = temperature
        self.threshold = threshold
        self.schedule = schedule
        self.max_sweeps = max_sweeps
        self.random_state = random_state

    def advise(self, n_features: int, noise: float = 0.0) -> CapacityAdvice:
        """How many random rows of `n_features` bits this memory can hold, before any is stored.

        `noise` is the share of flipped bits in the cues, below one half. From
        `engrax.theory.cue_load`: `critical` is where recall ends in the limit of many columns,
        `patterns` half of that: in simulations of 100 to 400 columns, cues with a tenth of their
        bits flipped then come back with at least 95 % right. Raises ValueError for numbers out of
        range.
        """
        self._check_parameters()
        whole = isinstance(n_features, numbers.Integral)
        if not whole or n_features < self.order or not 0 <= noise < 0.5:
            raise ValueError(
                f"n_features={n_features!r}, noise={noise!r}; expected a whole number of at least "
                f"the order, {self.order}, and a share of flipped bits from 0 to below one half."
            )
        settings = float(noise), float(self.temperature), self.schedule
        return advice(int(self.order), int(n_features), *settings)

    def fit(self, X: Any, y: Any = None) -> "AssociativeMemory":
        """Forgets everything, and stores the rows of `X` (rows, columns)."""
        return self._store(X, first=True)

    def partial_fit(self, X: Any, y: Any = None) -> "AssociativeMemory":
        """Stores the rows of `X` beside those that are stored."""
        return self._store(X, first=not hasattr(self, "patterns_"))

    def predict(self, X: Any) -> np.ndarray:
        """What each row of `X` (rows, columns) is recalled as: int8, in the values of the rows."""
        found = self._recalled(X)
        return np.where(found > 0, 1, self.low_).astype(np.int8)

    def transform(self, X: Any) -> np.ndarray:
        """Overlap of each row of `X` with each stored row, (rows, stored): 1 same, -1 opposite.

        Nothing is recalled; the place of the largest is the nearest stored row.
        """
        check_is_fitted(self)
        rows: Any = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        spins, stored = (a.astype(rows.dtype) for a in (self._bits(rows), self.patterns_))
        return spins @ stored.T / self.n_features_in_

    def score(self, X: Any, y: Any = None) -> float:
        """Share of bits right when `X` is recalled and `y` (rows, columns) is true.

        Without `y` the rows of `X` are true themselves: are they states of the memory? So they are
        where `y` has one axis: labels, which pipelines hand to everyone.
        """
        given = y is not None and np.ndim(y) != 1
        found, true = self._recalled(X), self._spins(y if given else X)
        if found.shape != true.shape:
            raise ValueError(
                f"score was given rows of shape {found.shape} and true rows of shape {true.shape}; "
                "expected the same."
            )
        return float(np.mean(found == true))

    @property
    def _n_features_out(self) -> int:
        return len(self.patterns_)

    def _store(self, X: Any, *, first: bool) -> "AssociativeMemory":
        self._check_parameters()
        X = validate_data(self, X, dtype=np.float64, reset=first)
        if self.n_features_in_ < self.order:
            raise ValueError(
                f"order={self.order} needs at least as many columns, got {self.n_features_in_} "
                "feature(s); choose a lower order."
            )
        if first:
            self._begin(X)
            self.patterns_ = self._bits(X)
        else:
            self.patterns_ = np.concatenate([self.patterns_, self._bits(X)])
        self._warn()
        return self

    def _begin(self, X: np.ndarray) -> None:
        """What numbers become bits, and what values bits have in answers."""
        values = set(np.unique(X)) if np.isin(X, (-1, 0, 1)).all() else None
        spins, bits = (values is not None and values <= {low, 1} for low in (-1, 0))
        self.low_ = -1 if spins else 0
        if isinstance(self.threshold, numbers.Real):
            level: Any = float(self.threshold)
        elif spins or bits or self.threshold is None:
            level = 0.0 if spins else 0.5
        else:
            level = X.mean(0)
        self.threshold_ = np.broadcast_to(np.asarray(level, float), X.shape[1:]).copy()
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        load = critical_load(int(self.order), float(self.temperature), self.schedule)
        self.critical_ = int(load * per_load(int(self.order), self.n_features_in_))

    def _bits(self, X: Any) -> np.ndarray:
        if self.threshold is None and not np.isin(X, (self.low_, 1)).all():
            raise ValueError(
                f"AssociativeMemory(threshold=None) needs rows of {self.low_} and 1, and was given "
                "other values; round them, or give a threshold."
            )
        return np.where(self.threshold_ < X, 1, -1).astype(np.int8)

    def _spins(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._bits(validate_data(self, X, dtype=np.float64, reset=False))

    def _recalled(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        settings = int(self.order), float(self.temperature), self.schedule, int(self.max_sweeps)
        return recall(self.patterns_, self._spins(X), *settings, self._seed)

    def _warn(self) -> None:
        if len(self.patterns_) > self.critical_:
            warnings.warn(
                f"AssociativeMemory holds {len(self.patterns_)} rows of {self.n_features_in_} "
                f"columns; with order={self.order} and temperature={self.temperature} theory "
                f"expects random rows to be recalled up to about {self.critical_}. Store fewer, "
                "or raise the order.",
                CapacityWarning,
                stacklevel=4,
            )

    def _check_parameters(self) -> None:
        for name, least in (("order", 2), ("max_sweeps", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(f"{name}={value!r}; expected a whole number of at least {least}.")
        heat: Any = self.temperature
        if not isinstance(heat, numbers.Real) or not 0 <= float(heat) < np.inf:
            raise ValueError(f"temperature={self.temperature!r}; expected a number of at least 0.")
        level = self.threshold
        if not (level is None or level == "auto" or isinstance(level, numbers.Real)):
            raise ValueError(f"threshold={level!r}; expected 'auto', a number or None.")
        if self.schedule not in ("sequential", "parallel"):
            raise ValueError(f"schedule={self.schedule!r}; expected 'sequential' or 'parallel'.")
        if self.schedule == "parallel" and float(heat) > 0:
            raise ValueError("schedule='parallel' is for temperature=0; use 'sequential'.")
