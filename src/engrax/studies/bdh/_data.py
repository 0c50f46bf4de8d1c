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
        return _drawn(pair, train, held_out)
    folder = cache_folder() / "europarl" if config.corpus == "europarl" else config.corpus
    data = Europarl(folder, (pair,), seed=TRAIN, size=train + 2 * held_out).data
    cut = len(data) - 2 * held_out
    return Part(data[:cut], data[cut : cut + held_out], data[cut + held_out :])


@functools.cache
def _drawn(pair: tuple[str, str], train: int, held_out: int) -> Part:
    text = MiniParliament(pair, seed=TRAIN, size=train)
    known = {sentence.text for sentence in text.sentences}
    held = (
        _new(MiniParliament(pair, seed=s, size=2 * held_out), known)[:held_out]
        for s in (VALIDATION, TEST)
    )
    # All pairs have as many bytes, so that their arms share one program.
    return Part(text.data[:train], *held)


def _new(text: MiniParliament, known: set[bytes]) -> UInt8[np.ndarray, " bytes"]:
    """The text without sentences that were trained on; short ones come again by chance."""
    kept = [s.text for s in text.sentences if s.text not in known]
    return np.frombuffer(b"".join(kept), np.uint8)


def shakespeare(config: Config) -> Part:
    """Nine tenths to train on; the rest in halves."""
    data = text_bytes(config.shakespeare)
    rest = len(data) // 20
    held = (data[-2 * rest : -rest], data[-rest:])
    limit = config.held_out_bytes
    return Part(data[: -2 * rest], *(part[:limit] for part in held))


def windows(data: UInt8[np.ndarray, " bytes"], length: int) -> Windows:
    """The whole text but what does not fill a window."""
    count = (len(data) - 1) // length
    x, y = (data[i : i + count * length].reshape(count, length) for i in (0, 1))
    return Windows(jnp.asarray(x, jnp.int32), jnp.asarray(y, jnp.int32))


def sentences(
    pair: tuple[str, str], count: int, length: int, direction: tuple[str, str] | None = None
) -> list[Sentence]:
    """Held-out sentences of at most `length` bytes, in one direction if told."""
    size = 1000 * count
    drawn = MiniParliament(pair, seed=TEST, size=size).sentences
    fitting = [s for s in drawn if len(s.text) <= length and direction in (None, s.languages)]
    return fitting[:count]


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
