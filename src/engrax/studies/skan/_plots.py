"""The study's figures; each draws what the run holds."""

from typing import Any

from matplotlib.figure import Figure


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    return {}
