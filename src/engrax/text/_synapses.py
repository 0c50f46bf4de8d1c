"""Synapses that remember a word: found among all of a model, and followed byte by byte."""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from ._errors import TextError

CANDIDATES = 512
"""Neurons of a head that are considered, those that are active most."""
TURN = 0.1
"""Radians that a memory may turn until it has faded, for its neuron to be considered."""

_WORDS, _FEW = 60, 3

Lasting = tuple[Float[np.ndarray, " neurons"], Sequence[float]]
"""How far, in radians, each neuron's memory turns in a byte, and what a head keeps of it."""

Place = tuple[int, int, int, int]
"""Layer, head, i and j of a synapse."""

Activity = Float[np.ndarray, "time neurons"]


@dataclasses.dataclass(frozen=True)
class Synapse:
    """One synapse while a text is read, and the word that it grows at.

    It leads from neuron `j` to neuron `i` of a head, and grows by `y_i * x_j` at each byte at
    which `i` fired at the end of the layer before and `j` fires in this one.
    """

    layer: int
    """From 1; the first layer has no layer before it."""
    head: int
    i: int
    j: int
    word: str
    growth: Float[np.ndarray, " time"]
    """What each byte adds."""
    strength: Float[np.ndarray, " time"]
    """What can be read from it after each byte: its growth so far, faded and turned with the
    distance, and nothing where that is negative."""
    share: float
    """The share of its growth that falls on the word, in the second half of the text."""
    hits: int
    """Occurrences of the word in the second half at which it grew."""
    occurrences: int
    """Occurrences in the second half."""


def occurrences(data: UInt8[np.ndarray, " time"], word: bytes) -> list[slice]:
    """Where a word stands in a text; with letters at its edges, not inside a longer word."""
    edge = rb"(?<![A-Za-z])" if word[:1].isalpha() else b""
    end = rb"(?![A-Za-z])" if word[-1:].isalpha() else b""
    found = re.finditer(edge + re.escape(word) + end, data.tobytes())
    return [slice(*match.span()) for match in found]


def frequent_words(data: UInt8[np.ndarray, " time"]) -> list[bytes]:
    """Words of three letters or more that both halves of a text say three times; if there are
    too few, those that the first half says twice and the second once; if none, letters.

    **Raises:** `TextError` when there are none of these.
    """
    half = len(data) // 2
    words, letters = rb"[A-Za-z\x80-\xff]{3,}", rb"[^\s]"
    ways = ((words, 3, 3, _FEW), (words, 2, 1, 1), (letters, 3, 3, _FEW), (letters, 2, 1, 1))
    for pattern, least, later, enough in ways:
        counts = Counter(re.findall(pattern, data[:half].tobytes()))
        again = Counter(re.findall(pattern, data[half:].tobytes()))
        often = [word for word, n in counts.most_common() if n >= least and again[word] >= later]
        if len(often) >= enough:
            return often[:_WORDS]
    raise TextError(
        f"the {len(data)} bytes that were read say nothing again and again; read more with --bytes"
    )


def find_synapses(
    x: Float[np.ndarray, "layers time heads neurons"],
    y: Float[np.ndarray, "layers time heads neurons"],
    data: UInt8[np.ndarray, " time"],
    lasting: Lasting,
    words: Sequence[bytes],
    count: int,
) -> list[Synapse]:
    """The synapses that tell a word from all else best, no two the same.

    A synapse is rated by the share of its growth that falls on the word, times the share of the
    word's occurrences at which it grew (one more than there are, so that a word said often counts
    more), in the first half of the text; its second half has no say in the choice. With several
    words each gives its best synapse, with one word it gives its best ones. Only neurons whose
    memory hardly turns before it has faded are considered: to the others another neuron answers.
    """
    half = len(data) // 2
    places = {word: occurrences(data[:half], word) for word in words}
    places = {word: found for word, found in places.items() if found}
    rated: list[tuple[float, bytes, Place]] = []
    each = count if len(places) == 1 else 1
    for layer in range(1, len(x)):
        for head in range(x.shape[2]):
            slow = np.flatnonzero(lasting[0] * _fade(lasting[1][head], len(data)) < TURN)
            if not len(slow):
                continue
            before, now = y[layer - 1, :half, head], x[layer, :half, head]
            rows, columns = _busiest(before), slow[_busiest(now[:, slow])]
            scores = _ratings(before[:, rows], now[:, columns], places)
            for word, table in scores.items():
                best = np.argsort(table, axis=None)[::-1][:each]
                for i, j in zip(*np.unravel_index(best, table.shape), strict=True):
                    place = (layer, head, int(rows[i]), int(columns[j]))
                    rated.append((float(table[i, j]), word, place))
    chosen = _distinct(sorted(rated, key=lambda r: -r[0]), count, by_word=len(places) > 1)
    return [follow(x, y, lasting, place, word, occurrences(data, word)) for word, place in chosen]


def follow(
    x: Float[np.ndarray, "layers time heads neurons"],
    y: Float[np.ndarray, "layers time heads neurons"],
    lasting: Lasting,
    place: Place,
    word: bytes,
    found: Sequence[slice],
) -> Synapse:
    """One synapse (layer, head, i, j) through the text."""
    layer, head, i, j = place
    value, key = y[layer - 1, :, head, i], x[layer, :, head]
    growth = value * key[:, j]
    # The pair of neurons turns as one complex number; what is written turns against the reader.
    first = j - j % 2
    written = value * (key[:, first] + 1j * key[:, first + 1])
    fade = lasting[1][head] * np.exp(-1j * lasting[0][j])
    memory, strength = 0j, np.zeros(len(growth))
    for t, new in enumerate(written):
        memory = memory * fade + new
        strength[t] = max(0.0, memory.real if j == first else memory.imag)
    half = len(growth) // 2
    later = [part for part in found if part.start >= half]
    hits = sum(bool(growth[part].any()) for part in later)
    total = float(growth[half:].sum())
    share = float(growth[_mask(later, len(growth))].sum()) / total if total else 0.0
    said = word.decode("utf-8", "replace")
    return Synapse(layer, head, i, j, said, growth, strength, share, hits, len(later))


def _ratings(
    before: Float[np.ndarray, "time i"],
    now: Float[np.ndarray, "time j"],
    places: dict[bytes, list[slice]],
) -> dict[bytes, Float[np.ndarray, "i j"]]:
    """For each word and synapse: share of growth at the word x occurrences with growth."""
    total = before.T @ now
    scores = {}
    for word, found in places.items():
        inside, hits = np.zeros_like(total), np.zeros_like(total)
        for part in found:
            grown = before[part].T @ now[part]
            inside += grown
            hits += grown > 0
        share = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
        scores[word] = share * hits / (len(found) + 1)
    return scores


def _fade(keep: float, length: int) -> float:
    """Bytes after which 1/e of a memory is left, but no more than the text has."""
    return min(float(length), -1 / math.log(keep)) if keep < 1 else float(length)


def _busiest(activity: Activity) -> Int[np.ndarray, " neurons"]:
    """The neurons that fire at most bytes, in the order of their numbers."""
    firing = (activity > 0).sum(0)
    return np.sort(np.argsort(-firing, kind="stable")[:CANDIDATES])


def _distinct(
    rated: list[tuple[float, bytes, Place]], count: int, *, by_word: bool
) -> list[tuple[bytes, Place]]:
    """The best ones, none twice, no word twice where there are several, none that never grew."""
    chosen: list[tuple[bytes, Place]] = []
    for score, word, place in rated:
        taken = any(place == old or (by_word and word == said) for said, old in chosen)
        if score > 0 and not taken:
            chosen.append((word, place))
        if len(chosen) == count:
            break
    return chosen


def _mask(found: Sequence[slice], length: int) -> Bool[np.ndarray, " time"]:
    mask = np.zeros(length, bool)
    for part in found:
        mask[part] = True
    return mask
