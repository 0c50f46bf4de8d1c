"""The ledger: one JSON file a study of what was measured, and the table made from these files."""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from . import figures
from ._claims import WORST_FIRST, claims_hash
from ._errors import FolderError, RunError
from ._folder import Run
from ._format import format_estimate, format_rule
from ._judgements import ClaimJudgement
from ._manifest import write, write_json
from ._report import drawn_figures
from ._run import judgeable
from ._study import Study

FIGURES = "figures"
LARGEST_FIGURE = 300_000
"""Bytes; a figure above is rasterized, since a repository keeps it for good."""
SHOWN = 3
"""Parts of a headline in the table, the worst first."""
BEGIN, END = "<!-- studies:begin -->", "<!-- studies:end -->"


def config_hash(study: Study, scale: str, config: Any) -> str:
    """SHA-256 of the study's name, the scale and every field of the configuration."""
    literal = [study.name, scale, dataclasses.asdict(config)]
    return hashlib.sha256(json.dumps(literal, separators=(",", ":")).encode()).hexdigest()


def plan_record(study: Study, scale: str, config: Any, results: Path) -> None:
    """Refuses a recording that could not be made, before the run rather than after it.

    Raises:
        RunError: claims would not be judged.
        FolderError: `results` cannot be written.
    """
    if not judgeable(study, scale, config):
        raise RunError(
            "only judged claims are recorded: that takes an unmodified scale other than smoke, "
            "and at least 5 seeds"
        )
    try:
        (results / FIGURES).mkdir(parents=True, exist_ok=True)
        probe = results / f".{study.name}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderError(f"cannot write {results}: {error.strerror or error}") from error


def record(run: Run, results: Path) -> Path:
    """Writes `results/<study>.json` and `results/figures/<study>-<figure>.svg`, each atomically.

    Claims that an earlier run with the same configuration, claims and scale measured and this one
    did not are kept, with the run they come from; all else is replaced.

    **Returns:** the path of the JSON file.

    Raises:
        RunError: the run's claims were not judged.
    """
    plan_record(run.study, run.scale, run.config, results)
    path = results / f"{run.study.name}.json"
    entry = _entry(run)
    kept, sources = _earlier(path, entry, {judgement.name for judgement in run.judgements})
    mine = [{**judgement.to_json(), "source": len(sources)} for judgement in run.judgements]
    order = [claim.name for claim in run.study.claims]
    claims = sorted([*kept, *mine], key=lambda claim: order.index(claim["name"]))
    names = _write_figures(run.study.name, drawn_figures(run), results / FIGURES)
    old = _figures_of(path) if kept else []
    listed = [*(name for name in old if name not in names), *names]
    full = {**entry, "claims": claims, "sources": [*sources, _source(run)], "figures": listed}
    write_json(path, full)
    return path


def read_ledger(results: Path) -> dict[str, dict[str, Any]]:
    """The recorded studies by name.

    Raises:
        FolderError: a file there cannot be read.
    """
    found = {}
    for path in sorted(results.glob("*.json")):
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            if "study" in entry:  # else it is another ledger, such as that of the benchmarks
                found[entry["study"]] = entry
        except (OSError, ValueError, TypeError) as error:
            raise FolderError(f"{path} cannot be read; record it again") from error
    return found


def studies_table(results: Path) -> str:
    """The table of recorded studies in Markdown: paper, headline, verdicts, cost."""
    entries = read_ledger(results).values()
    if not entries:
        return "No study has been recorded yet."
    rows = [
        "| Study | Paper | Headline claim: measured | Verdicts | Scale, seeds, time |",
        "|---|---|---|---|---|",
    ]
    rows += [_row(entry) for entry in entries]
    return "\n".join(rows)


def with_table(text: str, table: str) -> str:
    """`text` with `table` between its two markers.

    Raises:
        RunError: the markers are missing.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise RunError(f"the text has no lines {BEGIN} and {END}; add them where the table goes")
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def write_table(readme: Path, results: Path) -> bool:
    """Writes the table of studies into a Markdown file; whether that changed it."""
    old = readme.read_text(encoding="utf-8")
    new = with_table(old, studies_table(results))
    if new != old:
        write(readme, new)
    return new != old


def _entry(run: Run) -> dict[str, Any]:
    study = run.study
    return {
        "study": study.name,
        "summary": study.summary,
        "paper": dataclasses.asdict(study.paper),
        "headline": study.headline,
        "scale": run.scale,
        "config": json.loads(json.dumps(dataclasses.asdict(run.config))),
        "config_hash": config_hash(study, run.scale, run.config),
        "claims_hash": claims_hash(study.claims),
    }


def _source(run: Run) -> dict[str, Any]:
    return {
        "command": _anywhere(run.command),
        "minutes": round(run.minutes, 2),
        "environment": run.environment,
        "diverged": [list(lost) for lost in run.diverged],
    }


def _earlier(
    path: Path, entry: Mapping[str, Any], again: set[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Claims of an earlier record that still stand, and the runs that they come from."""
    if not path.exists():
        return [], []
    old = read_ledger(path.parent).get(entry["study"], {})
    if any(old.get(name) != entry[name] for name in ("scale", "config_hash", "claims_hash")):
        return [], []
    kept = [claim for claim in old["claims"] if claim["name"] not in again]
    used = sorted({claim["source"] for claim in kept})
    moved = [{**claim, "source": used.index(claim["source"])} for claim in kept]
    return moved, [old["sources"][i] for i in used]


def _figures_of(path: Path) -> list[str]:
    return json.loads(path.read_text(encoding="utf-8"))["figures"]


def _write_figures(study: str, drawn: Mapping[str, Figure], folder: Path) -> list[str]:
    names = []
    for name, figure in drawn.items():
        write(folder / f"{study}-{name}.svg", _small_svg(figure))
        names.append(f"{study}-{name}.svg")
    return names


def _small_svg(figure: Figure) -> str:
    """The figure as SVG; as images of ever fewer dots where it is larger than a ledger keeps."""
    svg = figures.file_svg(figure)
    for dpi in (150.0, 100.0, 70.0):
        if len(svg.encode()) <= LARGEST_FIGURE:
            break
        figures.rasterize(figure)
        svg = figures.file_svg(figure, dpi=dpi)
    return svg


def _row(entry: Mapping[str, Any]) -> str:
    paper, study = entry["paper"], entry["study"]
    claims = judged(entry)
    title = f"{paper['title']} ({paper['year']})"
    if paper["arxiv"]:
        title = f"[{title}](https://arxiv.org/abs/{paper['arxiv']})"
    measured = "not recorded"
    for claim in claims:
        if claim.name == entry["headline"]:
            worst = sorted(claim.parts, key=lambda part: WORST_FIRST.index(part.verdict))
            parts = [
                f"{p.name}: {format_estimate(p)} (rule {format_rule(p)})" for p in worst[:SHOWN]
            ]
            if len(worst) > SHOWN:
                parts.append(f"and {len(worst) - SHOWN} more parts")
            measured = f"**{claim.verdict}**. {claim.text}<br>{'<br>'.join(parts)}"
    verdicts = ", ".join(f"{claim.name} {claim.verdict}" for claim in claims)
    cost = (
        f"{entry['scale']}, {entry['config']['seeds']} seeds, {machine_minutes(entry['sources'])}"
    )
    cells = (f"`{study}`", title, measured, verdicts, cost)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def judged(entry: Mapping[str, Any]) -> list[ClaimJudgement]:
    """The verdicts of a study of the ledger."""
    return [ClaimJudgement.from_json(_without_source(claim)) for claim in entry["claims"]]


def where_measured(source: Mapping[str, Any]) -> str:
    """Time, machine and versions of one recorded run."""
    machine = source["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    accelerator = machine["devices"][0]
    device = "" if accelerator == "cpu" else f", {accelerator}"
    return (
        f"{source['minutes']:.1f} minutes on {machine['cores']} cores of {machine['processor']}"
        f"{device}; {versions}"
    )


def _anywhere(command: str) -> str:
    """The command without `--out`: a folder of one machine says nothing on another."""
    words = shlex.split(command)
    while "--out" in words:
        at = words.index("--out")
        del words[at : at + 2]
    return shlex.join(words)


def machine_minutes(sources: Iterable[Mapping[str, Any]]) -> str:
    """Minutes on each kind of machine: its accelerator, or its number of cores."""
    spent: dict[str, float] = {}
    for source in sources:
        machine = source["environment"]
        kind = machine["devices"][0]
        where = f"{machine['cores']} cores" if kind == "cpu" else kind
        spent[where] = spent.get(where, 0.0) + source["minutes"]
    return ", ".join(f"{minutes:.0f} min on {where}" for where, minutes in spent.items())


def _without_source(claim: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claim.items() if name != "source"}
