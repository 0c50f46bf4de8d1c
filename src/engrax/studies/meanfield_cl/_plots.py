"""The study's figures; each draws what the run holds."""

from typing import Any

from matplotlib.figure import Figure

from ._claims import SECOND
from ._deep_plots import divergence, forgetting, methods, pair, plasticity
from ._perceptron_plots import protection, single_task, slowing, two_tasks


def plots(run: Any) -> dict[str, Figure]:
    """All figures for which the run has the arms."""
    found = {}
    if "theory" in run and "single" in run:
        found["single_task"] = single_task(run)
    if "potential" in run and all(name in run for name in SECOND if _asked(run, name)):
        found["two_tasks"] = two_tasks(run)
        found["protection"] = protection(run)
    if "slowing" in run and "theory" in run:
        found["slowing"] = slowing(run)
    if "variational" in run:
        found["forgetting"] = forgetting(run)
        found["methods"] = methods(run)
        found["plasticity"] = plasticity(run)
        found["divergence"] = divergence(run)
    if "pair_variational" in run:
        found["pair"] = pair(run)
    return found


def _asked(run: Any, name: str) -> bool:
    """Whether this scale has such a load of the second task."""
    return float(name.removeprefix("second_")) in run.config.second_loads
