"""C3: one synapse stands for one notion, in both languages."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from engrax.core import State
from engrax.lab import Arm, Claim, Part, at_least
from engrax.memory import rotary
from engrax.probes import find_synapse, rank_biserial, synaptic_state
from engrax.tasks import MiniParliament, Sentence

from ._config import Config
from ._kept import Kept, Take, kept
from ._scaling import SIZES, family, probed

MODELS = ("bdh", "gpt")
READOUTS = ("synapse", "untrained", "shuffled labels", "best neuron", "GPT")
KINDS = ("currency", "noun")
_CHOOSE, _TEST = 10, 20
"""Seeds of the sentences; the language is added."""


class Sources(eqx.Module):
    """Sources of sentences, half of them with a currency: (language, kind, example, time)."""

    tokens: Array
    length: Array


def sources(config: Config, seed: int, currencies: tuple[str, ...]) -> Sources:
    """Sentences in both languages that differ in pairs: a currency, and a noun in its place."""
    pair, count = config.pair, config.contrasts
    text = MiniParliament(pair, seed=seed, size=1, words=config.words)
    ways = (pair, (pair[1], pair[0]))
    drawn = [
        text.contrast(count, seed=seed + i, languages=way, currencies=currencies)
        for i, way in enumerate(ways)
    ]
    rows = [[[_source(s) for s in kind] for kind in language] for language in drawn]
    lengths = np.array([[[len(s) for s in kind] for kind in language] for language in rows])
    tokens = np.zeros((*lengths.shape, _LONGEST), np.int32)
    for at in np.ndindex(lengths.shape):
        read = rows[at[0]][at[1]][at[2]][:_LONGEST]
        tokens[at][: len(read)] = read
    return Sources(jnp.asarray(tokens), jnp.asarray(np.minimum(lengths, _LONGEST)))


_LONGEST = 112
"""Bytes of a source that are read; nearly all are shorter."""


def _source(sentence: Sentence) -> np.ndarray:
    return np.frombuffer(sentence.text[: sentence.source.stop], np.uint8)


def halves(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every other currency to choose on; the rest to test on."""
    codes = MiniParliament(config.pair, seed=0, size=1, words=config.words).currencies
    return codes[::2], codes[1::2]


@eqx.filter_jit
def synapses(model: Any, text: Sources, layer: Array, head: Array) -> Float[Array, "*examples m n"]:
    """The state sigma of a layer and a head after each source."""

    def since(x: Array, place: Array) -> Array:
        """What is left of x in the state that the next byte, at place 0, reads."""
        turned = rotary(x, place)
        if model.decay is None:
            return turned
        kept = jnp.asarray(model.decay, x.dtype)[head]
        return turned * kept ** (-1 - place).astype(x.dtype)[:, None]

    def one(row: tuple[Array, Array]) -> Array:
        tokens, length = row
        seen = model.activations(tokens)
        pre, post = seen["x"][layer, :, head], seen["y"][layer - 1, :, head]
        return synaptic_state(pre, post, rotate=since, length=length)

    return _each(one, text)


@eqx.filter_jit
def neurons(model: Any, text: Sources) -> Float[Array, "*examples features"]:
    """The mean activity of every neuron over a source: x and y of all layers and heads."""

    def one(row: tuple[Array, Array]) -> Array:
        tokens, length = row
        seen = model.activations(tokens)
        read = (jnp.arange(len(tokens)) < length)[None, :, None, None]
        means = [seen[name].mean(1, where=read) for name in ("x", "y")]
        return jnp.concatenate([mean.ravel() for mean in means])

    return _each(one, text)


@eqx.filter_jit
def key_value_products(model: Any, text: Sources) -> Float[Array, "*examples features"]:
    """K^T V of every layer and head of a GPT after each source, and its negative: entries that fall
    are as good as entries that rise.
    """

    def one(row: tuple[Array, Array]) -> Array:
        seen = model.activations(row[0])
        read = (jnp.arange(len(row[0])) < row[1])[None, :, None, None]
        keys = jnp.where(read, seen["keys"], 0)
        product = jnp.einsum("lthk,lthv->lhkv", keys, seen["values"]).ravel()
        return jnp.concatenate([product, -product])

    return _each(one, text)


def _each(one: Callable[[tuple[Array, Array]], Array], text: Sources) -> Array:
    shape, time = text.length.shape, text.tokens.shape[-1]
    flat = jax.lax.map(one, (text.tokens.reshape(-1, time), text.length.ravel()), batch_size=8)
    return flat.reshape(*shape, *flat.shape[1:])


class Readout(eqx.Module):
    """Chooses one entry on some sentences, and measures it on others."""

    kept: Kept
    choose: Sources
    test: Sources

    def __call__(self, state: State) -> Mapping[str, Any]:
        """Of one run."""
        bdh = self.kept.model(state, "bdh")
        before = self.kept.model(state, "bdh", "untrained")
        strength, place = self._synapse(bdh)
        values = {
            "synapse": strength,
            "untrained": self._synapse(before)[0],
            "shuffled labels": self._synapse(bdh, shuffle=True)[0],
            "best neuron": self._entry(neurons, bdh),
            "GPT": self._entry(key_value_products, self.kept.model(state, "gpt")),
        }
        ranks = [[rank_biserial(*language) for language in values[name]] for name in READOUTS]
        return {
            "rank_biserial": np.array(ranks),
            "strength": strength,
            "place": np.array(place),
        }

    def _synapse(
        self, model: Any, *, shuffle: bool = False
    ) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """The best synapse's strengths on the test sentences, (language, kind, example), and where
        it is: layer, head, i, j. Layer 0 has none, since it writes the byte itself.
        """
        best = None
        for layer in range(1, model.layers):
            for head in range(model.enc.shape[0]):
                at = jnp.asarray(layer), jnp.asarray(head)
                sigma = np.asarray(synapses(model, self.choose, *at))
                found = find_synapse(*_kinds(sigma, shuffle=shuffle))
                if best is None or found.separation > best[0].separation:
                    best = found, at
        assert best is not None
        found, (layer, head) = best
        strength = np.asarray(synapses(model, self.test, layer, head))[..., *found.place]
        if shuffle:
            strength = np.stack(_kinds(strength, shuffle=True), 1)
        return strength, (int(layer), int(head), found.place[0], found.place[1])

    def _entry(self, features: Callable[[Any, Sources], Array], model: Any) -> np.ndarray:
        """The same of any other features."""
        found = find_synapse(*_kinds(np.asarray(features(model, self.choose))))
        return np.asarray(features(model, self.test))[..., found.place[0]]


def _kinds(values: np.ndarray, *, shuffle: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(language, example, ...) with a currency, and without; or two halves at random."""
    if not shuffle:
        return values[:, 0], values[:, 1]
    both = np.concatenate([values[:, 0], values[:, 1]], 1)
    both = both[:, np.random.default_rng(0).permutation(both.shape[1])]
    half = both.shape[1] // 2
    return both[:, :half], both[:, half:]


def _arm(config: Config) -> Arm:
    middle = SIZES.index("middle")
    held = kept(**{name: family(config, name, middle) for name in MODELS})
    known, fresh = halves(config)
    choose, test = (
        sources(config, seed, codes) for seed, codes in ((_CHOOSE, known), (_TEST, fresh))
    )
    return Arm(
        held,
        1,
        dims={
            "rank_biserial": ("readout", "language"),
            "strength": ("language", "kind", "example"),
            "place": ("axis",),
        },
        coords={
            "readout": list(READOUTS),
            "language": list(config.pair),
            "kind": list(KINDS),
            "axis": ["layer", "head", "i", "j"],
        },
        needs=tuple(probed(config, name) for name in MODELS),
        start=Take(MODELS),
        measure=Readout(held, choose, test),
    )


def arms(config: Config) -> dict[str, Callable[[], Arm]]:
    """Name -> a call that builds the arm."""
    return {"synapses": eqx.Partial(_arm, config)}


def rank(readout: str, language: int) -> Callable[[Any], xr.DataArray]:
    """Rank-biserial correlation on fresh sentences of one language, one value a seed."""

    def value(run: Any) -> xr.DataArray:
        found = run["synapses"]["final"]["rank_biserial"].sel(readout=readout, drop=True)
        return found.isel(language=language, drop=True)

    return value


def lead(readout: str, language: int) -> Callable[[Any], xr.DataArray]:
    """That of the synapse less that of a control."""
    return lambda run: rank("synapse", language)(run) - rank(readout, language)(run)


LANGUAGES = ("English", "Spanish")

CLAIMS = (
    Claim(
        "C3",
        "One synapse tells sentences that speak of a currency from sentences that do not, in both "
        "languages and for currencies that it was not chosen on; no control does as well.",
        arms=("synapses",),
        parts={
            **{
                f"rank correlation, {name}": Part(rank("synapse", i), at_least(0.5), paper=0.86)
                for i, name in enumerate(LANGUAGES)
            },
            **{
                f"synapse - {readout}, {name}": Part(lead(readout, i), at_least(0.0))
                for readout in READOUTS[1:]
                for i, name in enumerate(LANGUAGES)
            },
        },
        paper="50 against 50 sentences: U = 2368 of 2500, p < 1e-14, rank-biserial .86 as printed "
        "(2 U / 2500 - 1 is .894)",
    ),
)
