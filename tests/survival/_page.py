"""The numbers of docs/survival.md, from the ledger results/survival.json."""

from pathlib import Path
from typing import Any

from ._life import PHASES

PAGE = Path("docs/survival.md")
BEGIN, END = "<!-- survival:begin -->", "<!-- survival:end -->"


def write_page(found: dict[str, Any]) -> None:
    """Puts the tables between their markers."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{tables(found)}\n{END}{after}", encoding="utf-8")


def tables(found: dict[str, Any]) -> str:
    """What was measured, in Markdown."""
    parts = [_kills(found["kills"])] if "kills" in found else []
    parts += [_faults(found["faults"])] if "faults" in found else []
    return "\n\n".join(parts)


def _kills(kills: dict[str, Any]) -> str:
    rows = [
        f"| Kills | {' | '.join(PHASES)} | elsewhere | all | survived | most lost |",
        "|---|" + "---:|" * (len(PHASES) + 4),
    ]
    for name, tally in kills.items():
        counted = tally["kills"]
        mine = [counted.get(phase, 0) for phase in PHASES]
        total = sum(counted.values())
        cells = [
            *mine,
            total - sum(mine),
            total,
            tally["survived"],
            f"{tally['worst_loss']:g} chunk",
        ]
        rows.append(f"| `{name}` | {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def _faults(faults: dict[str, Any]) -> str:
    calls = faults["calls"]
    names = [name for name in next(iter(calls.values())) if name not in ("calls", "ended")]
    rows = [
        f"| Faults, {faults['date']} | calls | {' | '.join(names)} | runs ended | wrong |",
        "|---|" + "---:|" * (len(names) + 3),
    ]
    for kind, mine in calls.items():
        wrong = sum(failure.startswith(f"{kind} ") for failure in faults["failures"])
        cells = [mine["calls"], *(mine[name] for name in names), mine["ended"], wrong]
        rows.append(f"| {kind} | {' | '.join(map(str, cells))} |")
    return "\n".join(rows)
