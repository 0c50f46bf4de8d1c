"""How many rows an associative memory holds, as theory says before anything is stored."""

import functools
import math
from typing import Literal, NamedTuple

from engrax.theory import cue_load, dense_mean_field, hopfield_mean_field, retrieval_spinodal

Schedule = Literal["sequential", "parallel"]

SAFE = 0.5
"""Share of the critical number that is advised: memories of a few hundred columns fail gradually,
and what stops a bad cue is known by estimates only."""


class CapacityWarning(UserWarning):
    """A memory holds more rows than it can recall."""


class CapacityAdvice(NamedTuple):
    """How many random rows a memory can be asked to recall."""

    patterns: int
    """Rows that are safe to store: half of the critical number."""
    critical: int
    """Rows beyond which cues of this noise are lost, for many columns."""
    bits_right: float
    """Share of the bits that are right in what is recalled, with `patterns` rows stored."""


def per_load(order: int, columns: int) -> float:
    """Rows at load 1: N in pairs, ``2 C(N, P) / N`` in higher orders."""
    return float(columns) if order == 2 else 2 * math.comb(columns, order) / columns


@functools.cache
def critical_load(order: int, temperature: float, schedule: Schedule) -> float:
    """Load at which stored rows cease to be states of the memory."""
    return float(retrieval_spinodal(order, temperature, 0.0, interactions(schedule)).load)


@functools.cache
def advice(
    order: int, columns: int, noise: float, temperature: float, schedule: Schedule
) -> CapacityAdvice:
    """For cues a share `noise` of whose bits is flipped."""
    load = float(cue_load(order, 1 - 2 * noise, temperature, interactions(schedule)))
    scale = per_load(order, columns)
    patterns = int(SAFE * load * scale)
    found = _solved(order, patterns / scale, temperature, schedule) if patterns else 0.0
    return CapacityAdvice(patterns, int(load * scale), (1 + found) / 2)


def interactions(schedule: Schedule) -> Literal["distinct", "all"]:
    """The parallel field repeats indices, which costs capacity in orders above 2."""
    return "distinct" if schedule == "sequential" else "all"


def _solved(order: int, load: float, temperature: float, schedule: Schedule) -> float:
    if order == 2:
        return float(hopfield_mean_field(load, temperature).m)
    return float(dense_mean_field(order, load, temperature, 0.0, interactions(schedule)).m)
