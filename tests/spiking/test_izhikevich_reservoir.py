"""The reservoir: Dale's law, determinism, filters, and a slow simulation of the same network."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from engrax.spiking import IzhikevichReservoir

N = 60
CUE = ((np.arange(200) >= 20) & (np.arange(200) < 70)).astype(np.float32)[:, None]


@pytest.fixture(scope="module")
def reservoir():
    return IzhikevichReservoir(N, key=jr.key(0))


def test_dale_holds_in_every_column_and_no_neuron_excites_itself():
    network = IzhikevichReservoir(400, key=jr.key(3))
    weight = np.asarray(network.weight)
    assert (weight[:, :320] >= 0).all()
    assert (weight[:, 320:] <= 0).all()
    assert (np.diag(weight) == 0).all()
    # In-degree: 399 draws at p = 0.1 for each of 400 neurons; 5 standard errors of the mean.
    degree = (weight != 0).sum(1)
    assert abs(degree.mean() - 0.1 * 399) < 5 * np.sqrt(399 * 0.09 / 400)
    # |N(0, 1)| has mean sqrt(2/pi); inhibition is four times as strong; both over sqrt(0.1 n).
    scale = np.sqrt(2 / np.pi) / np.sqrt(0.1 * 400)
    np.testing.assert_allclose(weight[:, :320][weight[:, :320] > 0].mean(), scale, rtol=0.05)
    np.testing.assert_allclose(weight[:, 320:][weight[:, 320:] < 0].mean(), -4 * scale, rtol=0.05)


def test_cells_and_inputs_have_the_types_they_should(reservoir):
    cell, positive = reservoir.cell, np.arange(N) < 48
    np.testing.assert_allclose(np.asarray(cell.a)[positive], 0.02)
    np.testing.assert_allclose(np.asarray(cell.d)[~positive], 2)
    r = (np.asarray(cell.c)[positive] + 65) / 15
    np.testing.assert_allclose(np.asarray(cell.d)[positive], 8 - 6 * r, rtol=1e-4)
    assert (np.asarray(reservoir.cue_tau) >= 20).all()
    assert (np.asarray(reservoir.cue_tau) <= 800).all()
    assert (np.asarray(reservoir.bias) >= 1).all()
    assert (np.asarray(reservoir.bias) <= 3.5).all()


def slow(net, cue, steps):
    """The equations of the sheet in float64, one neuron after another."""
    a, b, c, d = (np.asarray(x, float) for x in (net.cell.a, net.cell.b, net.cell.c, net.cell.d))
    weight, g = np.asarray(net.weight, float), float(net.g)
    win, tau, bias = (np.asarray(x, float) for x in (net.cue_weight, net.cue_tau, net.bias))
    n = len(bias)
    v, u, s, q, r = np.full(n, -65.0), -65 * b, np.zeros(n), np.zeros(n), np.zeros(n)
    rates, spikes = [], []
    for t in range(steps):
        current = bias + 8 * q * win + s
        for _ in range(2):
            v = np.clip(v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + current), -100, 40)
        u = u + a * (b * v - u)
        f = v >= 30
        v, u = np.where(f, c, v), np.where(f, u + d, u)
        s = s * np.exp(-1 / 10) + g * sum((weight[:, i] for i in np.flatnonzero(f)), np.zeros(n))
        q = q + cue[t, 0] * np.sqrt(50 / tau) / 20 - q / tau
        r = r * np.exp(-1 / 30) + 10 * (1 - np.exp(-1 / 30)) * f
        rates.append(r)
        spikes.append(f)
    return np.stack(rates), np.stack(spikes)


def test_a_run_is_the_equations_written_out(reservoir):
    rates, spikes = reservoir.run(jnp.asarray(CUE))
    expected_rates, expected = slow(reservoir, CUE, 100)
    # Recurrence makes rounding grow; over 100 ms of this small network it has moved no spike.
    np.testing.assert_array_equal(spikes[:100], expected)
    np.testing.assert_allclose(rates[:100], expected_rates, rtol=1e-4, atol=1e-6)
    assert expected.sum() > 50


def test_both_forms_of_recurrence_add_the_same_rows(reservoir):
    dense = IzhikevichReservoir(N, recurrence="dense", key=jr.key(0))
    for share in (0.0, 0.05, 1.0):
        spikes = jr.bernoulli(jr.key(1), share, (N,))
        np.testing.assert_allclose(
            reservoir._arriving(spikes), dense._arriving(spikes), rtol=1e-5, atol=1e-5
        )


def test_the_same_input_gives_the_same_bits(reservoir):
    first, again = (
        eqx.filter_jit(lambda net: net.run(jnp.asarray(CUE)))(reservoir) for _ in range(2)
    )
    np.testing.assert_array_equal(first.rates, again.rates)
    np.testing.assert_array_equal(first.spikes, again.spikes)


def test_rates_are_the_convolution_of_spikes_with_their_kernel(reservoir):
    rates, spikes = (np.asarray(x, float) for x in reservoir.run(jnp.asarray(CUE)))
    time = np.arange(len(CUE))
    kernel = 10 * (1 - np.exp(-1 / 30)) * np.exp(-time / 30)
    for i in np.flatnonzero(spikes.sum(0))[:10]:
        expected = np.convolve(spikes[:, i], kernel)[: len(time)]
        # 200 roundings of float32 in a row.
        np.testing.assert_allclose(rates[:, i], expected, rtol=2e-5, atol=1e-6)


def test_a_cue_fades_at_the_rate_of_each_neuron(reservoir):
    state = reservoir.init_state()
    for t in range(120):
        state, _ = reservoir.step(state, jnp.float32(CUE[t, 0]))
    tau = np.asarray(reservoir.cue_tau, float)
    keep = 1 - 1 / tau
    expected = np.sqrt(50 / tau) / 20 * (1 - keep**50) * tau * keep**50
    np.testing.assert_allclose(state[3], expected, rtol=1e-4)


def test_events_feedback_and_noise_come_in_with_their_gains(reservoir):
    def potential(net, **more):
        return net.step(net.init_state(), jnp.float32(0.0), **more)[0][0]

    still = potential(reservoir)
    e = jnp.array([0.3, -0.2])
    xi = jr.normal(jr.key(5), (N,))
    inputs = {"events": e, "feedback": e, "noise": xi}
    np.testing.assert_array_equal(potential(reservoir, **inputs), still)
    for gain, more, weight in (
        ("event_gain", {"events": e}, reservoir.event_weight @ e),
        ("feedback_gain", {"feedback": e}, reservoir.feedback_weight @ e),
        ("noise", {"noise": xi}, xi),
    ):
        driven = eqx.tree_at(lambda net, g=gain: getattr(net, g), reservoir, jnp.float32(0.5))
        pushed = eqx.tree_at(lambda net: net.bias, reservoir, reservoir.bias + 0.5 * weight)
        np.testing.assert_allclose(potential(driven, **more), potential(pushed), rtol=1e-5)


def test_noise_changes_the_response_and_comes_from_its_key(reservoir):
    loud = eqx.tree_at(lambda net: net.noise, reservoir, jnp.float32(1.0))
    a, b, c = (loud.run(jnp.asarray(CUE), key=jr.key(k)).spikes for k in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_array_equal(
        loud.run(jnp.asarray(CUE)).spikes, reservoir.run(jnp.asarray(CUE)).spikes
    )


def test_half_the_step_keeps_currents_and_rates_on_their_scale():
    rates = []
    for dt in (1.0, 0.5):
        net = IzhikevichReservoir(200, g=0.0, dt=dt, key=jr.key(0))
        inputs = jnp.asarray(np.repeat(CUE, round(1 / dt), axis=0))
        rates.append(float(net.run(inputs).rates[-round(100 / dt) :].mean()))
    # Without recurrence the same neurons fire about as much; the scheme itself differs by dt.
    np.testing.assert_allclose(rates[0], rates[1], rtol=0.15)


@pytest.mark.parametrize("bad", [{"n": 1}, {"n": 10, "p": 0.0}, {"n": 10, "excitatory": 1.5}])
def test_a_network_that_makes_no_sense_is_refused(bad):
    with pytest.raises(ValueError, match="make no network"):
        IzhikevichReservoir(**bad, key=jr.key(0))


def test_inputs_with_other_columns_are_refused(reservoir):
    with pytest.raises(ValueError, match="columns"):
        reservoir.run(jnp.zeros((5, 2)))
