"""Step by step as snnTorch and SpikingJelly do it.

`reference_traces.json` holds inputs, potentials and spikes of both conventions. They were made by
the two functions below, written from the documented equations of the peers; the benchmark's gate
holds the neurons against the peers themselves.
"""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from engrax.spiking import LIF

FILE = Path(__file__).parent / "reference_traces.json"
TRACES = json.loads(FILE.read_text())
BETA, TAU, THRESHOLD = 0.75, 4.0, 0.8


def snntorch_leaky(currents, *, reset):
    """The reset of one step is applied in the next: potentials are shown before it."""
    membrane, potentials, spikes = np.zeros(currents.shape[1]), [], []
    for current in currents:
        over = (membrane > THRESHOLD).astype(float)
        if reset == "zero":
            membrane = BETA * (1 - over) * membrane + current
        else:
            membrane = BETA * membrane + current - over * THRESHOLD
        potentials.append(membrane)
        spikes.append((membrane > THRESHOLD).astype(float))
    return np.array(potentials), np.array(spikes)


def spikingjelly_lif(currents, *, reset, decay_input):
    """Charge, fire, reset, within a step; potentials are shown after the charge."""
    v, potentials, spikes = np.zeros(currents.shape[1]), [], []
    for current in currents:
        h = v + (current - v) / TAU if decay_input else v - v / TAU + current
        s = (h >= THRESHOLD).astype(float)
        v = (1 - s) * h if reset == "zero" else h - s * THRESHOLD
        potentials.append(h)
        spikes.append(s)
    return np.array(potentials), np.array(spikes)


MADE = {
    "snntorch subtract": lambda x: snntorch_leaky(x, reset="subtract"),
    "snntorch zero": lambda x: snntorch_leaky(x, reset="zero"),
    "spikingjelly soft": lambda x: spikingjelly_lif(x, reset="subtract", decay_input=False),
    "spikingjelly hard": lambda x: spikingjelly_lif(x, reset="zero", decay_input=False),
    "spikingjelly soft, decayed": lambda x: spikingjelly_lif(x, reset="subtract", decay_input=True),
    "spikingjelly hard, decayed": lambda x: spikingjelly_lif(x, reset="zero", decay_input=True),
}
OURS = {
    "snntorch subtract": LIF(BETA, threshold=THRESHOLD, delayed=True),
    "snntorch zero": LIF(BETA, threshold=THRESHOLD, reset="zero", delayed=True),
    "spikingjelly soft": LIF(1 - 1 / TAU, threshold=THRESHOLD),
    "spikingjelly hard": LIF(1 - 1 / TAU, threshold=THRESHOLD, reset="zero"),
    "spikingjelly soft, decayed": LIF(1 - 1 / TAU, 1 / TAU, THRESHOLD),
    "spikingjelly hard, decayed": LIF(1 - 1 / TAU, 1 / TAU, THRESHOLD, reset="zero"),
}


def made():
    """The content of the file."""
    currents = np.round(np.random.default_rng(0).gamma(2.0, 0.4, (40, 3)), 3)
    traces = {name: make(currents) for name, make in MADE.items()}
    return {
        "currents": currents.tolist(),
        **{
            name: {"potentials": np.round(u, 6).tolist(), "spikes": s.astype(int).tolist()}
            for name, (u, s) in traces.items()
        },
    }


def test_the_file_is_what_the_equations_make():
    assert made() == TRACES


@pytest.mark.parametrize("name", OURS)
def test_potentials_and_spikes_are_equal_step_by_step(name):
    currents = jnp.asarray(TRACES["currents"], jnp.float32)
    neuron, reference = OURS[name], TRACES[name]
    spikes = np.array(reference["spikes"])
    assert 0.05 < spikes.mean() < 0.9
    np.testing.assert_array_equal(neuron.run(currents), spikes)
    # Potentials are stored to six digits; ours round in single precision.
    np.testing.assert_allclose(neuron.potentials(currents), reference["potentials"], atol=3e-6)
