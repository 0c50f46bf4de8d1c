"""One life of a run: a process that says what it is at, so that it can be killed there."""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PHASES = ("compiling", "computing", "checkpoint", "results")
"""Compiling or loading a program; in a chunk or between two; writing one; after the last arm."""


class Mark(NamedTuple):
    """What a life said, and when (on the clock that all processes share)."""

    at: float
    what: str
    """A phase that begins ("start" before any of them), or what has happened: "computed", "kept",
    "restored", "begun", "done"."""
    stage: str = ""
    """The checkpoint folder that it is about."""
    tick: int = 0


class Life:
    """A process that runs a command, its marks as they come, and what it printed."""

    def __init__(
        self, args: list[str], *, log: Path, cache: Path, prepare: Callable[[], None] = lambda: None
    ) -> None:
        """Forks. JAX must be imported in the parent, and no backend of it started."""
        self.log, self.marks, self.code = log, [], None
        self._rest = b""
        self._pipe, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX's threads start with its backend, after the fork
            self.pid = os.fork()
        if self.pid == 0:
            os.close(self._pipe)
            _live(args, log, cache, write, prepare)
        os.close(write)
        os.set_blocking(self._pipe, False)

    def listen(self) -> bool:
        """Takes in what has been said; whether the process may say more."""
        while True:
            try:
                got = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                return True
            if not got:
                return False
            *lines, self._rest = (self._rest + got).split(b"\n")
            self.marks += [_mark(line.decode()) for line in lines]

    def end(self) -> int:
        """Waits for the process; its exit code, or minus the signal that ended it."""
        while self.listen():
            time.sleep(0.002)
        os.close(self._pipe)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    @property
    def phase(self) -> str:
        """What it is at, as far as has been heard."""
        known = [mark.what for mark in self.marks if mark.what in PHASES or mark.what == "start"]
        return known[-1] if known else "start"


def _mark(line: str) -> Mark:
    at, what, stage, tick = line.split("\t")
    return Mark(float(at), what, stage, int(tick))


def _live(
    args: list[str], log: Path, cache: Path, to: int, prepare: Callable[[], None]
) -> None:  # never returns
    code = 70
    try:
        shown = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(shown, 1)
        os.dup2(shown, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        import jax

        jax.config.update("jax_num_cpu_devices", 1)
        jax.config.update("jax_compilation_cache_dir", str(cache))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        prepare()
        _tell(to)
        from engrax.cli import main

        code = main(args)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _tell(to: int) -> None:
    """Makes the lab say what it is at: it has no such switch of its own."""
    import jax._src.compiler as compiler

    from engrax.lab import _checkpoints, _folder, _host, _run

    stack = ["start"]

    def say(what: str, stage: str = "", tick: int = 0) -> None:
        os.write(to, f"{time.monotonic()}\t{what}\t{stage}\t{tick}\n".encode())

    @contextlib.contextmanager
    def phase(name: str, stage: str = "") -> Iterator[None]:
        if stack[-1] == "results":  # figures and pages compile nothing that counts
            yield
            return
        stack.append(name)
        say(name, stage)
        try:
            yield
        finally:
            stack.pop()
            say(stack[-1])

    def during(name: str, plain: Callable) -> Callable:
        def told(*args, **more):
            with phase(name):
                return plain(*args, **more)

        return told

    compiler.compile_or_get_cached = during("compiling", compiler.compile_or_get_cached)
    _run.simulate = during("computing", _run.simulate)
    saved, restored = _checkpoints.ArmCheckpoints.save, _checkpoints.ArmCheckpoints.restore

    def stage_of(checkpoints: _checkpoints.ArmCheckpoints) -> str:
        return "/".join(checkpoints.folder.parts).partition("/checkpoints/")[2]

    def save(self, tick, kept, *, last):
        say("computed", stage_of(self), tick)
        with phase("checkpoint", stage_of(self)):
            before = self.saved_at
            saved(self, tick, kept, last=last)
            if self.saved_at != before:
                say("kept", stage_of(self), tick)

    def restore(self, like):
        found = restored(self, like)
        say("restored", stage_of(self), found[0] if found else 0)
        return found

    def once(folder, compute, **more):
        name = f"{folder.parent.name}/{folder.name}"

        def told():
            say("begun", name)
            return compute()

        data = plain_once(folder, told, **more)
        say("done", name)
        return data

    plain_once, write_records = _host.computed_once, _folder.Folder.write_records
    _checkpoints.ArmCheckpoints.save, _checkpoints.ArmCheckpoints.restore = save, restore
    _run.computed_once = once

    def results(self, tree):
        stack.append("results")
        say("results")
        write_records(self, tree)

    _folder.Folder.write_records = results
