"""The reservoir in Brian 2, as a program of its own: run as
`python _brian_reservoir.py NETWORK.npz MODE THREADS`.

Brian 2 wants other versions of NumPy than JAX does, so it lives in another environment. MODE is
"cython" (the default of Brian, one thread) or "standalone" (a C++ program, with OpenMP for more
threads than one). For each line it reads it runs once
from the start and answers with seconds of wall and processor time; spikes are left, after the
first run, in a file next to the network.
"""

import sys
import tempfile
import time

import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    SpikeMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    device,
    ms,
    prefs,
    set_device,
)

MODEL = """
v : 1
u : 1
s : 1
x : 1
q : 1
r : 1
a : 1 (constant)
b : 1 (constant)
c : 1 (constant)
d : 1 (constant)
bias : 1 (constant)
win : 1 (constant)
leak : 1 (constant)
push : 1 (constant)
gain : 1 (constant)
"""
UPDATE = """
s = s * keep_s + g * x
x = 0
r = r * keep_r
cur = bias + gain * q * win + s
v = clip(v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + cur), -100, 40)
v = clip(v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + cur), -100, 40)
u = u + a * (b * v - u)
q = q + cue(t) * push - q * leak
"""


def build(given: dict, mode: str) -> tuple[Network, SpikeMonitor]:
    """All lanes as one group of neurons, each connected within itself."""
    lanes, n = given["gain"].shape
    group = NeuronGroup(
        lanes * n, MODEL, threshold="v >= 30", reset="v = c; u = u + d; r = r + rise",
        namespace={
            "cue": TimedArray(given["cue"], dt=1 * ms),
            "keep_s": float(np.exp(-1 / 10)), "keep_r": float(np.exp(-1 / 30)),
            "g": float(given["g"]), "rise": float(10 * (1 - np.exp(-1 / 30))),
        },
    )  # fmt: skip
    for name in ("a", "b", "c", "d", "bias", "win", "leak", "push"):
        setattr(group, name, np.tile(given[name], lanes))
    group.gain = given["gain"].ravel()
    group.v = -65
    group.u = np.tile(given["b"] * np.float32(-65), lanes)
    group.run_regularly(UPDATE, dt=1 * ms, when="groups")
    synapses = Synapses(group, group, "w : 1 (constant)", on_pre="x_post += w")
    source, target = np.nonzero(given["outgoing"])
    shift = n * np.arange(lanes)[:, None]
    synapses.connect(i=(source + shift).ravel(), j=(target + shift).ravel())
    synapses.w = np.tile(given["outgoing"][source, target], lanes)
    monitor = SpikeMonitor(group)
    return Network(group, synapses, monitor), monitor


def main(path: str, mode: str, threads: int) -> None:
    """Runs once a line."""
    given = dict(np.load(path))
    prefs.core.default_float_dtype = np.float32
    defaultclock.dt = 1 * ms
    duration = len(given["cue"]) * ms
    if mode == "standalone":
        set_device("cpp_standalone", build_on_run=False)
        if threads > 1:
            prefs.devices.cpp_standalone.openmp_threads = threads
        network, monitor = build(given, mode)
        network.run(duration)
        device.build(directory=tempfile.mkdtemp(), compile=True, run=False)
    else:
        network, monitor = build(given, mode)
        network.store()
    print("ready", flush=True)
    for count, _ in enumerate(sys.stdin):
        if mode == "standalone":
            device.run()
            # What the C++ program took for its steps, without starting it and reading its files.
            wall = float(device._last_run_time)
            processor = wall * threads
        else:
            network.restore()
            begin = time.perf_counter(), time.process_time()
            network.run(duration)
            wall, processor = time.perf_counter() - begin[0], time.process_time() - begin[1]
        if count == 0:
            when = np.round(np.asarray(monitor.t / ms)).astype(int)
            np.savez(path.replace(".npz", "_spikes.npz"), i=np.asarray(monitor.i), t=when)
        print(wall, processor, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
