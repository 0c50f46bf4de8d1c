"""The classical experiments by name; each takes the number of trials of a phase."""

from typing import Any

from ._conditioning import ConditioningExperiment, Phase


def acquisition(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A+."""
    return ConditioningExperiment((Phase("A+", trials),), **options)


def extinction(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A+, then A-."""
    return ConditioningExperiment((Phase("A+", trials), Phase("A-", trials)), **options)


def overshadowing(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """AB+: two stimuli share what one would have learned."""
    return ConditioningExperiment((Phase("AB+", trials),), **options)


def blocking(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A+, then AB+: what A predicts already, B does not learn (Kamin 1969)."""
    return ConditioningExperiment((Phase("A+", trials), Phase("AB+", trials)), **options)


def unblocking(
    trials: int = 20, *, magnitude: float = 2.0, **options: Any
) -> ConditioningExperiment:
    """A+, then AB+ with an unconditional stimulus of another size."""
    phases = Phase("A+", trials), Phase("AB+", trials, magnitude)
    return ConditioningExperiment(phases, **options)


def conditioned_inhibition(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A+ and AB- in alternation: B comes to predict that nothing follows."""
    return ConditioningExperiment((Phase("A+ AB-", trials),), **options)


def over_expectation(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A+ and B+ apart, then AB+: together they promise too much, and both fall."""
    return ConditioningExperiment((Phase("A+ B+", trials), Phase("AB+", trials)), **options)


def latent_inhibition(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A alone, then A+. Animals learn late; none of the rules here does."""
    return ConditioningExperiment((Phase("A-", trials), Phase("A+", trials)), **options)


def trace_conditioning(
    trials: int = 1, *, gap: int = 2, rest: int = 0, **options: Any
) -> ConditioningExperiment:
    """A, then `gap - 1` empty steps, then the unconditional stimulus; `rest` steps after it."""
    trial = " ".join(["A", *["."] * (gap - 1), "+", *["."] * rest])
    return ConditioningExperiment((Phase(trial, trials),), **options)


def second_order(trials: int = 20, **options: Any) -> ConditioningExperiment:
    """A+, then B followed by A, without the unconditional stimulus."""
    return ConditioningExperiment((Phase("A+", trials), Phase("B A .", trials)), **options)
