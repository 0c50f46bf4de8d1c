"""One way to ask any spin network for what it stores."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int8, Key, Shaped

from ._block_gibbs import block_gibbs
from ._glauber import align, glauber, retrieve
from ._hopfield import HopfieldNetwork
from ._network import SpinNetwork


class Recalled(NamedTuple):
    """What became of each cue."""

    spins: Int8[Array, "*batch N"]
    overlaps: Float[Array, "*batch R"]  # with what is stored
    settled: Bool[Array, "*batch"]  # whether every spin lies along its field


def recall(
    network: SpinNetwork,
    cues: Shaped[Array, "*batch N"] | Shaped[np.ndarray, "*batch N"],
    *,
    beta: float | Float[Array, ""] = float("inf"),
    sweeps: int = 60,
    schedule: Literal["parallel", "sequential"] = "parallel",
    key: Key[Array, ""] | None = None,
) -> Recalled:
    """Lets cues relax, or fluctuate at a temperature, in any network of spins.

    | `schedule` | T = 0 (`beta` infinite) | T > 0 |
    |---|---|---|
    | ``"parallel"`` | `retrieve`: at most `sweeps` steps | `block_gibbs`: exact, pairs alone |
    | ``"sequential"`` | `glauber`, random order | `glauber`: exact, any network |

    - `cues`: states to start from, any batch shape: -1 and +1 of any type, or booleans (False is
      -1).
    - `key`: for all but parallel T = 0, which draws nothing; each cue gets draws of its own.

    `settled` is told by the field of the schedule: the leading-order one, self-interaction left in,
    for ``"parallel"``, the exact one for ``"sequential"``, which is to be preferred at high load. A
    cue that did not settle at T = 0 needs more sweeps, or cycles (odd orders, in parallel).

    Raises ValueError for cues of another number of spins or with other values (where these are
    known), an unknown schedule, a key that is missing, or a parallel schedule at T > 0 for a
    network that has no exact one.
    """
    if schedule not in ("parallel", "sequential"):
        raise ValueError(
            f"schedule={schedule!r} is unknown, expected 'parallel' or 'sequential'; choose one."
        )
    spins = _as_spins(cues, network.size)
    frozen = not isinstance(beta, Tracer) and bool(jnp.isinf(jnp.asarray(beta)))
    if schedule == "parallel" and frozen:
        moved = retrieve(network, spins, steps=sweeps)
    else:
        moved = _sampled(network, spins, beta, sweeps, schedule, key)
    if schedule == "parallel":
        field = network.mean_field(moved)
    else:
        field = _each(lambda _, s: network.local_field(s), moved)
    settled = jnp.all(align(field, moved) == moved, axis=-1)
    return Recalled(moved, network.overlaps(moved), settled)


def _sampled(network, spins, beta, sweeps, schedule, key):
    """The end of a chain from each cue."""
    if key is None:
        raise ValueError(
            "recall was given no key, expected one for every schedule that draws; only the "
            "parallel one at T = 0 does without: pass key=jax.random.key(0)."
        )
    if schedule == "sequential":
        return _each(lambda k, s: glauber(k, network, s, beta, sweeps)[0], spins, key)
    if not isinstance(network, HopfieldNetwork):
        raise ValueError(
            f"{type(network).__name__} has no exact parallel sampler at T > 0, expected a "
            "HopfieldNetwork; use schedule='sequential'."
        )
    return _each(lambda k, s: block_gibbs(k, network, s, beta, sweeps)[0], spins, key)


def _each(function, spins: Int8[Array, "*batch N"], key: Key[Array, ""] | None = None) -> Array:
    """`function(key, state)` of every state of a batch."""
    flat = spins.reshape(-1, spins.shape[-1])
    keys = jr.split(jr.key(0) if key is None else key, len(flat))
    return jax.vmap(function)(keys, flat).reshape(spins.shape)


def _as_spins(cues: Array | np.ndarray, size: int) -> Int8[Array, "*batch N"]:
    """Cues as int8, after a look at their shape and, where they are known, their values."""
    if cues.ndim < 1 or cues.shape[-1] != size:
        raise ValueError(
            f"cues have shape {cues.shape}, expected (..., {size}): one value for each of the "
            "network's spins; check the last axis."
        )
    if cues.dtype == bool:
        return jnp.where(jnp.asarray(cues), 1, -1).astype(jnp.int8)
    if not isinstance(cues, Tracer):
        values = np.asarray(cues)
        strange = values[np.abs(values) != 1]
        if strange.size:
            raise ValueError(
                f"cues hold the value {strange.flat[0]:g}, expected -1 and +1 (or booleans); "
                "binarize them first, as by jnp.where(x > threshold, 1, -1)."
            )
    return jnp.asarray(cues).astype(jnp.int8)
