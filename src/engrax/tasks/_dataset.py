"""Labeled examples, and the stratified parts that a study cuts from them."""

import dataclasses
import hashlib
from typing import NamedTuple, Protocol, runtime_checkable

import jax.random as jr
import numpy as np
from jaxtyping import Array, Int32, Key, Shaped, UInt8


@runtime_checkable
class Labeled(Protocol):
    """Anything with inputs `x` (examples, ...) and targets `y` (examples, ...)."""

    @property
    def x(self) -> Shaped[np.ndarray, "examples ..."]:
        """The inputs."""
        ...

    @property
    def y(self) -> Shaped[np.ndarray, "examples ..."]:
        """The targets."""
        ...


class Examples(NamedTuple):
    """Inputs `x` (examples, ...) with their targets `y` (examples, ...)."""

    x: Shaped[np.ndarray, "examples ..."]
    y: Shaped[np.ndarray, "examples ..."]


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with a training part and a test part that never change."""

    name: str
    x: UInt8[np.ndarray, "train ..."]
    """Training inputs."""
    y: Int32[np.ndarray, "train"]
    """Training labels, from 0."""
    x_test: UInt8[np.ndarray, "test ..."]
    """Test inputs."""
    y_test: Int32[np.ndarray, "test"]
    """Test labels, from 0."""
    source: str
    """Where the files were found."""
    brightest: int = 255
    """The value that stands for full intensity."""

    @property
    def train(self) -> Examples:
        """The training part."""
        return Examples(self.x, self.y)

    @property
    def test(self) -> Examples:
        """The test part."""
        return Examples(self.x_test, self.y_test)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(max(self.y.max(), self.y_test.max())) + 1

    @property
    def checksum(self) -> str:
        """The SHA-256 of the four arrays, which says which data a result was measured on."""
        digest = hashlib.sha256()
        for array in (self.x, self.y, self.x_test, self.y_test):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


class Split(NamedTuple):
    """Three parts without a common example."""

    train: Examples
    validation: Examples
    test: Examples


def subset(
    data: Dataset,
    n_train: int | None,
    n_val: int,
    n_test: int | None,
    key: Key[Array, ""],
) -> Split:
    """Stratified parts: training and validation from the training part, test from the test part.

    Each class gets its share of each part, rounded so that the sizes come out exactly. `None`
    takes all that is left: `subset(data, None, 2000, None, key)` uses every image. The order of
    the examples is random and depends on `key` alone.

    **Raises:** `ValueError` when a size is negative or more than there is.
    """
    available = len(data.y)
    n_train = available - n_val if n_train is None else n_train
    n_test = len(data.y_test) if n_test is None else n_test
    if n_val < 0 or n_train < 0 or n_train + n_val > available:
        raise ValueError(
            f"n_train={n_train} and n_val={n_val} do not fit the {available} training examples of "
            f"{data.name}; choose sizes of at least 0 that add up to at most {available}."
        )
    if not 0 <= n_test <= len(data.y_test):
        raise ValueError(
            f"n_test={n_test} does not fit the {len(data.y_test)} test examples of {data.name}; "
            f"choose a size from 0 to {len(data.y_test)}."
        )
    train_key, test_key = jr.split(key)
    train, validation = _strata(data.y, (n_train, n_val), train_key)
    (test,) = _strata(data.y_test, (n_test,), test_key)
    return Split(
        Examples(data.x[train], data.y[train]),
        Examples(data.x[validation], data.y[validation]),
        Examples(data.x_test[test], data.y_test[test]),
    )


def _strata(
    labels: Int32[np.ndarray, "examples"], sizes: tuple[int, ...], key: Key[Array, ""]
) -> list[Int32[np.ndarray, "_"]]:
    """Disjoint random sets of indices with the classes in proportion."""
    order = np.asarray(jr.permutation(key, len(labels))).astype(np.int32)
    classes, left = np.unique(labels, return_counts=True)
    # First the share of each class in all parts together, then its share in each part out of
    # what is left of that: no part can then ask a class for more than it has.
    left = _apportion(sum(sizes), left)
    ranks = np.empty(len(labels), np.int64)
    for label in classes:
        members = order[labels[order] == label]
        ranks[members] = np.arange(len(members))
    taken = np.zeros(len(classes), np.int64)
    position = np.searchsorted(classes, labels[order])
    parts = []
    for size in sizes:
        quota = _apportion(size, left)
        inside = (ranks[order] >= taken[position]) & (ranks[order] < (taken + quota)[position])
        parts.append(order[inside])
        taken, left = taken + quota, left - quota
    return parts


def _apportion(total: int, weights: Shaped[np.ndarray, "classes"]) -> Shaped[np.ndarray, "classes"]:
    """`total` seats by largest remainder, in integers so that nothing depends on rounding."""
    weights = weights.astype(np.int64)
    if not total:
        return np.zeros_like(weights)
    seats, remainders = np.divmod(total * weights, weights.sum())
    # A stable sort gives ties to the first classes.
    first = np.argsort(-remainders, kind="stable")[: total - seats.sum()]
    seats[first] += 1
    return seats


def pool2(x: UInt8[np.ndarray, "*lead rows columns"]) -> UInt8[np.ndarray, "*lead _ _"]:
    """Images at half the size: the mean of each 2 x 2 block, rounded half up to a byte.

    **Raises:** `ValueError` when rows or columns are odd.
    """
    *lead, rows, columns = x.shape
    if rows % 2 or columns % 2:
        raise ValueError(
            f"Images of {rows} x {columns} pixels have no 2 x 2 blocks; pad them to even sizes."
        )
    blocks = x.reshape(*lead, rows // 2, 2, columns // 2, 2).astype(np.uint16)
    return ((blocks.sum((-3, -1)) + 2) // 4).astype(np.uint8)
