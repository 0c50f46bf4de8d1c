"""Comparisons as a JSON file for programs and a table for people."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from ._timer import Alternation

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

    def row(self) -> dict[str, object]:
        """As it stands in the ledger."""
        ours, peer = self.alternation
        ratio = self.alternation.ratio
        return {
            "case": self.case,
            "peer": self.peer,
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
            f"| {row['case']} | {row['peer']} | **{row['ratio']:.3g}x** ({low:.3g} to {high:.3g}) "
            f"| {row['fastest rounds']:.3g}x | {row['processor time']:.3g}x | {aim} "
            f"| {_time(row['seconds']['engrax'])} | {_time(row['seconds']['peer'])} "
            f"| {compiling:.1f} s |"
        )
        rates = "; ".join(f"{name}: {rate}" for name, rate in row["rates"].items())
        notes.append(
            f"- **{row['case']}.** Equal before timing: {row['gate']}."
            + (f" {rates}." if rates else "")
            + (f" {row['profile']}" if row["profile"] else "")
        )
    machine = ", ".join(f"{name} {value}" for name, value in entry["machine"].items())
    return "\n".join([*lines, "", *notes, "", f"Measured on: {machine}.", ""])


def _time(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
