"""The texts: what is trained on, what rates are chosen on, and what claims are measured on."""

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, UInt8

from engrax.tasks import Europarl, MiniParliament, Sentence, cache_folder, text_bytes

from ._config import Config

TRAIN, VALIDATION, TEST = range(3)
"""Seeds of the drawing of sentences: parts of a text share templates and words, not sentences."""


class Part(NamedTuple):
    """The three parts of a text, as bytes."""

    train: UInt8[np.ndarray, " bytes"]
    validation: UInt8[np.ndarray, " bytes"]
    test: UInt8[np.ndarray, " bytes"]


class Windows(NamedTuple):
    """A held-out text in pieces that do not overlap, each read from an empty state."""

    x: Int[Array, "windows length"]
    y: Int[Array, "windows length"]


class Padded(NamedTuple):
    """Sentences as rows of one length; what follows the end of one is its last byte again."""

    tokens: Int[Array, "sentences time"]
    turn: Int[Array, " sentences"]
    """Where the translation is asked for: the place of `<T:`."""
    length: Int[Array, " sentences"]
    content: Bool[Array, "sentences time"]
    """Bytes of the translation that only who has read the source can know."""


def corpus(config: Config, pair: tuple[str, str]) -> Part:
    """The text of a pair of languages."""
    train, held_out = config.train_bytes, config.held_out_bytes
    if config.corpus == "mini_parliament":
        return _drawn(pair, train, held_out, config.words)
    folder = cache_folder() / "europarl" if config.corpus == "europarl" else config.corpus
    data = Europarl(folder, (pair,), seed=TRAIN, size=train + 2 * held_out).data
    cut = len(data) - 2 * held_out
    return Part(data[:cut], data[cut : cut + held_out], data[cut + held_out :])


@functools.cache
def _drawn(pair: tuple[str, str], train: int, held_out: int, words: int | None) -> Part:
    text = MiniParliament(pair, seed=TRAIN, size=train, words=words)
    held = []
    for seed in (VALIDATION, TEST):
        drawn = _unknown(pair, seed, 6 * held_out, train, words)
        held.append(np.frombuffer(b"".join(s.text for s in drawn), np.uint8)[:held_out])
    # All pairs have as many bytes, so that their arms share one program.
    return Part(text.data[:train], *held)


def entropy(config: Config) -> float | None:
    """Nats a byte that no model can do without, where they are known: who has read all before."""
    if config.corpus != "mini_parliament":
        return None
    text = MiniParliament(config.pair, seed=TRAIN, size=config.train_bytes, words=config.words)
    return text.entropy


def _unknown(
    pair: tuple[str, str], seed: int, size: int, train: int, words: int | None
) -> list[Sentence]:
    """Sentences that were not trained on; short ones come again by chance."""
    text = MiniParliament(pair, seed=TRAIN, size=train, words=words)
    known = {sentence.text for sentence in text.sentences}
    drawn = MiniParliament(pair, seed=seed, size=size, words=words)
    return [sentence for sentence in drawn.sentences if sentence.text not in known]


def shakespeare(config: Config) -> Part:
    """Nine tenths to train on; the rest in halves."""
    data = text_bytes(config.shakespeare)
    rest = len(data) // 20
    held = (data[-2 * rest : -rest], data[-rest:])
    limit = config.held_out_bytes
    return Part(data[: -2 * rest], *(part[:limit] for part in held))


def windows(config: Config, data: UInt8[np.ndarray, " bytes"], length: int) -> Windows:
    """Pieces of a held-out text, which begin where those that are trained on may begin.

    Between two that begin with a sentence there is a gap; as many are taken as leave room for it,
    so that all pairs of languages have as many.
    """
    begins, free = starts(config, data), 0
    if begins is None:
        chosen = list(range(0, len(data) - length, length))
    else:
        chosen = []
        for start in begins[begins < len(data) - length]:
            if start >= free:
                chosen.append(start)
                free = start + length
        chosen = chosen[: len(data) // (2 * length)]
    at = np.asarray(chosen)[:, None] + np.arange(length)
    return Windows(jnp.asarray(data[at], jnp.int32), jnp.asarray(data[at + 1], jnp.int32))


def starts(config: Config, data: UInt8[np.ndarray, " bytes"]) -> Int[np.ndarray, " starts"] | None:
    """Where the sentences of a parallel text begin; None if sequences may begin anywhere."""
    mark = np.frombuffer(b"<F:", np.uint8)
    found = np.flatnonzero((np.lib.stride_tricks.sliding_window_view(data, 3) == mark).all(1))
    return found if config.aligned and len(found) else None


def sentences(
    config: Config, pair: tuple[str, str], count: int, direction: tuple[str, str] | None = None
) -> list[Sentence]:
    """Held-out sentences that fit into a window, of one direction if told."""
    drawn = _unknown(pair, TEST, 2000 * count, config.train_bytes, config.words)
    fits = lambda s: len(s.text) <= config.length and direction in (None, s.languages)
    return [sentence for sentence in drawn if fits(sentence)][:count]


def padded(given: list[Sentence], length: int) -> Padded:
    """Rows of `length` bytes."""
    tokens = np.zeros((len(given), length), np.int32)
    content = np.zeros((len(given), length), bool)
    for row, sentence in enumerate(given):
        read = np.frombuffer(sentence.text, np.uint8)
        tokens[row, : len(read)], tokens[row, len(read) :] = read, read[-1]
        content[row, : len(read)] = sentence.content("target")
    turn = np.array([s.source.stop for s in given], np.int32)
    ends = np.array([len(s.text) for s in given], np.int32)
    return Padded(*map(jnp.asarray, (tokens, turn, ends, content)))


def other_source(sentence: Sentence, other: Sentence) -> Sentence:
    """The translation of `sentence` after the source of `other`."""
    head = sentence.text[: sentence.source.start] + other.text[other.source]
    shift = len(head) - sentence.source.stop
    text = head + sentence.text[sentence.source.stop :]
    slots = tuple(
        slot._replace(target=slice(slot.target.start + shift, slot.target.stop + shift))
        for slot in sentence.slots
    )
    return sentence._replace(
        text=text,
        source=slice(sentence.source.start, len(head)),
        target=slice(sentence.target.start + shift, sentence.target.stop + shift),
        slots=slots,
    )
