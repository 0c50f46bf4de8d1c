"""Training the small convolutional network of counter-current learning, against eager PyTorch.

Channels 16, 32, 64 on Fashion-MNIST at 14 x 14, with the settings of the study: momentum 0.8,
gradients centralized and clipped to norm 0.3, the `cosine` loss for counter-current learning. Same
weights, same batches, gathered from bytes.
"""

from collections.abc import Iterator

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch
from torch.nn import functional

from engrax.core import GradientLearner, cross_entropy, serial
from engrax.credit import ClassAlignment, CounterCurrent, DualConv, network_sgd
from engrax.nn import ConvNet
from engrax.tasks import Batches, Examples, Scaling, load, pool2, subset

from ._report import Comparison
from ._run import measure
from ._training import compare, start_of

CHANNELS, SIDE, BATCH = (1, 16, 32, 64), 14, 128
TICKS, PER_TICK = 2, 25
STEPS = TICKS * PER_TICK
RATES = {"BP": 0.1, "CCL": 1.0}
MOMENTUM, CLIP = 0.8, 0.3


def learner_of(rule: str) -> GradientLearner | CounterCurrent:
    """The learner, with the settings of the study."""
    optimizer = eqx.Partial(network_sgd, centralize=True)
    hyper = {
        "learning_rate": jnp.float32(RATES[rule]),
        "momentum": jnp.float32(MOMENTUM),
        "clip": jnp.float32(CLIP),
    }
    if rule == "BP":
        build = eqx.Partial(ConvNet, CHANNELS, (SIDE, SIDE), 10)
        return GradientLearner(build, whole_batch_loss, optimizer, hyper, apply=ConvNet.predict)
    build = eqx.Partial(DualConv, CHANNELS, (SIDE, SIDE), 10)
    return CounterCurrent(build, ClassAlignment(10, "cosine"), optimizer, hyper, dict(hyper))


def whole_batch_loss(model, batch, key):
    """Cross-entropy with the whole batch in one call, where a convolution is fastest."""
    logits, moved = model.train(batch.x)
    loss, (_, record) = cross_entropy(lambda row: row, batch._replace(x=logits), key)
    return loss, (moved, record)


class Peer:
    """The same training, written in plain eager PyTorch."""

    def __init__(self, data, state, rule: str, index: np.ndarray) -> None:
        model = state["learner"]["model"]
        network = model if rule == "BP" else model.network
        forward = [*(c.weight for c in network.convolutions), network.readout]
        back = [] if rule == "BP" else [*(c.weight for c in model.convolutions), model.top]
        self.start = [[torch.tensor(np.asarray(w)) for w in side] for side in (forward, back)]
        self.x = torch.tensor(data.x)
        self.y = torch.tensor(data.y, dtype=torch.int64)
        self.index = torch.tensor(index, dtype=torch.int64)
        self.rule = rule

    def train(self, steps: int) -> list[float]:
        """Losses of the first `steps` steps, from the start."""
        sides = [[w.clone().requires_grad_() for w in side] for side in self.start]
        optimizers = [
            torch.optim.SGD(side, lr=RATES[self.rule], momentum=MOMENTUM) for side in sides if side
        ]
        losses = []
        for rows in self.index[:steps]:
            x, y = (self.x[rows].float() / 255)[:, None], self.y[rows]
            loss = self._loss(sides, x, y)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for side, optimizer in zip(sides, optimizers, strict=False):
                for weight in side:
                    inputs = tuple(range(1, weight.ndim))
                    weight.grad -= weight.grad.mean(inputs, keepdim=True)
                torch.nn.utils.clip_grad_norm_(side, CLIP)
                optimizer.step()
            losses.append(loss.item())
        return losses

    def _loss(self, sides, x, y):
        forward, feedback = sides
        a = [x]
        for kernel in forward[:-1]:
            below = a[-1] if self.rule == "BP" else a[-1].detach()
            above = functional.conv2d(below, kernel, padding=1)
            a.append(functional.elu(functional.max_pool2d(above, 2)))
        top = a[-1] if self.rule == "BP" else a[-1].detach()
        loss = functional.cross_entropy(functional.linear(top.flatten(1), forward[-1]), y)
        if self.rule == "BP":
            return loss
        b = [functional.elu(functional.linear(torch.eye(10), feedback[-1]))[:, :, None, None]]
        for level in (2, 1, 0):
            side = a[level].shape[-1]
            large = functional.interpolate(b[-1].detach(), scale_factor=2.0)
            missing = side - large.shape[-1]
            large = functional.pad(large, (0, missing, 0, missing), mode="replicate")
            out = functional.conv2d(large, feedback[level], padding=1)
            b.append(functional.elu(out) if level else out)
        indicator = functional.one_hot(y, 10).float()
        for activity, signal in zip(a, reversed(b), strict=True):
            u = functional.normalize(activity.flatten(1), eps=1e-8)
            v = functional.normalize(signal.flatten(1), eps=1e-8)
            loss = loss + functional.mse_loss(u @ v.T, indicator)
            loss = loss + 0.5 * functional.mse_loss(u @ u.T, torch.eye(len(u)))
            loss = loss + 0.5 * functional.mse_loss(v @ v.T, torch.eye(len(v)))
        return loss


def comparisons() -> Iterator[Comparison]:
    """Two rules, one seed and eight."""
    whole = subset(load("fashion_mnist"), 10_000, 0, None, jr.key(1)).train
    data = Examples(pool2(whole.x), whole.y)
    stream = Batches(data, BATCH, scaling=Scaling(shape=(1, SIDE, SIDE)))
    for rule in RATES:
        body = serial(stream=stream, learner=learner_of(rule))
        starts = [start_of(body, seed, STEPS) for seed in range(8)]
        peers = [Peer(data, state, rule, index).train for state, index in starts]
        for seeds in (1, 8):
            yield compare(
                f"{rule}, conv 16-32-64 at 14 x 14",
                body,
                peers[:seeds],
                ticks=TICKS,
                per_tick=PER_TICK,
                aim=1.0,
            )


if __name__ == "__main__":
    measure("conv", comparisons)
