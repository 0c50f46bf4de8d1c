"""Kills, faults and damage, and what came of them; see `--help`."""

import argparse
import datetime
import json
import tempfile
import time
from pathlib import Path

from ._faults import FAULTY, inject
from ._kills import STUDIES, TINY, Undisturbed, kill
from ._page import write_page
from ._tiny import tiny_installed

RESULTS = Path("results/survival.json")


def main() -> None:
    """Runs what was asked for, and adds it to the ledger and to the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.survival", description=main.__doc__)
    parser.add_argument("--kills", type=int, default=0, help="SIGKILLs, over all studies")
    parser.add_argument(
        "--faults",
        type=int,
        default=0,
        metavar="ROUNDS",
        help="rounds in which each system call fails; after 3 each has in every way",
    )
    parser.add_argument("--studies", default=",".join(STUDIES), help="which are killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--home", type=Path, help="a folder for the runs; a temporary one if none")
    parser.add_argument("--dry", action="store_true", help="write no ledger and no page")
    options = parser.parse_args()
    _import()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.home or Path(temporary)).absolute()
        if options.kills:
            found["kills"] = found.get("kills", {}) | _kills(options, home)
        if options.faults:
            found["faults"] = inject(home / FAULTY, options.faults, _say)
    if not options.dry:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        write_page(found)
    bad = [failure for tally in found.get("kills", {}).values() for failure in tally["failures"]]
    bad += found.get("faults", {}).get("failures", [])
    if bad:
        raise SystemExit("\n".join(bad))


def _kills(options: argparse.Namespace, home: Path) -> dict:
    names = options.studies.split(",")
    found = {}
    for i, name in enumerate(names):
        share = (i + 1) * options.kills // len(names) - i * options.kills // len(names)
        begun = time.monotonic()
        (home / name).mkdir(parents=True, exist_ok=True)
        args = ["--scale", "smoke", *(STUDIES | TINY)[name]]
        prepare = tiny_installed if name in TINY else None
        whole = Undisturbed(name, home / name, args, prepare)
        found[name] = {
            "date": datetime.date.today().isoformat(),
            "seed": options.seed,
            "arguments": args,
            **kill(whole, share, options.seed, _say).to_json(),
            "minutes": round((time.monotonic() - begun) / 60, 1),
        }
    return found


def _import() -> None:
    """What every life needs, before they are forked off; no backend of JAX starts here."""
    import h5netcdf  # noqa: F401 - for the lives
    import matplotlib.pyplot  # noqa: F401 - for the lives

    import engrax.cli._run  # noqa: F401 - for the lives


def _say(line: str) -> None:
    print(f"{datetime.datetime.now():%H:%M:%S} {line}", flush=True)


if __name__ == "__main__":
    main()
