"""Claims of a paper, the rules that decide them, and the verdicts.

A claim is fixed before the run: one sentence and, for each of its parts, one value a seed and one
rule. A rule is a region of the real line. Where the interval of the mean lies inside the region
the part holds, where it lies outside the part fails, else it is open. The worst part decides.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ._intervals import (
    Interval,
    bootstrap_interval,
    exact_interval,
    proportion_interval,
    t_interval,
)
from ._judgements import ClaimJudgement, PartJudgement, Verdict

IntervalName = Literal["t", "bca", "wilson", "clopper_pearson", "exact"]


@runtime_checkable
class Measured(Protocol):
    """What a claim reads of a run: its arms by name, and which runs became non-finite."""

    @property
    def diverged(self) -> Iterable[tuple[str, int, int]]:
        """(arm, seed, first tick that is not finite), one for each run that diverged."""
        ...

    def __getitem__(self, name: str, /) -> Any:
        """The records of an arm."""
        ...

    def __contains__(self, name: object, /) -> bool:
        """Whether the arm was run."""
        ...


@dataclasses.dataclass(frozen=True)
class Rule:
    """The region [low, high] in which the interval of a value has to lie; ends may be infinite."""

    low: float
    high: float
    level: float = 0.95
    """Confidence level of the two-sided interval that is held against the region."""

    def __post_init__(self) -> None:
        if not self.low <= self.high or (math.isinf(self.low) and math.isinf(self.high)):
            raise ValueError(
                f"A rule needs a region with at least one end, got [{self.low:g}, {self.high:g}]."
            )
        if not 0 < self.level < 1:
            raise ValueError(f"A confidence level lies between 0 and 1, got {self.level}.")

    def verdict(self, low: float, high: float) -> Verdict:
        """The verdict on an interval: inside, outside, or across an end of the region."""
        if self.low <= low and high <= self.high:
            return "holds"
        if high < self.low or low > self.high:
            return "fails"
        return "open"


def at_least(low: float, *, level: float = 0.95) -> Rule:
    """The lower end of the interval is at least `low`."""
    return Rule(float(low), math.inf, level)


def at_most(high: float, *, level: float = 0.95) -> Rule:
    """The upper end of the interval is at most `high`."""
    return Rule(-math.inf, float(high), level)


def between(low: float, high: float, *, level: float = 0.95) -> Rule:
    """The whole interval lies in [low, high]."""
    return Rule(float(low), float(high), level)


def non_inferior(margin: float, *, level: float = 0.95) -> Rule:
    """A difference (method - baseline, higher is better) is above -margin."""
    return Rule(-_positive(margin), math.inf, level)


def equivalent(margin: float, *, level: float = 0.95) -> Rule:
    """A difference lies within +-margin.

    At level 1 - 2 alpha this is the two one-sided t tests at alpha each (Schuirmann 1987), so
    TOST "at 90 %" is `level=.9`.
    """
    return Rule(-_positive(margin), _positive(margin), level)


@dataclasses.dataclass(frozen=True)
class Part:
    """One measured quantity of a claim, and the rule on it."""

    value: Callable[[Any], ArrayLike | float]
    """From the run to one value for each seed (the unit), one-dimensional."""
    rule: Rule
    interval: IntervalName = "t"
    """`t`; `bca` from 20 units on; `wilson`, `clopper_pearson` for outcomes 0 or 1; `exact`."""
    unit: str = ""
    """How reports print it: "%" turns fractions into percentage points; else a suffix."""
    paper: float | None = None
    """The paper's number for this quantity, in the same unit as `value`, where there is one."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """One sentence of a paper, as parts that are measured. All parts have to hold."""

    name: str
    text: str
    parts: Mapping[str, Part]
    arms: tuple[str, ...]
    """The arms that the claim reads: `engrax run --claims` runs these alone."""
    paper: str = ""
    """What the paper found, in its own units."""
    tolerates_divergence: bool = False
    """Whether the claim can hold although a run of its arms became non-finite."""

    def __post_init__(self) -> None:
        if not self.parts or not self.arms:
            raise ValueError(f"Claim {self.name!r} needs at least one part and one arm.")


def paired_difference(
    run: Measured, a: str, b: str, measure: Callable[[Any], xr.DataArray]
) -> xr.DataArray:
    """`measure` of arm `a` minus that of arm `b`, seed by seed.

    Arms of one run share data, order and initial weights for a seed, so the pairs are real.

    Raises:
        ValueError: the two arms ran other seeds (xarray would silently drop the unpaired).
    """
    first, second = measure(run[a]), measure(run[b])
    if not np.array_equal(first["seed"], second["seed"]):
        raise ValueError(
            f"Arms {a!r} and {b!r} ran different seeds ({first['seed'].values.tolist()} and "
            f"{second['seed'].values.tolist()}), so they cannot be paired; give them the same."
        )
    with xr.set_options(arithmetic_join="exact"):
        return first - second


def judge(claims: Iterable[Claim], run: Measured) -> tuple[ClaimJudgement, ...]:
    """The verdict on each claim whose arms were all run; the others are left out."""
    return tuple(judge_claim(claim, run) for claim in claims if all(a in run for a in claim.arms))


def judge_claim(claim: Claim, run: Measured) -> ClaimJudgement:
    """The verdict on one claim: its worst part, and at best `open` where a run diverged."""
    parts = tuple(judge_part(name, part, part.value(run)) for name, part in claim.parts.items())
    verdict, reason = worst(part.verdict for part in parts), ""
    lost = [entry for entry in run.diverged if entry[0] in claim.arms]
    if lost and not claim.tolerates_divergence:
        arm, seed, tick = lost[0]
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        reason = f"arm {arm!r} became non-finite (seed {seed}, tick {tick}{more})"
        verdict = worst((verdict, "open"))
    return ClaimJudgement(claim.name, claim.text, claim.paper, parts, verdict, reason)


def judge_part(name: str, part: Part, values: ArrayLike | float) -> PartJudgement:
    """The verdict on one part; `open`, with the reason, where no interval can be given.

    Raises:
        ValueError: the values are not one number a seed.
    """
    seeds = None
    if isinstance(values, xr.DataArray) and values.dims == ("seed",):
        seeds = tuple(int(seed) for seed in values["seed"].values)
    x = np.atleast_1d(np.asarray(values, dtype=float))
    if x.ndim != 1 or x.size == 0:
        raise ValueError(
            f"Part {name!r} gave values of shape {x.shape}; reduce them to one number a seed."
        )
    estimate, low, high, reason = math.nan, math.nan, math.nan, ""
    verdict: Verdict = "open"
    try:
        found = _interval(x, part)
    except ValueError as error:  # too few units for the interval, or values that are not finite
        reason = str(error)
    else:
        estimate, low, high = found.estimate, found.low, found.high
        verdict = part.rule.verdict(low, high)
    return PartJudgement(
        name=name,
        values=tuple(float(value) for value in x),
        seeds=seeds,
        estimate=estimate,
        low=low,
        high=high,
        rule=(part.rule.low, part.rule.high),
        level=part.rule.level,
        method=part.interval,
        verdict=verdict,
        unit=part.unit,
        paper=part.paper,
        reason=reason,
    )


WORST_FIRST: tuple[Verdict, ...] = ("fails", "open", "holds")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict: `fails` before `open` before `holds`."""
    return min(verdicts, key=WORST_FIRST.index)


def claims_hash(claims: Iterable[Claim]) -> str:
    """SHA-256 over all that is literal in the claims: sentences, arms, parts, rules, intervals.

    A result file carries it, so that a rule which moved after the run shows in the diff. How a
    value is computed is code and is not covered.
    """
    literal = [
        {
            "name": claim.name,
            "text": claim.text,
            "arms": list(claim.arms),
            "paper": claim.paper,
            "tolerates_divergence": claim.tolerates_divergence,
            "parts": {
                name: [
                    *map(repr, (part.rule.low, part.rule.high, part.rule.level)),
                    part.interval,
                    part.unit,
                    repr(part.paper),
                ]
                for name, part in claim.parts.items()
            },
        }
        for claim in claims
    ]
    text = json.dumps(literal, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _interval(values: np.ndarray, part: Part) -> Interval:
    level = part.rule.level
    if part.interval == "t":
        return t_interval(values, level=level)
    if part.interval == "bca":
        return bootstrap_interval(values, level=level)
    if part.interval == "exact":
        return exact_interval(values, level=level)
    return proportion_interval(values, part.interval, level=level)


def _positive(margin: float) -> float:
    if not margin > 0:
        raise ValueError(f"A margin has to be positive, got {margin}.")
    return float(margin)
