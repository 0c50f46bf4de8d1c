"""The verdicts as a table for the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engrax.lab import Run, format_estimate, format_method, format_rule

from ._parse import console_width

_COLORS = {"holds": "green", "fails": "red", "open": "yellow"}


def print_claims(run: Run) -> None:
    """Prints one row a part: what was measured, by which rule, and the verdict."""
    table = Table(title=f"{run.study.name}: {run.study.paper.title}", title_justify="left")
    for column in ("claim", "measured", "rule", "paper", "verdict"):
        table.add_column(column, overflow="fold")
    for claim in run.judgements:
        verdict = Text(claim.verdict, style=f"bold {_COLORS[claim.verdict]}")
        said = Text(f"{claim.name}  {claim.text}", style="bold")
        table.add_row(said, claim.reason, "", claim.paper, verdict, end_section=False)
        for i, part in enumerate(claim.parts):
            last = i == len(claim.parts) - 1
            measured = part.reason or f"{format_estimate(part)}  ({format_method(part)})"
            verdict = Text(part.verdict, style=_COLORS[part.verdict])
            row = (Text(f"  {part.name}"), Text(measured), format_rule(part), "", verdict)
            table.add_row(*row, end_section=last)
    Console(width=console_width(), highlight=False, markup=False).print(table)
