"""States as plain arrays, which can be pickled and written, and generators of one's own."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from sklearn.utils import check_random_state

from engrax.core import is_key


def plain(leaf: Any) -> np.ndarray:
    """An array as NumPy has it; of a key, its data."""
    return np.asarray(jr.key_data(leaf) if is_key(leaf) else leaf)


def plain_leaves(tree: Any) -> list[np.ndarray]:
    """The leaves of a state."""
    return [plain(leaf) for leaf in jax.tree.leaves(tree)]


def from_plain(shapes: Any, leaves: list[np.ndarray]) -> Any:
    """The state of these leaves, in the tree of its shapes."""
    wanted, tree = jax.tree.flatten(shapes)
    return tree.unflatten(
        [
            jr.wrap_key_data(jnp.asarray(leaf)) if is_key(shape) else jnp.asarray(leaf)
            for leaf, shape in zip(leaves, wanted, strict=True)
        ]
    )


def own_generator(random_state: Any) -> np.random.RandomState:
    """A generator to draw from for ever, whatever the caller does with theirs."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.RandomState(random_state.randint(2**31 - 1))
    if random_state is None:
        return np.random.RandomState(np.random.default_rng().integers(2**31 - 1))
    return check_random_state(random_state)


def padded(rows: int, least: int = 32) -> int:
    """The power of two, at least `least`, that rows are padded to: few sizes, few programs."""
    return max(least, 1 << (rows - 1).bit_length())
