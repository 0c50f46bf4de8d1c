"""C7: training without backpropagation through time."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr
from jaxtyping import UInt8

from engrax.core import State
from engrax.lab import Arm, Claim, Part, Reference, at_least, at_most

from . import _data
from ._config import Config
from ._kept import Kept, Take, kept
from ._losses import byte_losses, content_loss
from ._scaling import SIZES, bdh, test_loss
from ._training import text_arm, tuned

MODELS = ("full", "detached")


def bigram_loss(train: UInt8[np.ndarray, " bytes"], test: _data.Windows) -> float:
    """Nats a byte of the add-1 model that knows how often each byte followed each other."""
    counts = np.ones((256, 256))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    log = np.log(counts / counts.sum(1, keepdims=True))
    x, y = (np.asarray(part) for part in test)
    return float(-log[x, y].mean())


class Translation(eqx.Module):
    """What a translation costs after its own source, and after another sentence's."""

    kept: Kept
    own: _data.Padded
    other: _data.Padded

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        models = [self.kept.model(state, name) for name in MODELS]
        losses = [
            [content_loss(byte_losses(model, text), text) for text in (self.own, self.other)]
            for model in models
        ]
        return {"content_loss": np.array(losses, float)}


def _detached(config: Config) -> Arm:
    build = _detached_model(config)
    return tuned(config, text_arm(config, build, _data.corpus(config, config.pair)))


def _detached_model(config: Config) -> eqx.Partial:
    return bdh(config, config.sizes[SIZES.index("middle")], detach_kv=True)


def _translation(config: Config) -> Arm:
    middle = config.sizes[SIZES.index("middle")]
    held = kept(full=bdh(config, middle), detached=_detached_model(config))
    given = _data.sentences(config, config.pair, config.sentences, config.pair)
    mixed = [
        _data.other_source(sentence, given[(i + 1) % len(given)])
        for i, sentence in enumerate(given)
    ]
    longest = max(len(sentence.text) for sentence in (*given, *mixed))
    return Arm(
        held,
        1,
        dims={"content_loss": ("model", "source")},
        coords={"model": list(MODELS), "source": ["own", "other"]},
        needs=("bdh_middle", "detached"),
        start=Take(MODELS),
        measure=Translation(held, *(_data.padded(s, longest) for s in (given, mixed))),
    )


def _bigram(config: Config) -> xr.Dataset:
    text = _data.corpus(config, config.pair)
    found = {"test_loss": bigram_loss(text.train, _data.windows(config, text.test, config.length))}
    entropy = _data.entropy(config)
    return xr.Dataset(found if entropy is None else found | {"entropy": entropy})


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Name -> a call that builds the arm."""
    return {
        "detached": eqx.Partial(_detached, config),
        "translation": eqx.Partial(_translation, config),
        "bigram": eqx.Partial(Reference, eqx.Partial(_bigram, config)),
    }


def below_bigram(run: Any) -> xr.DataArray:
    """Test loss without backpropagation through time less that of the bigram model."""
    return test_loss(run, "detached") - run["bigram"]["test_loss"]


def above_full(run: Any) -> xr.DataArray:
    """The same less that of full training, seed by seed."""
    with xr.set_options(arithmetic_join="exact"):
        return test_loss(run, "detached") - test_loss(run, "bdh_middle")


CLAIMS = (
    Claim(
        "C7",
        "Without backpropagation through time BDH still learns more than which byte follows which, "
        "and less than with it.",
        arms=("bdh_middle", "detached", "bigram", "translation"),
        parts={
            "without - bigram": Part(below_bigram, at_most(0.0), unit="nats/byte"),
            "without - with": Part(above_full, at_least(0.0), unit="nats/byte"),
        },
        paper="English .75 to 1.05 against .65 nats a byte; bigram level 2.4; translation is lost",
    ),
)
