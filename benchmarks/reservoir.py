"""The Izhikevich reservoir in simulated seconds a second, against Brian 2.

Brian 2 runs in a process of its own: name its interpreter in ENGRAX_BRIAN (an environment with
`brian2` and a C++ compiler). Both sides get the same neurons, weights and cue, in float32, with
the same scheme, and two threads where there are lanes for them. Rounding grows in a recurrent
network, so spikes are the same only for a while; how long is part of the gate, and after that both
have to fire alike.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import AxisType, PartitionSpec

from engrax.spiking import IzhikevichReservoir

from ._machine import THREADS
from ._report import Comparison
from ._run import measure
from ._timer import ROUNDS, Alternation, Timing, seconds

TRIAL, TRIALS = 900, 5
"""Length of a trial in ms, and how many follow each other in a run."""
CASES = ((500, 1), (1000, 1), (500, 55))
"""Neurons, and lanes: networks that share weights and differ in the gain of their cue."""
SAME_MS = 50
"""At least so many ms all spikes have to be the same."""


class Peer:
    """Brian 2 on the same network, in another process."""

    def __init__(self, net: IzhikevichReservoir, gains: np.ndarray, mode: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        path = self.folder / "network.npz"
        cell = net.cell
        np.savez(
            path, a=cell.a, b=cell.b, c=cell.c, d=cell.d, outgoing=net.outgoing, g=net.g,
            bias=net.bias, win=net.cue_weight, leak=1 / net.cue_tau,
            push=np.sqrt(50 / np.asarray(net.cue_tau)) / 20, cue=cue(),
            gain=np.tile(gains[:, None], (1, net.bias.shape[0])),
        )  # fmt: skip
        script = Path(__file__).parent / "_brian_reservoir.py"
        threads = min(len(gains), THREADS)
        self.process = subprocess.Popen(
            [os.environ["ENGRAX_BRIAN"], str(script), str(path), mode, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._answer("ready")

    def run(self) -> tuple[float, float]:
        """Once from the start: seconds of wall and of processor time, as Brian's process took."""
        assert self.process.stdin is not None
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        wall, processor = self._answer("").split()
        return float(wall), float(processor)

    def spikes(self, steps: int, lanes: int, n: int) -> np.ndarray:
        """(time, lane, neuron), of the first run."""
        found = np.load(self.folder / "network_spikes.npz")
        raster = np.zeros((steps, lanes * n), bool)
        raster[found["t"], found["i"]] = True
        return raster.reshape(steps, lanes, n)

    def close(self) -> None:
        """Ends the process and removes its files."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)
        shutil.rmtree(self.folder)

    def _answer(self, begin: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if begin and line.startswith(begin):
                return line
            if not begin and len(line.split()) == 2 and line[0].isdigit():
                return line
        raise RuntimeError(f"Brian 2 ended with {self.process.wait()}; its message is above.")


def cue() -> np.ndarray:
    """50 ms of cue at the start of each trial; the network is not reset between."""
    ms = np.arange(TRIAL * TRIALS) % TRIAL
    return ((ms >= 50) & (ms < 100)).astype(np.float32)


@eqx.filter_jit
def run(
    net: IzhikevichReservoir, gains: jax.Array, inputs: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Spikes (lane, time, n) and last rates; lanes go one by one on each of the devices."""

    def one(gain: jax.Array) -> tuple[jax.Array, jax.Array]:
        lane = eqx.tree_at(lambda net: net.cue_gain, net, gain)

        def step(state: jax.Array, on: jax.Array) -> tuple[jax.Array, jax.Array]:
            return lane.step(state, on)

        state, spikes = jax.lax.scan(step, lane.init_state(), inputs)
        return spikes, lane.rates(state)

    lanes = gains.shape[0]
    devices = min(lanes, jax.local_device_count())
    mesh = jax.make_mesh((devices,), ("run",), axis_types=(AxisType.Auto,))
    spec = PartitionSpec("run")
    # The first lane once more, as often as it takes for every device to get as many.
    padded = jnp.concatenate([gains, jnp.full(-lanes % devices, gains[0])])
    spread = jax.shard_map(
        lambda mine: jax.lax.map(one, mine), mesh=mesh, in_specs=spec, out_specs=spec,
        check_vma=False,
    )  # fmt: skip
    return jax.tree.map(lambda leaf: leaf[:lanes], spread(padded))


def gate(ours: np.ndarray, theirs: np.ndarray) -> str:
    """What is equal, in words.

    Raises:
        RuntimeError: the spikes part at once, or the rates are not alike.
    """
    differ = (ours != theirs).any((1, 2))
    same = int(differ.argmax()) if differ.any() else len(differ)
    rates = [1000 * raster.mean() for raster in (ours, theirs)]
    # Chaos mixes counts only in part: neurons keep their own rates.
    counts = [raster.sum(0).ravel().astype(float) for raster in (ours, theirs)]
    alike = float(np.corrcoef(*counts)[0, 1])
    if same < SAME_MS or abs(rates[0] / rates[1] - 1) > 0.1 or alike < 0.9:
        raise RuntimeError(f"same for {same} ms, {rates} spikes/s, r of counts {alike:.3f}")
    return (
        f"all spikes are the same for {same} ms of {len(differ)}; then {rates[0]:.2f} and "
        f"{rates[1]:.2f} spikes a second and neuron, r = {alike:.3f} between the neurons' counts"
    )


def comparisons() -> Iterator[Comparison]:
    """One network, a larger one, and many lanes; each against both of Brian's ways to run."""
    if "ENGRAX_BRIAN" not in os.environ:
        raise SystemExit("Name an interpreter that has brian2 in ENGRAX_BRIAN.")
    inputs = jnp.asarray(cue())
    for n, lanes in CASES:
        net = IzhikevichReservoir(n, key=jr.key(0))
        gains = jnp.linspace(7.5, 8.5, lanes) if lanes > 1 else jnp.full(1, 8.0)
        work = partial(_blocked, net, gains, inputs)
        for mode, name in (("cython", "Cython"), ("standalone", "C++ standalone")):
            first = seconds(work)[0]
            peer = Peer(net, np.asarray(gains), mode)
            begun = peer.run()[0]
            ours = np.asarray(run(net, gains, inputs)[0]).transpose(1, 0, 2)
            equal = gate(ours, peer.spikes(len(inputs), lanes, n))
            times: tuple[list, list] = ([], [])
            for number in range(ROUNDS):
                for side in (0, 1) if number % 2 == 0 else (1, 0):
                    times[side].append(peer.run() if side else seconds(work))
            peer.close()
            timed = Alternation(
                Timing(first, *zip(*times[0], strict=True)),
                Timing(begun, *zip(*times[1], strict=True)),
            )
            simulated = lanes * len(inputs) / 1000
            yield Comparison(
                case=f"N = {n}, {lanes} lane{'s' * (lanes > 1)}, {len(inputs) / 1000:g} s",
                peer=f"Brian 2, {name}, float32",
                gate=equal,
                aim=1.0,
                alternation=timed,
                rates={
                    "Engrax": f"{simulated / min(timed.ours.rounds):.0f} simulated s/s",
                    "Brian 2": f"{simulated / min(timed.peer.rounds):.0f} simulated s/s",
                },
            )


def _blocked(net: IzhikevichReservoir, gains: jax.Array, inputs: jax.Array) -> None:
    jax.block_until_ready(run(net, gains, inputs))


if __name__ == "__main__":
    measure("reservoir", comparisons)
