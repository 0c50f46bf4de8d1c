"""What a run measured for each claim, as plain data that goes to JSON and back."""

import dataclasses
import math
from typing import Any, Literal

Verdict = Literal["holds", "fails", "open"]


@dataclasses.dataclass(frozen=True)
class PartJudgement:
    """One part of a claim: value per seed, interval of the mean, the rule's region, verdict."""

    name: str
    values: tuple[float, ...]
    seeds: tuple[int, ...] | None
    """Seed of each value, where the value said so."""
    estimate: float
    """Mean of the values; NaN where no interval could be given."""
    low: float
    high: float
    rule: tuple[float, float]
    """The region of the rule; its ends may be infinite."""
    level: float
    method: str
    verdict: Verdict
    unit: str = ""
    paper: float | None = None
    reason: str = ""
    """Why no interval could be given; empty otherwise."""

    def to_json(self) -> dict[str, Any]:
        """Plain types alone; numbers that JSON lacks become "nan", "inf", "-inf"."""
        plain = dataclasses.asdict(self)
        numbers = ("estimate", "low", "high", "level")
        plain |= {name: _to_number(plain[name]) for name in numbers}
        plain |= {name: [_to_number(v) for v in plain[name]] for name in ("values", "rule")}
        plain["seeds"] = None if self.seeds is None else list(self.seeds)
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "PartJudgement":
        """The inverse of `to_json`."""
        numbers = {name: float(plain[name]) for name in ("estimate", "low", "high", "level")}
        rule = (float(plain["rule"][0]), float(plain["rule"][1]))
        values = tuple(float(value) for value in plain["values"])
        seeds = None if plain["seeds"] is None else tuple(plain["seeds"])
        return cls(**{**plain, **numbers, "rule": rule, "values": values, "seeds": seeds})


@dataclasses.dataclass(frozen=True)
class ClaimJudgement:
    """The verdict on a claim, with what it rests on."""

    name: str
    text: str
    paper: str
    parts: tuple[PartJudgement, ...]
    verdict: Verdict
    reason: str = ""
    """Why the verdict is capped (a run diverged); empty otherwise."""

    def to_json(self) -> dict[str, Any]:
        """Plain types alone."""
        fields = (field.name for field in dataclasses.fields(self) if field.name != "parts")
        return {**{n: getattr(self, n) for n in fields}, "parts": [p.to_json() for p in self.parts]}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "ClaimJudgement":
        """The inverse of `to_json`."""
        parts = tuple(PartJudgement.from_json(part) for part in plain["parts"])
        return cls(**{**plain, "parts": parts})


def _to_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
