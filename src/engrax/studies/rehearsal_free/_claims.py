"""The claims, fixed before any run; each rule reads one value a seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from engrax.continual import global_forgetting, learning_accuracy, local_forgetting
from engrax.lab import Claim, Part, at_least, at_most, paired_difference

from ._prompts import METHODS as TRANSFORMERS
from ._prompts import PROMPTS

EARLY = 2
"""Convolutions that count as early layers."""
HELD = {"l2": "L2", "ewc": "EWC"}
SCRATCH, PRETRAINED = "letters_scratch", "letters_pretrained"


CLOTHES = (
    *(
        f"clothes_{start}_{name}"
        for start in ("scratch", "pretrained")
        for name in ("softmax", "kd", "kd_l2", "kd_ewc", "kd_feat")
    ),
    "clothes_scratch_joint",
    "clothes_gates",
)


def final(arm: Any) -> xr.DataArray:
    """A_{1:N}: accuracy over all test images among all classes, after the last task: (seed,)."""
    return arm["accuracy"].isel(tick=-1, drop=True).mean("tested")


def forgotten(arm: Any) -> xr.DataArray:
    """F^G, the global forgetting: (seed,)."""
    matrix = _matrix(arm, "known_accuracy")
    return _by_seed(arm, global_forgetting(matrix, np.ones(matrix.shape[-1])))


def forgotten_locally(arm: Any) -> xr.DataArray:
    """F^L, the forgetting where the task is known: (seed,)."""
    return _by_seed(arm, local_forgetting(_matrix(arm, "own_accuracy")))


def plasticity(arm: Any) -> xr.DataArray:
    """Mean accuracy on each task right after it, where the task is known: (seed,)."""
    return _by_seed(arm, learning_accuracy(_matrix(arm, "own_accuracy")))


def lead(
    run: Any, first: str, second: str, measure: Callable[[Any], xr.DataArray] = final
) -> xr.DataArray:
    """A measure of one arm minus that of another, seed by seed."""
    return paired_difference(run, first, second, measure)


def reversal(run: Any) -> xr.DataArray:
    """What L2 adds to PredKD after pre-training, minus what it adds from scratch: (seed,)."""
    with xr.set_options(arithmetic_join="exact"):
        after, scratch = (
            lead(run, f"{start}_kd_l2", f"{start}_kd") for start in (PRETRAINED, SCRATCH)
        )
        return after - scratch


def alikeness(arm: Any, layer: str) -> xr.DataArray:
    """CKA of a layer after the first and the last task; of "early" ones, the mean: (seed,)."""
    last = arm["cka"].isel(tick=-1, drop=True)
    if layer == "early":
        return last.isel(layer=slice(EARLY)).mean("layer")
    return last.sel(layer=layer, drop=True)


def below_early(run: Any, layer: str) -> xr.DataArray:
    """CKA of early layers minus that of a late one, with PredKD alone: (seed,)."""
    arm = run[f"{SCRATCH}_kd"]
    with xr.set_options(arithmetic_join="exact"):
        return alikeness(arm, "early") - alikeness(arm, layer)


def lead_over_prompts(run: Any) -> xr.DataArray:
    """L2 on queries, keys and values minus prompts, those of the best mean over seeds: (seed,)."""
    best = max(PROMPTS, key=lambda name: float(final(run[name]).mean()))
    return lead(run, "vit_l2", best)


def _matrix(arm: Any, name: str) -> np.ndarray:
    return arm[name].transpose("seed", "tick", "tested").to_numpy()


def _by_seed(arm: Any, values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, {"seed": arm["seed"]}, ("seed",))


def _leads(
    pairs: dict[str, tuple[str, str]],
    rule: Any,
    measure: Callable[[Any], xr.DataArray] = final,
) -> dict[str, Part]:
    return {
        name: Part(lambda run, p=pair: lead(run, *p, measure), rule, unit="%")
        for name, pair in pairs.items()
    }


C1 = Claim(
    "C1",
    "Parameter regularization does not fail where no old image is kept: with sigmoid losses and "
    "distillation of predictions (PredKD), EWC and L2 end well above the softmax net, above the "
    "same regularizer without PredKD, and above softmax with distillation.",
    arms=(
        *(f"{SCRATCH}_{n}" for n in ("softmax", "softmax_kd", "l2", "ewc", "kd_l2", "kd_ewc")),
        # Not read by the rules, and drawn beside.
        *(f"{SCRATCH}_{n}" for n in ("bce", "feat", "kd_feat", "kd_ewc_start", "joint")),
        "letters_gates",
    ),
    parts={
        **_leads(
            {
                f"accuracy: PredKD + {label} - softmax": (
                    f"{SCRATCH}_kd_{held}", f"{SCRATCH}_softmax",
                )
                for held, label in HELD.items()
            },
            at_least(0.1),
        ),
        **_leads(
            {
                f"accuracy: PredKD + {label} - {label} alone": (
                    f"{SCRATCH}_kd_{held}", f"{SCRATCH}_{held}",
                )
                for held, label in HELD.items()
            },
            at_least(0.0),
        ),
        **_leads(
            {
                f"accuracy: PredKD + {label} - softmax with KD": (
                    f"{SCRATCH}_kd_{held}", f"{SCRATCH}_softmax_kd",
                )
                for held, label in HELD.items()
            },
            at_least(0.0),
        ),
    },
    paper="CIFAR-100 in 10 tasks, ResNet-18 from scratch: PredKD + EWC 22.7, PredKD + L2 21.6, EWC "
    "alone 7.7 (sigmoid) and 7.3 % (softmax)",
)  # fmt: skip

C2 = Claim(
    "C2",
    "From scratch L2 and EWC buy less forgetting with plasticity: next to PredKD alone they forget "
    "less and learn each task less well, and the final accuracy does not gain more than a point.",
    arms=tuple(f"{SCRATCH}_{name}" for name in ("kd", "kd_l2", "kd_ewc")),
    parts={
        f"{what}: PredKD + {label} - PredKD": Part(
            lambda run, h=held, m=measure: lead(run, f"{SCRATCH}_kd_{h}", f"{SCRATCH}_kd", m),
            at_most(high),
            unit="%",
        )
        for what, measure, high in (
            ("global forgetting", forgotten, 0.0),
            ("plasticity", plasticity, 0.0),
            ("accuracy", final, 0.01),
        )
        for held, label in HELD.items()
    },
    paper="A_{1:N} and F^G: PredKD 25.2, PredKD + EWC 22.7 (-0.7), PredKD + L2 21.6 % (1.6)",
)

C3 = Claim(
    "C3",
    "After pre-training a plain L2 pull to earlier weights beats EWC and the distillation of "
    "features.",
    arms=(
        *(f"{PRETRAINED}_{n}" for n in ("kd_l2", "kd_ewc", "kd_feat")),
        # Not read by the rules, and drawn beside.
        *(f"{PRETRAINED}_{n}" for n in ("softmax", "softmax_kd", "kd", "kd_frozen")),
    ),
    parts=_leads(
        {
            f"accuracy: PredKD + L2 - PredKD + {label}": (
                f"{PRETRAINED}_kd_l2", f"{PRETRAINED}_kd_{other}",
            )
            for other, label in (("ewc", "EWC"), ("feat", "FeatKD"))
        },
        at_least(0.0),
    ),
    paper="CIFAR-100 after ImageNet-1k: PredKD + L2 35.6, PredKD + EWC 31.1 %",
)  # fmt: skip

C4 = Claim(
    "C4",
    "Pre-training reverses the ranking: L2 adds more to PredKD after it than from scratch.",
    arms=(
        *(f"{start}_{n}" for start in (SCRATCH, PRETRAINED) for n in ("kd", "kd_l2")),
        # Not read by the rules, and drawn beside: the stream of clothes, which no gate lets judge.
        *CLOTHES,
    ),
    parts={
        "accuracy: gain by L2 after pre-training - gain from scratch": Part(
            reversal, at_least(0.0), unit="%", paper=0.126
        )
    },
    paper="PredKD + L2 - PredKD: 35.6 - 26.6 after pre-training, 21.6 - 25.2 points from scratch",
)

C5 = Claim(
    "C5",
    "In a pre-trained transformer, tuning what makes queries, keys and values under a plain L2 "
    "pull beats learning prompts, with the same epochs and the same masked cross-entropy.",
    arms=tuple(name for name in TRANSFORMERS if name not in ("vit_ft", "vit_ft_masked")),
    parts={
        "accuracy: QKV with L2 - best prompts": Part(
            lead_over_prompts, at_least(0.0), unit="%", paper=0.0061
        )
    },
    paper="ImageNet-R in 10 tasks, ViT-B/16: L2 on QKV 76.06, CODA-Prompt 75.45, its small form "
    "73.93, DualPrompt 71.32 %",
)

C6 = Claim(
    "C6",
    "Forgetting sits near the head: with PredKD alone late layers drift more than early ones, and "
    "L2 and EWC hold the features.",
    arms=tuple(f"{SCRATCH}_{name}" for name in ("kd", "kd_l2", "kd_ewc")),
    parts={
        **{
            f"CKA, PredKD: early layers - {layer}": Part(
                lambda run, of=layer: below_early(run, of), at_least(0.0)
            )
            for layer in ("features", "logits")
        },
        **{
            f"CKA of features: PredKD + {label} - PredKD": Part(
                lambda run, h=held: lead(
                    run, f"{SCRATCH}_kd_{h}", f"{SCRATCH}_kd",
                    lambda arm: alikeness(arm, "features"),
                ),
                at_least(0.0),
            )
            for held, label in HELD.items()
        },
    },
    paper="curves alone",
)  # fmt: skip

C7 = Claim(
    "C7",
    "Pre-training without any old image beats a store of old images from scratch.",
    arms=(f"{PRETRAINED}_kd_l2", f"{SCRATCH}_rehearsal"),
    parts=_leads(
        {
            "accuracy: pre-trained PredKD + L2 - rehearsal from scratch": (
                f"{PRETRAINED}_kd_l2", f"{SCRATCH}_rehearsal",
            )
        },
        at_least(0.0),
    ),
    paper="PredKD + L2 after ImageNet-1k 35.6; 2000 stored images from scratch 24.0 to 27.4 %",
)  # fmt: skip

CLAIMS = (C1, C2, C3, C4, C5, C6, C7)
