"""C2: what the model knows of the text it has just read stands in its Hebbian state."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr

from engrax.core import State
from engrax.lab import Arm, Claim, Part, at_least
from engrax.tasks import Sentence

from . import _data
from ._config import Config
from ._kept import Kept, Take, kept
from ._losses import Intervention, byte_losses, content_loss, translations
from ._scaling import SIZES, family, probed

MODELS = ("bdh", "gpt")
INTERVENTIONS: tuple[Intervention, ...] = ("intact", "cleared", "no writes")


class Memory(eqx.Module):
    """What each model loses under each intervention, and whose sentence it translates."""

    kept: Kept
    text: _data.Padded
    given: tuple[Sentence, ...] = eqx.field(static=True)
    length: int = eqx.field(static=True)
    """Bytes that are decoded."""

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        models = [self.kept.model(state, name) for name in MODELS]
        losses = [
            [content_loss(byte_losses(model, self.text, i), self.text) for i in INTERVENTIONS]
            for model in models
        ]
        followed = [self._followed(model) for model in models]
        return {
            "content_loss": np.array(losses, float),
            "own": np.array([f[0] for f in followed]),
            "donor": np.array([f[1] for f in followed]),
            "chance": np.array([f[2] for f in followed]),
        }

    def _followed(self, model: Any) -> tuple[float, float, float]:
        """Shares of fillings that are said: a sentence's own, the donor's after a swap, and those
        of a sentence that was not read.
        """
        target = self.given[0].languages[1]
        prompt = jnp.asarray(np.frombuffer(f"<T:{target}>".encode(), np.uint8), jnp.int32)
        own, swapped = (
            np.asarray(translations(model, self.text, prompt, self.length, swap), np.uint8)
            for swap in jnp.arange(2)
        )
        count = len(self.given)
        donors = [self.given[(i + 1) % count] for i in range(count)]
        others = [self.given[(i + 2) % count] for i in range(count)]
        return (
            _share_said(own, self.given),
            _share_said(swapped, donors),
            _share_said(swapped, others),
        )


def _share_said(decoded: np.ndarray, sentences: Any) -> float:
    """The share of the fillings of each sentence's translation that occur in what was written."""
    said = [
        sentence.text[slot.target] in bytes(row)
        for row, sentence in zip(decoded, sentences, strict=True)
        for slot in sentence.slots
    ]
    return float(np.mean(said))


def _arm(config: Config) -> Arm:
    middle = SIZES.index("middle")
    held = kept(**{name: family(config, name, middle) for name in MODELS})
    given = _data.sentences(config, config.pair, config.sentences, config.pair)
    measure = Memory(held, _data.padded(given, config.length), tuple(given), config.decoded)
    return Arm(
        held,
        1,
        dims={
            "content_loss": ("model", "intervention"),
            "own": ("model",),
            "donor": ("model",),
            "chance": ("model",),
        },
        coords={"model": list(MODELS), "intervention": list(INTERVENTIONS)},
        needs=tuple(probed(config, name) for name in MODELS),
        start=Take(MODELS),
        measure=measure,
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    return {"memory": eqx.Partial(_arm, config)}


def cost_of(intervention: str) -> Callable[[Any], xr.DataArray]:
    """Loss on content under an intervention less that of the intact state, for BDH."""

    def value(run: Any) -> xr.DataArray:
        loss = run["memory"]["final"]["content_loss"].sel(model="bdh", drop=True)
        gap = loss.sel(intervention=intervention) - loss.sel(intervention="intact", drop=True)
        return gap.drop_vars("intervention")

    return value


def followed(run: Any) -> xr.DataArray:
    """Share of the donor's fillings that are said, less that of a sentence never read."""
    final = run["memory"]["final"].sel(model="bdh", drop=True)
    return final["donor"] - final["chance"]


CLAIMS = (
    Claim(
        "C2",
        "The working memory of BDH is its Hebbian state: emptied, the model no longer knows what "
        "it has to translate; swapped, it translates the other sentence.",
        arms=("memory",),
        parts={
            "emptied - intact": Part(cost_of("cleared"), at_least(0.0), unit="nats/byte"),
            "no writes - intact": Part(cost_of("no writes"), at_least(0.0), unit="nats/byte"),
            "swapped: donor's words - chance": Part(followed, at_least(0.0), unit="%"),
        },
        paper="a statement about the architecture; no figure",
    ),
)
