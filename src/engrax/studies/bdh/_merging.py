"""C6: two models become one by laying their neurons side by side."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from engrax.core import State
from engrax.lab import Arm, Claim, Part, at_most
from engrax.nn import BDH

from . import _data
from ._config import Config
from ._kept import Kept, Take, kept
from ._losses import byte_losses
from ._scaling import SIZES, family, probed
from ._training import clone, mean_nats, text_arm

BRANCHES = ("first_branch", "second_branch")
MODELS = ("base", *BRANCHES, "merged", "averaged", "ensemble")


class Merged(eqx.Module):
    """Losses of the base, its two clones and their mergers on every pair and direction."""

    kept: Kept
    windows: tuple[_data.Windows, ...]
    directions: tuple[_data.Padded, ...]
    """Sentences from the shared language, then into it, pair by pair."""

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        base, first, second = (self.kept.model(state, n) for n in ("base", *BRANCHES))
        models = (
            base,
            first,
            second,
            BDH.concatenate(first, second),
            jax.tree.map(_mean, first, second),
            Ensemble(first, second),
        )
        by_pair = [[mean_nats(m, w.x, w.y) for w in self.windows] for m in models]
        # What has no state of its own, the ensemble, is not read byte by byte.
        by_way = [[_target_loss(m, text) for text in self.directions] for m in models[:-1]]
        return {"pair_loss": np.array(by_pair, float), "way_loss": np.array(by_way, float)}


class Ensemble(eqx.Module):
    """Two models whose logits are averaged."""

    first: BDH
    second: BDH

    def __call__(self, tokens: Array) -> Float[Array, "time vocab"]:
        """Logits at each position."""
        return (self.first(tokens) + self.second(tokens)) / 2


def _mean(a: Any, b: Any) -> Any:
    """Weights are averaged; what is no weight, such as a frequency, both models share."""
    return (a + b) / 2 if eqx.is_inexact_array(a) else a


def _target_loss(model: Any, text: _data.Padded) -> Array:
    """Mean loss on all bytes of the translations."""
    at = jnp.arange(text.tokens.shape[1])[None]
    target = (at > text.turn[:, None] + len("<T:xx>") - 1) & (at < text.length[:, None])
    return byte_losses(model, text).mean(where=target)


def _branch(config: Config, which: int) -> Arm:
    """A clone of the middle model that goes on with another pair."""
    text = _data.corpus(config, config.branches[which])
    build = family(config, "bdh", SIZES.index("middle"))
    steps, base = config.branch_steps, (probed(config, "bdh"),)
    return text_arm(config, build, text, steps=steps, needs=base, start=clone)


def _merged(config: Config) -> Arm:
    build = family(config, "bdh", SIZES.index("middle"))
    names = ("base", *BRANCHES)
    held = kept(**dict.fromkeys(names, build))
    pairs = (config.pair, *config.branches)
    ways = [(pair, way) for pair in pairs for way in (pair, (pair[1], pair[0]))]
    given = [_data.sentences(config, pair, config.sentences // 2, way) for pair, way in ways]
    texts = tuple(_data.padded(s, config.length) for s in given)
    tests = [_data.corpus(config, pair).test for pair in pairs]
    windows = tuple(_data.windows(config, test, config.length) for test in tests)
    return Arm(
        held,
        1,
        dims={"pair_loss": ("model", "pair"), "way_loss": ("state_model", "way")},
        coords={
            "model": list(MODELS),
            "state_model": list(MODELS[:-1]),
            "pair": ["-".join(pair) for pair in pairs],
            "way": [f"{source} to {target}" for _, (source, target) in ways],
        },
        needs=(probed(config, "bdh"), *BRANCHES),
        start=Take(names),
        measure=Merged(held, windows, texts),
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    branches = {name: eqx.Partial(_branch, config, i) for i, name in enumerate(BRANCHES)}
    return branches | {"merged": eqx.Partial(_merged, config)}


def merging_gap(*others: str) -> Callable[[Any], xr.DataArray]:
    """Loss of the merged model less the mean of others, over the pairs of the two clones."""

    def value(run: Any) -> xr.DataArray:
        loss = run["merged"]["final"]["pair_loss"].isel(pair=slice(1, None)).mean("pair")
        return loss.sel(model="merged", drop=True) - loss.sel(model=list(others)).mean("model")

    return value


CLAIMS = (
    Claim(
        "C6",
        "Two clones that learned another pair of languages each are merged by concatenation, "
        "without training: on both pairs the merged model is better than the mean of the two, and "
        "better than the average of their weights.",
        arms=("merged",),
        parts={
            "merged - mean of the two": Part(
                merging_gap(*BRANCHES), at_most(0.0), unit="nats/byte"
            ),
            "merged - averaged weights": Part(
                merging_gap("averaged"), at_most(0.0), unit="nats/byte"
            ),
        },
        paper="nats a byte into English from Es Fr Pt: tuned on Fr .58 .36 .68, on Pt .44 .76 .34, "
        "merged .43 .40 .39; from English: 2.57 .31 2.54, 1.79 2.20 .33, 1.45 .77 .86",
    ),
)
