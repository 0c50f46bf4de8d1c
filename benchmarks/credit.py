"""Training the 784-128x5-10 network of counter-current learning, against eager PyTorch.

Backpropagation and counter-current learning, one seed and eight, on Fashion-MNIST. Both sides
start from the same weights, see the same batches, gather them from bytes and clip gradients to
norm 1. PyTorch trains one seed after another, as its users do.
"""

import itertools
from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch
from jax.sharding import AxisType
from torch.nn import functional

from engrax.core import GradientLearner, cross_entropy, repeat, serial, simulate
from engrax.credit import ClassAlignment, CounterCurrent, DualChain, network_sgd
from engrax.nn import MLP
from engrax.tasks import Batches, Scaling, load, subset

from ._machine import product_rate
from ._report import Comparison
from ._timer import alternate, median_seconds

WIDTHS = (784, 128, 128, 128, 128, 128, 10)
BATCH, TICKS, PER_TICK = 128, 5, 100
STEPS = TICKS * PER_TICK
GATE_STEPS = 50
KEY = jr.key(0)
# Losses of the first steps: both sides round at about 1e-7 an operation, and training amplifies
# differences, so equal programs stay well inside this and different ones do not.
TOLERANCE = 1e-3


def backprop() -> GradientLearner:
    """Plain backpropagation, with the settings of the study."""
    hyper = {"learning_rate": jnp.float32(0.2), "clip": jnp.float32(1.0)}
    build = eqx.Partial(MLP, WIDTHS, jax.nn.elu, bias=False)
    return GradientLearner(build, cross_entropy, network_sgd, hyper)


def counter_current() -> CounterCurrent:
    """Counter-current learning with the `dot` loss, with the settings of the study."""
    hyper = {"learning_rate": jnp.float32(1.0), "clip": jnp.float32(1.0)}
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
        rate = 0.2 if self.rule == "BP" else 1.0
        optimizers = [torch.optim.SGD(side, lr=rate) for side in sides if side]
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
    """Float operations of the matrix products of one step, feedback rows left out."""
    sizes = [a * b for a, b in itertools.pairwise(WIDTHS)]
    down = sum(sizes[1:]) if rule == "BP" else 0
    return 2 * BATCH * (2 * sum(sizes) + down)


def products_alone(rule: str, seeds: int) -> float:
    """Seconds a seed of `STEPS` steps that do nothing but the products of a step."""
    shapes = list(itertools.pairwise(WIDTHS))

    def step(weights, _):
        x = jnp.ones((BATCH, WIDTHS[0]))
        seen = [x]
        for w in weights:
            seen.append(seen[-1] @ w.T)
        new, error = [], seen[-1]
        for w, below in zip(reversed(weights), reversed(seen[:-1]), strict=True):
            new.insert(0, w + error.T @ below)
            error = error @ w if rule == "BP" else below
        return new, None

    weights = [jnp.zeros((seeds, d_out, d_in)) for d_in, d_out in shapes]
    devices = min(seeds, jax.local_device_count())
    mesh = jax.make_mesh(
        (devices,), ("run",), axis_types=(AxisType.Auto,), devices=jax.local_devices()[:devices]
    )
    spec = jax.sharding.PartitionSpec("run")

    @jax.jit
    def work(weights):
        def block(weights):
            return jax.lax.map(lambda w: jax.lax.scan(step, w, None, STEPS)[0], weights)

        return jax.shard_map(block, mesh=mesh, in_specs=(spec,), out_specs=spec, check_vma=False)(
            weights
        )

    return median_seconds(lambda: jax.block_until_ready(work(weights)))


def comparisons() -> Iterator[Comparison]:
    """Two rules, one seed and eight."""
    data = subset(load("fashion_mnist"), 20_000, 2_000, None, jr.key(1)).train
    stream = Batches(data, BATCH, scaling=Scaling(shape=(784,)))
    large = product_rate()
    for rule, learner in (("BP", backprop()), ("CCL", counter_current())):
        body = serial(stream=stream, learner=learner)
        peers = []
        for seed in range(8):
            state = body.init(key=jr.fold_in(KEY, seed))
            index = jax.lax.scan(
                lambda s, t: stream.step(s, t), state["stream"], jnp.arange(STEPS)
            )[1].index
            peers.append(Peer(data, state, rule, np.asarray(index)))
        ours = simulate(body, GATE_STEPS, key=KEY, seeds=2).records["loss"]
        theirs = np.array([peer.train(GATE_STEPS) for peer in peers[:2]])
        apart = float(np.abs(ours / theirs - 1).max())
        if not apart < TOLERANCE:
            raise RuntimeError(f"{rule}: losses of both sides differ by {apart:.1e}")
        for seeds in (1, 8):
            timed = alternate(
                lambda seeds=seeds, body=body: simulate(
                    repeat(body, PER_TICK), TICKS, key=KEY, seeds=seeds, chunk=TICKS
                ),
                lambda seeds=seeds, peers=peers: [peer.train(STEPS) for peer in peers[:seeds]],
            )
            took = timed.ours.median
            alone = products_alone(rule, seeds)
            rate = seeds * STEPS * operations(rule) / took
            yield Comparison(
                case=f"{rule}, 784-128x5-10, {seeds} seed{'s' * (seeds > 1)}, {STEPS} steps",
                peer="eager PyTorch, two threads, seed after seed",
                gate=f"losses of {GATE_STEPS} steps within {apart:.0e}",
                aim=2.0 if seeds > 1 else 1.0,
                alternation=timed,
                rates={
                    "products": f"{rate / 1e9:.0f} GFLOP/s",
                    "share of this machine's 1024 x 1024 rate": f"{rate / large:.0%}",
                    "share of its rate at these shapes": f"{alone / took:.0%}",
                },
            )
