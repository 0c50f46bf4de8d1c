"""C3: where, along the two networks, representations come to agree, and when."""

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Int, Shaped

from engrax.core import observe, repeat, serial
from engrax.credit import DualChain
from engrax.lab import Arm, Claim, Part, at_least
from engrax.probes import cka_matrix
from engrax.tasks import Batches

from ._config import Config
from ._mlp import counter_current
from ._training import cut, standardized

PROBED = 1_000
"""Held-out images from the training part; with the 1,000 test images they make the probe batch."""


@final
class PairProbe(eqx.Module):
    """What a pair has in common, on fixed images.

    Records `cka` (L, L), linear CKA of the activities a_1..a_L with the signals b_0..b_{L-1} of
    each image's class; `weight_cosine` (L,), the cosine of U_l and V_l^T; `accuracy`.
    """

    x: Shaped[Array, "images ..."]
    y: Int[Array, " images"]

    def __call__(self, system: Any, state: Any, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        dual: DualChain = system["learner"].model(state["learner"])
        activities = dual.forward(system["stream"].view(state["stream"], self.x))
        classes = dual.forward_weights[-1].shape[0]
        signals = [b[self.y] for b in dual.feedback(jnp.eye(classes))]
        pairs = zip(dual.forward_weights, dual.feedback_weights, strict=True)
        cosines = [jnp.sum(u * v.T) / (jnp.linalg.norm(u) * jnp.linalg.norm(v)) for u, v in pairs]
        right = activities[-1].argmax(1) == self.y
        return {
            "cka": cka_matrix(activities[1:], signals[:-1]),
            "weight_cosine": jnp.stack(cosines),
            "accuracy": right.mean(),
        }


def _pair(config: Config) -> Arm:
    """Counter-current learning on mnist_5k, looked at every few steps, from before the first."""
    split = cut("mnist_5k", 4_000 - PROBED, PROBED, None)
    held_out = split.validation, split.test
    probe = PairProbe(
        jnp.asarray(np.concatenate([part.x for part in held_out])),
        jnp.asarray(np.concatenate([part.y for part in held_out])),
    )
    widths = (split.train.x[0].size, *[config.hidden] * config.hidden_layers, 10)
    rate = config.alignment_rate
    learner = counter_current(widths, config.clip, forward=rate, feedback=rate)
    stream = Batches(split.train, config.alignment_batch, scaling=standardized(split.train.x))
    steps = repeat(serial(stream=stream, learner=learner), config.alignment_every)
    depth = len(widths) - 1
    # Measured before each tick: one tick more than there are intervals shows the last state.
    ticks = config.alignment_steps // config.alignment_every + 1
    return Arm(
        observe(steps, probe, before=True),
        ticks,
        dims={"cka": ("forward_level", "feedback_level"), "weight_cosine": ("layer",)},
        coords={
            "tick": config.alignment_every * np.arange(ticks),
            "forward_level": 1 + np.arange(depth),
            "feedback_level": np.arange(depth),
            "layer": 1 + np.arange(depth),
        },
        seeds=config.alignment_seeds,
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that loads the images and builds the arm."""
    return {"pair": eqx.Partial(_pair, config)}


def _forward_noise(run: Any) -> xr.DataArray:
    """Before training: the lowest forward level's mean CKA with feedback, minus the top hidden
    level's.
    """
    start = run["pair"]["cka"].isel(tick=0).mean("feedback_level")
    return start.isel(forward_level=0) - start.isel(forward_level=-2)


def _feedback_noise(run: Any) -> xr.DataArray:
    """Before training: the mean CKA with the signal nearest the label, minus that of the last."""
    start = run["pair"]["cka"].isel(tick=0).mean("forward_level")
    return start.isel(feedback_level=-1) - start.isel(feedback_level=0)


def _late_rise(run: Any) -> xr.DataArray:
    """The rise of the top three forward levels' mean CKA, minus that of the lowest two."""
    agreement = run["pair"]["cka"].mean("feedback_level")
    rise = agreement.isel(tick=-1) - agreement.isel(tick=0)
    top = rise.isel(forward_level=slice(-3, None)).mean("forward_level")
    return top - rise.isel(forward_level=slice(0, 2)).mean("forward_level")


CLAIMS = (
    Claim(
        "C3",
        "Each network starts noisy at its far end, and the other network's informative end puts "
        "it in order: agreement grows most at the top of the forward network.",
        arms=("pair",),
        parts={
            "start: CKA of a_1 - CKA of a_{L-1}": Part(_forward_noise, at_least(0.0)),
            "start: CKA of b_{L-1} - CKA of b_0": Part(_feedback_noise, at_least(0.0)),
            "rise: top levels - low levels": Part(_late_rise, at_least(0.0)),
        },
        paper="MNIST, 5 convolutions and a linear layer, 160 steps of 32: low CKA of the top "
        "forward level at the start, increases at a_4, a_5, a_6 with b_0, b_1, b_2",
    ),
)
