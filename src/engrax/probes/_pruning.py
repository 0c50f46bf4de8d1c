"""What is left of a two-layer network while its units are removed one after another."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from engrax.core import correct


def rank_units(
    scores: Float[Array, " units"], *, highest_first: bool = False
) -> Int[Array, " units"]:
    """The order in which units go: lowest score first, or highest first; ties by index."""
    return jnp.argsort(-scores if highest_first else scores, stable=True)


def pruning_curve(
    hidden: Float[Array, "n units"],
    readout: Float[Array, "outputs units"],
    labels: Int[Array, " n"],
    order: Int[Array, " units"],
    parts: Mapping[str, Bool[Array, " n"]],
    *,
    block: int = 1,
) -> dict[str, Float[Array, " steps"]]:
    """Accuracy and squared error on parts of the data while units are removed in `order`.

    A unit is removed by taking its activation times its outgoing weights from the outputs; nothing
    is retrained. Since the outputs are a sum over units, the whole curve is one sweep that adds
    blocks of units back, from none to all, at the price of a single forward pass.

    `parts` names subsets of the n examples. The result has, for each, `accuracy_<name>` and
    `mse_<name>` (the mean over examples and outputs of the squared distance from the one-hot
    labels), and `removed`, the share of units that is gone; entry t has t * `block` units removed,
    the first none, the last all. With all units gone the outputs are 0, a tie, which is wrong.

    Raises:
        ValueError: `block` does not divide the number of units.
    """
    units = readout.shape[1]
    if block < 1 or units % block:
        raise ValueError(f"pruning_curve needs a block that divides {units} units, not {block}.")
    target = jax.nn.one_hot(labels, readout.shape[0], dtype=hidden.dtype)
    # The last to go are the first to be added back.
    back = order[::-1].reshape(-1, block)

    def measure(outputs: Array) -> dict[str, Array]:
        right = correct(outputs, labels).astype(hidden.dtype)
        error = jnp.square(outputs - target).mean(-1)
        values = {"accuracy": right, "mse": error}
        return {
            f"{name}_{part}": jnp.sum(value, where=mask) / mask.sum().astype(hidden.dtype)
            for name, value in values.items()
            for part, mask in parts.items()
        }

    def add_back(outputs: Array, chosen: Array) -> tuple[Array, dict[str, Array]]:
        outputs = outputs + hidden[:, chosen] @ readout[:, chosen].T
        return outputs, measure(outputs)

    empty = jnp.zeros_like(target)
    _, curve = lax.scan(add_back, empty, back)
    curve = jax.tree.map(
        lambda none, some: jnp.concatenate([none[None], some])[::-1], measure(empty), curve
    )
    steps = jnp.arange(units // block + 1, dtype=hidden.dtype)
    return {"removed": steps * block / units, **curve}
