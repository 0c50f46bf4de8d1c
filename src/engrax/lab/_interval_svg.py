"""One part of a claim as a small drawing: the rule's region, the seeds, the interval."""

import math
from html import escape

from ._format import format_end, format_estimate, format_rule
from ._judgements import PartJudgement

WIDTH, HEIGHT, MIDDLE, MARGIN = 360.0, 46.0, 17.0, 12.0


def interval_svg(part: PartJudgement) -> str:
    """An <svg> element whose colors come from the page; everything in it is also in its title."""
    place = _Scale(part)
    shapes = [_region(part, place)]
    shapes += [
        f'<circle class="unit" cx="{place(value):.1f}" cy="{MIDDLE + _stagger(i):.1f}" r="2.2"/>'
        for i, value in enumerate(part.values)
        if math.isfinite(value)
    ]
    if math.isfinite(part.estimate):
        low, middle, high = (place(x) for x in (part.low, part.estimate, part.high))
        shapes.append(
            f'<line class="bar {part.verdict}" x1="{low:.1f}" x2="{high:.1f}" '
            f'y1="{MIDDLE}" y2="{MIDDLE}"/>'
            f'<circle class="dot {part.verdict}" cx="{middle:.1f}" cy="{MIDDLE}" r="4.5"/>'
        )
    if part.paper is not None:
        x = place(part.paper)
        shapes.append(
            f'<path class="paper" d="M{x:.1f} {MIDDLE - 7}l6 7l-6 7l-6 -7z">'
            f"<title>paper: {format_end(part.paper, part.unit)}</title></path>"
        )
    title = escape(f"{part.name}: {format_estimate(part)}, rule {format_rule(part)}")
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{title}">'
        f"{''.join(shapes)}</svg>"
    )


class _Scale:
    """From a value to its place on the drawing; all that is finite fits."""

    def __init__(self, part: PartJudgement) -> None:
        points = [*part.values, part.estimate, part.low, part.high, *part.rule]
        points += [] if part.paper is None else [part.paper]
        points = [x for x in points if math.isfinite(x)] or [0.0]
        self.low, high = min(points), max(points)
        self.span = (high - self.low) or 1.0
        if high == self.low:
            self.low -= 0.5

    def __call__(self, value: float) -> float:
        if math.isinf(value):
            return WIDTH if value > 0 else 0.0
        return MARGIN * 2 + (value - self.low) / self.span * (WIDTH - MARGIN * 4)


def _region(part: PartJudgement, place: _Scale) -> str:
    left, right = (place(end) for end in part.rule)
    drawn = [
        f'<line class="axis" x1="0" x2="{WIDTH:g}" y1="{MIDDLE + 13}" y2="{MIDDLE + 13}"/>',
        f'<rect class="region" x="{left:.1f}" y="{MIDDLE - 13}" '
        f'width="{max(right - left, 1):.1f}" height="26"/>',
    ]
    for end in part.rule:
        if math.isfinite(end):
            x = place(end)
            drawn.append(
                f'<line class="edge" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{MIDDLE - 13}" y2="{MIDDLE + 16}"/>'
                f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 2:g}" text-anchor="middle">'
                f"{format_end(end, part.unit)}</text>"
            )
    return "".join(drawn)


def _stagger(i: int) -> float:
    """Seeds alternate above and below the interval, so that equal ones can be counted."""
    return (7.5, -7.5, 10.0, -10.0)[i % 4]
