"""What the weights of both readouts look like: angles, mixing, lesions, components."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from engrax.probes import principal_angles, uncentered_pca
from engrax.tasks import event_bump

from ._config import Config
from ._trial import features, scored, time


class Angles:
    """From a final state to |cos(v_k, w_k)| and cosines of the principal angles, by condition."""

    def __call__(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Between the "what" and the "when" weights of each condition."""
        what, when = np.asarray(state["what"], float), np.asarray(state["when"], float)
        size = _norm(what) * _norm(when)
        # A channel whose event has not occurred has weights of zero, which point nowhere.
        cosine = np.abs((what * when).sum(-1)) / np.where(size > 0, size, 1.0)
        angles = [
            np.asarray(principal_angles(jnp.asarray(v), jnp.asarray(w)))
            for v, w in zip(state["what"], state["when"], strict=True)
        ]
        return {
            "cosine": cosine,
            "largest_angle": np.array([np.cos(a[-1]) for a in angles]),
            "what_dimensions": np.array([_rank(v) for v in what]),
        }


class Inspection:
    """All that is asked of the weights of one condition: angles, traces, mixing and lesions."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Reads the first condition."""
        config, rates = self.config, np.asarray(state["rates"], float)
        what, when = np.asarray(state["what"][0], float), np.asarray(state["when"][0], float)
        seen = np.asarray(features(config, jnp.asarray(state["rates"])), float)
        null = mixed_null(what, when, config.permutations)
        return {
            **Angles()(state),
            "z": rates[scored(config)] @ when.T,
            "y": what @ seen,
            "what_weight": what,
            "when_weight": when,
            "mixed": mixed_share(what, when),
            "mixed_null_low": np.quantile(null, 0.025),
            "mixed_null_high": np.quantile(null, 0.975),
            **self._lesions(what, when, rates[scored(config)], seen),
        }

    def _lesions(
        self, what: np.ndarray, when: np.ndarray, rates: np.ndarray, seen: np.ndarray
    ) -> dict[str, Any]:
        """What readouts lose without some neurons: share of y, and the rise of Ez.

        The neurons are taken from the readouts, not from the network: without them the trajectory
        would be another one, whichever they are.
        """
        count = round(self.config.lesion * self.config.neurons)
        order = np.argsort(-np.abs(what).sum(0), kind="stable")
        rng = np.random.default_rng(0)
        random = [rng.permutation(len(order))[:count] for _ in range(self.config.lesions)]
        bump = np.asarray(
            event_bump(
                time(self.config)[scored(self.config)],
                jnp.array(self.config.latency, jnp.float32),
                self.config.bump,
            )
        )
        y, off = what @ seen, rates @ when.T - bump

        def loss(gone: np.ndarray) -> tuple[float, float]:
            dy, dz = what[:, gone] @ seen[gone], rates[:, gone] @ when[:, gone].T
            return _rms(dy) / _rms(y), (_rms(off - dz) - _rms(off)) / _rms(bump)

        top = loss(order[:count])
        others = np.array([loss(gone) for gone in random])
        return {
            "what_loss": np.float64(top[0]),
            "when_loss": np.float64(top[1]),
            "random_what_loss": others[:, 0],
            "random_when_loss": others[:, 1],
        }


def strong(weight: np.ndarray) -> np.ndarray:
    """Which weights (channel, neuron) are above their channel's median, in size."""
    return np.abs(weight) > np.median(np.abs(weight), axis=-1, keepdims=True)


def mixed_share(what: np.ndarray, when: np.ndarray) -> float:
    """Share of the neurons whose weights are above the median in both readouts, over channels."""
    return float((strong(what) & strong(when)).mean())


def mixed_null(what: np.ndarray, when: np.ndarray, permutations: int) -> np.ndarray:
    """The same share where the neurons of one readout are permuted, each channel on its own."""
    rng = np.random.default_rng(0)
    first, second = strong(what), strong(when)
    return np.array([(rng.permuted(first, axis=1) & second).mean() for _ in range(permutations)])


def block_normalized(what: np.ndarray, when: np.ndarray) -> np.ndarray:
    """[v/rms(v); w/rms(w)], one row a condition, so that neither readout dominates."""
    rows = len(what)
    return np.concatenate([x.reshape(rows, -1) / _rms(x) for x in (what, when)], axis=1)


class Components:
    """Principal components of the weights over conditions, from a final state."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Scores (condition, component), captured shares, and the scale of both weights."""
        what, when = np.asarray(state["what"], float), np.asarray(state["when"], float)
        rows = block_normalized(what, when)
        found = uncentered_pca(jnp.asarray(rows - rows.mean(0), jnp.float32), self.count)
        return {
            "scores": np.asarray(found.scores),
            "captured": np.asarray(found.captured),
            "what_rms": np.float64(_rms(what)),
            "when_rms": np.float64(_rms(when)),
        }


def _rank(rows: np.ndarray) -> int:
    s = np.linalg.svd(rows, compute_uv=False)
    return int((s > 1e-5 * s[0]).sum())


def _norm(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x, axis=-1)


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))
