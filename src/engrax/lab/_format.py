"""Numbers as people read them: digits that fit the interval, fractions as percentage points."""

import math
from collections.abc import Mapping
from typing import Any

from ._judgements import PartJudgement


def scale_of(unit: str) -> float:
    """What a value is multiplied with before it is printed in `unit`."""
    return 100.0 if unit == "%" else 1.0


def decimals(value: float, *, unit: str = "", half_width: float = math.nan) -> int:
    """Decimals for a number: two digits of its half-width, but at most five digits in all."""
    x, spread = abs(value) * scale_of(unit), half_width * scale_of(unit)
    places = -math.floor(math.log10(x)) if x else 0  # of the leading digit
    if math.isfinite(spread) and spread > 0:
        two = 1 - math.floor(math.log10(spread))
        return max(min(two, places + 4), 0) if x else max(min(two, 6), 0)
    return max(places + 2, 0) if x else 0


def format_value(value: float, *, unit: str = "", digits: int | None = None) -> str:
    """A number without its unit, with so many decimals."""
    x = value * scale_of(unit)
    if not math.isfinite(x):
        return {math.inf: "∞", -math.inf: "−∞"}.get(x, "–")
    if x and not 1e-3 <= abs(x) < 1e5:
        return f"{x:.2e}".replace("-", "−")
    text = f"{x:.{decimals(value, unit=unit) if digits is None else digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def format_estimate(part: PartJudgement) -> str:
    """For example `92.16 [91.90, 92.42] %`."""
    if not math.isfinite(part.estimate):
        return "–"
    digits = decimals(part.estimate, unit=part.unit, half_width=(part.high - part.low) / 2)
    low, middle, high = (
        format_value(x, unit=part.unit, digits=digits) for x in (part.low, part.estimate, part.high)
    )
    ends = middle if part.low == part.high else f"{middle} [{low}, {high}]"
    return f"{ends} {part.unit}".rstrip()


def format_rule(part: PartJudgement) -> str:
    """The region of a rule, for example `≥ 0 %` or `−2 … 2 %`."""
    low, high = (format_end(x, part.unit) for x in part.rule)
    if math.isinf(part.rule[1]):
        text = f"≥ {low}"
    elif math.isinf(part.rule[0]):
        text = f"≤ {high}"
    elif low == high:
        text = f"= {low}"
    else:
        text = f"{low} … {high}"
    return f"{text} {part.unit}".rstrip()


def format_end(value: float, unit: str) -> str:
    """An end of a region as it is written in the study: no digits are rounded away."""
    return f"{value * scale_of(unit):.6g}".replace("-", "−")


def format_method(part: PartJudgement) -> str:
    """How the interval was made, for example `95 % t, n = 8`."""
    n = f"n = {len(part.values)}"
    if part.method == "exact":
        return f"exact, {n}"
    names = {"t": "t", "bca": "BCa bootstrap", "wilson": "Wilson", "clopper_pearson": "Clopper"}
    return f"{100 * part.level:g} % {names[part.method]}, {n}"


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    found: dict[str, Any] = {}
    for name, value in nested.items():
        deeper = isinstance(value, Mapping)
        found |= flat(value, f"{prefix}{name}.") if deeper else {f"{prefix}{name}": value}
    return found
