"""Training the 784-128x5-10 network of counter-current learning, against eager PyTorch.

Backpropagation and counter-current learning, one seed and eight, on Fashion-MNIST. Both sides
start from the same weights, see the same batches, gather them from bytes and clip gradients to
norm 1. PyTorch trains one seed after another, as its users do.
"""

import itertools
from collections.abc import Iterator
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch
from jax.sharding import AxisType, PartitionSpec
from torch.nn import functional

from engrax.core import GradientLearner, cross_entropy, serial
from engrax.credit import ClassAlignment, CounterCurrent, DualChain, network_sgd
from engrax.nn import MLP
from engrax.tasks import Batches, Scaling, load, subset

from ._machine import product_rate
from ._report import Comparison
from ._run import measure
from ._timer import best_seconds
from ._training import compare, start_of

WIDTHS = (784, 128, 128, 128, 128, 128, 10)
BATCH, TICKS, PER_TICK = 128, 2, 75
STEPS = TICKS * PER_TICK
RATES = {"BP": 0.2, "CCL": 1.0}


def learner_of(rule: str) -> GradientLearner | CounterCurrent:
    """The learner, with the settings of the study."""
    hyper = {"learning_rate": jnp.float32(RATES[rule]), "clip": jnp.float32(1.0)}
    if rule == "BP":
        build = eqx.Partial(MLP, WIDTHS, jax.nn.elu, bias=False)
        return GradientLearner(build, cross_entropy, network_sgd, hyper)
    build = eqx.Partial(DualChain, WIDTHS)
    return CounterCurrent(build, ClassAlignment(10), network_sgd, hyper, dict(hyper))


class Peer:
    """The same training, written in plain eager PyTorch."""

    def __init__(self, data, state, rule: str, index: np.ndarray) -> None:
        model = state["learner"]["model"]
        if rule == "BP":
            sides = ([layer.weight for layer in model.layers], [])
        else:
            sides = (model.forward_weights, model.feedback_weights)
        self.start = [[torch.tensor(np.asarray(w)) for w in side] for side in sides]
        self.x = torch.tensor(data.x.reshape(len(data.x), -1))
        self.y = torch.tensor(data.y, dtype=torch.int64)
        self.index = torch.tensor(index, dtype=torch.int64)
        self.rule = rule

    def train(self, steps: int) -> list[float]:
        """Losses of the first `steps` steps, from the start."""
        sides = [[w.clone().requires_grad_() for w in side] for side in self.start]
        optimizers = [torch.optim.SGD(side, lr=RATES[self.rule]) for side in sides if side]
        loss_of = self._backprop if self.rule == "BP" else self._counter_current
        losses = []
        for rows in self.index[:steps]:
            x, y = self.x[rows].float() / 255, self.y[rows]
            loss = loss_of(sides, x, y)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for side, optimizer in zip(sides, optimizers, strict=False):
                torch.nn.utils.clip_grad_norm_(side, 1.0)
                optimizer.step()
            losses.append(loss.item())
        return losses

    @staticmethod
    def _backprop(sides, x, y):
        forward, _ = sides
        for weight in forward[:-1]:
            x = functional.elu(functional.linear(x, weight))
        return functional.cross_entropy(functional.linear(x, forward[-1]), y)

    @staticmethod
    def _counter_current(sides, x, y):
        forward, feedback = sides
        a = [x]
        for weight in forward[:-1]:
            a.append(functional.elu(functional.linear(a[-1].detach(), weight)))
        logits = functional.linear(a[-1].detach(), forward[-1])
        b = [torch.eye(10)]
        for weight in feedback[:0:-1]:
            b.append(functional.elu(functional.linear(b[-1].detach(), weight)))
        b.append(functional.linear(b[-1].detach(), feedback[0]))
        indicator = functional.one_hot(y, 10).float()
        loss = functional.cross_entropy(logits, y)
        for activity, signal in zip(a, b[:0:-1], strict=True):
            scale = 0.5 * 256 / activity.shape[1]
            loss = loss + scale * functional.mse_loss(activity @ signal.T, indicator)
        return loss


def operations(rule: str) -> int:
    """Float operations of the large matrix products of one step.

    Forward and weight gradients for both rules, and the way down for BP; what counter-current
    learning does on its ten rows of classes is left out.
    """
    sizes = [a * b for a, b in itertools.pairwise(WIDTHS)]
    down = sum(sizes[1:]) if rule == "BP" else 0
    return 2 * BATCH * (2 * sum(sizes) + down)


def products_alone(rule: str, seeds: int) -> float:
    """Seconds that `seeds` runs of `STEPS` steps take which do nothing but those products."""
    devices = min(seeds, jax.local_device_count())
    mesh = jax.make_mesh(
        (devices,), ("run",), axis_types=(AxisType.Auto,), devices=jax.local_devices()[:devices]
    )

    def step(weights, _):
        seen = [jnp.ones((BATCH, WIDTHS[0]))]
        for w in weights:
            seen.append(seen[-1] @ w.T)
        moved, error = [], seen[-1]
        for w, below in zip(reversed(weights), reversed(seen[:-1]), strict=True):
            moved.insert(0, w + error.T @ below)
            error = error @ w if rule == "BP" else below
        return moved, None

    def block(weights):
        return jax.lax.map(lambda w: jax.lax.scan(step, w, None, STEPS)[0], weights)

    spec = PartitionSpec("run")
    work = jax.jit(
        jax.shard_map(block, mesh=mesh, in_specs=(spec,), out_specs=spec, check_vma=False)
    )
    weights = [jnp.zeros((seeds, d_out, d_in)) for d_in, d_out in itertools.pairwise(WIDTHS)]
    return best_seconds(lambda: jax.block_until_ready(work(weights)))


def rates(rule: str, seeds: int, seconds: float) -> dict[str, str]:
    """How near the machine's own rate of matrix products the fastest round came."""
    rate = seeds * STEPS * operations(rule) / seconds
    return {
        "products": f"{rate / 1e9:.0f} GFLOP/s",
        "share of this machine's rate at 1024 x 1024": f"{rate / product_rate():.0%}",
        "share of its rate at these shapes": f"{products_alone(rule, seeds) / seconds:.0%}",
    }


def comparisons() -> Iterator[Comparison]:
    """Two rules, one seed and eight."""
    data = subset(load("fashion_mnist"), 20_000, 2_000, None, jr.key(1)).train
    stream = Batches(data, BATCH, scaling=Scaling(shape=(784,)))
    for rule in RATES:
        body = serial(stream=stream, learner=learner_of(rule))
        starts = [start_of(body, seed, STEPS) for seed in range(8)]
        peers = [Peer(data, state, rule, index).train for state, index in starts]
        for seeds in (1, 8):
            yield compare(
                f"{rule}, 784-128x5-10",
                body,
                peers[:seeds],
                ticks=TICKS,
                per_tick=PER_TICK,
                aim=1.0 if seeds == 1 else 2.0,
                rates=partial(rates, rule, seeds),
                profile="What is left beside the large products: gathering and casting bytes, "
                "activations, clipping and the update"
                + (
                    ", and the losses against the rows of the ten classes."
                    if rule == "CCL"
                    else "."
                ),
            )


if __name__ == "__main__":
    measure("credit", comparisons)
