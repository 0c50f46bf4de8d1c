"""Tiny models, for tests that need one that works and not one that is good."""

import jax.random as jr
import numpy as np

from engrax.tasks import Text
from engrax.text import Architecture, LanguageModel, Training

SIZES = {"neurons": 32, "width": 8, "heads": 2, "layers": 2, "context": 12}
TRAINING = Training(steps=6, batch=2, length=16, reports=3)
WORDS = b"the cat sat on the mat, the rat sat on the cat. "
TEXT = Text("words", np.frombuffer(WORDS * 8, np.uint8), "a test")


def architecture(kind: str) -> Architecture:
    return Architecture(kind, **SIZES)


def untrained(kind: str, seed: int = 0) -> LanguageModel:
    made = architecture(kind)
    model = made.builder(key=jr.key(seed))
    seen = np.isin(np.arange(256), TEXT.data)
    return LanguageModel(made, model, seen, {"by": "a test"})
