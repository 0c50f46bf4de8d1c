"""The runs of the study."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx

from engrax.core import Grid
from engrax.lab import Arm, Reference, Tuning

from . import _costs, _recall
from ._config import Config
from ._measures import COORDS, DIMS, Dissection
from ._models import SINGLE, Choice, matched, student_alone, tokens, transferred, transformer
from ._training import images, last_validation_accuracy, learner, rate, run, ticks


def arms(config: Config) -> dict[str, Callable[[], Arm | Reference]]:
    """Name -> a call that builds the arm; arms of one shape share a program."""
    n, rank = tokens(config), config.rank
    long, short = (
        partial(_arm, config, epochs=epochs) for epochs in (config.epochs, config.short_epochs)
    )
    kept = Choice(rank)
    single = {name: Choice(rank, which=i) for i, name in enumerate(SINGLE)}
    return {
        # C1, C2, C6: the whole schedule.
        "softmax": partial(long, "softmax", kept, tuned=True, dissected=True),
        "karat": partial(long, "fourier", kept, tuned=True, dissected=True),
        "universal": partial(long, "universal", kept),
        "wide": partial(long, "softmax", kept, d=matched(config)),
        "position_bias": partial(long, "softmax", kept, bias=True),
        "const": partial(long, "fourier", Choice(rank, interaction=False), tuned=True),
        "linear": partial(long, "single", single["identity"], tuned=True),
        "frozen": partial(long, "fourier", kept, functions=False),
        # C3, C4, C5: a shorter one.
        "short_softmax": partial(short, "softmax", kept),
        "short_karat": partial(short, "fourier", kept),
        "short_const": partial(short, "fourier", Choice(rank, interaction=False)),
        "ranks": partial(short, "fourier", kept, grid={"rank": (_rank, config.ranks)}),
        "full": partial(short, "fourier", Choice(n, mixing=False), mix=False),
        "single_bases": partial(
            short,
            "single",
            kept,
            grid={"basis": (_which, [single[n].which for n in config.bases if n in single])},
        ),
        **{f"basis_{n}": partial(short, n, kept) for n in config.bases if n not in single},
        "simplex": partial(short, "simplex", kept),
        "mixed_first": partial(short, "mixed_first", kept),
        # C7: other models' maps.
        "transfer_karat": partial(_transfer, config, "fourier", "karat"),
        "transfer_random": partial(_transfer, config, "fourier", None),
        "transfer_softmax": partial(_transfer, config, "softmax", "softmax"),
        **_recall.arms(config),
        **_costs.arms(config),
        **(_larger(config) if config.larger else {}),
    }


def _arm(
    config: Config,
    kind: str,
    choice: Choice,
    *,
    epochs: int,
    d: int | None = None,
    tuned: bool = False,
    dissected: bool = False,
    grid: Grid | None = None,
    **held: bool,
) -> Arm:
    """One model on images; `held` are the switches of `learner`."""
    step = learner(
        config,
        eqx.Partial(transformer, config, kind, choice, d),
        epochs=epochs,
        per_epoch=_per_epoch(config),
        **held,
    )
    system = run(config, step, snapshots=config.snapshots if dissected else None)
    arm = Arm(system, ticks(config, epochs), dims={"loss": ("part",)}, grid=grid or {})
    if dissected:
        arm = dataclasses.replace(
            arm, measure=Dissection(step, config), dims={**arm.dims, **DIMS}, coords=COORDS
        )
    if tuned and config.tune:
        tuning = Tuning(rate, config.rates, last_validation_accuracy)
        arm = dataclasses.replace(arm, tuning=tuning)
    return arm


def _rank(system: Any) -> Any:
    return system["learner"].build.args[2].rank


def _which(system: Any) -> Any:
    return system["learner"].build.args[2].which


def _transfer(config: Config, kind: str, teacher: str | None) -> Arm:
    """A student on the maps of a trained model, or of one that was never trained."""
    step = learner(
        config,
        eqx.Partial(transferred, config, kind, Choice(config.rank)),
        epochs=config.short_epochs,
        per_epoch=_per_epoch(config),
        trainable=student_alone,
    )
    arm = Arm(run(config, step), ticks(config, config.short_epochs), dims={"loss": ("part",)})
    if teacher is None:
        return arm
    return dataclasses.replace(arm, needs=(teacher,), start=_taught)


def _taught(fresh: Any, final: Any) -> Any:
    """The fresh state with the final weights of the teacher's own run."""
    model = eqx.tree_at(
        lambda model: model.teacher, fresh["learner"]["model"], final["learner"]["model"]
    )
    return {**fresh, "learner": {**fresh["learner"], "model": model}}


def _larger(config: Config) -> dict[str, Callable[[], Arm]]:
    """C8: twice the width and twice the depth."""
    config = dataclasses.replace(config, d=2 * config.d, depth=2 * config.depth)
    long = partial(_arm, config, epochs=config.epochs)
    kept = Choice(config.rank)
    return {
        "large_softmax": partial(long, "softmax", kept),
        "large_karat": partial(long, "fourier", kept),
    }


def _per_epoch(config: Config) -> int:
    return len(images(config).train.y) // config.batch
