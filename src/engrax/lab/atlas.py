"""Pages of the documentation that are made from the ledger: studies, one by one and in tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from engrax._registry import studies

from . import figures
from ._atlas_study import dark_name, study_page
from ._claims import WORST_FIRST
from ._format import format_estimate, format_rule
from ._judgements import ClaimJudgement
from ._ledger import FIGURES, judged, machine_minutes, read_ledger
from ._report import chip
from ._study import Study, load_study

FOLDER = "studies"
"""Where the pages of the studies are, from the front page."""
TABLE = "<!-- atlas:studies -->"
"""The line of a Markdown file that the table of studies takes the place of."""


def pages(results: Path) -> dict[str, str]:
    """Path in the documentation -> Markdown: one page a recorded study, and the page of them all.

    Raises:
        FolderError: a file of the ledger cannot be read.
    """
    ledger = read_ledger(results)
    found = {f"{FOLDER}/index.md": overview(ledger)}
    for name, entry in ledger.items():
        found[f"{FOLDER}/{name}.md"] = study_page(entry, _installed(name), results / FIGURES)
    return found


def drawings(results: Path) -> dict[str, str]:
    """Path in the documentation -> SVG: the ledger's figures, for light pages and for dark."""
    found = {}
    for entry in read_ledger(results).values():
        for name in entry["figures"]:
            light = (results / FIGURES / name).read_text(encoding="utf-8")
            found[f"{FOLDER}/{FIGURES}/{name}"] = light
            found[f"{FOLDER}/{FIGURES}/{dark_name(name)}"] = figures.dark_svg(light)
    return found


def with_studies(text: str, results: Path) -> str:
    """A page with the table of studies at the line that asks for it."""
    return text.replace(TABLE, front_table(read_ledger(results))) if TABLE in text else text


def front_table(ledger: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a study: headline claim, what was measured, the paper's figure, verdict, time."""
    if not ledger:
        return "No study has been recorded yet."
    titles = ("Study", "Headline claim", "Measured, 95 % interval", "The paper", "Verdict", "Time")
    return _table("front", titles, (_front_row(entry) for entry in ledger.values()))


def overview(ledger: Mapping[str, Mapping[str, Any]]) -> str:
    """The page that lists every claim of every study with its verdict."""
    titles = ("Study", "Paper", "Claims", "Scale, seeds")
    counts = [claim.verdict for entry in ledger.values() for claim in judged(entry)]
    verbs = {"holds": "hold", "open": "are open", "fails": "fail"}
    said = ", ".join(f"{counts.count(verdict)} {verb}" for verdict, verb in verbs.items())
    return (
        "---\ntitle: All studies\nhide: [toc]\n---\n\n# Studies\n\n"
        f"{len(ledger)} published methods, measured again; {len(counts)} claims: {said}. "
        "[How a verdict comes about](../verdicts.md).\n\n"
        + _table("overview", titles, (_overview_row(entry) for entry in ledger.values()))
        + "\n"
    )


def _front_row(entry: Mapping[str, Any]) -> Sequence[str]:
    headline = next((c for c in judged(entry) if c.name == entry["headline"]), None)
    link = f'<a href="{FOLDER}/{entry["study"]}.html"><code>{_breakable(entry["study"])}</code></a>'
    time = escape(machine_minutes(entry["sources"]))
    if headline is None:
        return link, "not recorded", "", "", "", time
    return (
        link,
        escape(headline.text),
        _measured(headline),
        escape(headline.paper),
        chip(headline.verdict),
        time,
    )


def _measured(claim: ClaimJudgement) -> str:
    """The part that decides, which is the worst one, and how many more there are."""
    worst = sorted(claim.parts, key=lambda part: WORST_FIRST.index(part.verdict))[0]
    more = len(claim.parts) - 1
    rest = f"<br><small>and {more} more part{'s' * (more > 1)}</small>" if more else ""
    return (
        f"{escape(worst.name)}: <strong>{escape(format_estimate(worst))}</strong>"
        f"<br><small>rule: {escape(format_rule(worst))}</small>{rest}"
    )


def _overview_row(entry: Mapping[str, Any]) -> Sequence[str]:
    name, paper = entry["study"], entry["paper"]
    claims = " ".join(
        f'<a class="claim-link" href="{name}.html#{claim.name.lower()}" '
        f'title="{escape(claim.text)}">{chip(claim.verdict, claim.name)}</a>'
        for claim in judged(entry)
    )
    return (
        f'<a href="{name}.html"><code>{_breakable(name)}</code></a>',
        f"{escape(paper['title'])} ({paper['year']})",
        claims,
        f"{escape(entry['scale'])}, {entry['config']['seeds']}",
    )


def _table(kind: str, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose rows become cards on a narrow screen, each cell under its title."""
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "\n".join(
        "<tr>"
        + "".join(f'<td data-title="{t}">{cell}</td>' for t, cell in zip(titles, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<table class="atlas {kind}">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>'
        "\n</table>"
    )


def _breakable(name: str) -> str:
    """A name that may be broken after its underscores."""
    return re.sub("_", "_<wbr>", escape(name))


def _installed(name: str) -> Study | None:
    return load_study(name) if name in studies() else None
