"""What happens inside a BDH while it reads a text."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from engrax.nn import BDH
from engrax.tasks import Text

from ._architecture import Architecture
from ._errors import TextError
from ._graph import NeuronGraph, strongest
from ._language_model import LanguageModel
from ._memory import check_memory
from ._synapses import Synapse, find_synapses, frequent_words, occurrences

LONGEST = 20_000
"""Bytes that a page can show and still be read."""


@dataclasses.dataclass(frozen=True)
class Inside:
    """A text as a model read it, and what was seen in the model meanwhile."""

    data: UInt8[np.ndarray, " time"]
    name: str
    """Of the text."""
    architecture: Architecture
    firing_x: Float[np.ndarray, " layers"]
    """Share of neurons that fire at a byte, on the way into each layer's memory."""
    firing_y: Float[np.ndarray, " layers"]
    """The same on the way out, after what was remembered has had its say."""
    bits: float
    """Bits per byte on this text."""
    synapses: tuple[Synapse, ...]
    graph: NeuronGraph
    favorites: tuple[str, ...]
    """For each neuron of the graph, the characters at which it fires most."""


def look_inside(
    model: LanguageModel,
    text: Text,
    *,
    begin: int = 0,
    length: int = 6000,
    about: str = "",
    synapses: int = 6,
) -> Inside:
    """Lets a model read a part of a text, and watches.

    **Arguments:** `begin`, `length` of the part, in bytes; `about`: a word, to show the synapses
    that remember it best (one for each of several words if empty); `synapses`: how many to show.

    **Raises:** `TextError` when the model is no BDH of two layers or more, the text is too short,
    too long for memory, or does not say the word.
    """
    architecture, bdh = model.architecture, model.model
    if not isinstance(bdh, BDH):
        raise TextError("only a BDH can be looked into: a GPT keeps no synapses")
    if architecture.layers < 2:
        raise TextError("a BDH of one layer writes no synapse between neurons; train one with two")
    data = _part(text, begin, length)
    check_memory(
        12 * architecture.layers * len(data) * architecture.neurons,
        f"looking at {len(data)} bytes",
        "choose a smaller --bytes",
    )
    words = [_said(about, data)] if about else frequent_words(data)
    if synapses < 1:
        raise ValueError(f"synapses is at least 1, got {synapses}.")
    seen = _activations(bdh, jnp.asarray(data.astype(np.int32)))
    x, y = np.asarray(seen["x"]), np.asarray(seen["y"])
    turns = np.repeat(np.asarray(bdh.frequencies).astype(np.float64), 2) * 2 * np.pi / 2**32
    kept = (1.0,) * architecture.heads if bdh.decay is None else bdh.decay
    chosen = find_synapses(x, y, data, (turns, kept), words, synapses)
    if not chosen:
        raise TextError("no synapse grew at a word of this text; train longer, or read more of it")
    head = chosen[0].head
    graph = strongest(np.asarray(bdh.neuron_graph("x", heads=(head, head))), head)
    return Inside(
        data,
        text.name,
        architecture,
        (x > 0).mean((1, 2, 3)),
        (y > 0).mean((1, 2, 3)),
        _bits(np.asarray(seen["logits"], np.float64), data),
        tuple(chosen),
        graph,
        _favorites(x[:, :, head], data, graph.neurons),
    )


def write_look(inside: Inside, folder: Path) -> tuple[Path, Path]:
    """Writes page and figure into a folder: the paths of the page and of the figure.

    **Raises:** `OSError` when the folder cannot be written.
    """
    from engrax.lab import figures, write

    from ._look_figure import draw
    from ._look_page import page

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "look.html"
    write(path, page(inside))
    _, pixels = figures.save(draw(inside), folder, "look")
    return path, pixels


@eqx.filter_jit
def _activations(model: Any, tokens: Int[Array, " time"]) -> dict[str, Array]:
    return model.activations(tokens)


def _part(text: Text, begin: int, length: int) -> UInt8[np.ndarray, " time"]:
    if begin < 0 or not 1 <= length <= LONGEST:
        raise ValueError(
            f"begin is at least 0 and the bytes to read are 1 to {LONGEST}, got {begin} and "
            f"{length}."
        )
    data = text.data[begin : begin + length]
    if len(data) < 3:
        raise TextError(f"{text.source} has {len(text.data)} bytes; begin further to the front")
    return data


def _said(about: str, data: UInt8[np.ndarray, " time"]) -> bytes:
    """The word as bytes, if both halves of the text say it."""
    word, half = about.encode("utf-8", "surrogateescape"), len(data) // 2
    found = occurrences(data, word)
    if not found:
        raise TextError(
            f"the {len(data)} bytes that were read never say {about!r}; name a word of the text"
        )
    if found[0].stop > half or found[-1].start < half:
        raise TextError(
            f"only one half of the {len(data)} bytes that were read says {about!r}, and synapses "
            "are chosen on one half and tested on the other; read more with --bytes"
        )
    return word


def _bits(logits: Float[np.ndarray, "time vocab"], data: UInt8[np.ndarray, " time"]) -> float:
    """Mean cost of the bytes after the first."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_share = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    right = np.take_along_axis(log_share[:-1], data[1:, None].astype(np.int64), 1)
    return float(-right.mean() / np.log(2))


def _favorites(
    x: Float[np.ndarray, "layers time neurons"],
    data: UInt8[np.ndarray, " time"],
    neurons: tuple[int, ...],
) -> tuple[str, ...]:
    """The three characters at which each neuron is most active, on average over the text."""
    activity = x[:, :, list(neurons)].mean(0)
    bytes_said = np.unique(data)
    means = np.stack([activity[data == byte].mean(0) for byte in bytes_said])
    best = np.argsort(-means, axis=0, kind="stable")[:3]
    return tuple(
        " ".join(_letter(int(bytes_said[row])) for row in best[:, k] if means[row, k] > 0)
        for k in range(len(neurons))
    )


def _letter(byte: int) -> str:
    names = {10: "end of line", 32: "space", 9: "tab"}
    return names.get(byte) or (chr(byte) if 32 < byte < 127 else f"0x{byte:02x}")
