"""One page a run, for the browser: verdicts, figures, configuration; needs no network."""

import dataclasses
import math
import sys
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from . import figures
from ._folder import FIGURES, MANIFEST, REPORT, UNSEALED, Run
from ._format import decimals, flat, format_estimate, format_method, format_rule, format_value
from ._interval_svg import interval_svg
from ._judgements import ClaimJudgement, PartJudgement
from ._manifest import seal, write
from ._study import Paper

SIGNS = {"holds": "✓", "fails": "✗", "open": "?"}


def render_report(run: Run, drawn: Mapping[str, str] | None = None) -> str:
    """The page of a run as one HTML document, with style and figures inside.

    **Arguments:** `drawn`: figures of the run by name, as SVG files have them; drawn from its
    records if `None`.
    """
    if drawn is None:
        drawn = {name: figures.file_svg(figure) for name, figure in drawn_figures(run).items()}
    title = escape(f"{run.study.name} · Engrax")
    body = "\n".join((_header(run), _claims(run), _figures(drawn), _settings(run), _origin(run)))
    style = files("engrax.lab").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def drawn_figures(run: Run) -> Mapping[str, Figure]:
    """The figures of a run by name, drawn in the library's style."""
    with figures.style():  # for what a study adds to an axis itself, such as a legend
        return run.study.plots(run)


def _header(run: Run) -> str:
    paper, study = run.study.paper, run.study
    facts = {
        "Scale": run.scale,
        "Seeds": run.config.seeds,
        "Arms": len(run.records.children),
        "Time": f"{run.minutes:.1f} min" if run.minutes >= 1 else f"{60 * run.minutes:.0f} s",
        "Verdicts": _counts(run.judgements) if run.judgements else "not judged",
    }
    items = "".join(f"<div><dt>{k}</dt><dd>{escape(str(v))}</dd></div>" for k, v in facts.items())
    return (
        f'<p class="kicker">Engrax study <code>{escape(study.name)}</code></p>'
        f"<h1>{escape(paper.title)}</h1>{citation(paper)}"
        f'<p class="summary">{escape(study.summary)}</p><dl class="facts">{items}</dl>'
    )


def citation(paper: Paper) -> str:
    """Authors, venue and year, and a link, as one line of a page."""
    year = "" if str(paper.year) in paper.venue else str(paper.year)
    parts = [escape(paper.authors), escape(f"{paper.venue} {year}".strip())]
    if paper.arxiv:
        number = escape(paper.arxiv)
        parts.append(f'<a href="https://arxiv.org/abs/{number}">arXiv:{number}</a>')
    return f'<p class="cite">{" · ".join(part for part in parts if part)}</p>'


def _counts(judgements: Iterable[ClaimJudgement]) -> str:
    verdicts = [judgement.verdict for judgement in judgements]
    found = ((verdicts.count(verdict), verdict) for verdict in SIGNS)
    return ", ".join(f"{count} {verdict}" for count, verdict in found if count)


def _claims(run: Run) -> str:
    judged = {judgement.name: judgement for judgement in run.judgements}
    cards = []
    for claim in run.study.claims:
        if claim.name in judged:
            cards.append(_claim(judged[claim.name], headline=claim.name == run.study.headline))
        else:
            reason = "not run" if any(arm not in run for arm in claim.arms) else "not judged"
            cards.append(
                f'<article class="claim"><header><h3>{escape(claim.name)} · '
                f'{escape(claim.text)}</h3><span class="chip unjudged">{reason}</span>'
                "</header></article>"
            )
    return f"<h2>Claims</h2>{_unjudged(run)}{_diverged(run)}{''.join(cards)}{_legend(run)}"


def _unjudged(run: Run) -> str:
    if run.judgements:
        return ""
    return (
        '<p class="note">No claim is judged here: that takes an unmodified scale other than '
        "<code>smoke</code>, and at least 5 seeds.</p>"
    )


def _diverged(run: Run) -> str:
    if not run.diverged:
        return ""
    listed = [f"{arm}, seed {seed}, tick {tick}" for arm, seed, tick in run.diverged[:10]]
    listed += [f"and {len(run.diverged) - 10} more"] if len(run.diverged) > 10 else []
    return (
        f'<div class="warning">Runs that became non-finite, kept in every table: '
        f"{escape('; '.join(listed))}.</div>"
    )


def _legend(run: Run) -> str:
    if not run.judgements:
        return ""
    return (
        '<p class="legend">Bar: the interval of the mean. Small dots: one seed each. Shaded: the '
        "region of the rule, fixed before the run; inside it the claim holds, outside it fails, "
        "across its edge it is open. Diamond: the paper's value.</p>"
    )


def _claim(judgement: ClaimJudgement, *, headline: bool) -> str:
    notes = []
    if judgement.paper:
        notes.append(f"Paper: {escape(judgement.paper)}")
    if headline:
        notes.append("headline claim")
    if judgement.reason:
        notes.append(f"<strong>Open at best: {escape(judgement.reason)}.</strong>")
    note = f'<p class="note">{" · ".join(notes)}</p>' if notes else ""
    return (
        f'<article class="claim"><header><h3>{escape(judgement.name)} · {escape(judgement.text)}'
        f"</h3>{chip(judgement.verdict)}</header>{note}"
        f"{''.join(map(_part, judgement.parts))}</article>"
    )


def _part(part: PartJudgement) -> str:
    numbers = f"rule {escape(format_rule(part))} · {escape(format_method(part))}"
    if part.paper is not None:
        numbers += f" · paper {format_value(part.paper, unit=part.unit)} {part.unit}".rstrip()
    reason = f'<p class="note">{escape(part.reason)}</p>' if part.reason else ""
    values = ", ".join(_values(part))
    return (
        f'<div class="part"><div><div class="what">{escape(part.name)}</div>'
        f'<div class="numbers"><span class="estimate">{escape(format_estimate(part))}</span>'
        f'<br>{numbers}</div>{reason}<details><summary>values</summary><p class="numbers">'
        f"{escape(values)}</p></details></div>{interval_svg(part)}{chip(part.verdict)}</div>"
    )


def _values(part: PartJudgement) -> Iterable[str]:
    digits = None
    if math.isfinite(part.estimate) and part.high > part.low:
        half = (part.high - part.low) / 20
        digits = decimals(part.estimate, unit=part.unit, half_width=half)
    for i, value in enumerate(part.values):
        seed = f"seed {part.seeds[i]}: " if part.seeds else ""
        yield f"{seed}{format_value(value, unit=part.unit, digits=digits)}"


def chip(verdict: str, text: str = "") -> str:
    """A verdict as a small label, or another text in its color."""
    return f'<span class="chip {verdict}">{SIGNS[verdict]} {escape(text or verdict)}</span>'


def _figures(drawn: Mapping[str, str]) -> str:
    if not drawn:
        return ""
    each = (
        f'<figure class="scroll">{figures.inline_svg(svg)}<figcaption>{escape(name)}'
        "</figcaption></figure>"
        for name, svg in drawn.items()
    )
    return f"<h2>Figures</h2>{''.join(each)}"


def _settings(run: Run) -> str:
    preset = run.study.scales.get(run.scale)
    usual = settings(dataclasses.asdict(preset)) if preset is not None else {}
    rows = []
    for name, value in settings(dataclasses.asdict(run.config)).items():
        changed = name in usual and usual[name] != value
        note = f" (scale {run.scale}: {usual[name]})" if changed else ""
        kind = ' class="changed"' if changed else ""
        rows.append(f"<tr><th>{escape(name)}</th><td{kind}>{escape(f'{value}{note}')}</td></tr>")
    return f'<h2>Configuration</h2><div class="scroll"><table>{"".join(rows)}</table></div>'


def _origin(run: Run) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in settings(run.environment).items()
    )
    return (
        f"<h2>Where this comes from</h2><pre>{escape(run.command)}</pre>"
        f'<div class="scroll"><table>{rows}</table></div>'
        f'<p class="note">Records: <code>{escape(run.folder.name)}/records.nc</code>, opened by '
        f"<code>engrax.load_run({escape(repr(run.folder.name))})</code>.</p>"
    )


def settings(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as one, with dotted names; lists as text."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        for name, value in flat(nested).items()
    }


def redraw(run: Run) -> Path:
    """Draws the figures and the page of a run again, and seals its folder.

    **Returns:** the path of the page.

    Raises:
        ValueError: a figure of the study has an axis without a label.
    """
    folder = run.folder / FIGURES
    folder.mkdir(exist_ok=True)
    drawn = {}
    for name, figure in drawn_figures(run).items():
        vector, _ = figures.save(figure, folder, name)
        drawn[name] = vector.read_text(encoding="utf-8")
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close(figure)  # one of its own would otherwise live on
    page = run.folder / REPORT
    write(page, render_report(run, drawn))
    seal(run.folder, run.folder / MANIFEST, skip=UNSEALED)
    return page
