"""Small data and learners that the tests of this package share."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from engrax.core import GradientLearner
from engrax.nn import MLP
from engrax.tasks import Dataset, Scaling


def dataset(classes=4, per_class=20, side=3, seed=0, shape=None, noise=20):
    """Images of a class are its own random prototype under noise: easy, and not linear in y."""
    rng = np.random.default_rng(seed)
    shape = (side, side) if shape is None else shape
    prototypes = rng.integers(40, 215, (classes, *shape))

    def part(n):
        y = np.repeat(np.arange(classes), n).astype(np.int32)
        x = np.clip(prototypes[y] + rng.normal(0, noise, (len(y), *shape)), 0, 255)
        return x.astype(np.uint8), y

    return Dataset("made up", *part(per_class), *part(per_class // 2), source="a test")


FLAT = Scaling(127.5, 64.0, shape=(9,))


def loss(model, batch, key):
    """Masked cross-entropy."""
    activities = model.activities(batch.x)
    logits = activities[-1]
    if batch.mask is not None:
        logits = jnp.where(batch.mask, logits, -jnp.inf)
    right = jnp.take_along_axis(jax.nn.log_softmax(logits), batch.y[:, None], 1)
    return -right.mean(), (model, {})


def learner(widths=(9, 12, 4), bias=False, rate=0.2, optimizer=optax.sgd):
    build = eqx.Partial(MLP, widths, jnp.tanh, bias=bias)
    hyper = {"learning_rate": jnp.float32(rate)}
    return GradientLearner(build, loss, optimizer, hyper)


def weights(model):
    return tuple(layer.weight for layer in model.layers)


def activity(model, x):
    return tuple(model.activities(x)[:-1])
