"""Every system call that can fail does, once each: what is left, and what is said."""

import ctypes
import datetime
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._kills import Undisturbed, differences
from ._tiny import tiny_installed

KINDS = ("open", "write", "fsync", "rename")
ERRORS = {"no space": errno.ENOSPC, "I/O error": errno.EIO, "interrupt": errno.EINTR}
SHIM, FAULTY = Path(__file__).with_name("shim.c"), "faults"
STUDY = ["--scale", "smoke", "--ticks", "2", "--claims", "C2"]


def inject(home: Path, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All kinds and calls of a tiny study, in a process with the shim between.

    In a round each call fails with one of the three errors, in turn; three rounds are all.
    """
    home.mkdir(parents=True, exist_ok=True)
    library = home / "shim.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
    command = [
        sys.executable,
        "-c",
        f"from tests.survival._faults import _inside; _inside({str(home)!r}, {rounds})",
    ]
    with subprocess.Popen(
        command, env=os.environ | {"LD_PRELOAD": str(library)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                return json.loads(line)
            say(line.rstrip())
    raise SystemExit("the faults ended early")


def _inside(home: str, rounds: int) -> None:
    import h5netcdf  # noqa: F401 - for the lives
    import matplotlib.pyplot  # noqa: F401 - for the lives

    import engrax.cli._run  # noqa: F401 - for the lives

    print(json.dumps(_all(Path(home), rounds, lambda line: print(line, flush=True))), flush=True)


def _all(home: Path, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    whole = Undisturbed("tiny", home, STUDY, prepare=tiny_installed)
    counts = {kind: dict.fromkeys(("calls", *ERRORS, "ended"), 0) for kind in KINDS}
    failures: list[str] = []
    for kind, turn in itertools.product(KINDS, range(rounds)):
        for call in itertools.count(1):
            name = [*ERRORS][(call + turn) % len(ERRORS)]
            said, hit, code = _one(whole, home / "run", kind, ERRORS[name], call)
            if not hit:
                break
            mine = counts[kind]
            mine["calls"] = max(mine["calls"], call)
            mine[name] += 1
            mine["ended"] += code != 0
            new = [f"{kind} {call}, {name}: {sentence}" for sentence in said]
            failures += new
            for failure in new:
                say(failure)
        say(f"{kind}, turn {turn + 1}: {counts[kind]}; {len(failures)} failures")
    return {
        "date": datetime.date.today().isoformat(),
        "rounds": rounds,
        "calls": counts,
        "failures": failures,
    }


def _one(whole: Undisturbed, folder: Path, kind: str, number: int, call: int) -> Any:
    """One run in which that call fails, and the run that goes on from there."""
    shutil.rmtree(folder, ignore_errors=True)
    said = []
    count = folder.with_name("count")
    count.unlink(missing_ok=True)

    def armed() -> None:
        shim = ctypes.CDLL(None)
        shim.fault_arm(str(folder).encode(), KINDS.index(kind), call, number, 0)
        plain = os._exit

        def leave(code: int) -> None:
            count.write_text(str(shim.fault_seen()))
            plain(code)

        os._exit = leave

    life = whole.live(folder, more=armed)
    code = life.end()
    hit = int(count.read_text()) >= call
    text = life.log.read_text()
    errors = [line for line in text.splitlines() if line.startswith("engrax: ")]
    noise = [line for line in text.splitlines() if not _expected(line)]
    if code not in (0, 1):
        said.append(f"exit code {code}")
    if noise or (code and len(errors) != 1):
        said.append(f"said {noise or errors}")
    done = {mark.stage: mark.tick for mark in life.marks if mark.what == "kept"}
    if code:
        again = whole.live(folder)
        if again.end():
            said.append(f"cannot go on: {again.log.read_text().strip()[-300:]}")
        for mark in again.marks:
            if mark.what == "restored" and mark.tick < done.get(mark.stage, 0):
                said.append(f"{mark.stage} fell back from {done[mark.stage]} to {mark.tick}")
    return said + differences(whole.tree, folder / "records.nc"), hit, code


def _expected(line: str) -> bool:
    starts = ("engrax: ", "slow (arm", "drawing", "claims are judged", "page: ", "records: ")
    return line.startswith(starts) or not line
