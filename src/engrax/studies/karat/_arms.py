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
    rank, width = config.rank, matched(config)
    judged, short, watched = (
        partial(_arm, config, epochs=epochs, seeds=seeds, tuned=tuned)
        for epochs, seeds, tuned in (
            (config.epochs, config.seeds, True),
            (config.short_epochs, config.short_seeds, False),
            (config.long_epochs, config.few_seeds, False),
        )
    )
    kept, unseen = Choice(rank), Choice(rank, interaction=False)
    linear = Choice(rank, which=SINGLE.index("identity"))
    return {
        # C1, C2, C6: the whole schedule, rates chosen.
        "softmax": partial(judged, "softmax", kept, dissected=True),
        "karat": partial(judged, "fourier", kept, dissected=True),
        # One block has nobody to share with: there this is "karat" once more.
        "universal": partial(judged, "universal" if config.depth > 1 else "fourier", kept),
        "wide": partial(judged, "softmax", kept, d=None if width == config.d else width),
        "position_bias": partial(judged, "softmax", kept, bias=True),
        "const": partial(judged, "fourier", unseen),
        "linear": partial(judged, "single", linear),
        "frozen": partial(judged, "fourier", kept, functions=False),
        "long_softmax": partial(watched, "softmax", kept),
        "long_karat": partial(watched, "fourier", kept),
        # C3, C4, C5: a shorter one, all with one rate.
        "short_softmax": partial(short, "softmax", kept),
        "short_karat": partial(short, "fourier", kept),
        "short_const": partial(short, "fourier", unseen),
        **(_variants(config, short) if config.variants else {}),
        # C7: other models' maps.
        "transfer_karat": partial(_transfer, config, "fourier", "karat"),
        "transfer_random": partial(_transfer, config, "fourier", None),
        **_recall.arms(config),
        **_costs.arms(config),
        **_larger(config),
    }


def _variants(config: Config, short: Callable[..., Arm]) -> dict[str, Callable[[], Arm]]:
    """Other ranks, bases and orders of the operator, and maps of a softmax model."""
    kept = Choice(config.rank)
    single = {name: Choice(config.rank, which=i) for i, name in enumerate(SINGLE)}
    whole = Choice(tokens(config), mixing=False)
    return {
        "ranks": partial(short, "any_rank", kept, grid={"rank": (_rank, config.ranks)}),
        "full": partial(short, "any_rank", whole, mix=False),
        "single_bases": partial(
            short,
            "single",
            kept,
            grid={"basis": (_which, [single[b].which for b in config.bases if b in single])},
        ),
        **{f"basis_{b}": partial(short, b, kept) for b in config.bases if b not in single},
        "simplex": partial(short, "simplex", kept),
        "mixed_first": partial(short, "mixed_first", kept),
        "transfer_softmax": partial(_transfer, config, "softmax", "softmax"),
    }


def _arm(
    config: Config,
    kind: str,
    choice: Choice,
    *,
    epochs: int,
    seeds: int,
    d: int | None = None,
    tuned: bool = False,
    dissected: bool = False,
    grid: Grid | None = None,
    functions: bool = True,
    mix: bool = True,
    bias: bool = False,
) -> Arm:
    """One model on images; the last three are the switches of `learner`."""
    step = learner(
        config,
        eqx.Partial(transformer, config, kind, choice, d),
        epochs=epochs,
        per_epoch=_per_epoch(config),
        functions=functions,
        mix=mix,
        bias=bias,
    )
    system = run(config, step, snapshots=dissected)
    arm = Arm(system, ticks(config, epochs), dims={"loss": ("part",)}, grid=grid or {}, seeds=seeds)
    if dissected:
        arm = dataclasses.replace(
            arm, measure=Dissection(step, config), dims={**arm.dims, **DIMS}, coords=COORDS
        )
    if tuned and config.tuning_seeds:
        tuning = Tuning(rate, config.rates, last_validation_accuracy, config.tuning_seeds)
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
    arm = Arm(
        run(config, step),
        ticks(config, config.short_epochs),
        dims={"loss": ("part",)},
        seeds=config.short_seeds,
    )
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
    """C8: a wider and deeper model."""
    factor = config.larger
    config = dataclasses.replace(config, d=factor * config.d, depth=factor * config.depth)
    large = partial(_arm, config, epochs=config.epochs, seeds=config.few_seeds)
    kept = Choice(config.rank)
    return {
        "large_softmax": partial(large, "softmax", kept),
        "large_karat": partial(large, "fourier", kept),
    }


def _per_epoch(config: Config) -> int:
    return len(images(config).train.y) // config.batch
