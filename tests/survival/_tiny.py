"""The study of the tests, where a command can name it."""

import dataclasses
import importlib.metadata as metadata

from engrax import _registry
from tests.tiny_study import STUDY

PLAIN = dataclasses.replace(STUDY, plots=lambda run: {})
"""Without figures, which take most of its time."""


def tiny_installed() -> None:
    """Makes the tiny study of the tests one that can be named."""
    tiny = metadata.EntryPoint("tiny", "tests.survival._tiny:PLAIN", _registry.ENTRY_POINTS)
    real = metadata.entry_points
    metadata.entry_points = lambda **select: (
        metadata.EntryPoints([tiny])
        if select.get("group") == _registry.ENTRY_POINTS
        else real(**select)
    )
