"""What the comparisons of training share: equal starts, equal batches, equal losses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch

from engrax.core import Serial, repeat, simulate

from ._machine import THREADS
from ._report import Comparison
from ._timer import alternate, seconds

GATE_STEPS = 10
# Both sides round at about 1e-7 an operation and training amplifies that, so equal programs stay
# well inside this over the first steps and different ones do not.
TOLERANCE = 1e-4

Train = Callable[[int], Sequence[float]]
"""From a number of steps to their losses, always from the start."""


def start_of(body: Serial, seed: int, steps: int) -> tuple[Any, np.ndarray]:
    """What `simulate` starts this seed from, and which examples its first steps see."""
    state = body.init(key=jr.fold_in(jr.key(0), seed))
    stream = body["stream"]
    _, index = jax.lax.scan(
        lambda s, t: (lambda new, batch: (new, batch.index))(*stream.step(s, t)),
        state["stream"],
        jnp.arange(steps),
    )
    return state, np.asarray(index)


def compare(
    case: str,
    body: Serial,
    peers: Sequence[Train],
    *,
    ticks: int,
    per_tick: int,
    aim: float,
    rates: Callable[[float], Mapping[str, str]] = lambda seconds: {},
    profile: str = "",
) -> Comparison:
    """Times `simulate` on `body` against as many PyTorch runs as there are peers, in a row."""
    runs, steps = len(peers), ticks * per_tick
    ours = simulate(body, GATE_STEPS, key=jr.key(0), seeds=min(runs, 2)).records["loss"]
    theirs = np.array([peer(GATE_STEPS) for peer in peers[:2]])
    apart = float(np.abs(ours / theirs - 1).max())
    if not apart < TOLERANCE:
        raise RuntimeError(f"{case}: the losses of both sides differ by {apart:.1e}")
    threads = _choose_threads(peers[0])
    system = repeat(body, per_tick)
    timed = alternate(
        lambda: simulate(system, ticks, key=jr.key(0), seeds=runs, chunk=ticks),
        lambda: [peer(steps) for peer in peers],
    )
    return Comparison(
        case=f"{case}, {runs} seed{'s' * (runs > 1)}, {steps} steps",
        peer=f"eager PyTorch, {threads} thread{'s' * (threads > 1)}"
        + ", seed after seed" * (runs > 1),
        gate=f"the losses of {GATE_STEPS} steps agree to {apart:.0e}",
        aim=aim,
        alternation=timed,
        rates=rates(min(timed.ours.rounds)),
        profile=profile,
    )


def _choose_threads(peer: Train) -> int:
    """Gives PyTorch the number of threads that it is fastest with.

    Nets this small gain little from a second thread, and on a machine that others use its pool
    waits for a core: one thread is then several times faster than two.
    """
    times = {}
    for threads in range(1, THREADS + 1):
        torch.set_num_threads(threads)
        times[threads] = min(seconds(lambda: peer(GATE_STEPS))[0] for _ in range(3))
    best = min(times, key=times.__getitem__)
    torch.set_num_threads(best)
    return best
