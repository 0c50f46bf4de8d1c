"""What is measured of trained learners."""

from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from engrax.core import Learner, accuracy, in_parts
from engrax.credit import BackpropChain, BlockLearner, LocalCrossEntropy, NoProp
from engrax.probes import linear_probe
from engrax.tasks import Scaling


@final
class DrawAccuracy(eqx.Module):
    """A probe: `test_accuracy`, the mean over starting noises of the accuracy on fixed images."""

    x: Shaped[Array, "images ..."]
    y: Int[Array, " images"]
    draws: int = eqx.field(static=True)

    def __call__(self, system: Any, state: Any, t: Array) -> dict[str, Array]:
        """The record of one tick."""
        x = system["stream"].view(state["stream"], self.x)
        outputs = system["learner"].outputs(state["learner"], x, draws=self.draws)
        return {"test_accuracy": accuracy(outputs, jnp.broadcast_to(self.y, outputs.shape[:2]))}


@final
class ChainJudged(eqx.Module):
    """Measures a trained chain, once, on the test images.

    Gives `block_accuracy` (block,), of each block's own guess along the chain; `vote_accuracy`, of
    the mean of their probabilities; `probe_accuracy` (block,), of a linear probe on each block's
    last hidden activity, trained on the training images; `closest`, the smallest distance between
    two classes' embeddings; and, for NoProp, `linear`, `posterior` and `nearest` accuracy of the
    read-outs.
    """

    learner: Learner
    train: tuple[Shaped[Array, "train ..."], Int[Array, " train"]]
    test: tuple[Shaped[Array, "test ..."], Int[Array, " test"]]
    scaling: Scaling
    l2: Float[Array, ""]
    classes: int = eqx.field(static=True)
    draws: int = eqx.field(static=True)

    def __call__(self, state: Any) -> dict[str, np.ndarray]:
        """From the final state of one run."""
        return jax.device_get(_chain_judged(self, state["learner"]))


@eqx.filter_jit
def _chain_judged(judged: ChainJudged, state: Any) -> dict[str, Array]:
    learner: Any = judged.learner
    assert isinstance(learner, NoProp | BackpropChain)
    (raw_train, y), (raw, y_test) = judged.train, judged.test
    trace, split = learner.trace(state, judged.scaling(jnp.concatenate([raw_train, raw]))), len(y)
    logits = trace.logits[:, split:]
    truth = jnp.broadcast_to(y_test, logits.shape[:2])

    def probe(hidden: Array) -> Array:
        fitted = linear_probe(hidden[:split], y, l2=judged.l2, classes=judged.classes)
        return accuracy(fitted(hidden[split:]), y_test)

    found = {
        "block_accuracy": jax.vmap(accuracy)(logits, truth),
        "vote_accuracy": accuracy(jax.nn.softmax(logits).mean(0), y_test),
        # One after the other: each has a factorization of its own.
        "probe_accuracy": jax.lax.map(probe, trace.hidden),
        "closest": closest_pair(learner.model(state)["embedding"].weight),
    }
    if isinstance(learner, NoProp):
        scores = learner.both_readouts(state, judged.scaling(raw), draws=judged.draws)
        for name, outputs in scores.items():
            found[name] = accuracy(outputs, jnp.broadcast_to(y_test, outputs.shape[:2]))
    return found


@final
class VotesJudged(eqx.Module):
    """Measures independent classifiers, once: `block_accuracy` (block,), each by itself."""

    learner: Learner
    test: tuple[Shaped[Array, "test ..."], Int[Array, " test"]]
    scaling: Scaling

    def __call__(self, state: Any) -> dict[str, np.ndarray]:
        """From the final state of one run."""
        return jax.device_get(_votes_judged(self, state["learner"]))


@eqx.filter_jit
def _votes_judged(judged: VotesJudged, state: Any) -> dict[str, Array]:
    learner: Any = judged.learner
    assert isinstance(learner, LocalCrossEntropy)
    raw, y = judged.test

    def votes(raw: Array) -> Array:
        return jnp.moveaxis(learner.votes(state, judged.scaling(raw)), 0, 1)

    found = jnp.moveaxis(in_parts(votes, raw, 1000), 1, 0)
    return {"block_accuracy": jax.vmap(accuracy)(found, jnp.broadcast_to(y, found.shape[:2]))}


@final
class SpreadJudged(eqx.Module):
    """Measures an embedding, once: the distance of the `closest` pair of classes, and the mean
    distance of all pairs, `spread`.
    """

    learner: BlockLearner

    def __call__(self, state: Any) -> dict[str, np.ndarray]:
        """From the final state of one run."""
        learner: Any = self.learner
        weight = learner.model(state["learner"])["embedding"].weight
        return {"closest": np.asarray(closest_pair(weight)), "spread": np.asarray(spread(weight))}


def distances(weight: Float[Array, "classes dim"]) -> Float[Array, "classes classes"]:
    """Between the embeddings of any two classes."""
    return jnp.sqrt(jnp.square(weight[:, None] - weight[None]).sum(-1))


def closest_pair(weight: Float[Array, "classes dim"]) -> Float[Array, ""]:
    """The smallest distance between two classes."""
    return jnp.where(jnp.eye(len(weight), dtype=bool), jnp.inf, distances(weight)).min()


def spread(weight: Float[Array, "classes dim"]) -> Float[Array, ""]:
    """The mean distance between two classes."""
    return distances(weight).sum() / (len(weight) * (len(weight) - 1))
