"""The claims, fixed before any run at claim seeds; each rule reads one value a seed.

The score "rms" and the phases were settled on the seven formulas f1 .. f7. C1 to C4 are therefore
judged on the formulas g1 .. g6, which settled nothing; C1s to C4s say the same of the seven.
"""

from typing import Any

import xarray as xr

from engrax.lab import Claim, Part, at_least, at_most

from ._config import Config
from ._measures import lead, ranked, regret

_DEFAULT = Config()
FAMILIES = _DEFAULT.families
_GROUPS = {"seven": ("1d", "2d", "4d"), "confirmation": ("1d", "2d", "3d")}
_NAMES = {"confirmation": "", "seven": "s"}
_WHERE = {"confirmation": "six formulas that settled no choice", "seven": "the seven formulas"}


def _arms(suite: str, *kinds: str) -> tuple[str, ...]:
    return tuple(f"{kind}_{group}" for kind in kinds for group in _GROUPS[suite])


def _formulas(suite: str) -> tuple[Claim, ...]:
    end, where = _NAMES[suite], _WHERE[suite]
    return (
        Claim(
            f"C1{end}",
            f"On {where}, choosing the family of functions node by node beats every single family "
            "at the same parameters and steps, on average.",
            arms=_arms(suite, "skan", "single"),
            parts={
                f"log10 error: S-KAN - {name}": Part(
                    (lambda run, name=name: lead(run, suite, name)), at_most(0.0)
                )
                for name in FAMILIES
            },
            paper="n/a (tables not read; S-KAN beats the baselines on seven functions)",
        ),
        Claim(
            f"C2{end}",
            f"On {where}, it varies less between tasks: its largest distance to the best family is "
            "smaller than that of every single family.",
            arms=_arms(suite, "skan", "single"),
            parts={
                f"regret: S-KAN - {name}": Part(
                    (lambda run, name=name: regret(run, suite, "skan") - regret(run, suite, name)),
                    at_most(0.0),
                )
                for name in FAMILIES
            },
            paper="n/a (it mitigates the variability between tasks)",
        ),
        Claim(
            f"C3{end}",
            f"On {where}, it beats multilayer perceptrons: of equal parameters, of the parameters "
            "of all families together, and with ten times the steps.",
            arms=_arms(suite, "skan", "mlp", "mlp_k", "mlp_long"),
            parts={
                f"log10 error: S-KAN - {label}": Part(
                    (lambda run, kind=kind: lead(run, suite, kind)), at_most(0.0)
                )
                for kind, label in (
                    ("mlp", "MLP"),
                    ("mlp_k", "MLP, six times the parameters"),
                    ("mlp_long", "MLP, ten times the steps"),
                )
            },
            paper="n/a (S-KAN far ahead of MLPs at equal parameters)",
        ),
        Claim(
            f"C4{end}",
            f"On {where}, it is the selection that counts: random families do worse, and all "
            "families together, at six times the parameters, do hardly better."
            + (" Families planted in a teacher are found." if suite == "confirmation" else ""),
            arms=(
                *_arms(suite, "skan", "random", "mixture"),
                *(("planted",) if suite == "confirmation" else ()),
            ),
            parts={
                "log10 error: S-KAN - random families": Part(
                    lambda run: lead(run, suite, "random"), at_most(0.0)
                ),
                "log10 error: S-KAN - all families": Part(
                    lambda run: lead(run, suite, "mixture"), at_most(0.1)
                ),
                **(
                    {"planted families found": Part(found, at_least(0.6), unit="%")}
                    if suite == "confirmation"
                    else {}
                ),
            },
            paper="n/a",
        ),
    )


def found(run: Any) -> xr.DataArray:
    """Share of the teacher's families that are selected: (seed)."""
    return run["planted"]["recovered"].isel(tick=-1)


def conv_accuracy(run: Any, kind: str) -> xr.DataArray:
    """Test accuracy after the last epoch: (seed, set), and (.., family) of single families."""
    sets = image_sets(run, kind)
    last = [run[f"conv_{kind}_{i}"]["test_accuracy"].isel(tick=-1, drop=True) for i in sets]
    return xr.concat(last, "set", join="exact").assign_coords(set=list(sets.values()))


def image_sets(run: Any, kind: str = "skan") -> dict[int, str]:
    """Number -> name of the sets of images that were run."""
    named = enumerate(run.config.images, start=1)
    return {i: name for i, name in named if f"conv_{kind}_{i}" in run}


def rank_lead(run: Any) -> xr.DataArray:
    """Average rank (1 is best) of the best single family minus that of S-ConvKAN: (seed)."""
    mine, single = conv_accuracy(run, "skan"), conv_accuracy(run, "single")
    table = xr.concat([mine.expand_dims(family=["S-ConvKAN"]), single], "family", join="exact")
    ranks = ranked(-table, "family").mean("set")
    return ranks.drop_sel(family="S-ConvKAN").min("family") - ranks.sel(
        family="S-ConvKAN", drop=True
    )


def conv_lead(run: Any) -> xr.DataArray:
    """Accuracy of S-ConvKAN minus the mean of the families, mean over sets: (seed)."""
    return (conv_accuracy(run, "skan") - conv_accuracy(run, "single").mean("family")).mean("set")


def cnn_lead(run: Any, kind: str) -> xr.DataArray:
    """Accuracy of S-ConvKAN minus a net of rectifiers', mean over sets: (seed)."""
    return (conv_accuracy(run, "skan") - conv_accuracy(run, kind)).mean("set")


def digits_lead(run: Any) -> xr.DataArray:
    """Accuracy on the digits, S-KAN minus MLP: (seed)."""
    arms = (run["flat_skan"], run["flat_mlp"])
    mine, other = (arm["test_accuracy"].isel(tick=-1, drop=True) for arm in arms)
    return mine - other


_CONV = ("skan", "single", "cnn", "cnn_wide")
IMAGES = (
    Claim(
        "C5",
        "With convolutions it leads nets of one family on four sets of images, and keeps up with "
        "ordinary convolutions.",
        arms=tuple(f"conv_{kind}_{i + 1}" for kind in _CONV for i in range(len(_DEFAULT.images))),
        parts={
            "average rank: best family - S-ConvKAN": Part(rank_lead, at_least(0.0)),
            "accuracy: S-ConvKAN - mean of families": Part(conv_lead, at_least(0.0), unit="%"),
            "accuracy: S-ConvKAN - CNN of equal parameters": Part(
                lambda run: cnn_lead(run, "cnn_wide"), at_least(-0.01), unit="%"
            ),
        },
        paper="n/a (S-ConvKAN leads on four sets of images)",
    ),
    Claim(
        "C6",
        "On digits, a fully connected S-KAN is as accurate as a multilayer perceptron of equal "
        "parameters.",
        arms=("flat_skan", "flat_mlp"),
        parts={"accuracy: S-KAN - MLP": Part(digits_lead, at_least(-0.005), unit="%")},
        paper="n/a",
    ),
)

CLAIMS = (*_formulas("confirmation"), *_formulas("seven"), *IMAGES)
