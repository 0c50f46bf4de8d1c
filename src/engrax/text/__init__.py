"""Language models to use: train on a text, generate, score, merge, and look inside."""

from ._architecture import Architecture
from ._errors import TextError
from ._language_model import LanguageModel, Score
from ._look import Inside, look_inside, write_look
from ._training import Report, Training, train_language_model

__all__ = [
    "Architecture",
    "Inside",
    "LanguageModel",
    "Report",
    "Score",
    "TextError",
    "Training",
    "look_inside",
    "train_language_model",
    "write_look",
]
