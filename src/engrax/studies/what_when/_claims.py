"""The claims, fixed before any run; each rule reads one value a seed."""

from typing import Any

import numpy as np
import xarray as xr

from engrax.lab import Claim, Part, at_least, at_most, between

from ._arms import GATES, SWITCHES, Gate, adapted, structures


def learning_ratio(run: Any) -> np.ndarray:
    """E after the last trial of a block over E after its first."""
    error = _values(run, "single", "error")[..., 0]
    return error[:, -1] / error[:, 0]


def lateness(run: Any) -> np.ndarray:
    """How far the peak of P_k is from t_k (ms), in the channel where it is farther."""
    return np.abs(_values(run, "single", "late")[:, -1, 0]).max(-1)


def level_heights(run: Any, record: str) -> np.ndarray:
    """(seed, level, channel): heights after the last trial."""
    return _values(run, "levels", record)[:, -1]


def correlation(run: Any, channel: int) -> np.ndarray:
    """Pearson's r of the height of P_k and p_A, over levels."""
    heights = level_heights(run, "height")[..., channel]
    p = run["levels"]["condition"].to_numpy()
    return np.array([np.corrcoef(p, row)[0, 1] for row in heights])


def slope(run: Any, channel: int, record: str = "height", inner: bool = False) -> np.ndarray:
    """Least-squares slope of a height against the channel's own probability.

    `inner`: over own probabilities in [0.3, 0.9] only.
    """
    p = run["levels"]["condition"].to_numpy()
    own = p if channel == 0 else 1 - p
    kept = (own > 0.25) & (own < 0.95) if inner else np.ones(len(p), bool)
    heights = level_heights(run, record)[:, kept, channel]
    return np.array([np.polyfit(own[kept], row, 1)[0] for row in heights])


def over_baseline(run: Any, rule: str, kind: str) -> np.ndarray:
    """E of the local rule minus that of another, over the second halves of blocks 2 and 3."""

    def mean(rule: str) -> np.ndarray:
        return adapted(switched(run, rule, kind), axis=1).mean(1)

    return mean("local") - mean(rule)


def switched(run: Any, rule: str, kind: str) -> np.ndarray:
    """(seed, trial): E of a rule, an arm's name or "merged", under one kind of switches."""
    which = SWITCHES.index(kind)
    if rule == "merged":
        return _values(run, "local", "merged_error")[..., len(SWITCHES) + which]
    return _values(run, rule, "error")[..., which]


def cosine(run: Any) -> np.ndarray:
    """|cos(v_k, w_k)|, in the channel where it is larger."""
    return run["single"]["final"]["cosine"].to_numpy()[:, 0].max(-1)


def angle(run: Any) -> np.ndarray:
    """Cosine of the largest principal angle between the spans of "what" and "when"."""
    return run["single"]["final"]["largest_angle"].to_numpy()[:, 0]


def surrogate_cosine(run: Any) -> np.ndarray:
    """The 95th percentile of `cosine` over surrogates."""
    return np.quantile(run["surrogate"]["final"]["cosine"].to_numpy().max(-1), 0.95, axis=1)


def surrogate_angle(run: Any) -> np.ndarray:
    """The 95th percentile of `angle` over surrogates."""
    return np.quantile(run["surrogate"]["final"]["largest_angle"].to_numpy(), 0.95, axis=1)


def ordering(run: Any, of: str) -> np.ndarray:
    """|r| between a condition's probability, or latency, and its best-matching component."""
    blocks = structures(run.config)
    wanted = np.array([b.probability if of == "probability" else b.latency[0] for b in blocks])
    scores = run["structure"]["final"]["scores"].to_numpy()
    return np.array(
        [max(abs(np.corrcoef(wanted, column)[0, 1]) for column in seed.T) for seed in scores]
    )


def distances(run: Any) -> np.ndarray:
    """(seed, trial, condition): distance to where the new condition's own block ended, before each
    trial after a switch, over the distance at the switch.
    """
    final = run["structure"]["final"]
    what, when = (
        _values(run, "structure_switch", f"{name}_distance")
        / final[f"{name}_rms"].to_numpy()[:, None, None] ** 2
        for name in ("what", "when")
    )
    square = what + when
    return np.sqrt(square / square[:, :1])


def mixing(run: Any) -> np.ndarray:
    """Share of neurons strong in both readouts, less the 2.5th percentile of permutations."""
    final = run["single"]["final"]
    return (final["mixed"] - final["mixed_null_low"]).to_numpy()


def lesion_excess(run: Any, name: str) -> np.ndarray:
    """Loss without the top "what" neurons minus the mean loss without random ones."""
    final = run["single"]["final"]
    return (final[f"{name}_loss"] - final[f"random_{name}_loss"].mean("lesion")).to_numpy()


def over_epoch(run: Any, gate: Gate, record: str, against: str | None = None) -> np.ndarray:
    """A record under a gate minus one under the gate "epoch", over the second half of the block."""

    def mean(gate: Gate, record: str) -> np.ndarray:
        values = gated(run, gate, record)
        return values[:, values.shape[1] // 2 :].mean(1)

    return mean(gate, record) - mean("epoch", against or record)


def gated(run: Any, gate: Gate, record: str) -> np.ndarray:
    """(seed, trial): a record of the condition of C1 under a gate."""
    return _values(run, "single", record)[..., GATES.index(gate)]


def _values(run: Any, arm: str, record: str) -> np.ndarray:
    data: xr.DataArray = run[arm][record]
    return data.to_numpy()


CLAIMS = (
    Claim(
        "C1",
        "One population learns what comes, when, and how probably: the error of the prediction "
        "object halves within a block, and it peaks when the events come.",
        arms=("single",),
        parts={
            "E(trial 100) / E(trial 1)": Part(learning_ratio, at_most(0.5), paper=0.44),
            "distance of the peak from the event": Part(lateness, at_most(20.0), unit="ms"),
        },
        paper="test error .192 after 1 trial, .085 after 100 (metric not read)",
    ),
    Claim(
        "C2",
        "The height of the prediction is proportional to the probability; that of the when "
        "readout alone is not.",
        arms=("levels",),
        parts={
            "r of A's height with p_A": Part(
                lambda run: correlation(run, 0), at_least(0.95), paper=0.978
            ),
            "r of B's height with p_A": Part(
                lambda run: correlation(run, 1), at_most(-0.95), paper=-0.989
            ),
            "slope of A's height": Part(lambda run: slope(run, 0), between(0.8, 1.2)),
            "slope of B's height": Part(lambda run: slope(run, 1), between(0.8, 1.2)),
            "slope of z_A alone, p_A 0.3 to 0.9": Part(
                lambda run: slope(run, 0, "when_height", inner=True), at_most(0.3)
            ),
            "slope of z_B alone, p_B 0.3 to 0.9": Part(
                lambda run: slope(run, 1, "when_height", inner=True), at_most(0.3)
            ),
        },
        paper="r = .978 and -.989 over 11 levels",
    ),
    Claim(
        "C3",
        "After switches the local rule predicts better than recursive least squares that is never "
        "reset.",
        arms=("local", "rls_keep", "rls_reset", "rls_forget"),
        parts={
            f"E(local) - E(RLS keep), {kind} switches": Part(
                lambda run, kind=kind: over_baseline(run, "rls_keep", kind), at_most(0.0)
            )
            for kind in SWITCHES
        },
        paper="FORCE fits the first block and adjusts poorly after later switches",
    ),
    Claim(
        "C4",
        "The weights of what and when lie in nearly orthogonal subspaces.",
        arms=("single", "surrogate"),
        parts={
            "|cos(v, w)|": Part(cosine, at_most(0.2)),
            "surrogates' 95th percentile - |cos(v, w)|": Part(
                lambda run: surrogate_cosine(run) - cosine(run), at_least(0.0)
            ),
            "cosine of the largest principal angle": Part(angle, at_most(0.2)),
            "surrogates' 95th percentile - that cosine": Part(
                lambda run: surrogate_angle(run) - angle(run), at_least(0.0)
            ),
        },
    ),
    Claim(
        "C5",
        "Components of the weights order probability and latency, and after a switch the weights "
        "move to where the new condition's own block ended.",
        arms=("structure", "structure_switch"),
        parts={
            "|r| of a component with probability": Part(
                lambda run: ordering(run, "probability"), at_least(0.9)
            ),
            "|r| of a component with latency": Part(
                lambda run: ordering(run, "latency"), at_least(0.9)
            ),
            "distance left after the switch": Part(
                lambda run: distances(run)[:, -1].mean(-1), at_most(0.5), unit="%"
            ),
        },
        paper="PC1 orders probability, PC2 latency",
    ),
    Claim(
        "C6",
        "The same neurons carry both: weights mix across the population, and neurons that matter "
        "for what matter for when.",
        arms=("single",),
        parts={
            "share strong in both - null's 2.5th percentile": Part(mixing, at_least(0.0), unit="%"),
            "loss of y, top what neurons - random": Part(
                lambda run: lesion_excess(run, "what"), at_least(0.0), unit="%"
            ),
            "rise of Ez, top what neurons - random": Part(
                lambda run: lesion_excess(run, "when"), at_least(0.0)
            ),
        },
    ),
    Claim(
        "C7",
        "The gate and the product matter: a gate that closes early, no gate, and one merged "
        "readout are all worse.",
        arms=("single",),
        parts={
            "Ez, gate window - epoch": Part(
                lambda run: over_epoch(run, "window", "when_error"), at_least(0.0)
            ),
            "Ez, no gate - epoch": Part(
                lambda run: over_epoch(run, "none", "when_error"), at_least(0.0)
            ),
            "E, gate window - epoch": Part(
                lambda run: over_epoch(run, "window", "error"), at_least(0.0)
            ),
            "E, no gate - epoch": Part(lambda run: over_epoch(run, "none", "error"), at_least(0.0)),
            "E, merged - product": Part(
                lambda run: over_epoch(run, "none", "merged_error", "error"), at_least(0.0)
            ),
        },
    ),
)
