"""`engrax check`: whether this installation can run studies, in seven lines."""

import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from engrax._registry import studies
from engrax.core import GradientLearner, cross_entropy, serial, simulate
from engrax.lab import load_study
from engrax.nn import MLP
from engrax.tasks import Batches, Scaling, available, load

from ._errors import UsageError
from ._jax import configure

STEPS, SEEDS, ENOUGH = 300, 2, 0.9
"""Batches of 32 digits that the network is trained on, how often, and the accuracy it must reach;
it is above 95 % on every seed tried."""


class CheckError(Exception):
    """What a check found, and what to do about it, in one sentence."""


def check(args: list[str]) -> int:
    """Prints a line a check; exit code 1 where one failed."""
    if {"-h", "--help"} & set(args):
        print("usage: engrax check\n\nTries what a study needs, and prints seven lines.")
        return 0
    if args:
        raise UsageError(f"engrax check takes no arguments, got {args[0]!r}")
    configure()
    failed = False
    for name, tried in CHECKS.items():
        try:
            mark, sentence = "ok  ", tried()
        except Exception as error:  # one that fails must not hide the others
            mark, failed = "FAIL", True
            kind = "" if isinstance(error, CheckError) else f"{type(error).__name__}: "
            sentence = " ".join(f"{kind}{error}".split())
        print(f"{mark}  {name:8}  {sentence}", flush=True)
    return int(failed)


def _versions() -> str:
    named = ", ".join(f"{name} {version(name)}" for name in ("engrax", "jax", "equinox", "numpy"))
    return f"{named}, Python {platform.python_version()}"


def _devices() -> str:
    kinds = Counter(f"{device.platform} ({device.device_kind})" for device in jax.devices())
    return ", ".join(f"{count} x {kind}" for kind, count in kinds.items())


def _compile() -> str:
    """A small network on real digits, by the path that every study takes."""
    digits = load("digits", download=False)
    stream = Batches(digits, 32, scaling=Scaling(std=digits.brightest, shape=(64,)))
    build = eqx.Partial(MLP, (64, 32, 10))
    rate = {"learning_rate": jnp.float32(0.01)}
    learner = GradientLearner(build, cross_entropy, optax.adam, rate)
    run = partial(simulate, serial(stream=stream, learner=learner), STEPS, key=jax.random.key(0))
    begun = time.monotonic()
    run(seeds=SEEDS)
    middle = time.monotonic()
    done = run(seeds=SEEDS)
    seconds, first = time.monotonic() - middle, middle - begun
    x = stream.scaling(jnp.asarray(digits.x_test))
    outputs = jax.vmap(learner.predict, (0, None))(done.state["learner"], x)
    reached = float((np.asarray(outputs.argmax(-1)) == digits.y_test).mean())
    if reached < ENOUGH:
        raise CheckError(
            f"a network that should read {ENOUGH:.0%} of the digits reads {reached:.1%}; this JAX "
            "computes something else on this device: install another version of jax and jaxlib"
        )
    return (
        f"{first - seconds:.1f} s to compile {STEPS} steps on digits, {seconds:.2f} s to run them "
        f"on {SEEDS} seeds, {reached:.1%} right"
    )


def _data() -> str:
    rows = available()
    if damaged := [row for row in rows if row.found and row.problem]:
        raise CheckError(f"{damaged[0].name} is damaged: {damaged[0].problem}")
    found = [row.name for row in rows if row.found]
    missing = [row.name for row in rows if not row.found]
    how = f"; not here: {', '.join(missing)} (`engrax data` says how to get them)"
    return f"{', '.join(found)}{how if missing else ''}"


def _studies() -> str:
    names = list(studies())
    for name in names:
        load_study(name)
    if not names:
        raise CheckError("no study is installed; install the package `engrax` by pip")
    return f"{len(names)} load"


def _written(folder: Path, remedy: str) -> None:
    """Tries a file in `folder`, which is made if need be, or in the nearest one above."""
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckError(f"{folder} cannot be written ({error.strerror}); {remedy}") from error


def _writing() -> str:
    runs = Path("runs").absolute()
    _written(runs, "change to a folder of yours, or choose one by --out")
    return f"run folders go to {runs}"


def _cache() -> str:
    folder = Path(jax.config.values["jax_compilation_cache_dir"])
    _written(folder, "choose another folder by JAX_COMPILATION_CACHE_DIR")
    files = [file.stat().st_size for file in folder.glob("*") if file.is_file()]
    return f"{len(files)} compiled programs, {sum(files) / 1e6:.0f} MB, in {folder}"


CHECKS: dict[str, Callable[[], str]] = {
    "versions": _versions,
    "devices": _devices,
    "compile": _compile,
    "data": _data,
    "studies": _studies,
    "writing": _writing,
    "cache": _cache,
}
