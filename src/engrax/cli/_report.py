"""`engrax report [RUN...]`: draws finished runs again."""

import sys
from pathlib import Path

from engrax.lab import RunError, load_run, redraw

from ._errors import UsageError
from ._jax import configure

RUNS = Path("runs")


def report(args: list[str]) -> int:
    """Draws figures and page of each run folder again, without running anything."""
    if {"-h", "--help"} & set(args):
        print(
            "usage: engrax report [RUN...]\n\nDraws the figures and the page of finished run "
            "folders again; of all in runs/ if none is named."
        )
        return 0
    if options := [arg for arg in args if arg.startswith("-")]:
        raise UsageError(f"engrax report takes run folders, got the option {options[0]!r}")
    folders = [Path(arg) for arg in args] or sorted(p.parent for p in RUNS.glob("*/run.json"))
    if not folders:
        raise UsageError(f"there is no run in {RUNS}; name a run folder, or run a study first")
    configure()
    failed = False
    for folder in folders:
        try:
            print(redraw(load_run(folder, drawn=False)))
        except RunError as error:  # the other runs can still be drawn
            print(f"engrax: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0
