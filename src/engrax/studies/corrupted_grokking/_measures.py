"""What the study trains on, and what it measures."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from engrax.core import Batch, State, correct, rebuild
from engrax.nn import BatchNorm, TwoLayerNet, accumulate
from engrax.probes import inverse_participation_ratio, pruning_curve, rank_units
from engrax.tasks import GroupStream


class MeanSquaredError(eqx.Module):
    """The loss: squared distance from one-hot labels, averaged over examples *and* outputs.

    The second average matters: it sets the size of the gradients against Adam's epsilon, and with
    it the phases. A net with batch normalization takes the batch whole; any other takes it block
    by block.
    """

    block: int = eqx.field(static=True)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
        """The loss, the model with moved statistics, and nothing to record."""
        if isinstance(model, TwoLayerNet) and model.norm is not None:
            outputs, moved = model.batch(batch.x, key=key)
            return _squared_error(outputs, batch.y).mean(), (moved, {})
        count = batch.mask.sum(dtype=jnp.float32)
        weights = batch.mask.astype(jnp.float32) / count
        data = (batch.x, batch.y)
        loss, _ = accumulate(_errors, model, data, weights, block=self.block, key=key)
        return loss, (model, {})


def _errors(model: Any, data: tuple[Array, Array], key: Any) -> tuple[Array, tuple[()]]:
    x, y = data
    if isinstance(model, TwoLayerNet):
        outputs, _ = model.batch(x, key=key)
    else:
        outputs = jax.vmap(model)(x)
    return _squared_error(outputs, y), ()


def _squared_error(outputs: Float[Array, "n p"], y: Array) -> Float[Array, " n"]:
    return jnp.square(outputs - jax.nn.one_hot(y, outputs.shape[1])).mean(1)


def trainable(model: Any) -> PyTree:
    """All weights, but not the running statistics of batch normalization."""

    def flags(part: Any) -> Any:
        if isinstance(part, BatchNorm):
            part = jax.tree.map(lambda _: True, part)
            return eqx.tree_at(lambda norm: (norm.mean, norm.var), part, (False, False))
        return eqx.is_inexact_array(part)

    return jax.tree.map(flags, model, is_leaf=lambda part: isinstance(part, BatchNorm))


class Accuracies(eqx.Module):
    """A probe: accuracy on the training, test, corrupted and intact entries; mean squared errors.

    All are taken as in evaluation: no dropout, running statistics. `corrupt` is accuracy on the
    *given* labels of the corrupted entries, so that 1 is memorization and about 1/p ignorance.
    """

    def __call__(self, system: Any, state: State, t: Array) -> dict[str, Array]:
        """The record of one measurement."""
        del t
        entries = system["stream"].entries(state["stream"])
        outputs = system["learner"].predict(state["learner"], entries.x)
        right = correct(outputs, entries.y).astype(jnp.float32)
        error = _squared_error(outputs, entries.y)
        parts = {
            "train": entries.train,
            "test": ~entries.train,
            "corrupt": entries.corrupt,
            "intact": entries.train & ~entries.corrupt,
        }
        record = {f"{name}_accuracy": _mean(right, mask) for name, mask in parts.items()}
        return record | {f"{name}_mse": _mean(error, parts[name]) for name in ("train", "test")}


def _mean(values: Float[Array, " n"], mask: Bool[Array, " n"]) -> Float[Array, ""]:
    """Mean over a part; 0 where the part is empty (there is no corrupted label at xi = 0)."""
    count = mask.sum(dtype=jnp.float32)
    return jnp.sum(values, where=mask) / jnp.maximum(count, 1)


class Spectra(eqx.Module):
    """A measure of a two-layer net's final state: the spectrum of each unit, and the ceiling.

    `ipr` (unit): mean inverse participation ratio of the unit's two incoming and one outgoing
    rows. `gain` (unit): absolute scale of batch normalization, 1 without. `ceiling`: the training
    accuracy that is left if every corruption is ignored.
    """

    stream: GroupStream

    def __call__(self, state: State) -> dict[str, np.ndarray]:
        """The measures of one run."""
        model = state["learner"]["model"]
        gain = np.ones(len(model.weight)) if model.norm is None else np.abs(model.norm.weight)
        entries = self.stream.entries(state["stream"])
        wrong = np.asarray(entries.y != entries.y_true).sum() / np.asarray(entries.train).sum()
        return {
            "ipr": np.asarray(unit_ratios(model)),
            "gain": np.asarray(gain),
            "ceiling": np.asarray(1 - wrong),
        }


def unit_ratios(model: TwoLayerNet) -> Float[Array, " units"]:
    """Inverse participation ratio of each unit: the mean over both tokens' rows and its votes."""
    first, second = jnp.split(jnp.asarray(model.weight), 2, axis=1)
    votes = jnp.asarray(model.readout).T
    return inverse_participation_ratio(jnp.stack([first, second, votes])).mean(0)


class Pruning(eqx.Module):
    """A measure: `Spectra`, and what is left of the net as units are removed in five orders.

    `lowest` and `highest` IPR first, a mean over `random` orders, smallest `magnitude` (product of
    the norms of the three rows) first, and smallest rise of the training `loss` first. No order
    reads a test label. Also `detector`: the probability that a unit whose removal, alone, lowers
    accuracy on the corrupted labels has a lower IPR than one whose removal does not.
    """

    spectra: Spectra
    build: Any
    block: int = eqx.field(static=True)
    random_orders: int = eqx.field(static=True)

    def __call__(self, state: State) -> dict[str, np.ndarray]:
        """The measures of one run."""
        curves, detector = _pruned(self, state)
        named = {
            f"{order}_{name}": np.asarray(curve)
            for order, found in curves.items()
            for name, curve in found.items()
            if name != "removed"
        }
        return self.spectra(state) | named | {"detector": np.asarray(detector)}


@eqx.filter_jit
def _pruned(pruning: Pruning, state: State) -> tuple[dict[str, dict[str, Array]], Array]:
    """The curves of all orders, and the detector's area under the curve."""
    net = rebuild(pruning.build, jax.tree.map(jnp.asarray, state["learner"]["model"]))
    entries = pruning.spectra.stream.entries(state["stream"])
    hidden = jax.vmap(net.hidden)(entries.x)
    parts = {"train": entries.train, "test": ~entries.train, "corrupt": entries.corrupt}
    parts["intact"] = entries.train & ~entries.corrupt
    ratio = unit_ratios(net)

    def curve(order: Array) -> dict[str, Array]:
        readout = net.readout
        return pruning_curve(hidden, readout, entries.y, order, parts, block=pruning.block)

    ranked = {
        "lowest": rank_units(ratio),
        "highest": rank_units(ratio, highest_first=True),
        "magnitude": rank_units(_magnitude(net)),
        "loss": rank_units(_loss_rise(net, hidden, entries.y, entries.train)),
    }
    keys = jr.split(jr.key(0), pruning.random_orders)
    shuffled = jax.vmap(lambda key: jr.permutation(key, len(ratio)))(keys)
    # One loop over all orders: one small program instead of five.
    found = jax.lax.map(curve, jnp.concatenate([jnp.stack(list(ranked.values())), shuffled]))
    curves = {
        order: jax.tree.map(lambda values, i=i: values[i], found) for i, order in enumerate(ranked)
    }
    curves["random"] = jax.tree.map(lambda values: values[len(ranked) :].mean(0), found)
    hurts = _hurts(net, hidden, entries.y, entries.corrupt)
    return curves, _area(-ratio, hurts)


def _magnitude(net: TwoLayerNet) -> Float[Array, " units"]:
    first, second = jnp.split(net.weight, 2, axis=1)
    norms = [jnp.linalg.norm(rows, axis=1) for rows in (first, second, net.readout.T)]
    return norms[0] * norms[1] * norms[2]


def _loss_rise(
    net: TwoLayerNet, hidden: Float[Array, "n units"], y: Array, train: Bool[Array, " n"]
) -> Float[Array, " units"]:
    """How much the summed squared training error rises if one unit alone is removed."""
    weight = train.astype(hidden.dtype)[:, None]
    residual = (net.read(hidden) - jax.nn.one_hot(y, net.readout.shape[0])) * weight
    square = jnp.sum(jnp.square(hidden) * weight, 0) * jnp.sum(jnp.square(net.readout), 0)
    return square - 2 * jnp.sum(hidden * (residual @ net.readout), 0)


def _hurts(
    net: TwoLayerNet, hidden: Float[Array, "n units"], y: Array, corrupt: Bool[Array, " n"]
) -> Bool[Array, " units"]:
    """Whether accuracy on the corrupted labels falls if one unit alone is removed."""
    outputs = net.read(hidden)
    whole = jnp.sum(correct(outputs, y) & corrupt)

    def without(unit: tuple[Array, Array]) -> Array:
        h, votes = unit
        return jnp.sum(correct(outputs - h[:, None] * votes[None], y) & corrupt) < whole

    return jax.lax.map(without, (hidden.T, net.readout.T))


def _area(score: Float[Array, " n"], positive: Bool[Array, " n"]) -> Float[Array, ""]:
    """Area under the ROC curve: how often a positive outscores a negative; a tie counts half."""
    gap = score[:, None] - score[None, :]
    wins = (gap > 0).astype(score.dtype) + 0.5 * (gap == 0).astype(score.dtype)
    pairs = positive[:, None] & ~positive[None, :]
    return jnp.sum(wins, where=pairs) / pairs.sum(dtype=score.dtype)


def embedding_ratio(state: State) -> dict[str, np.ndarray]:
    """A measure of a transformer: inverse participation ratio over tokens, a feature at a time."""
    embedding = jnp.asarray(state["learner"]["model"].embedding)
    return {"embedding_ipr": np.asarray(inverse_participation_ratio(embedding.T))}
