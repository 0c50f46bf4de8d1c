"""Figures."""

from typing import Any


def plots(run: Any) -> dict:
    """All."""
    return {}
