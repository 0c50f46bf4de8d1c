"""Whether a stream asks for features at all: looked at on the calibration seed, before any method.

Where a linear probe on random features comes close to joint training there is nothing to learn
below the head, and nothing to forget.
"""

from typing import Any, cast

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array

from engrax.continual import innermost, part_of
from engrax.core import GradientLearner, Learner, accuracy, in_parts, named, simulate
from engrax.lab import Arm
from engrax.lab._run import FIRST_CALIBRATION_SEED
from engrax.probes import linear_probe

from ._data import Setting
from ._nets import imagenet_body

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Of linear probes; the one that is best on validation images counts."""


def gates(chosen: Setting, before: Arm | None, joint: Arm) -> xr.Dataset:
    """Test accuracies on the calibration seed: of joint training, and of linear probes on random
    and on pre-trained features.
    """
    seed = [FIRST_CALIBRATION_SEED]
    key = named(jr.key(0), "tuning")
    trained = simulate(joint.system, joint.ticks, key=key, seeds=seed, chunk=joint.chunk)
    learner = _innermost(joint)
    fresh = joint.system.init(key=jr.fold_in(key, seed[0]))
    random = learner.model({"model": part_of(fresh["learner"], "model")}).body
    if before is None:
        pretrained: Any = imagenet_body(chosen.weights)
    else:
        earlier = simulate(before.system, before.ticks, key=key, seeds=seed, chunk=before.ticks)
        weights = jax.tree.map(lambda a: a[0], earlier.state["learner"]["model"])
        pretrained = _innermost(before).model({"model": weights}).body
    found = {
        "joint": trained.records["accuracy"][0, -1].mean(),
        "random_probe": probed(chosen, random),
        "pretrained_probe": probed(chosen, pretrained),
    }
    return xr.Dataset({name: float(value) for name, value in found.items()})


def _innermost(arm: Arm) -> GradientLearner:
    return cast(GradientLearner, innermost(cast(Learner, arm.system["learner"])))


def probed(chosen: Setting, body: Any) -> Array:
    """Test accuracy of a linear probe on a body's features of the whole stream's images."""
    scaling = chosen.stream().scaling
    train, validation, test = (
        (in_parts(lambda x: body(scaling(x)), jnp.asarray(part.x), 500), jnp.asarray(part.y))
        for part in chosen.split
    )
    best, found = -np.inf, jnp.float32(0)
    for penalty in PENALTIES:
        probe = linear_probe(*train, l2=penalty, classes=chosen.classes)
        score = float(accuracy(probe(validation[0]), validation[1]))
        if score > best:
            best, found = score, accuracy(probe(test[0]), test[1])
    return found
