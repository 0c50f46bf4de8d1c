"""The runs of the study."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from engrax.lab import Arm, Tuning
from engrax.plasticity import DeltaReadout, RecursiveLeastSquares
from engrax.tasks import MeetBlock

from ._closed_loop import ClosedLoop, Gains, Recording, cells, swept
from ._config import Config
from ._experiment import RECORD_DIMS, Blocks, Experiment, Towards
from ._weights import Angles, Components, Inspection

Gate = Literal["epoch", "window", "none"]
SWITCHES = ("timing", "probability", "both")
"""What changes between the blocks of C3."""
GATES: tuple[Gate, ...] = ("epoch", "window", "none")
"""The gates of the condition of C1; all claims but C7 read the first."""


def arms(config: Config) -> dict[str, Arm]:
    """All arms, by name."""
    single = (_single(config),)
    levels = tuple(
        (MeetBlock(config.latency, float(p), config.trials),) for p in probability_levels(config)
    )
    return {
        "recording": _recording(config),
        "single": _arm(
            config,
            single * len(GATES),
            gates=GATES,
            draws=["trials 0"] * len(GATES),
            measure=Inspection(config),
            dims=_INSPECTED,
            coords={"condition": [f"gate {gate}" for gate in GATES]},
        ),
        "levels": _arm(
            config,
            levels,
            rate=config.calibration_rate,
            coords={"condition": probability_levels(config)},
        ),
        **_switching(config),
        "surrogate": _arm(config, surrogates(config), measure=Angles(), dims=_ANGLES),
        **_structure(config),
        "limits": _limits(config),
    }


def probability_levels(config: Config) -> np.ndarray:
    """Probabilities of A in C2."""
    return np.linspace(0, 1, config.levels)


def block_kinds(config: Config) -> dict[str, Blocks]:
    """Three blocks of C3 by what switches: there, and back."""
    first, back = config.latency, (config.latency[1], config.latency[0])
    p, q, n = config.probability, 1 - config.probability, config.trials
    start = MeetBlock(first, p, n)
    second = {
        "timing": MeetBlock(back, p, n),
        "probability": MeetBlock(first, q, n),
        "both": MeetBlock(back, q, n),
    }
    return {kind: (start, second[kind], start) for kind in SWITCHES}


def surrogates(config: Config) -> tuple[Blocks, ...]:
    """Conditions like that of C1 whose events fall into the window of the "what" readout."""
    opens = config.cue_off - config.cue_on
    draws = np.random.default_rng(0).uniform(opens, opens + config.what_ms, (config.surrogates, 2))
    return tuple(
        (MeetBlock((float(a), float(b)), config.probability, config.trials),) for a, b in draws
    )


def structures(config: Config) -> tuple[MeetBlock, ...]:
    """Conditions of C5: probabilities times latencies."""
    return tuple(
        MeetBlock(latency, p, config.trials)
        for p in config.probabilities
        for latency in config.latencies
    )


def successors(config: Config) -> np.ndarray:
    """The condition that each condition of C5 switches to: another probability and latency."""
    rows, columns = len(config.probabilities), len(config.latencies)
    index = np.arange(rows * columns).reshape(rows, columns)
    return np.roll(index, (-1, -1), axis=(0, 1)).ravel()


_ANGLES = {
    "cosine": ("condition", "channel"),
    "largest_angle": ("condition",),
    "what_dimensions": ("condition",),
}
_INSPECTED = {
    **_ANGLES,
    "z": ("time", "channel"),
    "y": ("channel",),
    "what_weight": ("channel", "neuron"),
    "when_weight": ("channel", "neuron"),
    "random_what_loss": ("lesion",),
    "random_when_loss": ("lesion",),
}


def _single(config: Config) -> Blocks:
    return (MeetBlock(config.latency, config.probability, config.trials),)


def _experiment(
    config: Config,
    conditions: Sequence[Blocks],
    *,
    gates: Sequence[Gate] | None = None,
    rate: float | None = None,
    rls: RecursiveLeastSquares | None = None,
    draws: Sequence[str] | None = None,
) -> Experiment:
    return Experiment(
        config=config,
        conditions=tuple(conditions),
        draws=tuple(draws or [f"trials {i}" for i in range(len(conditions))]),
        when=rls
        or tuple(
            DeltaReadout(config.neurons, 2, config.when_rate, gate=gate)
            for gate in gates or GATES[:1] * len(conditions)
        ),
        what=DeltaReadout(config.neurons, 2, rate or config.what_rate, when="trial"),
        leak=jnp.float32(0.0),
    )


def _arm(
    config: Config,
    conditions: Sequence[Blocks],
    *,
    measure: Any = None,
    dims: Mapping[str, tuple[str, ...]] | None = None,
    coords: Mapping[str, Any] | None = None,
    tuning: Tuning | None = None,
    **more: Any,
) -> Arm:
    return Arm(
        _experiment(config, conditions, **more),
        sum(block.trials for block in conditions[0]),
        dims={**RECORD_DIMS, **(dims or {})},
        coords={"channel": ["A", "B"], **(coords or {})},
        measure=measure,
        tuning=tuning,
    )


def _switching(config: Config) -> dict[str, Arm]:
    """C3: the local rule and all forms of recursive least squares through the same switches."""
    conditions = tuple(block_kinds(config).values())
    coords = {"condition": list(SWITCHES)}

    def rls(reset: bool = False) -> RecursiveLeastSquares:
        return RecursiveLeastSquares(config.neurons, 2, ridge=config.ridge, reset=reset)

    tuning = Tuning(_leak, config.forgetting, _score, seeds=config.calibration_seeds)
    return {
        "local": _arm(
            config,
            conditions * 2,
            gates=["epoch"] * len(SWITCHES) + ["none"] * len(SWITCHES),
            draws=[f"trials {i}" for i in range(len(SWITCHES))] * 2,
            coords={"condition": [*SWITCHES, *(f"{kind}, no gate" for kind in SWITCHES)]},
        ),
        "rls_keep": _arm(config, conditions, coords=coords, rls=rls()),
        "rls_reset": _arm(config, conditions, coords=coords, rls=rls(True)),
        "rls_forget": _arm(config, conditions, coords=coords, rls=rls(), tuning=tuning),
    }


def _leak(system: Any) -> Any:
    return system.leak


def _score(records: Mapping[str, np.ndarray]) -> np.ndarray:
    """Minus the mean error over the second halves of blocks 2 and 3, over kinds of switches."""
    error = records["error"]
    return -adapted(error, axis=2).mean((-1, -2))


def adapted(values: np.ndarray, *, axis: int) -> np.ndarray:
    """The trials in the second halves of blocks 2 and 3 of three."""
    block = values.shape[axis] // 3
    half = block - block // 2
    kept = [*range(block + half, 2 * block), *range(2 * block + half, 3 * block)]
    return np.take(values, kept, axis=axis)


def _structure(config: Config) -> dict[str, Arm]:
    """C5: every condition on its own, then each switching to another."""
    blocks, after = structures(config), successors(config)
    names = [f"p {b.probability:g}, {b.latency[0]:g}/{b.latency[1]:g} ms" for b in blocks]
    count = min(3, len(blocks))
    first = _arm(
        config,
        tuple((block,) for block in blocks),
        measure=Components(count),
        dims={"scores": ("condition", "component"), "captured": ("component",)},
        coords={"condition": names, "component": 1 + np.arange(count)},
    )

    def start(fresh: Any, final: Any) -> Any:
        goals = {f"goal_{name}": final[name][after] for name in ("what", "when")}
        return {**fresh, "what": final["what"], "when": final["when"], **goals}

    moved = Towards(
        _experiment(
            config,
            tuple((blocks[i],) for i in after),
            draws=[f"after {i}" for i in range(len(after))],
        )
    )
    distances = dict.fromkeys(("what_distance", "when_distance"), ("condition",))
    second = Arm(
        moved,
        config.trials,
        dims={**RECORD_DIMS, **distances},
        coords={"condition": names, "channel": ["A", "B"]},
        needs=("structure",),
        start=start,
    )
    return {"structure": first, "structure_switch": second}


def _recording(config: Config) -> Arm:
    recording = Recording(config, min(100, config.neurons))
    return Arm(
        recording,
        1,
        dims={
            "spike_count": ("neuron",),
            "spikes": ("time", "shown"),
            "v": ("time", "traced"),
        },
        measure=recording.measure,
    )


def _limits(config: Config) -> Arm:
    """The full path, where theory promises nothing: recurrence, noise, feedback, events."""
    zero = jnp.float32(0.0)
    system = ClosedLoop(
        config=config,
        block=MeetBlock(config.latency, config.probability, config.limit_trials),
        gains=Gains(jnp.float32(config.g), zero, zero, zero),
        when=DeltaReadout(config.neurons, 2, config.when_rate),
        what=DeltaReadout(config.neurons, 2, config.what_rate, when="trial"),
    )
    values = np.array([gains for _, gains in cells(config)], np.float32)
    return Arm(
        system,
        config.limit_trials,
        dims={"what": ("channel",)},
        coords={"channel": ["A", "B"]},
        grid={"cell": (swept, tuple(values.T))},
    )
