"""The page of one study: method, claims, figures, what did not hold, how to run it again."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from ._format import format_end, format_estimate, format_method, format_rule
from ._interval_svg import interval_svg
from ._judgements import ClaimJudgement, PartJudgement
from ._ledger import FIGURES, judged, where_measured
from ._report import chip, citation, settings
from ._study import Paper, Study
from .figures import size_of


def study_page(entry: Mapping[str, Any], study: Study | None, figures: Path) -> str:
    """The page in Markdown.

    **Arguments:**

    - `entry`: the study's entry in the ledger.
    - `figures`: the folder of the ledger's figures, whose sizes the page states.
    - `study`: the study itself, for what the ledger does not hold: plain words, notes, and what
      each field of the configuration means. Without it these are left out.
    """
    claims = judged(entry)
    parts = (
        _head(entry, claims),
        _method(entry, study),
        _claims(entry, claims),
        _figures(entry, figures),
        _not_held(claims, study.notes if study else {}),
        _command(entry),
        _config(entry, field_docs(study.config) if study else {}),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def dark_name(figure: str) -> str:
    """The name of a figure's dark twin."""
    return figure.replace(".svg", "-dark.svg")


def field_docs(config: type, prefix: str = "") -> dict[str, str]:
    """Field of a configuration -> the string below it in the source; nested fields with dots."""
    found: dict[str, str] = {}
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0]
    except (OSError, TypeError, SyntaxError):
        return found
    lines = body.body if isinstance(body, ast.ClassDef) else []
    for field, below in itertools.pairwise(lines):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(str(text))):
                found[f"{prefix}{name}"] = inspect.cleandoc(text)
    for name, kind in inspect.get_annotations(config).items():
        if inspect.isclass(kind) and hasattr(kind, "__dataclass_fields__"):
            found |= field_docs(kind, f"{prefix}{name}.")
    return found


def _head(entry: Mapping[str, Any], claims: Iterable[ClaimJudgement]) -> str:
    paper = entry["paper"]
    chips = " ".join(
        f'<a class="claim-link" href="#{c.name.lower()}">{chip(c.verdict, c.name)}</a>'
        for c in claims
    )
    return (
        f"---\ntitle: {entry['study']}\nsearch: {{boost: 2}}\n---\n\n# {_plain(paper['title'])}\n\n"
        f"{citation(Paper(**paper))}\n\n"
        f'<p class="chips">{chips}</p>'
    )


def _method(entry: Mapping[str, Any], study: Study | None) -> str:
    words = study.method.strip() if study else ""
    return f"## The method\n\n{words or _plain(entry['summary'])}"


def _claims(entry: Mapping[str, Any], claims: Iterable[ClaimJudgement]) -> str:
    sections = [
        "## Claims",
        "A claim and its rule were fixed before the recorded run. It holds where the 95 % interval "
        "of every part lies inside the rule's region (shaded; a diamond is the paper's value), "
        "fails where one lies outside, and is open where one straddles an end. "
        "[How a verdict comes about](../verdicts.md).",
    ]
    for claim in claims:
        headline = " (headline)" if claim.name == entry["headline"] else ""
        paper = f"<br>Paper: {escape(claim.paper)}" if claim.paper else ""
        why = f"<br>{escape(claim.reason)}" if claim.reason else ""
        small = f'<span class="from">{paper}{why}</span>'
        sections.append(
            f"### {claim.name} {claim.verdict}{headline} {{ #{claim.name.lower()} .claim }}\n\n"
            f'<p class="claim-text">{escape(claim.text)}{small}</p>\n'
            f"{_parts(claim.parts)}"
        )
    return "\n\n".join(sections)


def _parts(parts: Iterable[PartJudgement]) -> str:
    titles = ("Part", "Measured", "", "Rule", "Paper", "Verdict")
    head = "".join(f"<th>{title}</th>" for title in titles)
    rows = "\n".join(_part(part) for part in parts)
    return (
        f'<table class="atlas parts">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>'
        "\n</table>"
    )


def _part(part: PartJudgement) -> str:
    paper = "" if part.paper is None else f"{format_end(part.paper, part.unit)} {part.unit}".strip()
    reason = f"<br><small>{escape(part.reason)}</small>" if part.reason else ""
    cells = (
        ("Part", escape(part.name)),
        (
            "Measured",
            f"<strong>{escape(format_estimate(part))}</strong>"
            f"<br><small>{escape(format_method(part))}</small>{reason}",
        ),
        ("Drawn", interval_svg(part)),
        ("Rule", escape(format_rule(part))),
        ("Paper", escape(paper)),
        ("Verdict", chip(part.verdict)),
    )
    return "<tr>" + "".join(_cell(title, text) for title, text in cells) + "</tr>"


def _cell(title: str, text: str) -> str:
    return f'<td data-title="{title}"{"" if text else " class=none"}>{text}</td>'


def _figures(entry: Mapping[str, Any], folder: Path) -> str:
    if not entry["figures"]:
        return ""
    return "## Figures\n\n" + "\n\n".join(
        _figure(name, entry["study"], size_of((folder / name).read_text(encoding="utf-8")))
        for name in entry["figures"]
    )


def _figure(file: str, study: str, size: tuple[int, int]) -> str:
    shown = file.removeprefix(f"{study}-").removesuffix(".svg").replace("_", " ")
    pair = "".join(
        f'<img class="{kind}" src="{FIGURES}/{source}" alt="{escape(shown)}" loading="lazy" '
        f'width="{size[0]}" height="{size[1]}">'
        for kind, source in (
            ("in-light", file),
            ("in-dark", dark_name(file)),
        )
    )
    return (
        f'<figure class="measured"><div class="scroll">{pair}</div>'
        f"<figcaption>{escape(shown.capitalize())}</figcaption></figure>"
    )


def _not_held(claims: Iterable[ClaimJudgement], notes: Mapping[str, str]) -> str:
    claims = list(claims)
    lost = [claim for claim in claims if claim.verdict != "holds"]
    told = [claim for claim in claims if claim.verdict == "holds" and claim.name in notes]
    items = [_lost(claim, notes.get(claim.name, "")) for claim in lost]
    items += [_item(claim, "", notes[claim.name]) for claim in told]
    begin = "" if lost else "Every claim holds.\n\n"
    body = f'<dl class="notes">{"".join(items)}</dl>' if items else ""
    return f"## What did not hold, and what was tried\n\n{begin}{body}".rstrip()


def _lost(claim: ClaimJudgement, note: str) -> str:
    worse = [part for part in claim.parts if part.verdict != "holds"]
    named = "; ".join(f"{part.name} ({part.verdict})" for part in worse[:4])
    more = f"; and {len(worse) - 4} more" if len(worse) > 4 else ""
    which = f"{len(worse)} of {len(claim.parts)} parts: {named}{more}." if worse else claim.reason
    return _item(claim, which, note)


def _item(claim: ClaimJudgement, which: str, note: str) -> str:
    named = f'<dt><a href="#{claim.name.lower()}">{claim.name}</a> {chip(claim.verdict)}</dt>'
    small = f"<small>{escape(which)}</small>" if which else ""
    between = "<br>" if which and note else ""
    return f"{named}<dd>{small}{between}{escape(note)}</dd>"


def _command(entry: Mapping[str, Any]) -> str:
    name = entry["study"]
    said = "\n".join(
        f"- `{source['command']}`: {where_measured(source)}." for source in entry["sources"]
    )
    lost = sum(len(source["diverged"]) for source in entry["sources"])
    note = f"\n\nRuns that became non-finite: {lost}." if lost else ""
    return (
        f"## Run it\n\n```sh\nengrax run {name}                # everything, at scale "
        f"{entry['scale']}\nengrax run {name} --headline     # {entry['headline']} alone\n"
        f"engrax run {name} --scale smoke  # does it run here? seconds, never judged\n```\n\n"
        f"What is shown above was recorded by:\n\n{said}{note}\n\n"
        f"The numbers themselves, seed by seed, are in `results/{name}.json`."
    )


def _config(entry: Mapping[str, Any], docs: Mapping[str, str]) -> str:
    rows = "\n".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(str(value))}</td>"
        f"<td>{escape(docs.get(name, ''))}</td></tr>"
        for name, value in settings(entry["config"]).items()
    )
    return (
        f"## Configuration\n\nScale `{entry['scale']}`; every field is an option of "
        f"`engrax run {entry['study']}`.\n\n"
        '<div class="scroll" data-search-exclude><table class="config">\n'
        "<thead><tr><th>Field</th><th>Value</th><th>Meaning</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _plain(text: str) -> str:
    """Text that Markdown leaves alone."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in text)
