"""A full-batch grokking run and a pruning curve, against straightforward PyTorch.

The quadratic two-layer network of Doshi et al. (2024) on addition modulo 97, half of the pairs, 35
% of the labels corrupted. The peer is written as one writes it: pairs as one-hot vectors, the
network as two matrix products under autograd, AdamW; and for the pruning curve, units set to zero
one after another, each time a forward pass over all pairs.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch
from torch.nn import functional

from engrax.core import serial, simulate
from engrax.probes import pruning_curve, rank_units
from engrax.studies.corrupted_grokking import SCALES, arms

from ._report import Comparison
from ._run import measure
from ._timer import alternate
from ._training import compare

TICKS, PER_TICK = 4, 15
CONFIG = SCALES["cpu"]


class Peer:
    """The same training, written in plain eager PyTorch."""

    def __init__(self, stream, state, decay: float) -> None:
        model = state["learner"]["model"]
        self.start = [torch.tensor(np.asarray(w)) for w in (model.weight, model.readout)]
        entries = stream.entries(state["stream"])
        x, y = (
            torch.tensor(np.asarray(leaf), dtype=torch.int64) for leaf in (entries.x, entries.y)
        )
        self.one_hot = functional.one_hot(x, CONFIG.p).reshape(len(x), -1).float()
        self.y, self.rows, self.decay = y, stream.rows, decay

    def train(self, steps: int) -> list[float]:
        """Losses of the first `steps` steps, from the start."""
        weights = [w.clone().requires_grad_() for w in self.start]
        optimizer = torch.optim.AdamW(
            weights, lr=CONFIG.learning_rate, betas=(0.9, 0.98), weight_decay=self.decay
        )
        x = self.one_hot[: self.rows]
        target = functional.one_hot(self.y[: self.rows], CONFIG.p).float()
        losses = []
        for _ in range(steps):
            loss = functional.mse_loss((x @ weights[0].T) ** 2 @ weights[1].T, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    @torch.no_grad()
    def prune(self, weights, order, parts) -> dict[str, np.ndarray]:
        """Accuracy on each part with none, one, two, ... of the units removed."""
        weight, readout = (w.clone() for w in weights)
        found = {name: [] for name in parts}
        for unit in [None, *order.tolist()]:
            if unit is not None:
                weight[unit] = 0
            right = ((self.one_hot @ weight.T) ** 2 @ readout.T).argmax(1) == self.y
            for name, mask in parts.items():
                found[name].append(right[mask].float().mean().item())
        return {name: np.array(values) for name, values in found.items()}


def comparisons() -> Iterator[Comparison]:
    """The run, then the curve of its network."""
    arm = arms(CONFIG)["decay"]
    body = arm.system.inner.inner
    key = jr.fold_in(jr.key(0), 0)
    state, stream = body.init(key=key), body["stream"]
    peer = Peer(stream, state, CONFIG.decay)
    yield compare(
        f"full batch, p = {CONFIG.p}, width {CONFIG.width}, AdamW",
        body,
        [peer.train],
        ticks=TICKS,
        per_tick=PER_TICK,
        aim=3.0,
        profile="A step is 1.4 billion float operations here (tokens pick columns of the first "
        "layer) and 3.2 billion in the peer, which multiplies one-hot pairs; blocks of "
        f"{CONFIG.block} examples keep the activations in the cache.",
    )
    done = simulate(serial(stream=stream, learner=body["learner"]), 100, key=jr.key(0), seeds=1)
    yield pruning(body, jax.tree.map(lambda leaf: leaf[0], done.state), peer)


def pruning(body, state, peer: Peer) -> Comparison:
    """All units of a trained network, one after another."""
    net = body["learner"].model(state["learner"])
    entries = body["stream"].entries(state["stream"])
    parts = {"train": entries.train, "test": ~entries.train, "corrupt": entries.corrupt}
    order = rank_units(jnp.linalg.norm(net.readout, axis=0))

    @jax.jit
    def curve(net, entries, order, parts):
        hidden = jax.vmap(net.hidden)(entries.x)
        return pruning_curve(hidden, net.readout, entries.y, order, parts)

    def ours():
        return jax.device_get(curve(net, entries, order, parts))

    weights = [torch.tensor(np.asarray(w)) for w in (net.weight, net.readout)]
    theirs_order = np.asarray(order)
    masks = {name: torch.tensor(np.asarray(mask)) for name, mask in parts.items()}

    def theirs():
        return peer.prune(weights, theirs_order, masks)

    mine, expected = ours(), theirs()
    # The last entry, with no units left, is a tie: wrong for us, class 0 for `argmax`.
    apart = max(
        float(np.abs(mine[f"accuracy_{name}"][:-1] - values[:-1]).max())
        for name, values in expected.items()
    )
    # Sums in another order turn the argmax of a few nearly tied pairs out of thousands.
    if not apart < 5e-3:
        raise RuntimeError(f"the pruning curves of both sides differ by {apart:.1e}")
    return Comparison(
        case=f"pruning curve, {CONFIG.width} units, {CONFIG.p**2} pairs",
        peer="PyTorch, one forward pass a unit",
        gate=f"the accuracies of all {CONFIG.width} points agree to {apart:.0e}",
        aim=50.0,
        alternation=alternate(ours, theirs, rounds=5),
        profile="The outputs are a sum over units, so the whole curve costs one forward pass and a "
        "ranking of the outputs at each point; the peer pays a pass a point.",
    )


if __name__ == "__main__":
    measure("grokking", comparisons)
