"""C8: the same model with spikes in place of activities, where it writes and reads its state."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.special import logsumexp

from engrax.core import State
from engrax.lab import Arm, Claim, Part, at_most, equivalent
from engrax.memory import rotary_phases
from engrax.nn import BDH
from engrax.tasks import Sentence

from . import _data
from ._config import Config
from ._kept import Kept, Take, kept
from ._scaling import SIZES, family, probed


def spiking_logits(
    model: BDH, tokens: np.ndarray, rng: np.random.Generator, spikes: int
) -> Float[np.ndarray, "time vocab"]:
    """Logits of a BDH whose state is written and read by AND gates of Bernoulli spikes.

    Every product v_c x_i that is written, and every product of the state with x_i that is read, is
    the mean of `spikes` draws of (first spike) AND (second spike). What is multiplied is divided
    by its largest in the layer, so that it is the chance of a spike, and multiplied by it again
    afterwards. A signed number spikes by its size, in one of two lines: one excites, one inhibits.

    The draws of one product are independent with mean p q, so their number is binomial. With 0
    spikes the products are exact. Plain BDH alone: no gates, the residual in the stream.
    """
    enc, enc_v, dec, embedding, head = (
        np.asarray(a, np.float64)
        for a in (model.enc, model.enc_v, model.dec, model.embedding, model.head)
    )
    cos, sin = (np.asarray(a, float) for a in rotary_phases(model.frequencies, jnp.ones(1, int)))
    keep = model.decay or (1.0,) * len(enc)
    v = _normalized(embedding[tokens])
    for _ in range(model.layers):
        out = np.zeros_like(v)
        for into, gate, back, left in zip(enc, enc_v, dec, keep, strict=True):
            x = np.maximum(v @ into, 0)
            read = _read(x, v, (cos.T, sin.T), left, rng, spikes)
            out += (np.maximum(_normalized(read) @ gate, 0) * x) @ back
        v = _normalized(v + _normalized(out))
    return v @ head


def _read(
    x: Float[np.ndarray, "time N"],
    v: Float[np.ndarray, "time d"],
    turn: tuple[np.ndarray, np.ndarray],
    left: float,
    rng: np.random.Generator,
    spikes: int,
) -> Float[np.ndarray, "time d"]:
    """What each x reads from the state that the v and x before it have written, one head."""
    state = np.zeros((x.shape[1], v.shape[1]))
    largest_x, largest_v = x.max() + _TINY, np.abs(v).max() + _TINY
    a = np.zeros_like(v)
    for t in range(len(x)):
        largest = np.abs(state).max() + _TINY
        share = x[t][:, None] / largest_x
        a[t] = largest * largest_x * _product(state / largest, share, rng, spikes).sum(0)
        written = _product(v[t][None] / largest_v, share, rng, spikes)
        state = _turned(left * state + largest_x * largest_v * written, *turn)
    return a


def _product(
    signed: np.ndarray, chance: np.ndarray, rng: np.random.Generator, spikes: int
) -> np.ndarray:
    """The mean of `spikes` AND gates in place of each product."""
    exact = signed * chance
    if spikes == 0:
        return exact
    return np.sign(exact) * rng.binomial(spikes, np.minimum(np.abs(exact), 1)) / spikes


def _turned(state: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """The state one position later: the pairs of neurons (2j, 2j+1) turn back by one step."""
    even, odd = state[0::2], state[1::2]
    turned = np.empty_like(state)
    turned[0::2], turned[1::2] = even * cos + odd * sin, odd * cos - even * sin
    return turned


_TINY = 1e-12


def _normalized(x: Float[np.ndarray, "*shape d"]) -> Float[np.ndarray, "*shape d"]:
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt(np.square(centered).mean(-1, keepdims=True) + 1e-5)


class Spiking(eqx.Module):
    """Loss on held-out sentences at every resolution, and of the exact model."""

    kept: Kept
    given: tuple[Sentence, ...] = eqx.field(static=True)
    resolutions: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        model = self.kept.model(state, "bdh")
        losses = [_loss(model, self.given, spikes) for spikes in (0, *self.resolutions)]
        return {"loss": np.array(losses[1:]), "exact": np.array(losses[0])}


def _loss(model: BDH, given: tuple[Sentence, ...], spikes: int) -> float:
    """Nats a byte over all sentences, each from an empty state."""
    rng, losses = np.random.default_rng(0), []
    for sentence in given:
        tokens = np.frombuffer(sentence.text, np.uint8)
        logits = spiking_logits(model, tokens, rng, spikes)[:-1]
        log = logits - logsumexp(logits, axis=1, keepdims=True)
        losses.append(-np.take_along_axis(log, tokens[1:, None].astype(int), 1)[:, 0])
    return float(np.concatenate(losses).mean())


def _arm(config: Config) -> Arm:
    held = kept(bdh=family(config, "bdh", SIZES.index("middle")))
    given = _data.sentences(config, config.pair, config.spiking_sentences)
    return Arm(
        held,
        1,
        dims={"loss": ("spikes",)},
        coords={"spikes": list(config.resolutions)},
        needs=(probed(config, "bdh"),),
        start=Take(("bdh",)),
        measure=Spiking(held, tuple(given), config.resolutions),
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    return {"spiking": eqx.Partial(_arm, config)}


def fall(before: int, after: int) -> Callable[[Any], xr.DataArray]:
    """Loss at more spikes less that at fewer, by position among the resolutions."""

    def value(run: Any) -> xr.DataArray:
        loss = run["spiking"]["final"]["loss"]
        more, less = (loss.isel(spikes=min(i, loss.sizes["spikes"] - 1), drop=True)
                      for i in (after, before))  # fmt: skip
        return more - less

    return value


def off_exact(run: Any) -> xr.DataArray:
    """Loss at the most spikes over that of the exact model, less 1."""
    final = run["spiking"]["final"]
    return final["loss"].isel(spikes=-1, drop=True) / final["exact"] - 1


CLAIMS = (
    Claim(
        "C8",
        "Spikes realize the model: the more of them stand for an activity, the lower the loss, and "
        "64 are within 2 % of the exact model.",
        arms=("spiking",),
        parts={
            **{
                f"loss, {more} spikes - {less}": Part(
                    fall(i, i + 1), at_most(0.0), unit="nats/byte"
                )
                for i, (less, more) in enumerate(((1, 4), (4, 16), (16, 64)))
            },
            "64 spikes / exact - 1": Part(off_exact, equivalent(0.02), unit="%"),
        },
        paper="a construction; no figure",
    ),
)
