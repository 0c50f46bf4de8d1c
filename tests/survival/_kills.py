"""Runs of real studies, killed at random moments and gone on with, against an undisturbed one."""

import dataclasses
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engrax.lab._netcdf import read_tree

from ._life import PHASES, Life, Mark

STUDIES: dict[str, list[str]] = {
    # spiking: an arm that starts from another's final state, and a PCA of that state on the host
    "what_when": ["--claims", "C5"],
    # continual learning on images: gradients, projections, a tuned rate
    "hlop": ["--claims", "C1"],
    # statistical physics: Monte Carlo over a grid beside theory without seeds
    "multitasking_hopfield": ["--claims", "C2"],
}
TINY = {"tiny": ["--ticks", "40"]}
"""The study of the tests, for their own few kills."""
MOST_IN_A_ROW = 8
"""Kills of one folder before it may finish."""


@dataclasses.dataclass
class Tally:
    """What came of the kills of one study."""

    study: str
    kills: Counter[str] = dataclasses.field(default_factory=Counter)
    """By the phase that the process was in."""
    compared: int = 0
    """Runs that finished after one kill or more, each compared with the undisturbed one."""
    identical: int = 0
    survived: int = 0
    """Kills in the history of runs that ended identical."""
    worst_loss: float = 0.0
    """Chunks done, or pieces of work on the host, that had to be done again; the most of a kill."""
    failures: list[str] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As the ledger has it."""
        return {**dataclasses.asdict(self), "kills": dict(sorted(self.kills.items()))}


class Undisturbed:
    """What the study gives, and how long each phase of it takes."""

    def __init__(
        self, study: str, home: Path, args: list[str], prepare: Callable[[], None] | None = None
    ) -> None:
        """Runs it twice: first with an empty cache of programs, then with that one.

        `prepare` is called at the start of each life.
        """
        self.study, self.home, self.args = study, home, args
        self.cache, self.prepare = home / "cache", prepare or (lambda: None)
        self.spans = {}
        for cold in (True, False):
            shutil.rmtree(home / "whole", ignore_errors=True)
            life = self.live(home / "whole")
            if life.end() != 0:
                raise SystemExit(f"{study} does not run: {life.log.read_text()}")
            self.spans[cold] = _spans(life.marks, time.monotonic())
        self.tree = read_tree(home / "whole" / "records.nc")
        self.chunks = _chunks(life.marks)

    def live(
        self, folder: Path, *, cache: Path | None = None, more: Callable[[], None] | None = None
    ) -> Life:
        """Starts a life of the run in `folder`; `more` is called when it is prepared."""
        command = ["run", self.study, *self.args, "--checkpoint-every", "0", "--resume"]

        def prepare() -> None:
            self.prepare()
            if more:
                more()

        return Life(
            [*command, "--out", str(folder)],
            log=self.home / "log",
            cache=cache or self.cache,
            prepare=prepare,
        )


def kill(whole: Undisturbed, kills: int, seed: int, say: Callable[[str], None]) -> Tally:
    """So many kills, a quarter aimed at each phase, and what became of the runs."""
    chance, tally = random.Random(f"{whole.study} {seed}"), Tally(whole.study)
    done, number = 0, 0
    while done < kills:
        folder, number = whole.home / f"killed-{number}", number + 1
        shutil.rmtree(folder, ignore_errors=True)
        story = _Story(whole)
        mine = chance.randint(1, min(MOST_IN_A_ROW, kills - done))
        while True:
            aim = min(PHASES, key=tally.kills.__getitem__) if story.kills < mine else None
            ended = _life(whole, folder, aim, chance, story, tally)
            if ended:
                break
        if not story.kills:
            continue  # it was over before its moment came
        done += story.kills
        tally.compared += 1
        wrong = story.wrong + differences(whole.tree, folder / "records.nc")
        if wrong:
            tally.failures += [f"{folder.name} ({', '.join(story.told)}): {w}" for w in wrong]
            say(tally.failures[-1])
        else:
            tally.identical += 1
            tally.survived += story.kills
            shutil.rmtree(folder)
        tally.worst_loss = max(tally.worst_loss, story.worst)
        say(f"{whole.study}: {done} of {kills} kills, {tally.survived} survived; {story.told}")
    return tally


def _life(
    whole: Undisturbed,
    folder: Path,
    aim: str | None,
    chance: random.Random,
    story: "_Story",
    tally: Tally,
) -> bool:
    """One life, killed at a moment of the phase `aim` if it comes that far; whether it ended."""
    cold = aim == "compiling" and chance.random() < 0.8
    cache = whole.home / "cold" if cold else whole.cache
    shutil.rmtree(whole.home / "cold", ignore_errors=True)
    life = whole.live(folder, cache=cache)
    if aim is not None:
        spans = whole.spans[cold][aim]
        most = 3 if story.kills else 8 if cold else len(spans)
        which = chance.randrange(min(len(spans), most))
        if _reached(life, aim, which):
            time.sleep(chance.random() * spans[which])
            life.listen()
            os.kill(life.pid, signal.SIGKILL)
    code = life.end()
    story.add(life.marks, killed=code == -signal.SIGKILL, phase=life.phase)
    if code == -signal.SIGKILL:
        tally.kills[life.phase] += 1
        return False
    if code != 0:
        story.wrong.append(f"exit code {code}: {life.log.read_text().strip()[-300:]}")
    return True


def _reached(life: Life, phase: str, which: int) -> bool:
    """Waits until the process enters a phase for the `which`-th time; False if it ends before."""
    while True:
        alive = life.listen()
        if sum(mark.what == phase for mark in life.marks) > which:
            return True
        if not alive:
            return False
        time.sleep(0.002)


class _Story:
    """What is known of one folder over its lives: how far each stage had come, and came back."""

    def __init__(self, whole: Undisturbed) -> None:
        self.chunks, self.kills, self.worst = whole.chunks, 0, 0.0
        self.told: list[str] = []
        self.wrong: list[str] = []
        self._computed: dict[str, int] = {}
        self._done: set[str] = set()
        self._saving: set[str] = set()
        self._last = ""

    def add(self, marks: list[Mark], *, killed: bool, phase: str) -> None:
        """Takes in a life; `phase` is where it was killed."""
        for mark in marks:
            if mark.what == "computed":
                self._computed[mark.stage], self._last = mark.tick, mark.stage
            elif mark.what == "done":
                self._done.add(mark.stage)
            elif mark.what == "begun" and mark.stage in self._done:
                self.wrong.append(f"{mark.stage} was computed twice")
            elif mark.what == "restored" and mark.stage in self._computed:
                chunk = self.chunks.get(mark.stage, 1)
                lost = (self._computed[mark.stage] - mark.tick) / chunk
                self.worst = max(self.worst, lost)
                # Killed in a save it loses that chunk; else the one in flight, and none done.
                if lost > (mark.stage in self._saving):
                    self.wrong.append(f"{lost:g} chunks of {mark.stage} were lost")
                self._computed[mark.stage] = mark.tick
                self._saving.discard(mark.stage)
        if killed:
            self.kills += 1
            self.told.append(phase)
            if phase == "checkpoint":
                self._saving.add(self._last)


def _spans(marks: list[Mark], end: float) -> dict[str, list[float]]:
    """How long each visit of each phase took."""
    spans: dict[str, list[float]] = {phase: [] for phase in PHASES}
    at = [mark for mark in marks if mark.what in PHASES or mark.what == "start"]
    for mark, until in zip(at, [*(m.at for m in at[1:]), end], strict=True):
        if mark.what in PHASES:
            spans[mark.what].append(until - mark.at)
    return spans


def _chunks(marks: list[Mark]) -> dict[str, int]:
    """The longest step of each stage between two ticks that were offered for keeping."""
    chunks: dict[str, int] = {}
    last: dict[str, int] = {}
    for mark in marks:
        if mark.what == "computed":
            step = mark.tick - last.get(mark.stage, 0)
            chunks[mark.stage] = max(chunks.get(mark.stage, 1), step)
            last[mark.stage] = mark.tick
    return chunks


def differences(whole: Any, path: Path) -> list[str]:
    """What in the records of a run is not, bit for bit, what it is in the undisturbed one."""
    if not path.exists():
        return ["no records"]
    mine = read_tree(path)
    if list(mine.groups) != list(whole.groups):
        return [f"groups {mine.groups}"]
    wrong = []
    for group in whole.groups:
        a, b = whole[group].to_dataset(), mine[group].to_dataset()
        if list(a.variables) != list(b.variables):
            wrong.append(f"{group}: variables {list(b.variables)}")
            continue
        if {**a.attrs, "seconds": 0} != {**b.attrs, "seconds": 0}:
            wrong.append(f"{group}: attributes")
        for name in a.variables:
            x, y = a[name], b[name]
            if x.dims != y.dims or x.dtype != y.dtype or not _same_bits(x.values, y.values):
                wrong.append(f"{group}/{name} differs")
    return wrong


def _same_bits(x: np.ndarray, y: np.ndarray) -> bool:
    if x.dtype == object:
        return x.tolist() == y.tolist()
    return x.shape == y.shape and x.tobytes() == y.tobytes()
