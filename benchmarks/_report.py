"""Comparisons as a JSON file for programs and a table for people."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from ._timer import Alternation
from ._versions import version_of

LEDGER = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parent / "README.md"
_BEGIN, _END = "<!-- measured -->", "<!-- /measured -->"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One case of a topic, timed against a named peer doing the same work."""

    case: str
    peer: str
    gate: str
    """What was checked to be equal before the timing, and how equal it was."""
    aim: float
    """The ratio that was aimed at."""
    alternation: Alternation
    rates: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Work a second, or the share of a rate of the machine, in words."""
    profile: str = ""
    """Where the time goes, in one sentence."""
    version: str = ""
    """The peer's version, where its name does not lead to it."""

    def row(self) -> dict[str, object]:
        """As it stands in the ledger."""
        ours, peer = self.alternation
        ratio = self.alternation.ratio
        return {
            "case": self.case,
            "peer": self.peer,
            "version": self.version or version_of(self.peer),
            "gate": self.gate,
            "aim": self.aim,
            "ratio": round(ratio.median, 3),
            "range": [round(ratio.low, 3), round(ratio.high, 3)],
            "fastest rounds": round(self.alternation.quiet_ratio, 3),
            "processor time": round(self.alternation.processor_ratio, 3),
            "reached": min(ratio.median, self.alternation.quiet_ratio) >= self.aim,
            "seconds": {"engrax": round(ours.median, 5), "peer": round(peer.median, 5)},
            "fastest": {"engrax": round(min(ours.rounds), 5), "peer": round(min(peer.rounds), 5)},
            "first call": {"engrax": round(ours.first, 3), "peer": round(peer.first, 3)},
            "rounds": len(ours.rounds),
            "rates": dict(self.rates),
            "profile": self.profile,
        }


def record(topic: str, machine: Mapping[str, str], comparisons: Iterable[Comparison]) -> None:
    """Writes one topic into the ledger, leaving the others, and draws the page again."""
    ledger = json.loads(LEDGER.read_text()) if LEDGER.exists() else {}
    ledger[topic] = {"machine": dict(machine), "rows": [c.row() for c in comparisons]}
    text = json.dumps(ledger, indent=2, ensure_ascii=False)
    LEDGER.write_text(text + "\n", encoding="utf-8")
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8"), ledger), encoding="utf-8")


def drawn(page: str, ledger: Mapping[str, dict]) -> str:
    """The page with its measured part replaced."""
    head, rest = page.split(_BEGIN)
    _, tail = rest.split(_END)
    sections = [_section(topic, entry) for topic, entry in sorted(ledger.items())]
    return f"{head}{_BEGIN}\n{''.join(sections)}{_END}{tail}"


def atlas_page(ledger: Mapping[str, dict]) -> str:
    """The page of the documentation: ratios by topic, losses included."""
    rows = [row for entry in ledger.values() for row in entry["rows"]]
    slower = sum(row["ratio"] < 1 for row in rows)
    head = f"""\
---
title: Benchmarks
---

# Benchmarks

Engrax against others that do the same work: same data, same weights, same batches, two threads a
side. Before anything is timed both sides must agree in what they compute. Then they take turns, at
least five rounds; a ratio is the peer's time over ours within a round, and the table has the median
and the range over the rounds. Above 1 Engrax is faster. {len(rows)} comparisons, {slower} of them
lost; `engrax bench TOPIC`, from a clone of the repository, measures them on your machine, against
the peers that are installed. What was checked, how the fastest rounds compare and where the time
goes is in `benchmarks/README.md`.
"""
    return head + "".join(_ratios(topic, entry) for topic, entry in sorted(ledger.items()))


def _ratios(topic: str, entry: Mapping[str, object]) -> str:
    lines = [
        f"\n## {topic}\n",
        "| Peer | Version | Work | Ratio | Range |",
        "|---|---|---|---|---|",
    ]
    for row in entry["rows"]:
        low, high = row["range"]
        lines.append(
            f"| {row['peer']} | {row['version'] or 'not recorded'} | {row['case']} "
            f"| **{_times(row['ratio'])}** | {_times(low)} to {_times(high)} |"
        )
    return "\n".join([*lines, "", measured_on(entry), ""])


def measured_on(entry: Mapping[str, object]) -> str:
    """The machine of a ledger's entry."""
    machine = ", ".join(f"{name} {value}" for name, value in entry["machine"].items())
    return f"Measured on: {machine}."


def _section(topic: str, entry: Mapping[str, object]) -> str:
    lines = [
        f"\n### {topic}\n",
        "| case | against | ratio (range) | fastest rounds | processor time | aim "
        "| ours | peer | compiling |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    notes = []
    for row in entry["rows"]:
        low, high = row["range"]
        compiling = max(0.0, row["first call"]["engrax"] - row["seconds"]["engrax"])
        aim = f"{row['aim']:g}x" + ("" if row["reached"] else " (missed)")
        lines.append(
            f"| {row['case']} | {row['peer']} "
            f"| **{_times(row['ratio'])}x** ({_times(low)} to {_times(high)}) "
            f"| {_times(row['fastest rounds'])}x | {_times(row['processor time'])}x | {aim} "
            f"| {_time(row['seconds']['engrax'])} | {_time(row['seconds']['peer'])} "
            f"| {compiling:.1f} s |"
        )
        rates = "; ".join(f"{name}: {rate}" for name, rate in row["rates"].items())
        notes.append(
            f"- **{row['case']}.** Equal before timing: {row['gate']}."
            + (f" {rates}." if rates else "")
            + (f" {row['profile']}" if row["profile"] else "")
        )
    return "\n".join([*lines, "", *notes, "", measured_on(entry), ""])


def _time(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _times(ratio: float) -> str:
    """Three digits, without a power of ten."""
    return f"{ratio:.3g}" if ratio < 1000 else f"{float(f'{ratio:.3g}'):,.0f}"
