"""The one idea: a system is a machine with state."""

import abc
import zlib
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key, PyTree

State = PyTree
"""Everything that changes: a pytree of arrays (typed keys included) whose shapes never change."""


def named(key: Key[Array, ""], name: str) -> Key[Array, ""]:
    """A key of its own for the part called `name`.

    Keys come from names, not from the order of splits: a part that is added takes no randomness
    from the others, and two systems that share a stream and an initial network under the same
    names share them bit for bit.
    """
    return jr.fold_in(key, zlib.crc32(name.encode()))


def is_key(leaf: Any) -> bool:
    """Whether an array, or its shape, is one of typed random keys, which NumPy does not have."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


class System(eqx.Module):
    """A state, and a step that reads an input, moves the state and emits an output.

    What a system *is* (data, hyper-parameters) is a field, numbers that may be swept as arrays;
    what *changes* is in the state, random keys included. `step` is pure, so it can be compiled,
    scanned, mapped over seeds or over a grid of fields, and resumed with no code of its own.

    The outermost input is the clock: an `int32` scalar that is never batched, so a `lax.cond` on
    it runs one branch. A counter kept in the state would be batched with it, and both would run.
    """

    @abc.abstractmethod
    def init(self, *, key: Key[Array, ""]) -> State:
        """The state before the first step."""

    @abc.abstractmethod
    def step(self, state: State, input: Any) -> tuple[State, Any]:
        """The next state, and the output. Reads nothing but its arguments and its fields."""

    def __getitem__(self, name: str) -> "System":
        """The part called `name`; wrappers look through to what they wrap."""
        raise KeyError(f"{type(self).__name__} has no part {name!r}; only `serial` names its parts")


class Batch(NamedTuple):
    """What a stream emits and a learner reads.

    **Fields:** `x` (batch, ...) inputs; `y` (batch, ...) targets; `task` a scalar, which task this
    is; `index` (batch,) where each example stands in the data; `mask` (batch, ...) what counts.
    """

    x: PyTree
    y: PyTree
    task: PyTree = None
    index: PyTree = None
    mask: PyTree = None


class Learner(System):
    """A system from a `Batch` to a dict of scalars, that can also predict."""

    @abc.abstractmethod
    def step(self, state: State, input: Batch) -> tuple[State, dict[str, Array]]:
        """Learns from one batch."""

    @abc.abstractmethod
    def predict(self, state: State, x: Array) -> Array:
        """The outputs (examples, ...) for inputs (examples, ...), computed in parts."""


class Stream(System):
    """A system from the clock to a `Batch`."""

    @abc.abstractmethod
    def step(self, state: State, input: Array) -> tuple[State, Batch]:
        """The batch of this tick."""

    @abc.abstractmethod
    def view(self, state: State, x: Array, task: Array | int = 0) -> Array:
        """Raw inputs (examples, ...) as a learner of this stream sees them in `task`."""
