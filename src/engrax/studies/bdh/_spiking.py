"""C8: the same model with spikes in place of activities, where it writes and reads its state."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float, Int, Key

from engrax.core import State
from engrax.lab import Arm, Claim, Part, at_most, equivalent
from engrax.memory import rotary
from engrax.nn import BDH

from . import _data
from ._config import Config
from ._kept import Kept, Take, kept
from ._scaling import SIZES, family


def spiking_logits(
    model: BDH, tokens: Int[Array, " time"], key: Key[Array, ""], spikes: int
) -> Float[Array, "time vocab"]:
    """Logits of a BDH whose state is written and read by Bernoulli spikes.

    Activities are divided by their largest in the layer, so that they are the chances of a spike,
    and the results are multiplied by it again. Each of `spikes` times a neuron fires or not, for
    all its synapses at once:

    - write: the mean, over the spikes, of (v spike) AND (x spike), for each pair of a value slot
      and a neuron. A value is signed, so it spikes by its size in one of two lines, one excites and
      one inhibits.
    - read: the mean, over spikes of their own, of what the state holds where x spikes.

    Both are unbiased. Plain BDH alone: no gates, no decay, the residual in the stream.
    """
    v = _normalized(model.embedding[tokens])
    positions = jnp.arange(len(tokens))
    past = jnp.tril(jnp.ones((len(tokens),) * 2), -1)

    def layer(v: Array, key: Array) -> tuple[Array, None]:
        write, read = jr.split(key)
        x = jax.nn.relu(jnp.einsum("td,hdn->htn", v, model.enc))
        largest, size = x.max() + _TINY, jnp.abs(v).max() + _TINY
        query = rotary(largest * _fired(read, x / largest, spikes).mean(0), positions)

        def one(key: Array) -> Array:
            first, second = jr.split(key)
            pre = rotary(largest * _fired(first, x / largest, 1)[0], positions)
            post = size * jnp.sign(v) * _fired(second, jnp.abs(v) / size, 1)[0]
            return ((query @ pre.mT) * past[None]) @ post

        a = jax.lax.map(one, jr.split(write, spikes)).mean(0)
        y = jax.nn.relu(jnp.einsum("htd,hdn->htn", _normalized(a), model.enc_v)) * x
        return _normalized(v + _normalized(jnp.einsum("htn,hnd->td", y, model.dec))), None

    v, _ = jax.lax.scan(layer, v, jr.split(key, model.layers))
    return v @ model.head


_TINY = 1e-9


def _fired(key: Key[Array, ""], chance: Float[Array, "*shape"], times: int) -> Array:
    return jr.bernoulli(key, chance[None], (times, *chance.shape)).astype(chance.dtype)


def _normalized(x: Float[Array, "*shape d"]) -> Float[Array, "*shape d"]:
    centered = x - x.mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt(jnp.square(centered).mean(-1, keepdims=True) + 1e-5)


class Spiking(eqx.Module):
    """Loss on held-out sentences at every resolution, and of the exact model."""

    kept: Kept
    text: _data.Padded
    resolutions: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        model = self.kept.model(state, "bdh")
        losses = [_loss(model, self.text, spikes) for spikes in self.resolutions]
        return {"loss": np.array(losses, float), "exact": np.asarray(_loss(model, self.text, 0))}


@eqx.filter_jit
def _loss(model: BDH, text: _data.Padded, spikes: int) -> Array:
    """Nats a byte; with no spikes, of the exact model."""

    def one(row: tuple[Array, Array]) -> Array:
        tokens, key = row
        logits = spiking_logits(model, tokens, key, spikes) if spikes else model(tokens)
        return optax.softmax_cross_entropy_with_integer_labels(logits[:-1], tokens[1:])

    losses = jax.lax.map(one, (text.tokens, jr.split(jr.key(0), len(text.tokens))))
    read = jnp.arange(1, text.tokens.shape[1])[None] < text.length[:, None]
    return jnp.where(read, losses, 0).sum() / read.sum()


def _arm(config: Config) -> Arm:
    held = kept(bdh=family(config, "bdh", SIZES.index("middle")))
    given = _data.sentences(config.pair, config.spiking_sentences, config.length)
    return Arm(
        held,
        1,
        dims={"loss": ("spikes",)},
        coords={"spikes": list(config.resolutions)},
        needs=("bdh_middle",),
        start=Take(("bdh",)),
        measure=Spiking(held, _data.padded(given, config.length), config.resolutions),
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
