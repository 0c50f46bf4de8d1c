"""Izhikevich cells: firing patterns, resting points and thresholds known from the equations."""

import jax.numpy as jnp
import numpy as np
import pytest

from engrax.spiking import DimensionalIzhikevich, Izhikevich

PRESETS = {
    "RS": Izhikevich.regular_spiking,
    "FS": Izhikevich.fast_spiking,
    "CH": Izhikevich.chattering,
    "LTS": Izhikevich.low_threshold,
}


def spike_times(cell, current, steps=1000):
    return np.flatnonzero(np.asarray(cell.run(jnp.full((steps,), current))))


def slow(a, b, c, d, currents):
    """The scheme written out, in float64."""
    v, u, times = -65.0, b * -65.0, []
    for t, current in enumerate(currents):
        for _ in range(2):
            v = min(max(v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + current), -100), 40)
        u += a * (b * v - u)
        if v >= 30:
            v, u = c, u + d
            times.append(t)
    return np.array(times)


@pytest.mark.parametrize("name", PRESETS)
def test_a_cell_is_the_scheme_written_out(name):
    cell = PRESETS[name]()
    parameters = [float(x) for x in (cell.a, cell.b, cell.c, cell.d)]
    # Each spike rounds a time to whole steps, so float32 drifts from float64: one step in 200 ms.
    expected = slow(*parameters, np.full(200, 10.0))
    np.testing.assert_allclose(spike_times(cell, 10.0, 200), expected, atol=1)


def test_a_regular_cell_is_tonic_and_adapts():
    gaps = np.diff(spike_times(Izhikevich.regular_spiking(), 10.0))
    assert gaps[0] < gaps[-1]
    # Once adapted it is regular: gaps differ by the rounding to whole steps.
    assert np.ptp(gaps[5:]) <= 1
    assert 15 < 1000 / gaps[-1] < 60


def test_a_fast_cell_fires_faster_than_a_regular_one_and_adapts_less():
    fast = np.diff(spike_times(Izhikevich.fast_spiking(), 10.0))
    regular = np.diff(spike_times(Izhikevich.regular_spiking(), 10.0))
    assert fast[-1] < regular[-1] / 2
    assert fast[-1] - fast[1] < regular[-1] - regular[0]


def test_a_chattering_cell_fires_in_bursts():
    gaps = np.diff(spike_times(Izhikevich.chattering(), 10.0))
    # Two kinds of gaps and nothing between: a few ms within a burst, tens of ms between bursts.
    within, between = gaps[gaps < 10], gaps[gaps >= 10]
    assert len(within) > len(between) > 3
    assert between.min() > 3 * np.median(within)


def test_a_low_threshold_cell_fires_where_a_regular_one_is_silent():
    low, regular = Izhikevich.low_threshold(), Izhikevich.regular_spiking()
    assert len(spike_times(low, 3.0)) > 0
    assert len(spike_times(regular, 3.0)) == 0
    gaps = np.diff(spike_times(low, 10.0))
    assert gaps[0] < gaps[-1]


@pytest.mark.parametrize(("b", "v"), [(0.2, -70.0), (0.25, -64.41)])
def test_without_current_a_cell_rests_where_its_equations_say(b, v):
    """0.04 v^2 + 5 v + 140 - b v = 0, its lower root; for b = 0.2 it is -70, with u = -14."""
    cell = Izhikevich(0.02, b, -65.0, 8.0)
    root = (-(5 - b) - np.sqrt((5 - b) ** 2 - 4 * 0.04 * 140)) / 0.08
    np.testing.assert_allclose(root, v, atol=0.01)
    state = cell.init_state()
    for _ in range(2000):
        state, spike = cell.step(state, jnp.float32(0.0))
        assert not spike
    # u follows at 0.02/ms: after 2 s nothing of the start is left, and float32 rounds v to 1e-5.
    np.testing.assert_allclose(state, [root, b * root], rtol=1e-4)


def test_the_rheobase_of_a_regular_cell_lies_between_3_and_5():
    cell = Izhikevich.regular_spiking()
    assert len(spike_times(cell, 3.0, 3000)) == 0
    assert len(spike_times(cell, 5.0, 3000)) > 1


def test_smaller_steps_converge_at_first_order():
    """The time of the third spike, against a step of 1/64 ms: the error halves with the step."""

    def third(dt):
        cell = Izhikevich.regular_spiking(dt=dt, substeps=1)
        return spike_times(cell, 10.0, round(150 / dt))[2] * dt

    exact = third(1 / 128)
    errors = [abs(third(dt) - exact) for dt in (1 / 4, 1 / 16)]
    assert 2 < errors[0] / errors[1] < 8


def test_many_cells_are_each_alone():
    cell = Izhikevich(
        jnp.array([0.02, 0.1]), jnp.array([0.2, 0.2]), jnp.full(2, -65.0), jnp.array([8.0, 2.0])
    )
    both = np.asarray(cell.run(jnp.full((300, 2), 10.0)))
    for i, one in enumerate((Izhikevich.regular_spiking(), Izhikevich.fast_spiking())):
        np.testing.assert_array_equal(both[:, i], one.run(jnp.full((300,), 10.0)))


def test_the_dimensional_form_is_silent_below_its_threshold_current_and_rests_at_v_rest():
    cell = DimensionalIzhikevich()
    # k (v - v_rest)(v - v_threshold) has its minimum -k 10^2 = -250 pA halfway: rheobase 250 pA.
    assert not cell.run(jnp.full((5000,), 240.0)).any()
    assert cell.run(jnp.full((5000,), 300.0)).any()
    state, _ = cell.step(cell.init_state((3,)), jnp.zeros(3))
    np.testing.assert_allclose(state, cell.init_state((3,)))


@pytest.mark.parametrize(("dt", "substeps"), [(1.0, 1), (500.0, 2), (0.0, 1), (1.0, 0)])
def test_an_unstable_step_is_refused(dt, substeps):
    with pytest.raises(ValueError, match="milliseconds"):
        Izhikevich.regular_spiking(dt=dt, substeps=substeps)
    with pytest.raises(ValueError, match="unstable"):
        DimensionalIzhikevich(dt=1.0)
