"""`engrax track [RUN...]`: sends runs to a tracking server, or what it did not take before."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from engrax.lab import RunError, Tracker, load_run, unsent

from ._jax import configure
from ._parse import parse

RUNS = Path("runs")


@dataclasses.dataclass(frozen=True)
class Options:
    """Which runs, and where to."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN...]")] = ()
    """Folders of finished runs; all in runs/ that are still to be sent if none is named."""
    to: Annotated[str, tyro.conf.arg(metavar="URI")] = ""
    """The MLflow server; the one that each run was to go to if not given."""


def track(args: list[str]) -> int:
    """Sends each run, one line a run; what a server has already is not doubled."""
    options = parse(Options, args, prog="engrax track", description="Sends runs to MLflow.")
    folders = options.runs or sorted(p.parent for p in RUNS.glob("*/run.json"))
    configure()
    trackers: dict[str, Tracker] = {}
    sent, failed = 0, False
    for folder in folders:
        try:
            for uri in [options.to] if options.to else unsent(folder):
                trackers[uri] = trackers.get(uri) or Tracker(uri)
                trackers[uri].send(load_run(folder))
                print(f"{folder}: sent to {uri}")
                sent += 1
        except RunError as error:  # the other runs can still be sent
            print(f"engrax: {folder}: {error}", file=sys.stderr)
            failed = True
    if not sent and not failed:
        print("nothing is left to send; name a run and --to URI to send it there")
    return 1 if failed else 0
