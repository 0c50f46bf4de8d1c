"""C6: nothing crosses a layer, and what a training step costs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr

from engrax.core import Batch, Learner
from engrax.credit import ClassAlignment, DualChain, TargetPropagation
from engrax.lab import Claim, Part, Reference, at_least, at_most, between
from engrax.probes import compiled_cost

from ._config import Config
from ._mlp import rules

FEATURES, CLASSES = 784, 10


def step_cost(learner: Learner, batch: int) -> tuple[float, float]:
    """(operations an image, scratch bytes) of one compiled step; nothing is run."""
    arrays, static = eqx.partition(learner, eqx.is_array)
    state = jax.eval_shape(lambda key: learner.init(key=key), jr.key(0))
    x = jax.ShapeDtypeStruct((batch, FEATURES), jnp.float32)
    y = jax.ShapeDtypeStruct((batch,), jnp.int32)

    def step(arrays: Any, state: Any, x: Any, y: Any) -> Any:
        return eqx.combine(arrays, static).step(state, Batch(x, y))

    cost = compiled_cost(step, arrays, state, x, y)
    return cost.flops / batch, cost.peak_memory


def crossing_gradients(widths: tuple[int, ...]) -> tuple[float, float]:
    """The largest gradient that crosses a layer, and the smallest of those that should be there.

    The loss of level l may reach U_l and V_{l+1} alone; every other entry of the Jacobian has to
    be an exact zero.
    """
    dual, loss = DualChain(widths, key=jr.key(0)), ClassAlignment(widths[-1])
    x = jr.normal(jr.key(1), (2 * widths[-1], widths[0]))
    y = jnp.arange(len(x)) % widths[-1]

    @eqx.filter_jit
    def levels(dual: DualChain) -> jax.Array:
        return loss(dual.forward(x), dual.feedback(loss.targets(x, y)), x, y)

    jacobian = jax.jacrev(levels)(dual)
    crossing, local = [0.0], []
    for side, offset in ((jacobian.forward_weights, 0), (jacobian.feedback_weights, 1)):
        for layer, rows in enumerate(side, start=1):
            largest = np.abs(rows).max((1, 2))
            own = layer - offset
            local.append(float(largest[own]))
            crossing.append(float(np.delete(largest, own).max()))
    return max(crossing), min(local)


def _costs(config: Config) -> xr.Dataset:
    """Operations of one step under each rule, and the check of the Jacobian."""
    widths = (FEATURES, *[config.cost_hidden] * config.hidden_layers, CLASSES)
    learners = rules(config, widths)
    fixed = learners["fwdtp"]
    assert isinstance(fixed, TargetPropagation)
    learners["dtp"] = TargetPropagation(fixed.build, fixed.optimizer, fixed.hyper, learned=True)
    flops, scratch = zip(*(step_cost(v, config.cost_batch) for v in learners.values()), strict=True)
    crossing, local = crossing_gradients((12, *[8] * config.hidden_layers, 4))
    return xr.Dataset(
        {
            "flops_per_image": ("rule", np.array(flops)),
            "scratch_bytes": ("rule", np.array(scratch)),
            "crossing_gradient": crossing,
            "local_gradient": local,
        },
        {"rule": list(learners)},
    )


def _reference(config: Config) -> Reference:
    return Reference(eqx.Partial(_costs, config))


def arms(config: Config) -> dict[str, Callable[[], Reference]]:
    """Name -> a call that builds the reference; its numbers are exact and have no seeds."""
    return {"cost": eqx.Partial(_reference, config)}


def _ratio(rule: str) -> Callable[[Any], Any]:
    def value(run: Any) -> Any:
        flops = run["cost"]["flops_per_image"]
        return np.atleast_1d((flops.sel(rule=rule) / flops.sel(rule="bp")).values)

    return value


def _crossing(run: Any) -> Any:
    return np.atleast_1d(run["cost"]["crossing_gradient"].values)


CLAIMS = (
    Claim(
        "C6",
        "Counter-current learning is local (no gradient crosses a layer, no weight is "
        "transported), and costs little more than backpropagation where target propagation costs "
        "several times as much.",
        arms=("cost",),
        parts={
            "gradient across layers": Part(_crossing, between(0.0, 0.0), "exact"),
            "operations, CCL / BP": Part(_ratio("ccl"), at_most(1.2), "exact", paper=2.55 / 2.39),
            "operations, FW-DTP / BP": Part(
                _ratio("fwdtp"), at_least(3.0), "exact", paper=18.06 / 2.39
            ),
        },
        paper="Million operations an image, 6 layers, batch 32: BP 2.39, CCL 2.55, FW-DTP 18.06, "
        "DTP 48.69",
    ),
)
