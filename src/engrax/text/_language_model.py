"""A language model that people can use: trained, kept, asked, scored and merged."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import Bool, UInt8

from engrax.nn import BDH

from ._architecture import Architecture
from ._errors import TextError
from ._files import load_model, save_model
from ._memory import check_memory
from ._sampling import code_length, generate_bytes

PIECE = 256
"""Bytes that are scored at once; no more than a GPT's context."""


class Score(NamedTuple):
    """How well a model predicts a text."""

    bits_per_byte: float
    bytes: int


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """A language model over bytes, with what it needs to be used and kept.

    `train_language_model` makes one, `LanguageModel.load` reads one. It reads a text from left to
    right and carries its state along, so that neither its memory nor the time for a byte depends
    on how much it has read.
    """

    architecture: Architecture
    model: Any
    """A `BDH` or a `Decoder` of `engrax.nn`."""
    seen: Bool[np.ndarray, " vocab"]
    """Which bytes occurred in training; the model knows nothing of the others."""
    history: dict[str, Any] = dataclasses.field(default_factory=dict)
    """How it was made: text, checksum, settings, losses. Data alone, as JSON has it."""

    @classmethod
    def load(cls, folder: str | Path) -> "LanguageModel":
        """The model in a folder, read without running anything from it.

        **Raises:** `TextError` when there is none, or its files are damaged or of another model.
        """
        return cls(*load_model(Path(folder)))

    def save(self, folder: str | Path) -> None:
        """Writes `model.safetensors` and `model.json`, each whole or not at all.

        **Raises:** `OSError` when the folder cannot be written.
        """
        save_model(Path(folder), self.architecture, self.model, self.seen, self.history)

    def generate(
        self,
        prompt: str | bytes,
        length: int | None = 500,
        *,
        temperature: float = 0.8,
        top_k: int = 256,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Iterator[bytes]:
        """What follows the prompt, one byte at a time, as it is drawn; memory does not grow.

        The same seed says the same. Bytes that never occurred in training are never drawn.

        **Arguments:** `length` in bytes, `None` for ever; `temperature`, 0 for the most likely
        byte each time; `top_k`, `top_p`: draw from the k most likely bytes, and from those that
        together have the share p.

        **Raises:** `TextError` when the prompt is empty or holds bytes that the model has never
        seen, `ValueError` for settings that make no sense.
        """
        if length is not None and length < 0:
            raise ValueError(f"length is at least 0, got {length}.")
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature is a number of at least 0, got {temperature}.")
        if top_k < 1 or not 0 < top_p <= 1:
            raise ValueError(f"top_k is at least 1 and top_p in (0, 1], got {top_k} and {top_p}.")
        what = f"a context of {self.architecture.context} bytes"
        check_memory(self.architecture.state_bytes, what, "train with a smaller --context")
        drawn = generate_bytes(
            self.model,
            self.encode(prompt),
            key=jr.key(seed),
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            allowed=self.seen,
        )
        places = range(length) if length is not None else iter(int, 1)
        return (bytes([byte]) for _, byte in zip(places, drawn, strict=False))

    def encode(self, text: str | bytes) -> UInt8[np.ndarray, " bytes"]:
        """A text as the bytes that the model reads, UTF-8.

        **Raises:** `TextError` when it is empty, is no UTF-8, or holds bytes never seen.
        """
        try:
            # What a shell passes on that is no UTF-8 arrives as surrogates, and leaves as it came.
            content = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        except UnicodeEncodeError as error:
            letter = f"U+{ord(error.object[error.start]):04X}"
            raise TextError(
                f"the prompt cannot be written as UTF-8: its character {error.start} is {letter}, "
                "half of a surrogate pair; leave it out"
            ) from error
        if not content:
            raise TextError("the prompt is empty; give at least one letter to start from")
        data = np.frombuffer(content, np.uint8)
        if not self.seen[data].all():
            byte = int(data[~self.seen[data]][0])
            raise TextError(
                f"the prompt holds {_spelled(byte, content)}, which the model never saw in "
                f"training: it knows {int(self.seen.sum())} of 256 bytes; leave it out, or train "
                "on a text that has it"
            )
        return data

    def score(self, data: UInt8[np.ndarray, " bytes"]) -> Score:
        """Bits per byte of a text read in one go; 8 is what a coin for each bit would get.

        **Raises:** `ValueError` for an empty text.
        """
        if not len(data):
            raise ValueError("An empty text has no bits per byte.")
        piece = PIECE
        if not self.architecture.hatchling:
            piece = min(piece, self.architecture.context)
        return Score(code_length(self.model, data, piece=piece) / len(data), len(data))

    @staticmethod
    def merge(a: "LanguageModel", b: "LanguageModel") -> "LanguageModel":
        """One BDH with the neurons of both, without training: it knows what each of them knows.

        Works for two models that went on from the same one; both keep their neurons, and what has
        no neurons (embedding and head) is averaged.

        **Raises:** `TextError` when one is a GPT, or they differ in more than their neurons.
        """
        if not (isinstance(a.model, BDH) and isinstance(b.model, BDH)):
            raise TextError(
                "only two BDH models can be merged: a GPT has no neurons to lay side by side"
            )
        same = dataclasses.replace(b.architecture, neurons=a.architecture.neurons)
        if same != a.architecture:
            other = next(
                f"{name} {mine} and {yours}"
                for (name, mine), yours in zip(
                    dataclasses.asdict(a.architecture).items(),
                    dataclasses.asdict(same).values(),
                    strict=True,
                )
                if mine != yours
            )
            raise TextError(
                f"models to be merged differ in nothing but neurons; these have {other}"
            )
        neurons = a.architecture.neurons + b.architecture.neurons
        return LanguageModel(
            dataclasses.replace(a.architecture, neurons=neurons),
            BDH.concatenate(a.model, b.model),
            a.seen | b.seen,
            {"merged": [a.history, b.history]},
        )


def _spelled(byte: int, content: bytes) -> str:
    """A byte as a person would point at it."""
    if 32 <= byte < 127:
        return f"the character {chr(byte)!r}"
    letters = [c for c in content.decode("utf-8", "ignore") if byte in c.encode()]
    inside = f" (in {letters[0]!r})" if letters and byte > 127 else ""
    return f"the byte 0x{byte:02x}{inside}"
